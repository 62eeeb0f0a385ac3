"""Means, standard errors and the paired bootstrap over users.

Everything works on one long table: model, window, metric, user_id, value. Rows of one user in several windows are
dependent, so they stay together: the standard error is clustered by user and the bootstrap draws users, not rows.
Shape letters: U users, R rows (a user in a window), D draws.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ritornello.metrics import clustered_standard_error

DRAWS = 2_000
DRAWS_AT_ONCE = 100
OURS = "ritornello"


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """One model's mean in one metric."""

    model: str
    metric: str
    mean: float
    standard_error: float
    users: int
    rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratio:
    """Our mean over the best peer's on the same rows, with a 95 % interval."""

    metric: str
    peer: str
    ratio: float
    low: float
    high: float


def summarise(values: pl.DataFrame) -> list[Summary]:
    """Return mean and clustered standard error of every model in every metric, best first."""
    summaries = []
    for (model, metric), rows in values.group_by("model", "metric"):
        value_R = rows["value"].to_numpy()
        user_R = rows["user_id"].rank("dense").to_numpy().astype(np.int64)
        summaries.append(
            Summary(
                model=str(model),
                metric=str(metric),
                mean=float(value_R.mean()),
                standard_error=clustered_standard_error(value_R, user_R),
                users=rows["user_id"].n_unique(),
                rows=rows.height,
            )
        )
    return sorted(summaries, key=lambda summary: (summary.metric, -summary.mean, summary.model))


def paired_ratio(values: pl.DataFrame, metric: str, peer: str, seed: int) -> Ratio:
    """Bootstrap the ratio of pooled means, the same users drawn for both sides."""
    rows = values.filter(pl.col("metric") == metric)
    sides = [
        rows.filter(pl.col("model") == model).select("window", "user_id", pl.col("value").alias(side))
        for model, side in ((OURS, "ours"), (peer, "theirs"))
    ]
    pairs = sides[0].join(sides[1], on=["window", "user_id"])
    if not pairs.height == sides[0].height == sides[1].height:
        raise ValueError(f"{metric}: {OURS} and {peer} were not scored on the same users")
    by_user = pairs.group_by("user_id").agg(pl.col("ours", "theirs").sum()).sort("user_id")
    ours_U, theirs_U = by_user["ours"].to_numpy(), by_user["theirs"].to_numpy()
    generator, num_users = np.random.default_rng(seed), len(ours_U)
    even_U = np.full(num_users, 1.0 / num_users)
    ratios = []
    for _ in range(DRAWS // DRAWS_AT_ONCE):
        times_DU = generator.multinomial(num_users, even_U, size=DRAWS_AT_ONCE)
        ratios.append((times_DU @ ours_U) / (times_DU @ theirs_U))
    low, high = np.percentile(np.concatenate(ratios), [2.5, 97.5])
    ratio = float(ours_U.sum() / theirs_U.sum())
    return Ratio(metric=metric, peer=peer, ratio=ratio, low=float(low), high=float(high))


def against_best_peer(values: pl.DataFrame, summaries: list[Summary], seed: int) -> list[Ratio]:
    """Compare with whichever peer and setting leads each metric on these very rows: the hardest choice for us."""
    ratios = []
    for metric in dict.fromkeys(summary.metric for summary in summaries):
        peers = [summary for summary in summaries if summary.metric == metric and summary.model != OURS]
        best = max(peers, key=lambda summary: summary.mean)
        ratios.append(paired_ratio(values, metric, best.model, seed))
    return ratios
