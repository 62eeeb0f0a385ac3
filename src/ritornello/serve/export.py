"""Export: the live events of all users as a Parquet file that `ritornello ingest` takes, so that training learns from them."""

from pathlib import Path

import msgspec
import polars as pl

from ritornello.artifacts import Workspace, write_table
from ritornello.data.prepare import load_prepared
from ritornello.schema import ACTION, AT, EVENT_SCHEMA, TRACK_ID, USER_ID, Action
from ritornello.serve.state import LiveEvent
from ritornello.serve.state.sqlite import open_state

CHUNK = 100_000
EVENT_ID = "event_id"
SCHEMA = {USER_ID: pl.String(), EVENT_ID: pl.String(), TRACK_ID: pl.String()} | EVENT_SCHEMA


def export_events(workspace: Workspace, path: Path) -> int:
    """Write all live events that were not taken back; return how many."""
    with open_state(workspace) as state:
        tables, chunk = [pl.DataFrame(schema=SCHEMA)], list[LiveEvent]()
        for event in state.every_event():
            chunk.append(event)
            if len(chunk) == CHUNK:
                tables.append(as_table(chunk))
                chunk = []
        events = pl.concat([*tables, as_table(chunk)])
    names = {int(action): action.name.lower() for action in Action}
    prepared = load_prepared(workspace)
    typed = events.with_columns(
        pl.col(ACTION).replace_strict(names, return_dtype=pl.String),
        pl.from_epoch(AT, time_unit="ms"),
        as_in_the_log(events[USER_ID], prepared.user_ids),
        as_in_the_log(events[TRACK_ID], prepared.track_ids),
    )
    write_table(path, typed)
    return len(events)


def as_table(events: list[LiveEvent]) -> pl.DataFrame:
    """Return events as rows."""
    return pl.DataFrame([msgspec.structs.asdict(event) for event in events], schema=SCHEMA, orient="row")


def as_in_the_log(ids: pl.Series, known: pl.Series) -> pl.Series:
    """Return identifiers as whole numbers where the log has them so and all of these are; text would change the log's."""
    whole = ids.cast(pl.Int64, strict=False)
    is_whole = known.dtype.is_integer() and (whole.cast(pl.String) == ids).fill_null(value=False).all()
    return whole if is_whole else ids
