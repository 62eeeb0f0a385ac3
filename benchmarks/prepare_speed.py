"""Time ingest and prepare on a generated log of any size, each as a whole process with its peak memory."""

import json
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from measure import measured
from ritornello.data.sources.bulk import write_log


def main(
    events: Annotated[int, typer.Option(help="Plays in the log.")] = 20_000_000,
    users: Annotated[int, typer.Option()] = 200_000,
    tracks: Annotated[int, typer.Option()] = 300_000,
    threads: Annotated[int, typer.Option()] = 2,
    out: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file.")] = None,
) -> None:
    """Make the log in a temporary folder, run both commands, print events per second and peak memory."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_log(folder / "log.parquet", events=events, users=users, tracks=tracks)
        workspace = str(folder / "ws")
        costs = [
            measured("ingest", ["ritornello", "ingest", workspace, str(folder / "log.parquet")], folder / "i", threads),
            measured("prepare", ["ritornello", "prepare", workspace], folder / "p", threads),
        ]
    rows = [asdict(cost) | {"events_per_second": round(events / cost.seconds)} for cost in costs]
    for row in rows:
        print(
            f"{row['step']:8s} {row['seconds']:7.1f} s  {row['events_per_second']:>10,} events/s  {row['peak_mb']:>6} MB"
        )
    if out is not None:
        facts = {"date": datetime.now(UTC).date().isoformat(), "events": events, "users": users, "tracks": tracks}
        out.write_text(json.dumps(facts | {"threads": threads, "steps": rows}, indent=1))


if __name__ == "__main__":
    typer.run(main)
