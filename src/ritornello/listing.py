"""Lists as people take them away: what may be asked of which scene, tables of playlists, and files for players.

P (row, rank) pairs.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from ritornello.artifacts import write_atomic
from ritornello.contracts import Slate
from ritornello.data.graph import PLAYLIST
from ritornello.formats import FORMATS, ListedTrack, TrackList, written
from ritornello.request import Served
from ritornello.rerank.rules import Block, Rules
from ritornello.scenes import SCENES
from ritornello.scenes.playlists import RankedPlaylists
from ritornello.schema import (
    ALBUM_ID,
    ARTIST_ID,
    ARTIST_NAME,
    PLAYLIST_ID,
    RANK,
    SCORE,
    TITLE,
    TRACK_ID,
    TRACK_MS,
    USER_ID,
)

SUFFIXES = (".parquet", *FORMATS)
FOR_ALL = ("similar", "playlists", "themed")  # scenes that also answer nobody in particular
ONLY_FOR = {
    "--theme": ("themed",),
    "--text-model": ("themed",),
    "--playlist": ("playlists",),
    "--time-zone": ("daily_mix",),
}


def check_asked(scene: str, given: Mapping[str, object]) -> None:
    """Refuse options that a scene would ignore.

    Raises:
        ValueError: naming the option and the scenes that take it.
    """
    for option, value in given.items():
        scenes = ONLY_FOR.get(option, tuple(SCENES))
        if value and (scene == "none" or (scene in SCENES and scene not in scenes)):
            raise ValueError(f"{option} does not go with --scene {scene}: allowed with {', '.join(scenes)}")


def check_out(out: Path, *, is_one: bool, scene: str, playlist: str) -> None:
    """Refuse a file that cannot hold what is asked for.

    Raises:
        ValueError: naming the allowed endings.
    """
    if out.suffix not in SUFFIXES:
        raise ValueError(f"--out is {out}: allowed is a name that ends in {', '.join(SUFFIXES)}")
    if out.suffix != ".parquet" and not is_one:
        raise ValueError(f"--out is {out}: a playlist file holds one list; allowed with --users is .parquet")
    if out.suffix != ".parquet" and scene == "playlists" and not playlist:
        raise ValueError(f"--out is {out}: ranked playlists are no tracks; allowed is .parquet, or --playlist ID")


def read_rules(blocks: list[str], hide_heard_days: float, *, explicit: bool) -> Rules:
    """Read rules as options give them: kind:id, a number of days, a yes or no.

    Raises:
        ValueError: for a block without its kind.
    """
    read = []
    for block in blocks:
        kind, _, wanted = block.partition(":")
        try:
            read.append(msgspec.convert({"kind": kind, "id": wanted}, Block))
        except msgspec.ValidationError as error:
            raise ValueError(
                f"--block is {block!r}: allowed are track:, artist:, album: or genre: and an id"
            ) from error
    return Rules(blocks=tuple(read), hide_heard_days=hide_heard_days, explicit=explicit)


def playlists_table(served: Served, user_ids: pl.Series, ranked: RankedPlaylists) -> pl.DataFrame:
    """Return ranked playlists as rows: user_id, rank, playlist_id, title, score."""
    groups = served.facts.groups[PLAYLIST]
    row_P, slot_P = np.nonzero(ranked.playlist_BK)
    place_P = (ranked.playlist_BK[row_P, slot_P] - 1).tolist()
    return pl.DataFrame(
        {
            USER_ID: user_ids.gather(row_P),
            RANK: (slot_P + 1).astype(np.int32),
            PLAYLIST_ID: pl.Series([groups.ids[place] for place in place_P], dtype=pl.String),
            TITLE: pl.Series([groups.names[place] for place in place_P], dtype=pl.String),
            SCORE: ranked.score_BK[row_P, slot_P],
        }
    )


def write_list(served: Served, slate: Slate, user: str, at: int, path: Path) -> int:
    """Write the one list of a slate in the format that the file's name asks for; return how many tracks it has."""
    track_K = slate.track_BK[0][slate.track_BK[0] > 0]
    rows = served.prepared.tracks[(track_K - 1).tolist()]
    listed = TrackList(
        title=(slate.title_B[0] if slate.title_B else "") or "Recommended",
        description=slate.description_B[0] if slate.description_B else "",
        user=user,
        made_at=datetime.fromtimestamp(at / 1000, UTC).isoformat(),
        tracks=tuple(listed_track(row) for row in rows.iter_rows(named=True)),
    )
    write_atomic(path, written(listed, path.suffix))
    return len(listed.tracks)


def listed_track(row: dict[str, object]) -> ListedTrack:
    """Read one row of the table of tracks."""
    length = row.get(TRACK_MS)
    return ListedTrack(
        id=str(row[TRACK_ID]),
        title=text(row.get(TITLE)),
        artist=text(row.get(ARTIST_NAME)),
        artist_id=text(row.get(ARTIST_ID)),
        album=text(row.get(ALBUM_ID)),
        track_ms=length if isinstance(length, int) else None,
    )


def text(value: object) -> str:
    """Return what a cell says, "" for nothing."""
    return "" if value is None else str(value)


def told(slate: Slate) -> list[str]:
    """Return what there is to say about lists: title and description of a single one, and the notes."""
    title = [slate.title_B[0], slate.description_B[0]] if len(slate) == 1 and slate.title_B else []
    named = ": ".join(part for part in title if part)
    return [*([named] if named else []), *notes(slate.note_B)]


def notes(note_B: tuple[str, ...]) -> list[str]:
    """Return each note once, with how many lists have it where there are several."""
    counts = pl.Series("note", note_B, dtype=pl.String).value_counts().sort("count", "note", descending=True).rows()
    return [f"note: {note}" if len(note_B) == 1 else f"note, {count:,} lists: {note}" for note, count in counts if note]
