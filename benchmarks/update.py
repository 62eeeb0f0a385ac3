"""What an update costs and loses beside training from nothing: `train --update` against `train`, on the window after both.

    python benchmarks/update.py WS [--days 14] [--updates 1] [--set rank.cuts=4] [--json F]

A prepared workspace (real or simulated); its last 14 days are judged, T is where they begin. `stale` was trained `updates` x
`days` before T and is asked as it is, `refreshed` is the same with what is counted as of T, as a service has it; `updated`
went on from `stale` every `days` days, `full` was trained at T. Means over users with standard errors; ratios to `full` with a
95 % paired bootstrap over users. One run after the other; the seconds of `updated` are of its last update. Only the
rankers of windows are trained.
"""

import argparse
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import perf_counter, process_time

from ritornello import recall
from ritornello.artifacts import Workspace
from ritornello.config import load_config
from ritornello.data import split
from ritornello.data.prepare import load_prepared
from ritornello.evaluation.intervals import ratio_of_means
from ritornello.evaluation.window import PIPELINE, Parts, recommenders_of, score_system
from ritornello.evaluation.window_split import Window, split_windows
from ritornello.metrics import standard_error
from ritornello.pipeline import Pipeline
from ritornello.runs import Start
from ritornello.schema import ONE_DAY_MS
from ritornello.train.fit import fit_pipeline
from ritornello.train.refresh import refresh
from ritornello.update import go_on

SHOWN = (("all", "ndcg@10"), ("all", "recall@100"), ("new", "ndcg@100"), ("repeat", "ndcg@10"))
TASKS = ("window", "unheard")


def starts_of(pipeline: Pipeline, at: int) -> dict[str, Start]:
    """Return what a bundle would keep of the pipeline's learned channels."""
    resumed = {name: channel for name, channel in pipeline.channels.items() if isinstance(channel, recall.Resumed)}
    return {name: Start(name=str(at), weights=channel.weights(), since=at) for name, channel in resumed.items()}


def timed(work: Callable[[], Pipeline]) -> tuple[Pipeline, dict[str, float]]:
    """Return what the work gives, and the seconds it took."""
    wall, cpu = perf_counter(), process_time()
    made = work()
    return made, {"seconds": round(perf_counter() - wall, 1), "cpu seconds": round(process_time() - cpu, 1)}


def main() -> None:
    """Train, update, judge, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--days", type=float, default=14.0, help="between two trainings")
    parser.add_argument("--updates", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    prepared, config = load_prepared(Workspace(options.workspace)), load_config(None, options.overrides)
    (window,) = split_windows(prepared.sequences, None, test_days=14.0, cuts=1, min_item=5, min_user=10)
    moments = [window.at - int(options.days * ONE_DAY_MS) * back for back in range(options.updates, -1, -1)]

    def train(at: int) -> tuple[Pipeline, dict[str, float]]:
        known = split.before(window.known, at)
        return timed(lambda: fit_pipeline(known, at, config, prepared.knowledge, tasks=TASKS))

    def update(earlier: Pipeline, since: int, at: int) -> tuple[Pipeline, dict[str, float]]:
        starts = starts_of(earlier, since)
        return timed(lambda: go_on(earlier, starts, window.known, at, config, prepared.knowledge))

    made = {"stale": train(moments[0])}
    seen = prepared.knowledge.before(window.at, played=window.known.num_tracks)
    made["refreshed"] = timed(lambda: refresh(made["stale"][0], window.known, window.at, seen))
    made["updated"] = made["stale"]
    for since, at in pairwise(moments):
        made["updated"] = update(made["updated"][0], since, at)
    made["full"] = train(window.at)
    report(made, window, options.json)


def report(made: dict[str, tuple[Pipeline, dict[str, float]]], window: Window, path: Path | None) -> None:
    """Judge every system beside `full`, print and write."""
    scored: dict[str, Parts] = {
        name: score_system(recommenders_of(pipeline)[PIPELINE], window) for name, (pipeline, _) in made.items()
    }
    figures: dict[str, dict[str, object]] = {}
    for name, parts in scored.items():
        figures[name] = dict(made[name][1])
        for part, metric in SHOWN:
            if part in parts:
                own, full = parts[part], scored["full"][part]
                value_R = own.value_R[metric]
                ratio = ratio_of_means(value_R, full.value_R[metric], own.user_R)
                mean = f"{value_R.mean():.4f} (s.e. {standard_error(value_R):.4f})"
                figures[name][f"{part} {metric}"] = f"{mean}, {ratio.ratio:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
        print(name, json.dumps(figures[name], indent=1), flush=True)
    if path is not None:
        path.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
