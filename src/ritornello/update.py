"""Update: go on from the published bundle, on all events to now, instead of training from nothing.

What is counted, linked or factorised is fitted anew, which is cheap. Learned channels go on from their weights on the windows
that hold something new. Rankers and quotas stay, with the scenes that they know: they weigh what channels say, which changes in
months and not in days.
Rows are numbered by first appearance, so older events that were added later, or a forgotten user, move them: what was
learned is moved along, by identifiers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from ritornello import bundle
from ritornello.artifacts import Workspace, map_arrays
from ritornello.bundle import Bundle
from ritornello.config import Config
from ritornello.contracts import Float32, Int32
from ritornello.data import split
from ritornello.data.ids import distinct_values, moved
from ritornello.data.kin import ATTRIBUTES, PLACES
from ritornello.data.knowledge import Knowledge
from ritornello.data.prepare import Prepared, load_prepared
from ritornello.data.sequence import Sequences
from ritornello.pipeline import Pipeline
from ritornello.request import newest_moment
from ritornello.runs import Run, Start, running
from ritornello.schema import ALBUM_ID, ARTIST_ID, GENRE, TRACK_ID
from ritornello.train.recall import fit_recall

SAME_SHARE = 0.5  # of a bundle's tracks: with fewer of them the catalogue is another one

Rows = Mapping[str, Int32]  # by kind: where what was in a row is now


@dataclass(frozen=True, kw_only=True, slots=True)
class Updated:
    """What an update did: from which bundle to which, on how many new events, with how many new tracks."""

    before: str
    version: str
    events: int
    tracks: int
    ranked_at: int
    pipeline: Pipeline


def update(workspace: Workspace, asked: Config | None, *, progress: Progress | None = None) -> Updated:
    """Bring the published bundle up to date and publish it; `asked` is a configuration where one was given.

    Raises:
        ValueError: when there is no bundle to go on from, or none that fits: of another configuration, catalogue or log.
    """
    prepared = load_prepared(workspace)
    at = newest_moment(prepared)
    earlier, row_of = open_earlier(workspace, prepared)
    check(earlier, asked, prepared, at, row_of)
    starts = read_starts(workspace, earlier, row_of)
    spaces = replace(earlier.pipeline.spaces, place_TD=move(earlier.pipeline.spaces.place_TD, row_of["track"]))
    learned = replace(earlier.pipeline, spaces=spaces)
    with running(Run(folder=workspace.runs, progress=progress)):
        pipeline = go_on(learned, starts, prepared.sequences, at, earlier.config, prepared.knowledge)
    version = bundle.publish(workspace, pipeline, earlier.config, prepared, at, ranked_at=earlier.ranked_at)
    return Updated(
        before=earlier.version,
        version=version,
        events=int((prepared.sequences.at_E >= earlier.at).sum()),
        tracks=len(pipeline.stats.value_TF) - 1 - int(np.count_nonzero(row_of["track"])),
        ranked_at=earlier.ranked_at,
        pipeline=pipeline,
    )


def go_on(  # what training needs, in the order of its use
    earlier: Pipeline, starts: Mapping[str, Start], sequences: Sequences, at: int, config: Config, knowledge: Knowledge
) -> Pipeline:
    """Return a pipeline as of `at` with what an earlier one has learned, in the rows of today.

    Raises:
        ValueError: when the catalogue tells other things of tracks than it did.
    """
    fitted = fit_recall(split.before(sequences, at), at, config, knowledge, onto=earlier.spaces, starts=starts)
    told, now = bool(earlier.stats.artist_T.any()), bool(fitted.stats.artist_T.any())
    if told != now:
        raise ValueError(
            f"the catalogue names {'artists' if now else 'no artists'} now, and {'did' if told else 'did not'} when the "
            "rankers were trained: they would read other features; train without --update"
        )
    return replace(fitted, rankers=earlier.rankers, quotas=earlier.quotas, scenes=earlier.scenes)


def open_earlier(workspace: Workspace, prepared: Prepared) -> tuple[Bundle, Rows]:
    """Read the published bundle, in the rows that it was trained with, and where these are now.

    Raises:
        ValueError: when there is none, or it is corrupt.
    """
    version = bundle.current_version(workspace)
    if not version:
        raise ValueError(f"{workspace.root} has no bundle to go on from: run `ritornello train {workspace.root}` first")
    folder = workspace.bundles / version
    earlier = bundle.bundle_of(folder, bundle.read_facts(folder))
    old, new = earlier.tracks, prepared.tracks
    rows = {"track": moved(old[TRACK_ID], new[TRACK_ID])}
    for kind, column in zip(ATTRIBUTES, (ARTIST_ID, ALBUM_ID, GENRE), strict=True):
        rows[kind] = moved(distinct_values(old[column]), distinct_values(new[column]))
    return earlier, rows


def check(earlier: Bundle, asked: Config | None, prepared: Prepared, at: int, row_of: Rows) -> None:
    """Refuse what an update cannot bridge.

    Raises:
        ValueError: naming what differs.
    """
    way_out = "train without --update"
    if asked is not None and (found := difference(msgspec.to_builtins(asked), msgspec.to_builtins(earlier.config))):
        raise ValueError(f"an update keeps the configuration of bundle {earlier.version}: {found}; {way_out}")
    if at < earlier.at:
        raise ValueError(
            f"the log ends at {at - 1} (UTC ms), before bundle {earlier.version}, which has learned up to {earlier.at - 1}: "
            f"it is another log; {way_out}"
        )
    num_old = len(earlier.tracks)
    num_kept = int(np.count_nonzero(row_of["track"]))
    if num_kept < SAME_SHARE * num_old:
        raise ValueError(
            f"bundle {earlier.version} knows {num_old:,} tracks, of which {prepared.folder.parent} has {num_kept:,}: the "
            f"catalogue is another one; {way_out}"
        )


def difference(asked: object, kept: object, name: str = "") -> str:
    """Say where two configurations differ first, or nothing.

    >>> difference({"recall": {"quota": 5}}, {"recall": {"quota": 200}})
    'recall.quota is 200, asked for is 5'
    """
    if isinstance(asked, dict) and isinstance(kept, dict):
        for key in dict.fromkeys((*asked, *kept)):
            if found := difference(asked.get(key), kept.get(key), f"{name}.{key}" if name else key):
                return found
        return ""
    return "" if asked == kept else f"{name} is {kept}, asked for is {asked}"


def read_starts(workspace: Workspace, earlier: Bundle, row_of: Rows) -> dict[str, Start]:
    """Return what each learned channel goes on from, its rows where they are now."""
    folder = workspace.bundles / earlier.version / bundle.WEIGHTS
    starts: dict[str, Start] = {}
    for name in earlier.pipeline.channels:
        if (folder / name).is_dir():
            weights = {key: of_today(key, value, row_of) for key, value in map_arrays(folder / name).items()}
            starts[name] = Start(name=earlier.version, weights=weights, since=earlier.at)
    return starts


def of_today(name: str, value: NDArray[np.generic], row_of: Rows) -> NDArray[np.generic]:
    """Return a weight with its rows moved, where these are tracks or what tracks share."""
    if name in (PLACES, "item.track.weight"):
        return move(np.asarray(value, np.float32), row_of["track"])
    for kind in ATTRIBUTES:
        if name == f"item.attributes.{kind}.weight":
            return move(np.asarray(value, np.float32), row_of[kind])
    return value


def move(value_SE: Float32, row_S: Int32) -> Float32:
    """Return values whose row s lies in row `row_S[s]` now, zeros in between; what is gone is left out."""
    row_S = row_S[: len(value_SE)]
    moved_SE = np.zeros((int(row_S.max(initial=0)) + 1, *value_SE.shape[1:]), np.float32)
    moved_SE[row_S[row_S > 0]] = value_SE[: len(row_S)][row_S > 0]
    return moved_SE
