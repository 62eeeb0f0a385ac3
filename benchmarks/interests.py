"""Several interests a user beside one: lists, breadth of taste, and how far apart the interests lie, on one window of a log.

    python benchmarks/interests.py --data events.parquet [--variants "k=1,k=4 dynamic"] [--seeds 0,1,2] [--set epochs=2]
        [--back 14] [--json F]

Equal total N by construction: every variant gives one merged list of 100 a user, never 100 an interest. A readout differs in
training only: every variant is served by the interest nearest to a track. Differences to `k=1` are paired, a user's values
averaged over seeds first; intervals are of a bootstrap over users, so the chance of training is in them only as far as the
seeds average it. Breadth of taste is the effective number (exp of entropy)
of clusters among the distinct tracks a user listened to before the cut; clusters are of a placement that no variant changes.
R rows (users of the window), S seeds, B bootstrap rounds, K interests, E embedding and height, C clusters, T tracks,
P (user, track) pairs, U users of the log.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from ritornello import recall
from ritornello.artifacts import Workspace
from ritornello.config import apply_override
from ritornello.contracts import Bool, Float32, Only
from ritornello.data.ingest import ingest
from ritornello.data.knowledge import Knowledge
from ritornello.data.labels import is_listen
from ritornello.data.prepare import load_prepared, prepare
from ritornello.data.sequence import Sequences
from ritornello.evaluation.scoring import LIST_LENGTH, Which, score
from ritornello.evaluation.window import histories, lists
from ritornello.evaluation.window_split import Window, pooled_stats, split_windows
from ritornello.metrics import standard_error
from ritornello.nn import placement
from ritornello.recall.interests import Interests, InterestsConfig
from ritornello.recall.merge import recall as best
from ritornello.schema import ONE_DAY_MS

ONE = "k=1"
VARIANTS: dict[str, dict[str, object]] = {
    ONE: {"interests": 1},
    "k=4 dynamic": {"interests": 4, "dynamic": True, "readout": "label_aware"},
    "k=4 fixed": {"interests": 4, "dynamic": False, "readout": "label_aware"},
    "k=4 mean": {"interests": 4, "dynamic": True, "readout": "mean"},
    "k=4 max": {"interests": 4, "dynamic": True, "readout": "max"},
}
METRICS: dict[str, tuple[Which, str]] = {
    "all NDCG@10": ("all", "ndcg@10"),
    "all Recall@100": ("all", "recall@100"),
    "new NDCG@100": ("new", "ndcg@100"),
    "new Recall@100": ("new", "recall@100"),
}
PARTS: dict[Which, Only] = {"all": "any", "new": "unheard"}
MIN_ITEM, MIN_USER = 5, 10
CLUSTERS, ROUNDS, PLACING = 40, 30, InterestsConfig(dim=64, seed=0)
BREADTHS, ALIKE, STRATUM = ("narrow", "middle", "broad"), " for its length", 30
LENGTHS = {"all": (0, 1 << 30), "1-4": (1, 4), "5-14": (5, 14), "15-49": (15, 49), "50+": (50, 1 << 30)}
GAPS = ("broad - narrow", f"broad - narrow{ALIKE}")
DRAWS = 2000

Float64 = NDArray[np.float64]
Facts = dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What one fit gave: values by metric, one a user of its part; each user's live interests, and their mean cosine."""

    seconds: float
    value_R: dict[str, Float64]
    live_R: NDArray[np.int64]
    cosine_R: Float64  # NaN where fewer than two are live
    read_R: NDArray[np.int64]  # distinct tracks that the channel read


def try_variant(window: Window, knowledge: Knowledge, settings: dict[str, object]) -> Trial:
    """Fit the channel and score its lists."""
    started = perf_counter()
    channel = cast(Interests, recall.make("interests", settings).fit(window.known, window.at, knowledge))
    seconds = perf_counter() - started
    value_R: dict[str, Float64] = {}
    for part, only in PARTS.items():
        targets = window.targets.only(part)
        track_RK = lists(
            lambda history, only: best(channel, history, LIST_LENGTH, only=only).track_BN, window, targets.user_R, only
        )
        scores = score(track_RK, targets)
        value_R |= {name: scores.value_R[metric] for name, (its, metric) in METRICS.items() if its == part}
    reads = [channel.read(history) for history in histories(window, window.targets.user_R)]
    pairs = [spread(channel.encode(read)) for read in reads]
    return Trial(
        seconds=seconds,
        value_R=value_R,
        live_R=np.concatenate([live_B for live_B, _ in pairs]),
        cosine_R=np.concatenate([cosine_B for _, cosine_B in pairs]),
        read_R=np.concatenate([read.count_B for read in reads]),
    )


def spread(interest_BKE: Float32) -> tuple[NDArray[np.int64], Float64]:
    """Return each row's number of live interests, and the mean cosine of their pairs, NaN without a pair."""
    live_B = interest_BKE.any(axis=2).sum(axis=1)
    unit_BKD = placement.unit(interest_BKE[:, :, :-1].reshape(-1, interest_BKE.shape[2] - 1))
    unit_BKD = unit_BKD.reshape(*interest_BKE.shape[:2], -1).astype(np.float64)
    # the square of the sum holds every pair twice, and each live interest with itself
    twice_B = (unit_BKD.sum(axis=1) ** 2).sum(axis=1) - live_B
    return live_B, np.where(live_B > 1, twice_B / np.maximum(live_B * (live_B - 1), 1), np.nan)


def cluster_tracks(known: Sequences) -> NDArray[np.intp]:
    """Return the cluster of each track [T], by spherical k-means of where the tracks are placed; unplayed tracks in 0."""
    track_TD = placement.place(known, known.num_tracks + 1, PLACING)[:, : PLACING.dim]
    played_T = np.flatnonzero(track_TD.any(axis=1))
    start_C = np.random.default_rng(0).choice(played_T, CLUSTERS, replace=len(played_T) < CLUSTERS)
    centre_CD = track_TD[start_C]
    for _ in range(ROUNDS):
        cluster_T = (track_TD @ centre_CD.T).argmax(axis=1)
        sum_CD = np.zeros_like(centre_CD)
        np.add.at(sum_CD, cluster_T[played_T], track_TD[played_T])
        centre_CD = placement.unit(np.where(sum_CD.any(axis=1)[:, None], sum_CD, centre_CD))
    return np.asarray((track_TD @ centre_CD.T).argmax(axis=1))


def tastes(window: Window) -> tuple[Float64, Float64]:
    """Return each user's effective number of clusters, and number of distinct tracks listened to."""
    known, cluster_T = window.known, cluster_tracks(window.known)
    is_used_E = is_listen(known.action_E, known.play_ratio_E)
    size = np.int64(known.num_tracks + 1)
    user_P, track_P = np.divmod(np.unique(known.user_E[is_used_E] * size + known.track_E[is_used_E]), size)
    count_UC = np.bincount(user_P * CLUSTERS + cluster_T[track_P], minlength=(known.num_users + 1) * CLUSTERS)
    count_RC = count_UC.reshape(-1, CLUSTERS)[window.targets.user_R].astype(np.float64)
    length_R = count_RC.sum(axis=1)
    return np.exp(entr(count_RC / np.maximum(length_R, 1.0)[:, None]).sum(axis=1)), length_R


def thirds(value_R: Float64, stratum_R: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return 0, 1 or 2 for the lowest, middle and highest third of each stratum; chance parts ties."""
    order_R = np.lexsort((np.random.default_rng(0).random(len(value_R)), value_R, stratum_R))
    sorted_R = stratum_R[order_R]
    place_R = np.arange(len(value_R)) - np.searchsorted(sorted_R, sorted_R)
    third_R = np.zeros(len(value_R), np.int64)
    third_R[order_R] = 3 * place_R // np.bincount(stratum_R)[sorted_R]
    return third_R


def group_users(breadth_R: Float64, length_R: Float64) -> tuple[dict[str, Bool], dict[str, Facts]]:
    """Return masks and facts: all users, thirds by breadth, and thirds by breadth among users of about the same length."""
    everyone_R, rank_R = np.zeros(len(breadth_R), np.int64), np.argsort(np.argsort(length_R, kind="stable"))
    groups: dict[str, Bool] = {"all": everyone_R == 0}
    for end, stratum_R in (("", everyone_R), (ALIKE, rank_R // STRATUM)):
        third_R = thirds(breadth_R, stratum_R)
        groups |= {f"{name}{end}": third_R == third for third, name in enumerate(BREADTHS)}
    facts: dict[str, Facts] = {}
    for name, is_in_R in groups.items():
        its_R, tracks_R = breadth_R[is_in_R], length_R[is_in_R]
        facts[name] = {"number": len(its_R), "breadth": float(its_R.mean())}
        facts[name] |= {"lowest": float(its_R.min()), "highest": float(its_R.max())}
        facts[name] |= {"distinct tracks": float(tracks_R.mean()), "their median": float(np.median(tracks_R))}
    return groups, facts


def summarise(trials: list[Trial]) -> dict[str, Facts]:
    """Return by metric the mean over seeds, its standard error over users, and that over seeds."""
    found: dict[str, Facts] = {}
    for name in METRICS:
        value_SR = np.stack([trial.value_R[name] for trial in trials])
        found[name] = {"se": standard_error(value_SR.mean(axis=0))} | over_seeds(value_SR.mean(axis=1))
    return found | {"seconds of a fit": over_seeds(np.array([trial.seconds for trial in trials]))}


def over_seeds(value_S: Float64) -> Facts:
    """Return the mean, its standard error where there are several seeds, and each seed's value."""
    error = {"se over seeds": standard_error(value_S)} if len(value_S) > 1 else {}
    each = {f"run {number}": value for number, value in enumerate(value_S.tolist())}
    return {"mean": float(value_S.mean())} | error | each


def differences(
    own: list[Trial], one: list[Trial], groups: dict[str, Bool], window: Window
) -> dict[str, dict[str, Facts]]:
    """Return by metric and group the paired difference to one interest; and that of the broad less that of the narrow."""
    found: dict[str, dict[str, Facts]] = {}
    for name, (part, _) in METRICS.items():
        base_R = np.mean([trial.value_R[name] for trial in one], axis=0)
        gain_R = np.mean([trial.value_R[name] for trial in own], axis=0) - base_R
        row_R, generator = window.targets.rows_with(part), np.random.default_rng(0)
        inside = {group: np.flatnonzero(is_in_R[row_R]) for group, is_in_R in groups.items()}
        drawn = {group: bootstrap(gain_R[its_R], generator) for group, its_R in inside.items()}
        rows = {
            group: interval(gain_R[its_R].mean(), drawn[group])
            | {"users": len(its_R), ONE: float(base_R[its_R].mean())}
            for group, its_R in inside.items()
        }
        for end in ("", ALIKE):
            gap = rows[f"broad{end}"]["difference"] - rows[f"narrow{end}"]["difference"]
            rows[f"broad - narrow{end}"] = interval(gap, drawn[f"broad{end}"] - drawn[f"narrow{end}"])
        found[name] = rows
    return found


def bootstrap(value_R: Float64, generator: np.random.Generator) -> Float64:
    """Return the means [B] of users drawn with replacement."""
    return np.array([generator.choice(value_R, len(value_R)).mean() for _ in range(DRAWS)])


def interval(value: float, drawn_B: Float64) -> Facts:
    """Return a difference with its 95 % interval."""
    low, high = np.percentile(drawn_B, [2.5, 97.5])
    return {"difference": float(value), "low": float(low), "high": float(high)}


def shapes(trials: list[Trial]) -> dict[str, Facts]:
    """Return by number of distinct tracks read: users, mean live interests, users with a pair, and the mean cosine."""
    read_R, found = trials[0].read_R, {}
    for name, (low, high) in LENGTHS.items():
        is_in_R = (read_R >= low) & (read_R <= high)
        live_R, cosine_SR = trials[0].live_R[is_in_R], np.stack([trial.cosine_R[is_in_R] for trial in trials])
        paired_SR = cosine_SR[:, ~np.isnan(cosine_SR[0])]  # who has a pair is no matter of chance
        found[name] = {"users": len(live_R), "users with a pair": paired_SR.shape[1]}
        found[name] |= {"live": float(live_R.mean())} if len(live_R) else {}
        found[name] |= over_seeds(paired_SR.mean(axis=1)) if paired_SR.size else {}
    return found


def main() -> None:
    """Fit every variant with every seed, print and write."""
    options = parse()
    with tempfile.TemporaryDirectory() as scratch:
        window, knowledge = cut(Workspace(Path(scratch)), options)
        groups, users = group_users(*tastes(window))
        trials: dict[str, list[Trial]] = {name: [] for name in options.variants}
        for seed in options.seeds:
            for name in options.variants:
                trials[name].append(try_variant(window, knowledge, options.settings | VARIANTS[name] | {"seed": seed}))
                print(f"seed {seed}, {name}: {trials[name][-1].seconds:.0f} s", file=sys.stderr, flush=True)
        facts = {"stats": pooled_stats([window]), "seeds": options.seeds, "settings": options.settings}
    summary = {name: summarise(its) for name, its in trials.items()}
    others = {name: its for name, its in trials.items() if name != ONE and ONE in trials}
    gains = {name: differences(its, trials[ONE], groups, window) for name, its in others.items()}
    forms = {name: shapes(its) for name, its in trials.items()}
    if options.json:
        found = {"users": users, "summary": summary, "differences": gains, "interests": forms}
        options.json.write_text(json.dumps(facts | found, indent=1) + "\n")
    print("One merged list of 100 a user: equal total N by construction. Mean (s.e. over users, s.e. over seeds).\n")
    rows = [[name, *map(cell, row.values())] for name, row in summary.items()]
    print_table(["variant", *METRICS, "seconds of a fit"], rows)
    rows = [[name, *(f"{value:.4g}" for value in row.values())] for name, row in users.items()]
    print_table(["users", *users["all"]], rows)
    print(f"Paired differences to {ONE} (95 % interval over users) [mean of {ONE}, users].\n")
    rows = [
        [name, group, *(gain(row[group]) for row in its.values())]
        for name, its in gains.items()
        for group in (*groups, *GAPS)
    ]
    print_table(["variant", "users", *METRICS], rows)
    print("Live interests; mean cosine of a user's pairs of them (s.e. over seeds) [users with a pair].\n")
    number = {length: str(row["users"]) for length, row in next(iter(forms.values())).items()}
    rows = [[length, number[length], *(form(its[length]) for its in forms.values())] for length in LENGTHS]
    print_table(["distinct tracks read", "users", *forms], rows)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--variants", type=lambda text: text.split(","), default=list(VARIANTS))
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for all variants")
    parser.add_argument("--test-days", type=float, default=14.0)
    parser.add_argument("--back", type=float, default=0.0, help="days before the newest cut")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.settings = {}
    for override in options.set:
        apply_override(options.settings, override)
    if unknown := set(options.variants) - set(VARIANTS):
        parser.error(f"--variants: found {sorted(unknown)}, allowed are {list(VARIANTS)}")
    if taken := {"interests", "dynamic", "readout", "seed"} & set(options.settings):
        parser.error(f"--set is for what all variants share, found {sorted(taken)}")
    return options


def cut(workspace: Workspace, options: argparse.Namespace) -> tuple[Window, Knowledge]:
    """Return the window and what is known of tracks at its cut."""
    ingest(workspace, [options.data])
    prepare(workspace)
    prepared = load_prepared(workspace)
    at = int(prepared.sequences.at_E.max()) - round((options.test_days + options.back) * ONE_DAY_MS)
    days = options.test_days
    [window] = split_windows(prepared.sequences, at, test_days=days, cuts=1, min_item=MIN_ITEM, min_user=MIN_USER)
    return window, prepared.knowledge.before(window.at, played=window.known.num_tracks)


def cell(row: Facts) -> str:
    """Format a mean with its standard errors."""
    errors = ", ".join(f"{row[name]:.4f}" for name in ("se", "se over seeds") if name in row)
    return f"{row['mean']:.4f} ({errors})" if errors else f"{row['mean']:.4f}"


def gain(row: Facts) -> str:
    """Format a difference; one between groups has no mean of its own."""
    text = f"{row['difference']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})"
    return f"{text} [{row[ONE]:.4f}, {row['users']}]" if ONE in row else text


def form(row: Facts) -> str:
    """Format the number of live interests and their cosine."""
    live = f"{row['live']:.2f}" if "live" in row else ""
    return f"{live}; {cell(row)} [{row['users with a pair']}]" if "mean" in row else live


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Print a table in Markdown."""
    for line in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(line)} |")
    print()


if __name__ == "__main__":
    main()
