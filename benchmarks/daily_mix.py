"""Daily mix on real logs: tomorrow's listening against the list of the day, beside popularity, own plays and item-to-item.

    python benchmarks/daily_mix.py --data events.parquet [--catalogue tracks.parquet] --until SECONDS --days 14 \
        --work FOLDER [--set rank.cuts=4] [--json F]

The bundle is trained once, on all that came before the UTC day of `--until`, and kept in `--work`; histories then grow day by
day. A row is a user and a day on which that user listens to a track known at the cut; the history ends before the day,
targets are the distinct known tracks listened to on it. Everybody gets the same history, the same catalogue and the same
weekly popularity to fill a list with; baselines have no artist cap. `all_R` and `all_N` judge the same list by what the user
had heard before and by what is new. Rows of a user are kept together in standard errors and in the paired bootstrap.
R rows, B batch, K list length, P (row, track) pairs, T tracks.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from ritornello import metrics, request, scenes
from ritornello.artifacts import Workspace
from ritornello.bundle import load_current, publish
from ritornello.config import Config, load_config
from ritornello.contracts import History, Int32, Int64
from ritornello.data import split
from ritornello.data.ingest import ingest
from ritornello.data.labels import LISTENS, is_listen
from ritornello.data.prepare import load_prepared, prepare
from ritornello.data.sequence import Sequences, encode
from ritornello.evaluation.baselines import Plays, best, sparse_rows
from ritornello.evaluation.intervals import ratio_of_means
from ritornello.evaluation.scoring import Float64, Targets, Which
from ritornello.evaluation.window_split import is_among, warm_tracks
from ritornello.pipeline import BATCH, Pipeline
from ritornello.recall.query import listened
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS, ONE_SECOND_MS, Action
from ritornello.train.fit import fit_pipeline

K = 30
OURS = "daily_mix"
ITEM_TO_ITEM = ("item2item", "colisten")
NO_CAP = 1_000_000
VARIANTS: dict[str, dict[str, object]] = {
    OURS: {},
    "daily_mix without cap": {"artist_cap": NO_CAP, "artist_gap": 0},
    "daily_mix without chance": {"temperature": 0.0},
    "daily_mix without memory": {"memory": 0.0},
}
PARTS: tuple[tuple[str, Which], ...] = (("all", "all"), ("all_R", "repeat"), ("all_N", "new"))

Answer = Callable[[History], Int32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Days:
    """Who listened on which day (its start, UTC ms), and to what."""

    targets: Targets
    start_R: Int64
    cold_share: float


def main() -> None:
    """Measure one log and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--catalogue", type=Path, help="a table of tracks, for the artists")
    parser.add_argument("--until", type=int, required=True, help="a moment of the first day, in epoch seconds")
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--skip", type=int, default=0, help="days at the start that are not scored")
    parser.add_argument("--work", type=Path, required=True, help="the workspace: made here, taken up where it is there")
    parser.add_argument("--set", dest="override", action="append", default=[], help="section.key=value, for training")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if not given.data.is_file():
        print(f"skipped: no log at {given.data}")
        return
    at = given.until * ONE_SECOND_MS
    at -= at % ONE_DAY_MS
    served = trained(Workspace(given.work), given.data, given.catalogue, at, load_config(None, given.override))
    figures = measure(served.bundle.pipeline, served.prepared.sequences, at, given.days, given.skip)
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


def trained(workspace: Workspace, data: Path, catalogue: Path | None, at: int, config: Config) -> request.Served:
    """Return the workspace with a bundle of that moment; it is made where there is none.

    Raises:
        ValueError: when the bundle that is there is of another moment or configuration.
    """
    if not (workspace.bundles / "current").exists():
        if catalogue:
            ingest(workspace, [catalogue], kind="catalogue")
        ingest(workspace, [data])
        prepare(workspace)
        prepared = load_prepared(workspace)
        pipeline = fit_pipeline(prepared.sequences, at, config, prepared.knowledge, tasks=("window",))
        publish(workspace, pipeline, config, prepared, at)
    prepared = load_prepared(workspace)
    bundle = load_current(workspace, prepared)
    if (bundle.at, bundle.config) != (at, config):
        raise ValueError(f"the bundle in {workspace.root} is of another moment or configuration: give another --work")
    return request.Served(prepared, bundle)


def measure(pipeline: Pipeline, sequences: Sequences, at: int, num_days: int, skip: int) -> dict[str, object]:
    """Score all systems on the days after the cut."""
    known = split.before(sequences, at)
    days = days_after(sequences, known, at, num_days, skip)
    lists = {name: answer_rows(answer, sequences, days) for name, answer in systems(pipeline, known, at).items()}
    parts: dict[str, object] = {}
    for part, which in PARTS:
        row_R, targets = days.targets.rows_with(which), days.targets.only(which)
        scored = {name: scores(track_RK[row_R], targets) for name, track_RK in lists.items()}
        parts[part] = {"rows": len(row_R), **compared(scored, targets.user_R)}
    return {
        "cut": at // ONE_SECOND_MS,
        "days": num_days,
        "skipped_days": skip,
        "rows": len(days.start_R),
        "users": len(np.unique(days.targets.user_R)),
        "targets": len(days.targets.row_P),
        "repeat_target_share": round(float(days.targets.is_repeat_P.mean()), 4),
        "cold_share_left_out": round(days.cold_share, 4),
        "has_artists": bool(pipeline.stats.artist_T.any()),
        "parts": parts,
    }


def days_after(sequences: Sequences, known: Sequences, at: int, num_days: int, skip: int) -> Days:
    """Return each user's listens of each day, a track once; users without an event before their day are left out."""
    inside = split.between(sequences, at + skip * ONE_DAY_MS, at + num_days * ONE_DAY_MS - 1)
    is_used_E = is_listen(inside.action_E, inside.play_ratio_E) & (inside.action_E == Action.PLAY)
    user_E, track_E = inside.user_E[is_used_E].astype(np.int64), inside.track_E[is_used_E]
    day_E = (inside.at_E[is_used_E] - at) // ONE_DAY_MS
    has_past_E = sequences.at_E[sequences.start_U[user_E]] < at + day_E * ONE_DAY_MS
    is_warm_E = is_among(track_E, warm_tracks(known))
    kept_E = has_past_E & is_warm_E
    size = sequences.num_tracks + 1
    pair_P = np.unique((user_E[kept_E] * num_days + day_E[kept_E]) * size + track_E[kept_E])
    user_day_R, row_P = np.unique(pair_P // size, return_inverse=True)
    user_R, start_R = user_day_R // num_days, at + user_day_R % num_days * ONE_DAY_MS
    track_P = (pair_P % size).astype(np.int32)
    is_act_E = np.isin(sequences.action_E, [int(action) for action in LISTENS])
    pair_E, first_E = np.unique(
        sequences.user_E[is_act_E] * np.int64(size) + sequences.track_E[is_act_E], return_index=True
    )
    first_at_E = sequences.at_E[is_act_E][first_E]  # a user's events are in order of time
    is_repeat_P = first_at_E[np.searchsorted(pair_E, user_R[row_P] * size + track_P)] < start_R[row_P]
    targets = Targets(user_R=user_R.astype(np.int32), row_P=row_P, track_P=track_P, is_repeat_P=is_repeat_P)
    return Days(targets=targets, start_R=start_R, cold_share=float(1 - is_warm_E[has_past_E].mean()))


def systems(pipeline: Pipeline, known: Sequences, at: int) -> dict[str, Answer]:
    """Return how to ask each system for its list."""
    share_T = Plays(known).popularity(at)
    size = len(share_T)

    def by(score: Callable[[History], csr_array]) -> Answer:
        return lambda history: best(score(history), share_T, K)

    def own(decay: float) -> Answer:
        def score(history: History) -> csr_array:
            age_BL = np.maximum(history.as_of_B[:, None] - history.at_BL, ONE_HOUR_MS) / ONE_HOUR_MS
            return sparse_rows(history, listened(history), age_BL**-decay, size)

        return by(score)

    def links(name: str) -> Answer:
        channel = pipeline.channels[name]
        return by(lambda history: csr_array(channel.score(history).matrix))  # type: ignore[attr-defined]

    def scene(settings: dict[str, object]) -> Answer:
        return lambda history: scenes.make("daily_mix", settings).recommend(pipeline, history, K).track_BK

    return {
        **{name: scene(settings) for name, settings in VARIANTS.items()},
        "ranked list": lambda history: pipeline.recommend(history, K, task="window").track_BK,
        "popular": by(lambda history: csr_array((len(history), size))),
        "own_counts": own(0.0),
        "actr_0.5": own(0.5),
        "actr_1.0": own(1.0),
        **{name: links(name) for name in ITEM_TO_ITEM if name in pipeline.channels},
    }


def answer_rows(answer: Answer, sequences: Sequences, days: Days) -> Int32:
    """Ask for every row, with the history before its day."""
    found = []
    for start in range(0, len(days.start_R), BATCH):
        rows = slice(start, start + BATCH)
        found.append(answer(encode(sequences, days.targets.user_R[rows], days.start_R[rows])))
    return np.concatenate([np.pad(track_BK, ((0, 0), (0, K - track_BK.shape[1]))) for track_BK in found])


def scores(track_RK: Int32, targets: Targets) -> dict[str, Float64]:
    """Return every row's value by metric."""
    hit_RK = targets.hits(track_RK)
    return {
        f"ndcg@{K}": metrics.ndcg_at(hit_RK, targets.count_R, K),
        f"recall@{K}": metrics.recall_at(hit_RK, targets.count_R, K),
    }


def compared(scored: dict[str, dict[str, Float64]], user_R: Int32) -> dict[str, object]:
    """Return means, standard errors, and the ratio of ours to the others with its interval, by metric."""
    table: dict[str, object] = {}
    for metric in scored[OURS]:
        ours_R = scored[OURS][metric]
        table[metric] = {
            name: {
                "mean": round(float(values[metric].mean()), 4),
                "se": round(metrics.clustered_standard_error(values[metric], user_R), 4),
                **({} if name == OURS or not values[metric].any() else ratio(ours_R, values[metric], user_R)),
            }
            for name, values in scored.items()
        }
    return table


def ratio(ours_R: Float64, other_R: Float64, user_R: Int32) -> dict[str, float]:
    """Return ours over theirs with the bootstrap interval."""
    found = ratio_of_means(ours_R, other_R, user_R)
    return {"ratio": round(found.ratio, 3), "low": round(found.low, 3), "high": round(found.high, 3)}


if __name__ == "__main__":
    main()
