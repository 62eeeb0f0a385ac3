"""Bundles: a trained pipeline as one immutable folder, published by naming it in `bundles/current`.

The version names the content: training twice on the same log gives the same bundle. A bundle only serves the ids it was trained
on: rows are numbered by first appearance, so a log that grew still agrees with an older bundle, one that was replaced does not.
"""

import json
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from ritornello import rank, recall, smoke
from ritornello.artifacts import (
    Workspace,
    map_arrays,
    read_manifest,
    replace_folder,
    save_arrays,
    write_atomic,
    write_manifest,
)
from ritornello.config import Config
from ritornello.contracts import Spaces
from ritornello.data.features import TrackStats
from ritornello.data.ids import hash_ids
from ritornello.data.logged_scenes import LoggedScenes
from ritornello.data.prepare import Prepared, load_prepared
from ritornello.pipeline import Pipeline
from ritornello.schema import ALBUM_ID, ARTIST_ID, GENRE, TRACK_ID

TRACKS_FILE, WEIGHTS = "tracks.parquet", "weights"
DESCRIBED = (TRACK_ID, ARTIST_ID, ALBUM_ID, GENRE)
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")  # a folder's plain name: nothing outside `bundles/` is ever read


class Facts(msgspec.Struct, frozen=True):
    """What a manifest says of its bundle."""

    at: int
    num_tracks: int
    num_users: int
    track_ids_hash: str
    user_ids_hash: str
    config: Config
    ranked_at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A pipeline that can serve, its version, the moment it was trained for and the one its rankers were (UTC ms).

    `tracks` are those it knows, in the order of their rows, with artist, album and genre as they were then.
    """

    version: str
    at: int
    pipeline: Pipeline
    config: Config
    tracks: pl.DataFrame
    ranked_at: int


def publish(  # what a bundle is made of
    workspace: Workspace,
    pipeline: Pipeline,
    config: Config,
    prepared: Prepared,
    at: int,
    *,
    ranked_at: int | None = None,
) -> str:
    """Write the pipeline as a bundle, check that it reads back and answers, and make it the served one; return its version.

    Its rankers were trained for `at` too, unless an earlier moment is given.

    Raises:
        ValueError: when it does not: what was served goes on.
    """
    num_tracks = len(pipeline.stats.value_TF) - 1
    with workspace.lock():
        draft = workspace.bundles / ".draft"
        with replace_folder(draft) as folder:
            write_pipeline(folder, pipeline)
            prepared.tracks.head(num_tracks).select(DESCRIBED).write_parquet(folder / TRACKS_FILE)
            facts: dict[str, object] = {
                "at": at,
                "ranked_at": at if ranked_at is None else ranked_at,
                "num_tracks": num_tracks,
                "num_users": len(prepared.user_ids),
                "track_ids_hash": hash_ids(prepared.track_ids.head(num_tracks)),
                "user_ids_hash": hash_ids(prepared.user_ids),
                "config": msgspec.to_builtins(config),
                "rankers": sorted(pipeline.rankers),
            }
            write_manifest(folder, facts)
            content = sha256((folder / "manifest.json").read_bytes()).hexdigest()[:10]
        version = f"{datetime.fromtimestamp(at / 1000, UTC):%Y%m%d-%H%M%S}-{content}"
        try:
            check_answers(draft, version, prepared)
        except ValueError:
            shutil.rmtree(draft)
            raise
        place(draft, workspace.bundles / version)
        write_atomic(workspace.bundles / "current", version)
    return version


def check_answers(folder: Path, version: str, prepared: Prepared) -> None:
    """Read a bundle as a service does, and refuse it where it cannot answer requests.

    Raises:
        ValueError: naming the bundle and what went wrong.
    """
    try:
        smoke.check(read_bundle(folder, prepared).pipeline, prepared)
    except Exception as error:  # of whatever kind: nobody is to be served by it
        what = error if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(f"bundle {version} is not published: {what}") from error


def place(draft: Path, folder: Path) -> None:
    """Move a draft to its name; a sound bundle of that name is the same and stays, a damaged one makes room."""
    try:
        read_manifest(folder)
    except ValueError:
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    else:
        shutil.rmtree(draft)


def write_pipeline(folder: Path, pipeline: Pipeline) -> None:
    """Write every channel, ranker and the track statistics."""
    for name, channel in pipeline.channels.items():
        save_arrays(folder / "channels" / name, channel.arrays())
        if isinstance(channel, recall.Resumed) and (weights := channel.weights()):
            save_arrays(folder / WEIGHTS / name, weights)
    (folder / "rankers").mkdir()
    for task, ranker in pipeline.rankers.items():
        np.savez(folder / "rankers" / f"{task}.npz", **ranker.arrays())  # type: ignore[arg-type]  # read as the flag
    stats = pipeline.stats
    save_arrays(folder / "stats", {"value_TF": stats.value_TF, "artist_T": stats.artist_T})
    means = {f"mean_{place}": mean_SD for place, mean_SD in enumerate(pipeline.spaces.mean_ASD)}
    places = {"place_TD": pipeline.spaces.place_TD, "attribute_TA": pipeline.spaces.attribute_TA}
    save_arrays(folder / "spaces", {**places, **means})
    described = {
        "names": stats.names,
        "clock": stats.clock,
        "quotas": {task: dict(quotas) for task, quotas in pipeline.quotas.items()},
        "next_quota": pipeline.next_quota,
        "scenes": {"names": pipeline.scenes.names, "known_as": dict(pipeline.scenes.known_as)},
    }
    (folder / "pipeline.json").write_text(json.dumps(described))


def load_current(workspace: Workspace, prepared: Prepared) -> Bundle:
    """Load the bundle that `current` names.

    Raises:
        ValueError: when there is none, or it is corrupt, or it belongs to other ids.
    """
    version = current_version(workspace)
    if not version:
        raise ValueError(f"{workspace.root} has no trained bundle: run `ritornello train {workspace.root}` first")
    return read_bundle(workspace.bundles / version, prepared)


def current_version(workspace: Workspace) -> str:
    """Return the version that `current` names, or nothing where there is none.

    Raises:
        ValueError: when what it says is no name of a folder beside it.
    """
    current = workspace.bundles / "current"
    if not current.is_file():
        return ""
    version = current.read_text(encoding="utf-8", errors="replace").strip()
    if not VERSION.fullmatch(version):
        raise ValueError(f"{current} names no bundle: found {version[:40]!r}; run `ritornello bundles publish VERSION`")
    return version


def read_bundle(folder: Path, prepared: Prepared) -> Bundle:
    """Read and check one bundle against its manifest and the workspace's ids."""
    facts = read_facts(folder)
    ids = (
        ("track", prepared.track_ids, facts.num_tracks, facts.track_ids_hash),
        ("user", prepared.user_ids, facts.num_users, facts.user_ids_hash),
    )
    for what, known, number, expected in ids:
        if hash_ids(known.head(number)) != expected:
            raise ValueError(
                f"bundle {folder.name} was trained on other {what} ids than {prepared.folder} holds: the bundle is stale, "
                "run `ritornello train` again"
            )
    return bundle_of(folder, facts)


def read_facts(folder: Path) -> Facts:
    """Read and check a bundle's manifest, and every file against it."""
    try:
        return msgspec.convert(read_manifest(folder), Facts)
    except msgspec.ValidationError as error:
        raise ValueError(f"bundle {folder.name} is corrupt: manifest.json: {error}; train again") from error


def bundle_of(folder: Path, facts: Facts) -> Bundle:
    """Read a bundle whose manifest has been checked."""
    try:
        pipeline = read_pipeline(folder, facts.config)
        tracks = pl.read_parquet(folder / TRACKS_FILE)
    except (KeyError, OSError) as error:
        raise ValueError(f"bundle {folder.name} lacks {error}: it is of another version, train again") from error
    return Bundle(
        version=folder.name,
        at=facts.at,
        pipeline=pipeline,
        config=facts.config,
        tracks=tracks,
        ranked_at=facts.ranked_at,
    )


def read_pipeline(folder: Path, config: Config) -> Pipeline:
    """Read what `write_pipeline` wrote."""
    described = json.loads((folder / "pipeline.json").read_text())
    channels = {
        name: recall.make(name, config.recall.settings.get(name)).restore(map_arrays(folder / "channels" / name))
        for name in config.recall.channels
    }
    rankers = {}
    for path in sorted((folder / "rankers").glob("*.npz")):
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        settings = rank.settings_for(config.rank.model, path.stem, config.rank.settings.get(path.stem, {}))
        rankers[path.stem] = rank.make(config.rank.model, settings).restore(arrays)
    counted, placed = map_arrays(folder / "stats"), map_arrays(folder / "spaces")
    stats = TrackStats(
        names=tuple(described["names"]),
        value_TF=counted["value_TF"].astype(np.float32, copy=False),
        artist_T=counted["artist_T"].astype(np.int32, copy=False),
        clock=described["clock"],
    )
    spaces = Spaces(
        place_TD=placed["place_TD"].astype(np.float32, copy=False),
        attribute_TA=placed["attribute_TA"].astype(np.int32, copy=False),
        mean_ASD=tuple(
            placed[name].astype(np.float32, copy=False) for name in sorted(placed) if name.startswith("mean_")
        ),
    )
    return Pipeline(
        channels=channels,
        quotas=described["quotas"],
        next_quota=described["next_quota"],
        stats=stats,
        rankers=rankers,
        spaces=spaces,
        scenes=LoggedScenes(names=tuple(described["scenes"]["names"]), known_as=described["scenes"]["known_as"]),
    )


def list_bundles(workspace: Workspace) -> list[tuple[str, bool]]:
    """Return the versions, oldest publication first, and whether each is served."""
    try:
        served = current_version(workspace)
    except ValueError:
        served = ""  # a damaged `current` must not keep anyone from choosing another bundle
    folders = [
        path.parent for path in workspace.bundles.glob("*/manifest.json") if not path.parent.name.startswith(".")
    ]
    folders.sort(key=lambda folder: ((folder / "manifest.json").stat().st_mtime_ns, folder.name))
    return [(folder.name, folder.name == served) for folder in folders]


def previous(workspace: Workspace) -> str:
    """Return the version published before the served one; the last, if none is served.

    Raises:
        ValueError: when there is none.
    """
    known = list_bundles(workspace)
    served = next((index for index, (_, is_served) in enumerate(known) if is_served), len(known))
    if served == 0:
        raise ValueError("there is no bundle before the served one to go back to")
    return known[served - 1][0]


def switch(workspace: Workspace, version: str | None) -> str:
    """Serve another bundle: the version named, or the one published before the served one (the last, if none is served).

    Raises:
        ValueError: when there is no such bundle, or it is corrupt, stale, or does not answer: what was served goes on.
    """
    if not workspace.bundles.is_dir():
        raise ValueError(f"{workspace.root} has no trained bundle: run `ritornello train {workspace.root}` first")
    with workspace.lock():
        version = version or previous(workspace)
        names = [name for name, _ in list_bundles(workspace)]
        if version not in names:
            raise ValueError(f"no bundle {version!r}; there are {', '.join(names) or 'none'}")
        check_answers(workspace.bundles / version, version, load_prepared(workspace))
        write_atomic(workspace.bundles / "current", version)
    return version
