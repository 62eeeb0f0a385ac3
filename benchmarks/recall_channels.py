"""One channel alone on one window of a real log, window and live, seed after seed: the rows of docs/recall.md.

    python benchmarks/recall_channels.py --data events.parquet --channel vector --seeds 0,1,2 [--set pooling=average] [--json F]

The cut lies `--back` days before the newest window. Numbers are the project's own, which agree with the judge's to 1e-6.
"""

import argparse
import json
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from ritornello import recall
from ritornello.artifacts import Workspace
from ritornello.config import apply_override
from ritornello.data.ingest import ingest
from ritornello.data.prepare import Prepared, load_prepared, prepare
from ritornello.evaluation.live import choose_rows, metrics_of, rank_rows
from ritornello.evaluation.live_rows import live_rows
from ritornello.evaluation.scoring import summarise
from ritornello.evaluation.window import score_system
from ritornello.evaluation.window_split import Window, split_windows
from ritornello.recall import Channel
from ritornello.recall.merge import recall as best
from ritornello.schema import ONE_DAY_MS

WINDOW = {
    "all ndcg@10": ("all", "ndcg@10"),
    "all recall@100": ("all", "recall@100"),
    "new ndcg@100": ("new", "ndcg@100"),
    "repeat ndcg@10": ("repeat", "ndcg@10"),
}


def main() -> None:
    options = parse()
    settings: dict[str, object] = {}
    for override in options.set:
        apply_override(settings, override)
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace(Path(scratch))
        ingest(workspace, [options.data])
        prepare(workspace)
        prepared = load_prepared(workspace)
        until = (
            options.until * 1000
            if options.until
            else int(prepared.sequences.at_E.max()) - int((options.back + options.test_days) * ONE_DAY_MS)
        )
        [window] = split_windows(
            prepared.sequences,
            until,
            test_days=options.test_days,
            cuts=1,
            min_item=options.min_item,
            min_user=options.min_user,
        )
        rows = [score(prepared, window, options, settings | seeded(options, seed)) for seed in options.seeds]
    report(options, settings, rows)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--channel", required=True)
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--until", type=int, help="the cut in epoch seconds; without it, --back tells")
    parser.add_argument("--back", type=float, default=0.0)
    parser.add_argument("--test-days", type=float, default=14.0)
    parser.add_argument("--min-item", type=int, default=1)
    parser.add_argument("--min-user", type=int, default=10)
    parser.add_argument("--live-rows", type=int, default=4000)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def seeded(options: argparse.Namespace, seed: int) -> dict[str, object]:
    """Return the seed as a setting, where there is more than one to tell apart."""
    return {"seed": seed} if len(options.seeds) > 1 or seed else {}


def score(
    prepared: Prepared, window: Window, options: argparse.Namespace, settings: dict[str, object]
) -> dict[str, float]:
    """Fit one channel and score its lists."""
    known, at = window.known, window.at
    started = perf_counter()
    channel = recall.make(options.channel, settings).fit(
        known, at, prepared.knowledge.before(at, played=known.num_tracks)
    )
    row = {"fit seconds": perf_counter() - started}
    parts = score_system(lambda history, only: best(channel, history, 100, only=only).track_BN, window)
    for name, (part, metric) in WINDOW.items():
        if part in parts:
            row[name] = summarise([parts[part]])[metric]
            row[f"{name} se"] = summarise([parts[part]])[f"{metric}_se"]
    row |= score_live(prepared, channel, at, options)
    print({name: round(value, 4) for name, value in row.items()}, flush=True)
    return row


def score_live(prepared: Prepared, channel: Channel, at: int, options: argparse.Namespace) -> dict[str, float]:
    """Return recall and reciprocal rank of single plays after the cut, each from what came before it."""
    rows = live_rows(
        prepared.sequences,
        prepared.user_ids,
        at,
        test_days=options.test_days,
        min_item=options.min_item,
        min_user=options.min_user,
    )
    chosen_R = choose_rows(len(rows), options.live_rows or None, 0)
    answer = {"channel": lambda history: best(channel, history, 100).track_BN}
    rank_R = rank_rows(answer, rows, chosen_R, {}, None)["channel"]
    found = metrics_of(rank_R, rows.user_R[chosen_R])
    names = ("recall@20", "recall@20_se", "mrr@20", "mrr@20_se")
    return {f"live {name.replace('_', ' ')}": float(found[name]) for name in names}


def report(options: argparse.Namespace, settings: dict[str, object], rows: list[dict[str, float]]) -> None:
    """Print the mean over seeds and its standard error, and write them where asked."""
    summary = {
        name: {
            "mean": float(np.mean([row[name] for row in rows])),
            "se over seeds": float(np.std([row[name] for row in rows], ddof=1) / len(rows) ** 0.5)
            if len(rows) > 1
            else None,
        }
        for name in rows[0]
    }
    facts = {"channel": options.channel, "settings": settings, "seeds": options.seeds, "summary": summary, "rows": rows}
    print(json.dumps(facts["summary"], indent=1))
    if options.json:
        options.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
