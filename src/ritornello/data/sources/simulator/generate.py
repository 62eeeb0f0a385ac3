"""From a world to its logs: shards of listeners, each simulated alone, streamed to Parquet by several processes.

What a shard holds depends on the world alone, so that the same world gives the same bytes on any number of processes.
"""

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from rich.progress import Progress

from ritornello.contracts import Int64
from ritornello.data.sources.simulator.catalogue import Catalogue, build_catalogue
from ritornello.data.sources.simulator.catalogue_tables import write_tables
from ritornello.data.sources.simulator.engine import Engine
from ritornello.data.sources.simulator.given_catalogue import read_given
from ritornello.data.sources.simulator.listeners import Listeners, groups, listener_keys, sessions_a_day
from ritornello.data.sources.simulator.log import Log, LogRows, event_table, truth_table
from ritornello.data.sources.simulator.policy import Mixture
from ritornello.data.sources.simulator.world import VERSION, World
from ritornello.schema import TRACK_ID, USER_ID, Action

EVENTS, CATALOGUE, TRUTH, WORLD_FILE = "events", "catalogue", "truth", "world.json"
SHARD_SESSIONS = 160_000  # expected in a shard, at most: it bounds the memory of a process
LEAST_SHARDS = 4  # so that a small world has work for several processes
ROW_GROUP = 250_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Generated:
    """What a world's folder holds."""

    label: str
    folder: Path
    events: int
    plays: int

    @property
    def event_files(self) -> list[Path]:
        """The log, a file per shard."""
        return sorted((self.folder / EVENTS).glob("*.parquet"))

    @property
    def tracks_file(self) -> Path:
        """The table of tracks."""
        return self.folder / CATALOGUE / "tracks.parquet"

    @property
    def table_files(self) -> list[Path]:
        """The tables of the catalogue that have rows: a small world may be without playlists."""
        tables = sorted((self.folder / CATALOGUE).glob("*.parquet"))
        return [path for path in tables if pl.scan_parquet(path).select(pl.len()).collect().item()]


class Described(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `world.json` says: the world, and the version and hash of its rules."""

    label: str
    version: int
    rules: str
    world: World
    given: str | None
    events: int
    plays: int


def generate(
    world: World,
    folder: Path,
    *,
    given: Path | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Generated:
    """Write catalogue, log, truth and the description of the world into an empty folder.

    Raises:
        ValueError: when a catalogue is given that cannot be read.
    """
    catalogue, names = load_catalogue(world, given)
    for part in (EVENTS, TRUTH):
        (folder / part).mkdir(parents=True)
    if given is not None:  # the world is entered again later, when the file may have changed
        shutil.copyfile(given, folder / given_name(given))
    write_tables(catalogue, folder / CATALOGUE, seed=world.seed, start_ms=world.start_ms, names=names)
    parts = shards(world)
    task = progress.add_task("simulate", total=world.listeners) if progress else None
    counts = []
    with workers(min(processes or num_cores(), len(parts)), enter, world, given) as pool:
        jobs = [pool.submit(write_shard, folder, number, id_B) for number, id_B in enumerate(parts)]
        for job, id_B in zip(jobs, parts, strict=True):
            counts.append(job.result())
            if progress and task is not None:
                progress.advance(task, len(id_B))
    described = Described(
        label=world.label,
        version=VERSION,
        rules=world.rules_hash,
        world=world,
        given=None if given is None else given_name(given),
        events=sum(events for events, _ in counts),
        plays=sum(plays for _, plays in counts),
    )
    (folder / WORLD_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(described)))
    return generated(folder)


def given_name(given: Path) -> str:
    """Return under which name a world keeps the catalogue that it was built over."""
    return f"given{given.suffix}"


def load_world(folder: Path) -> tuple[Described, Catalogue, pl.DataFrame | None]:
    """Return the world that a folder holds, with its catalogue, and its names where these were given.

    Raises:
        ValueError: when there is none, or it is damaged, or of other rules.
    """
    described = read_world(folder)
    catalogue, names = load_catalogue(described.world, None if described.given is None else folder / described.given)
    return described, catalogue, names


def generated(folder: Path) -> Generated:
    """Return what a folder that `generate` filled holds."""
    described = read_world(folder)
    return Generated(label=described.label, folder=folder, events=described.events, plays=described.plays)


def load_catalogue(world: World, given: Path | None) -> tuple[Catalogue, pl.DataFrame | None]:
    """Return the world's catalogue, with its names where it was given."""
    return (build_catalogue(world), None) if given is None else read_given(given, world)


def read_world(folder: Path, *, any_rules: bool = False) -> Described:
    """Read what `generate` wrote about its world; one of other rules can be named, but not entered.

    Raises:
        ValueError: when it is missing, damaged, or of other rules than this version's.
    """
    path = folder / WORLD_FILE
    if not path.is_file():
        raise ValueError(
            f"there is no simulated world in {folder.parent}: run `ritornello simulate {folder.parent}` first"
        )
    try:
        described = msgspec.json.decode(path.read_bytes(), type=Described)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path} is damaged ({error}): simulate into a new workspace") from error
    if not any_rules and (described.version, described.rules) != (VERSION, described.world.rules_hash):
        raise ValueError(
            f"{path} was made by rules v{described.version}-{described.rules}, this version has "
            f"v{VERSION}-{described.world.rules_hash}: simulate into a new workspace"
        )
    return described


def shards(world: World) -> list[Int64]:
    """Return the listeners of each shard, by id; who listens about as much is simulated together, the busiest first.

    All of a shard take their steps at once, so that a shard lasts as long as its busiest listener.
    """
    id_U = np.arange(1, world.listeners + 1, dtype=np.int64)
    rate_U = sessions_a_day(world, listener_keys(world, id_U))
    order_U = np.lexsort((id_U, -rate_U))
    expected_U = np.cumsum(rate_U[order_U]) * world.days
    num_shards = min(world.listeners, max(LEAST_SHARDS, int(np.ceil(expected_U[-1] / SHARD_SESSIONS))))
    shard_U = np.minimum((expected_U / expected_U[-1] * num_shards).astype(np.int64), num_shards - 1)
    return [np.sort(id_U[order_U[shard_U == shard]]) for shard in np.unique(shard_U)]


def live_through(world: World, catalogue: Catalogue, id_B: Int64) -> tuple[Engine, LogRows]:
    """Let some listeners live through the log under the logging policy; return their state at its end, and what happened."""
    engine, log = Engine(world, catalogue, id_B), Log()
    policy = Mixture(catalogue, world.logging, len(id_B), start_ms=world.start_ms)
    engine.run(policy, log, 0, world.days)
    return engine, log.rows()


def num_cores() -> int:
    """Return how many processes run side by side."""
    return os.cpu_count() or 1


@contextmanager
def workers(processes: int, enter: Callable[..., None], *arguments: object) -> Iterator[Executor]:
    """Give fresh processes that have entered a world; each has one thread, for there is one process per core."""
    kept = os.environ.get("POLARS_MAX_THREADS")
    os.environ["POLARS_MAX_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(processes, mp_context=context, initializer=enter, initargs=arguments) as pool:
            yield pool
    finally:
        if kept is None:
            del os.environ["POLARS_MAX_THREADS"]
        else:
            os.environ["POLARS_MAX_THREADS"] = kept


ENTERED: dict[str, tuple[World, Catalogue, pl.Series | None]] = {}  # a worker process builds its catalogue once


def enter(world: World, given: Path | None) -> None:
    """Build the world in a worker process."""
    catalogue, names = load_catalogue(world, given)
    ENTERED["world"] = (world, catalogue, None if names is None else names[TRACK_ID])


def write_shard(folder: Path, number: int, id_B: Int64) -> tuple[int, int]:
    """Simulate one shard and write its log and its truth; return its events and plays."""
    world, catalogue, track_ids = ENTERED["world"]
    engine, rows = live_through(world, catalogue, id_B)
    events = event_table(rows, track_ids)
    name = f"part-{number:05}.parquet"
    events.write_parquet(folder / EVENTS / name, row_group_size=ROW_GROUP)
    truth_table(rows).write_parquet(folder / TRUTH / f"events-{name}", row_group_size=ROW_GROUP)
    listener_table(world, engine.listeners).write_parquet(folder / TRUTH / f"listeners-{name}")
    return len(events), int((rows.action_R == Action.PLAY).sum())


def listener_table(world: World, listeners: Listeners) -> pl.DataFrame:
    """Return who the listeners really are."""
    return pl.DataFrame(
        {
            USER_ID: listeners.id_B,
            "sessions_a_day": listeners.rate_B,
            "joined_day": listeners.joined_day_B,
            "patience": listeners.patience_B,
            "language": listeners.language_B,
            "interest_genre": listeners.genre_BK,
            "interest_weight": listeners.weight_BK,
            "interest_period_days": listeners.period_days_BK,
            **groups(world, listeners),
        }
    )
