"""What one more act does to a score: skips that are older and newer, loops that please and then tire.

    ritornello train WS --set rank.model=multipath && python benchmarks/ranking_claims.py WS --json claims.json

For listeners of the workspace and tracks that they have heard, the published bundle scores the same candidate after a history
with one more skip of it (an hour, a day, a week, a month ago), and after one with 1, 2, 4, 8, 16 more listens in the last day,
everything else as it was; `task` says which ranker is asked. Differences are in standard deviations of a listener's scores;
the standard error is that of the mean over listeners.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ritornello.artifacts import Workspace
from ritornello.bundle import load_current
from ritornello.contracts import Float32, History, Int32
from ritornello.data.prepare import load_prepared
from ritornello.data.sequence import encode
from ritornello.pipeline import Pipeline, batches
from ritornello.request import newest_moment
from ritornello.schema import ONE_HOUR_MS, PADDING, Action

SKIPS = {"an hour": 1, "a day": 24, "a week": 168, "a month": 720}
LOOPS = (1, 2, 4, 8, 16)
TOGETHER = 64
SCENE = "personal_fm"  # where offers are thought to be made

app = typer.Typer(add_completion=False)


@app.command()
def main(
    workspace: Annotated[Path, typer.Argument(exists=True, help="A workspace with a trained bundle.")],
    task: Annotated[str, typer.Option(help="The ranker that is asked.")] = "offered",
    listeners: int = 400,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Ask and print."""
    prepared = load_prepared(Workspace(workspace))
    pipeline = load_current(Workspace(workspace), prepared).pipeline
    at = newest_moment(prepared)
    generator = np.random.default_rng(0)
    user_R = np.flatnonzero(np.diff(prepared.sequences.start_U) >= 20)
    user_R = generator.choice(user_R, min(listeners, len(user_R)), replace=False)
    history = encode(prepared.sequences, user_R, np.full(len(user_R), at, np.int64))
    track_R = np.array([generator.choice(row_L[row_L != PADDING]) for row_L in history.track_BL]).astype(np.int32)
    usual_R = scores(pipeline, history, track_R, task)
    results = {}
    for words, hours in SKIPS.items():
        skipped = with_plays(history, track_R, np.array([hours]), share=0.1)
        results[f"skip {words} ago"] = apart(scores(pipeline, skipped, track_R, task) - usual_R)
    for number in LOOPS:
        looped = with_plays(history, track_R, np.linspace(24, 1, number), share=1.0)
        results[f"{number} listens in the last day"] = apart(scores(pipeline, looped, track_R, task) - usual_R)
    for name, found in results.items():
        print(f"{name:28s} {found['mean']:+.3f} ({found['se']:.3f}), lower for {found['lower']:.0%}")
    if out:
        out.write_text(json.dumps({"task": task, "listeners": len(user_R), "results": results}, indent=1) + "\n")


def with_plays(history: History, track_R: Int32, hour_N: np.ndarray, *, share: float) -> History:  # type: ignore[type-arg]
    """Return the history with plays of one track so many hours ago, oldest first, each in order of time among the others."""
    rows, number = len(history), len(hour_N)
    at_RN = history.as_of_B[:, None] - (hour_N * ONE_HOUR_MS).astype(np.int64)
    at_RL = np.concatenate([history.at_BL, at_RN], axis=1)
    order_RL = np.argsort(at_RL, axis=1, kind="stable")

    def merged(kept_RL: np.ndarray, added: object) -> np.ndarray:  # type: ignore[type-arg]
        added_RN = np.broadcast_to(np.asarray(added, kept_RL.dtype), (rows, number))
        return np.take_along_axis(np.concatenate([kept_RL, added_RN], axis=1), order_RL, axis=1)

    return History(
        user_B=history.user_B,
        as_of_B=history.as_of_B,
        track_BL=merged(history.track_BL, track_R[:, None]),
        action_BL=merged(history.action_BL, int(Action.PLAY)),
        at_BL=np.take_along_axis(at_RL, order_RL, axis=1),
        play_ratio_BL=merged(history.play_ratio_BL, share),
        session_BL=np.maximum.accumulate(merged(history.session_BL, 0), axis=1),  # that of the event before
    )


def scores(pipeline: Pipeline, history: History, track_R: Int32, task: str) -> Float32:
    """Return the score of one track a row, in standard deviations of the row's candidates from their mean."""
    found, start = [], 0
    for rows in batches(history, TOGETHER):
        asked_R = track_R[start : start + len(rows)]
        start += len(rows)
        candidates, batch = pipeline.propose(rows, track_S=asked_R[:, None])
        score_BN = pipeline.rankers[task].score(pipeline.in_scene(batch, SCENE) if task == "offered" else batch)
        is_there_BN = np.isfinite(score_BN)
        mean_B = np.nanmean(np.where(is_there_BN, score_BN, np.nan), axis=1)
        deviation_B = np.nanstd(np.where(is_there_BN, score_BN, np.nan), axis=1)
        place_B = (candidates.track_BN == asked_R[:, None]).argmax(axis=1)
        found.append((score_BN[np.arange(len(rows)), place_B] - mean_B) / np.maximum(deviation_B, 1e-9))
    return np.concatenate(found).astype(np.float32)


def apart(difference_R: Float32) -> dict[str, float]:
    """Return the mean difference, its standard error, and how many are lower."""
    error = difference_R.std(ddof=1) / np.sqrt(len(difference_R))
    return {"mean": float(difference_R.mean()), "se": float(error), "lower": float((difference_R < 0).mean())}


if __name__ == "__main__":
    app()
