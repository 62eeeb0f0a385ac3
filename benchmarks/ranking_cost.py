"""What ranking costs: 500 candidates beside 200 plays and 50 events of every other domain, one request at a time.

    python benchmarks/ranking_cost.py [--requests 300] [--candidates 500] [--json F]

One thread, weights as they are at first: the time does not depend on their values; trees are fitted on invented examples.
Systems take turns, request by request, so that a busy machine slows all of them alike. "inputs" is the reading of history and
tracks into arrays, "graph" ONNX Runtime alone, "whole" is `score`. Every time is given twice: by the clock, and by the
processor alone, which does not count what other programs on the machine took.
"""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, process_time
from typing import TypeVar

import numpy as np
import torch

from ritornello import rank
from ritornello.contracts import Float32, History, RankBatch, Spaces
from ritornello.data.behaviour import ACTIONS, DOMAINS, LENGTHS, behaviour_of
from ritornello.data.outcomes import OUTCOMES
from ritornello.data.rank_inputs import Arrays
from ritornello.data.scaling import Bins, Scaling
from ritornello.inference import Model
from ritornello.nn.rank_batches import as_tensors
from ritornello.nn.rank_export import export
from ritornello.nn.rank_training import make
from ritornello.nn.rankers.shape import Shape
from ritornello.rank import Examples
from ritornello.rank.multipath import PATHS, Multipath
from ritornello.rank.network import Network
from ritornello.schema import ONE_MINUTE_MS, Action

Found = TypeVar("Found")
TRACKS, DIM, FEATURES, CONTEXT, WARM_UP = 50_000, 32, 110, 12, 20
FIVE = [path for path in PATHS if path != "evolution"]
EVOLUTION = "multipath, all six paths, 50 plays evolved"
SYSTEMS: dict[str, tuple[str, dict[str, object]]] = {
    "multipath": ("multipath", {}),
    "multipath without trees": ("multipath", {"trees": []}),
    "multipath for offers": ("multipath", {"paths": ["domains", "spaces", "evolution"], "trees": []}),
    "multipath, five paths": ("multipath", {"paths": FIVE}),
    EVOLUTION: ("multipath", {"paths": PATHS, "evolved": 50}),
    "din over 200 plays": ("din", {"length": 200}),
    "mean_pool": ("mean_pool", {}),
    "trees": ("trees", {}),
}


@dataclass(frozen=True, slots=True)
class Clock:
    """Times of one part, in ms, by the clock and by the processor."""

    wall: list[float]
    processor: list[float]

    def time(self, call: Callable[[], Found]) -> Found:
        """Run something once."""
        started, used = perf_counter(), process_time()
        found = call()
        self.processor.append(1000 * (process_time() - used))
        self.wall.append(1000 * (perf_counter() - started))
        return found

    def percentiles(self) -> dict[str, float]:
        """Return p50 and p99 of both, after the warm-up."""
        kinds = {"": self.wall, "processor ": self.processor}
        return {
            f"{kind}p{level} ms": round(float(np.percentile(times[WARM_UP:], level)), 2)
            for kind, times in kinds.items()
            for level in (50, 99)
        }


def invent(number: int, rng: np.random.Generator) -> RankBatch:
    """Return one request of a long-standing user."""
    actions = [Action.PLAY] * 2 * LENGTHS["play"]
    actions += [ACTIONS[name][0] for name in ("like", "add", "share", "search") for _ in range(LENGTHS[name])]
    action_L = rng.permutation(np.array(actions, np.int8))
    length = len(action_L)
    at_L = 1_600_000_000_000 + np.cumsum(rng.integers(1, 200, length)) * ONE_MINUTE_MS
    history = History(
        user_B=np.ones(1, np.int32),
        as_of_B=at_L[-1:] + ONE_MINUTE_MS,
        track_BL=rng.integers(1, TRACKS // 100, (1, length)).astype(np.int32),
        action_BL=action_L[None],
        at_BL=at_L[None],
        play_ratio_BL=np.where(rng.random((1, length)) < 0.2, 0.05, 1.0).astype(np.float32),  # a fifth is skipped
        session_BL=np.arange(length, dtype=np.int32)[None] // 12,
    )
    return RankBatch(
        track_BN=rng.choice(np.arange(1, TRACKS, dtype=np.int32), (1, number), replace=False),
        feature_BNF=rng.lognormal(size=(1, number, FEATURES)).astype(np.float32),
        feature_names=tuple(f"feature_{place}" for place in range(FEATURES)),
        history=history,
        spaces=SPACES,
    )


def unit(vector: Float32) -> Float32:
    """Return vectors of length 1."""
    return np.asarray(vector / np.linalg.norm(vector, axis=-1, keepdims=True), dtype=np.float32)


def make_spaces(rng: np.random.Generator) -> Spaces:
    """Return places of tracks, and of attributes of which there are fewer and fewer."""
    sizes = (TRACKS // 8, TRACKS // 4, 40, 12)
    return Spaces(
        place_TD=unit(rng.normal(size=(TRACKS + 1, DIM))),
        attribute_TA=np.stack([rng.integers(1, size, TRACKS + 1) for size in sizes], axis=1).astype(np.int32),
        mean_ASD=tuple(unit(rng.normal(size=(size, DIM))) for size in sizes),
    )


SPACES = make_spaces(np.random.default_rng(0))


def examples(rng: np.random.Generator) -> Examples:
    """Return what trees and scales are fitted on."""
    number = 20_000
    feature_SF = rng.lognormal(size=(number, FEATURES)).astype(np.float32)
    label_S = np.log(feature_SF[:, :8]).sum(axis=1) + rng.normal(size=number) > 3
    return Examples(
        feature_SF=feature_SF,
        label_S=label_S,
        request_S=np.repeat(np.arange(number // 50, dtype=np.int32), 50),
        weight_S=np.ones(number, np.float32),
        feature_names=tuple(f"feature_{place}" for place in range(FEATURES)),
        track_S=np.ones(number, np.int32),
        outcome_ST=np.zeros((number, len(OUTCOMES)), np.float32),
        grade_S=label_S.astype(np.float32),
        position_S=np.full(number, -1, np.int32),
        propensity_S=np.full(number, np.nan, np.float32),
    )


def prepared(
    name: str, settings: dict[str, object], learned: Examples, batch: RankBatch
) -> tuple[rank.Ranker, dict[str, float]]:
    """Return a ranker as it is served, and what it took to export its graph and to open it."""
    ranker = rank.make(name, settings)
    if not isinstance(ranker, Network):
        return ranker.fit(learned), {}
    ranker.scaling = Scaling.fit(learned.feature_SF)
    ranker.bins = Bins.fit(learned.feature_SF, np.arange(CONTEXT))
    shape = Shape(dim=DIM, num_features=FEATURES, num_context=CONTEXT, num_spaces=1 + len(SPACES.mean_ASD))
    torch.manual_seed(0)
    module = make(ranker.architecture, ranker.config, shape).eval()
    started = perf_counter()
    ranker.model = Model(export(module, as_tensors(arrays_of(ranker, batch))))
    exported = perf_counter()
    assert ranker.model.session
    figures = {
        "export s": exported - started,
        "open s": perf_counter() - exported,
        "kB": len(ranker.model.content) / 1e3,
    }
    if isinstance(ranker, Multipath) and ranker.trees is not None:
        ranker.trees.fit(learned)
    return ranker, {key: round(value, 2) for key, value in figures.items()}


def arrays_of(ranker: Network, batch: RankBatch) -> Arrays:
    """Return what the graph of a network reads."""
    behaviour = {name: part.trim() for name, part in behaviour_of(batch.history).items()}
    return ranker.inputs(batch.track_BN, batch.feature_BNF, behaviour, batch)


def measure(rankers: dict[str, rank.Ranker], requests: int, candidates: int) -> dict[str, dict[str, Clock]]:
    """Let all rankers answer the same requests, one after the other."""
    clocks = {name: {part: Clock([], []) for part in ("inputs", "graph", "whole")} for name in rankers}
    rng = np.random.default_rng(2)
    for _ in range(requests + WARM_UP):
        batch = invent(candidates, rng)
        for name, ranker in rankers.items():
            answer(ranker, batch, clocks[name])
    return clocks


def answer(ranker: rank.Ranker, batch: RankBatch, clocks: dict[str, Clock]) -> None:
    """Let a ranker answer once, part by part and as a whole; each reads the history anew, which is read once a request."""
    if isinstance(ranker, Network):
        model, batch = ranker.model, anew(batch)
        assert model is not None
        arrays = clocks["inputs"].time(lambda: arrays_of(ranker, batch))
        clocks["graph"].time(lambda: model(**arrays))
    batch = anew(batch)
    clocks["whole"].time(lambda: ranker.score(batch))


def anew(batch: RankBatch) -> RankBatch:
    """Return the batch with a history that nobody has read yet."""
    return replace(batch, history=replace(batch.history))


def main() -> None:
    """Build, time, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    learned, batch = examples(rng), invent(options.candidates, rng)
    widths = {name: part.track_BL.shape[1] for name, part in behaviour_of(batch.history).items()}
    assert widths == {name: LENGTHS[name] for name in DOMAINS}, widths
    built = {label: prepared(name, settings, learned, batch) for label, (name, settings) in SYSTEMS.items()}
    rankers = {label: ranker for label, (ranker, _) in built.items()}
    started = os.getloadavg()[0]
    clocks = measure(rankers, options.requests, options.candidates)
    few = measure({EVOLUTION: rankers[EVOLUTION]}, options.requests, 50)[EVOLUTION]
    rows = [{"system": label, **figures} for label, (_, figures) in built.items()]
    parts = [(label, part, clock) for label, found in clocks.items() for part, clock in found.items() if clock.wall]
    parts += [(f"{EVOLUTION}, 50 candidates", part, clock) for part, clock in few.items()]
    rows += [{"system": label, "part": part, **clock.percentiles()} for label, part, clock in parts]
    for row in rows:
        print(row, flush=True)
    about = {"candidates": options.candidates, "requests": options.requests, "load": [started, os.getloadavg()[0]]}
    if options.json:
        options.json.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
