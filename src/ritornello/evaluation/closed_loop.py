"""The closed loop: policies play against the same simulated listeners with the same luck, from the end of the log on.

Every listener has one life per policy, which begins with the same memories; sessions, moods and all draws are the same,
so that differences are the policies' own (common random numbers). Simulated, always.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from rich.progress import Progress

from ritornello import scenes
from ritornello.artifacts import Workspace
from ritornello.bundle import load_current, read_bundle
from ritornello.contracts import Int64
from ritornello.data.ids import rows_of
from ritornello.data.prepare import Prepared, load_prepared
from ritornello.data.simulate import world_folder
from ritornello.data.sources.simulator.catalogue import Catalogue
from ritornello.data.sources.simulator.generate import Described, live_through, load_world, read_world, workers
from ritornello.data.sources.simulator.listeners import Listeners, groups
from ritornello.data.sources.simulator.log import Log
from ritornello.data.sources.simulator.world import World
from ritornello.evaluation.loop_figures import (
    GROUPS,
    NEWCOMER,
    ORACLE,
    figures_of,
    first_heard,
    group_size,
    regret,
    totals,
)
from ritornello.evaluation.loop_policies import BUNDLES, CHANNEL_ONLY, LIVE, POLICIES, Shop, make_policy
from ritornello.pipeline import Pipeline
from ritornello.schema import TRACK_ID, USER_ID

OFFERED_SHARE = 0.8  # of the listening: the scene is where the listeners are
JOB_LISTENERS = 280
REFERENCE = "popular"  # what every other policy is compared with, where it takes part
SERVED = ""
NEWCOMERS = 0.1  # as many listeners again come who are not in the log


@dataclass(frozen=True, kw_only=True, slots=True)
class Loop:
    """A run of the closed loop: whose lives, under which policies, for how long."""

    root: Path
    policies: tuple[str, ...]
    days: int
    scene: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Entered:
    """What a worker process holds: the world, and a shop per bundle."""

    loop: Loop
    world: World
    catalogue: Catalogue
    shops: dict[str, Shop]


def evaluate_loop(  # the options of the command, by their names
    workspace: Workspace,
    *,
    policies: tuple[str, ...],
    days: int,
    scene: str,
    listeners: int,
    processes: int,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Let policies play against the same listeners and return what each does for them, beside `popular` or the first.

    Raises:
        ValueError: for unknown policies, or a workspace without a simulated world, or without a bundle where one is asked.
    """
    check_policies(policies)
    check_scene(scene)
    described = read_world(world_folder(workspace))
    loop = Loop(root=workspace.root, policies=policies, days=days, scene=scene)
    id_U = choose_listeners(described.world, listeners)
    started = perf_counter()
    lived = pl.concat(run_loop(loop, id_U, processes=processes, progress=progress))
    reference = REFERENCE if REFERENCE in policies else policies[0]
    sizes = {"listeners": len(id_U), "newcomers": int((id_U > described.world.listeners).sum()), "days": days}
    figures = figures_of(lived, policies, reference=reference)
    return {
        "protocol": "closed_loop",
        "simulated": described.label,
        "scene": scene,
        "reference": reference,
        "stats": sizes,
        "groups": {group: group_size(lived, policies[0], group) for group in GROUPS},
        **figures,
        "regret": regret(lived, policies) if ORACLE in policies else {},
        "seconds": {"loop": round(perf_counter() - started, 2), **seconds_of(lived)},
    }


def seconds_of(lived: pl.DataFrame) -> dict[str, float]:
    """Return the seconds that each policy's lives took, over all processes."""
    spent = lived.group_by("policy", maintain_order=True).agg(pl.col("seconds").sum().round(2))
    return dict(spent.iter_rows())


def run_loop(
    loop: Loop, id_U: Int64, *, processes: int, progress: Progress | None = None, name: str = "closed loop"
) -> Generator[pl.DataFrame]:
    """Yield, job by job, each listener's totals under each policy."""
    open_loop(loop)  # what is wrong is said here, in one line, and not by every worker
    jobs = [id_U[start : start + JOB_LISTENERS] for start in range(0, len(id_U), JOB_LISTENERS)]
    task = progress.add_task(name, total=len(id_U)) if progress else None
    with workers(min(processes, len(jobs)), enter, loop) as pool:
        running = [pool.submit(live, id_B) for id_B in jobs]
        try:
            for job, id_B in zip(running, jobs, strict=True):
                yield job.result()
                if progress and task is not None:
                    progress.advance(task, len(id_B))
        finally:
            for job in running:
                job.cancel()


def choose_listeners(world: World, count: int) -> Int64:
    """Return the ids of some listeners of the log, and of as many newcomers as come meanwhile."""
    known = min(count, world.listeners)
    step = world.listeners / known
    chosen_U = 1 + (np.arange(known) * step).astype(np.int64)
    later_U = np.arange(world.listeners + 1, world.listeners + 1 + max(1, round(NEWCOMERS * known)))
    mixed_U = np.concatenate([chosen_U, later_U])
    return np.random.default_rng((world.seed, 7)).permutation(mixed_U)


ENTERED: dict[str, Entered] = {}


def enter(loop: Loop) -> None:
    """Open the world and the bundles in a worker process."""
    ENTERED["loop"] = open_loop(loop)


def open_loop(loop: Loop) -> Entered:
    """Open the world, the log and the bundles of a run.

    Raises:
        ValueError: when the workspace has no simulated world, or no bundle where one is needed.
    """
    workspace = Workspace(loop.root)
    described, catalogue, names = load_world(world_folder(workspace))
    versions, shops = bundle_versions(loop.policies), {}
    if versions or needs_bundle(loop.policies):
        prepared = load_prepared(workspace)
        pipelines = {version: read_bundle(workspace.bundles / version, prepared).pipeline for version in versions}
        if needs_bundle(loop.policies):
            pipelines[SERVED] = load_current(workspace, prepared).pipeline
            check_channels(loop.policies, pipelines[SERVED])
        shops = {
            name: make_shop(pipeline, prepared, described, names, loop.scene) for name, pipeline in pipelines.items()
        }
    return Entered(loop=loop, world=described.world, catalogue=catalogue, shops=shops)


def check_channels(policies: tuple[str, ...], pipeline: Pipeline) -> None:
    """Refuse a policy of one channel that the bundle was trained without.

    Raises:
        ValueError: naming the channels that it has.
    """
    missing = [name for name in policies if name in CHANNEL_ONLY and name not in pipeline.channels]
    if missing:
        raise ValueError(f"the bundle has no channel {', '.join(missing)}; it has {', '.join(pipeline.channels)}")


def check_scene(scene: str) -> None:
    """Refuse a scene that does not exist, whether or not a policy would play it.

    Raises:
        ValueError: naming the allowed ones.
    """
    if scene != "none":
        scenes.make(scene)


def bundle_versions(policies: tuple[str, ...]) -> list[str]:
    """Return those of the policies that are bundles by their version."""
    return [name for name in policies if name not in POLICIES]


def needs_bundle(policies: tuple[str, ...]) -> bool:
    """Tell whether any of the policies is made from the served bundle."""
    return any(name in (*BUNDLES, *CHANNEL_ONLY) for name in policies)


def make_shop(
    pipeline: Pipeline, prepared: Prepared, described: Described, names: pl.DataFrame | None, scene: str
) -> Shop:
    """Translate between the world's rows and the log's."""
    world = described.world
    tracks = pl.Series(TRACK_ID, np.arange(1, world.tracks + 1)) if names is None else names[TRACK_ID]
    row_T = rows_of(tracks, prepared.track_ids)
    track_R = np.full(len(prepared.track_ids) + 1, -1, np.int32)
    track_R[row_T] = np.arange(len(row_T), dtype=np.int32)
    track_R[0] = -1
    newcomers = world.listeners + 1 + np.arange(world.listeners)
    listeners = pl.Series(USER_ID, np.concatenate([np.arange(world.listeners + 1), newcomers]))
    return Shop(
        pipeline=pipeline,
        known=prepared.sequences,
        user_of_id=rows_of(listeners, prepared.user_ids),
        row_T=row_T,
        track_R=track_R,
        scene=None if scene == "none" else scenes.make(scene),
    )


def live(id_B: Int64) -> pl.DataFrame:
    """Let some listeners live once under each policy; return their totals."""
    return live_in(ENTERED["loop"], id_B)


def live_in(entered: Entered, id_B: Int64) -> pl.DataFrame:
    """Let some listeners live once under each policy; return their totals, a row per listener and policy."""
    world, catalogue, loop = entered.world, entered.catalogue, entered.loop
    engine, past = live_through(world, catalogue, id_B)
    engine.offered_share = OFFERED_SHARE
    heard = first_heard(past, catalogue)
    members = group_table(world, engine.listeners)
    lived = []
    for name in loop.policies:
        started = perf_counter()
        twin, log = engine.fork(), Log()
        shop = entered.shops.get(name, entered.shops.get(SERVED))
        policy = make_policy(LIVE if name in entered.shops else name, twin, shop)
        twin.run(policy, log, world.days, world.days + loop.days)
        table = totals(log.rows(), catalogue, heard, id_B)
        lived.append(
            table.with_columns(policy=pl.lit(name), seconds=pl.lit((perf_counter() - started) / len(id_B))).join(
                members, on=USER_ID, how="left", maintain_order="left"
            )
        )
    return pl.concat(lived)


def group_table(world: World, listeners: Listeners) -> pl.DataFrame:
    """Return which groups each listener belongs to; newcomers are those of whom the log knows nothing."""
    is_newcomer_B = listeners.id_B > world.listeners
    members = {name: is_member_B & ~is_newcomer_B for name, is_member_B in groups(world, listeners).items()}
    return pl.DataFrame({USER_ID: listeners.id_B, **members, NEWCOMER: is_newcomer_B})


def check_policies(names: tuple[str, ...]) -> None:
    """Refuse policies that do not exist, or occur twice.

    Raises:
        ValueError: naming the allowed ones.
    """
    unknown = [name for name in names if name not in POLICIES]
    if unknown or not names or len(set(names)) < len(names):
        found = ", ".join(names) or "none"
        raise ValueError(f"--policies: found {found}; allowed are different ones of {', '.join(POLICIES)}")
