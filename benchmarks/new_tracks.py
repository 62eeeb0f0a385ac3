"""Recall of tracks that nobody has played: what their artist, album, genre and graph alone say of them.

    python benchmarks/new_tracks.py --world simulated [--seeds 0,1,2] [--set vector.epochs=1] [--json F]
    python benchmarks/new_tracks.py --world real --data 30music_sample10

`simulated` invents a catalogue too large for its listeners: its new tracks are those listed before the cut without an event.
A real log has none of which anything is known, so `real` hides all that happened before the cut to a fifth of the tracks with
a known artist. Targets are the new tracks that a user with 10 events or more listens to in the last 14 days.
R users, T tracks, Z new tracks, A artists, G genres, B batch, K list length.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from graph_recall import ritornello, window_of
from ritornello import recall
from ritornello.artifacts import Workspace
from ritornello.config import apply_override
from ritornello.contracts import Float32, History, Int32, Only
from ritornello.data.graph import Graph
from ritornello.data.ingest import ingest
from ritornello.data.knowledge import Knowledge
from ritornello.data.prepare import load_prepared, prepare
from ritornello.data.sparse import sum_pairs
from ritornello.evaluation.scoring import LIST_LENGTH, Metrics, Results, Scores, score, summarise
from ritornello.evaluation.window import lists
from ritornello.evaluation.window_split import Window, is_among
from ritornello.metrics import standard_error
from ritornello.recall import Channel
from ritornello.recall.merge import recall as best
from ritornello.recall.query import query
from ritornello.recall.scores import SparseScores
from ritornello.schema import ARTIST_ID, ONE_DAY_MS, ONE_SECOND_MS, RELEASED_AT, TIMESTAMP, TRACK_ID

WORLD = ("--users", "1500", "--tracks", "40000", "--days", "60", "--seed", "5", "--processes", "1")
LEARNED, OWN, OWN_GENRES, RANDOM = ("vector", "interests"), "own artists", "own artists, genres", "random"
ALONE, UNHEARD = "new tracks alone", "all unheard tracks"
SHOWN = ("recall@20", "recall@100", "ndcg@100")
TEST_MS, DRAWS = 14 * ONE_DAY_MS, 3
HIDDEN_SHARE, HIDDEN_SEED = 0.2, 0
SMALLEST: dict[str, object] = {"dim": 32, "als": False, "folds": 1, "epochs": 1}

Settings = dict[str, dict[str, object]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A window whose targets are new tracks, what was known at its cut, and the new tracks."""

    window: Window
    knowledge: Knowledge
    new_Z: Int32


class Among:
    """A system that may name some tracks only."""

    def __init__(self, system: "System", track_Z: Int32) -> None:
        self.system, self.track_Z = system, track_Z

    def score(self, history: History) -> SparseScores:
        """Return the scores of these tracks; what the system does not propose has none."""
        scores, track_P = self.system.score(history), np.tile(self.track_Z, len(history))
        row_P = np.repeat(np.arange(len(history)), len(self.track_Z))
        shape = (len(history), scores.num_columns)
        is_known_P = track_P < scores.num_columns
        row_P, track_P = row_P[is_known_P], track_P[is_known_P]
        return SparseScores(sum_pairs(row_P, track_P, scores.at(row_P, track_P), shape))


class Own:
    """The baselines: tracks by how often the user listened to their artist, then to their genre; ties in random order."""

    def __init__(self, num_tracks: int, value_T: list[Int32], *, seed: int) -> None:
        self.num_tracks, self.value_T = num_tracks, value_T
        self.generator = np.random.default_rng(seed)

    def score(self, history: History) -> SparseScores:
        """Return whole numbers for the first value, a share of one for the next, and less than that for chance."""
        plays_BT = query(history, np.ones(history.track_BL.shape), self.num_tracks)
        score_BT = 1e-3 * (1.0 - self.generator.random(plays_BT.shape, dtype=np.float32))
        for place, value_T in enumerate(self.value_T):
            own_BT = of_own(plays_BT, value_T)
            score_BT += 0.9 * own_BT / np.maximum(own_BT.max(axis=1, keepdims=True), 1.0) if place else own_BT
        score_BT[:, 0] = 0.0
        return SparseScores(csr_array(score_BT))


System = Among | Own | Channel


def of_own(plays_BT: csr_array, value_T: Int32) -> Float32:
    """Return how often each row listened to what has the same artist or genre as a track [B, T], 0 where that is unknown."""
    track_T = np.flatnonzero(value_T)
    value_TA = sum_pairs(track_T, value_T[track_T], np.ones(len(track_T)), (len(value_T), int(value_T.max()) + 1))
    return np.asarray((plays_BT @ value_TA).toarray()[:, value_T], dtype=np.float32)


def main() -> None:
    """Make the world, score every system, print and write."""
    options, settings = parse(), cast(Settings, {})
    for override in options.set:
        apply_override(cast(dict[str, object], settings), override)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        label = simulate(folder) if options.world == "simulated" else ingest_real(folder, options.data)
        trial = try_on(folder)
        facts = {"world": label, "seeds": options.seeds, "settings": settings, **facts_of(trial)}
        print(json.dumps(facts, indent=1), flush=True)
        facts["listed without side information"] = check_without(trial, settings)
        print(f"new tracks listed without side information, to be 0: {facts['listed without side information']}")
        facts["results"] = results = compare(trial, options.seeds, settings)
    for part, rows in results.items():
        print_table(part, rows)
    if options.json:
        options.json.write_text(json.dumps(facts, indent=1) + "\n")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=("simulated", "real"), default="simulated")
    parser.add_argument("--data", type=Path, help="real: the folder of events.parquet and track_artist_partial.parquet")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0])
    parser.add_argument("--set", action="append", default=[], metavar="CHANNEL.KEY=VALUE")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.world == "real" and options.data is None:
        parser.error("--world real takes --data FOLDER")
    return options


def simulate(folder: Path) -> str:
    """Simulate and prepare a world; return its label."""
    label = ritornello("simulate", str(folder), *WORLD).split(":")[0].strip()
    ritornello("prepare", str(folder))
    return f"{label}; ritornello simulate WS {' '.join(WORLD)}"


def ingest_real(folder: Path, data: Path) -> str:
    """Ingest and prepare a real log from which what came before the cut is hidden for some tracks; return what was done."""
    events, tracks = pl.read_parquet(data / "events.parquet"), pl.read_parquet(data / "track_artist_partial.parquet")
    is_before = pl.col(TIMESTAMP) < pl.col(TIMESTAMP).max() - TEST_MS // ONE_SECOND_MS
    before = events.filter(is_before)
    known = tracks.join(before, on=TRACK_ID, how="semi").filter(pl.len().over(ARTIST_ID) > 1).sort(TRACK_ID)
    shuffled = known.sample(fraction=1.0, shuffle=True, seed=HIDDEN_SEED)
    may_go = shuffled.filter(pl.int_range(pl.len()).over(ARTIST_ID) > 0)  # one track of each artist stays
    hidden = may_go.head(round(HIDDEN_SHARE * len(known)))[TRACK_ID].implode()
    left = events.filter(~(is_before & pl.col(TRACK_ID).is_in(hidden)))  # the cut is that of the whole log
    # they are listed before the cut, as the newest tracks of all
    released = pl.from_epoch(pl.lit(before[TIMESTAMP].max()), time_unit="s")
    when = pl.when(pl.col(TRACK_ID).is_in(hidden)).then(released).alias(RELEASED_AT)
    left.write_parquet(folder / "events.parquet")
    tracks.select(TRACK_ID, ARTIST_ID, when).write_parquet(folder / "tracks.parquet")
    workspace = Workspace(folder)
    ingest(workspace, [folder / "events.parquet"])
    ingest(workspace, [folder / "tracks.parquet"], kind="catalogue")
    prepare(workspace)
    return f"{data.name}, {HIDDEN_SHARE:.0%} of {len(known)} tracks with a known artist hidden"


def try_on(folder: Path) -> Trial:
    """Cut a prepared log 14 days before its end and keep the targets that are new."""
    prepared = load_prepared(Workspace(folder))
    window = window_of(prepared, int(prepared.sequences.at_E.max()) - TEST_MS)
    knowledge = prepared.knowledge.before(window.at, played=window.known.num_tracks)
    every_T = np.arange(1, knowledge.num_tracks + 1, dtype=np.int32)
    is_known_T = (knowledge.artist_T > 0)[1:]
    new_Z = every_T[~is_among(every_T, window.is_warm_T) & is_known_T]
    # nobody can repeat a new track: played tracks marked as repeats, `only` leaves the new ones
    targets = replace(window.targets, is_repeat_P=~np.isin(window.targets.track_P, new_Z)).only("new")
    return Trial(window=replace(window, targets=targets), knowledge=knowledge, new_Z=new_Z)


def facts_of(trial: Trial) -> dict[str, float]:
    """Count what is judged."""
    targets, known, artist_T = trial.window.targets, trial.window.known, trial.knowledge.artist_T
    size = np.int64(artist_T.max() + 1)
    own_E = known.user_E * size + artist_T[known.track_E]
    is_own_P = np.isin(targets.user_R[targets.row_P] * size + artist_T[targets.track_P], own_E)
    return {
        "users": len(targets.user_R),
        "tracks": trial.knowledge.num_tracks,
        "new tracks": len(trial.new_Z),
        "targets": len(targets.track_P),
        "targets of an artist the user has played": float(is_own_P.mean()),
    }


def check_without(trial: Trial, settings: Settings) -> dict[str, int]:
    """Return how many new tracks the learned channels list where nothing is known of tracks; the smallest fits tell as well."""
    nothing_T = np.zeros_like(trial.knowledge.artist_T)
    nothing_TV = np.zeros((len(nothing_T), 0), np.float32)
    bare = replace(
        trial.knowledge, artist_T=nothing_T, album_T=nothing_T, genre_T=nothing_T, given_TV=nothing_TV, graph=Graph()
    )
    listed = {}
    for name in LEARNED:
        channel = fit(trial, name, settings.get(name, {}) | SMALLEST, bare)
        listed[name] = int((lists_of(trial, Among(channel, trial.new_Z)) > 0).sum())
    return listed


def fit(trial: Trial, name: str, settings: dict[str, object], knowledge: Knowledge) -> Channel:
    """Fit a channel as of the cut."""
    return recall.make(name, settings).fit(trial.window.known, trial.window.at, knowledge)


def lists_of(trial: Trial, system: System) -> Int32:
    """Return each user's best tracks among those not heard [R, K]."""

    def ask(history: History, only: Only) -> Int32:
        return best(cast(Channel, system), history, LIST_LENGTH, only=only).track_BN

    return lists(ask, trial.window, trial.window.targets.user_R, "unheard")


def systems_of(trial: Trial, seeds: list[int], settings: Settings) -> Iterator[tuple[str, System]]:
    """Yield the systems by name, one after another; those that chance has a part in several times."""
    seen = trial.knowledge
    baselines = {RANDOM: [], OWN: [seen.artist_T], OWN_GENRES: [seen.artist_T, seen.genre_T]}
    for name, value_T in baselines.items():
        for seed in range(DRAWS if all(values_T.any() for values_T in value_T) else 0):
            yield name, Own(seen.num_tracks, value_T, seed=seed)
    if len(seen.graph.head_E):
        yield "graph", fit(trial, "graph", settings.get("graph", {}), seen)
    for name in LEARNED:
        for seed in seeds:
            yield name, fit(trial, name, settings.get(name, {}) | {"seed": seed}, seen)


def compare(trial: Trial, seeds: list[int], settings: Settings) -> Results:
    """Return by part and system the means over users and their standard errors, and the gain over the own artists."""
    scored: dict[str, dict[str, list[Scores]]] = {ALONE: {}, UNHEARD: {}}
    for name, system in systems_of(trial, seeds, settings):
        for part, asked in ((ALONE, Among(system, trial.new_Z)), (UNHEARD, system)):
            track_RK = lists_of(trial, asked)
            found = score(track_RK, trial.window.targets)
            found.value_R["listed"] = np.isin(track_RK, trial.new_Z).sum(axis=1).astype(np.float64)
            scored[part].setdefault(name, []).append(found)
            print(f"{name}, {part}: recall@100 {found.value_R['recall@100'].mean():.4f}", flush=True)
    return {
        part: {name: summarise(found) | gain(found, rows[OWN]) for name, found in rows.items()}
        for part, rows in scored.items()
    }


def gain(found: list[Scores], own: list[Scores]) -> Metrics:
    """Return by how much a system is above the own artists, user by user, seeds averaged."""
    gains: Metrics = {}
    for name in SHOWN:
        mean_R, own_R = (np.mean([one.value_R[name] for one in many], axis=0) for many in (found, own))
        gains[f"gain {name}"], gains[f"gain {name}_se"] = float((mean_R - own_R).mean()), standard_error(mean_R - own_R)
    return gains


def print_table(part: str, rows: dict[str, Metrics]) -> None:
    """Print one part as Markdown: mean (standard error over users), recall above own artists', new tracks listed."""
    print(f"\n| {part} | {' | '.join(SHOWN)} | recall@100 above own artists | new tracks in 100 |")
    print("|---" * (len(SHOWN) + 3) + "|")
    for name, row in rows.items():
        cells = [f"{row[metric]:.4f} ({row[f'{metric}_se']:.4f})" for metric in SHOWN]
        cells += [f"{row['gain recall@100']:+.4f} ({row['gain recall@100_se']:.4f})", f"{row['listed']:.1f}"]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
