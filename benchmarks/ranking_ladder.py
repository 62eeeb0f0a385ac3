"""The ranking ladder on the logged slates of a simulated world, task by task of the chain. Simulated, always.

    ritornello simulate WS --users 6000 --seed 2 && ritornello prepare WS
    python benchmarks/ranking_ladder.py WS --rankers "trees;din;multipath" --json ladder.json

All rankers learn from the slates of two 14-day windows and are judged on those of the third; features and places are those
known at the beginning of each window, histories those of the moment of the slate. Models of features alone are fitted once a
task. Values are sums by listener, so that differences are paired and a bootstrap over listeners gives their standard error;
what the training seeds do is told beside it. The area under the curve is that within a listener and a scene: who listens to the
radio has more played, whatever it plays.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import rankdata

from ranking import parsed
from ritornello import rank
from ritornello.artifacts import Workspace
from ritornello.config import Config, load_config
from ritornello.contracts import Float32
from ritornello.data import split
from ritornello.data.outcomes import FINISH, LIKE, OUTCOMES, PLAY, SKIP
from ritornello.data.prepare import Prepared, load_prepared
from ritornello.rank import Examples
from ritornello.rank.logistic import Logistic
from ritornello.rank.network import Network, chances
from ritornello.rank.trees import Trees
from ritornello.schema import ONE_DAY_MS
from ritornello.train.candidates import Sampling, offered_examples, stack
from ritornello.train.recall import fit_recall

TASKS = {"play": PLAY, "finish": FINISH, "like": LIKE, "skip": SKIP}
METRICS = ("ndcg", "gauc", "log-loss")
WINDOW_DAYS, WINDOWS, DRAWS, ROWS = 14, 3, 1000, 64
CHANNELS = '["popular","fresh","relisten","item2item","colisten","transitions","sessions","factors","neighbours"]'

Sums = tuple[NDArray[np.float64], NDArray[np.float64]]  # by listener: of a value, and of its weight

app = typer.Typer(add_completion=False)


@app.command()
def main(
    workspace: Annotated[Path, typer.Argument(exists=True, help="A simulated workspace, prepared.")],
    rankers: Annotated[
        str, typer.Option(help="NAME or NAME:LABEL={settings as JSON}, several with ;")
    ] = "trees;multipath",
    beside: Annotated[str, typer.Option(help="The label that the others are compared with.")] = "trees",
    seeds: Annotated[str, typer.Option(help="For rankers whose result hangs on one.")] = "1,2,3",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Fit, judge and compare."""
    prepared = load_prepared(Workspace(workspace))
    known, judged = examples_of(prepared, load_config(None, ["rank.model=multipath", f"recall.channels={CHANNELS}"]))
    print(f"{len(known.label_S):,} offers to learn from, {len(judged.label_S):,} to be judged on", flush=True)
    found: dict[str, list[dict[str, Sums]]] = {}
    reliability: dict[str, dict[str, float]] = {}
    for text in rankers.split(";"):
        name, label, settings = parsed(text)
        found[label], worst = [], []
        for seed in [int(one) for one in seeds.split(",")] if name != "logistic" else [1]:
            probability_ST = fitted_chances(name, settings, seed, known, judged)
            found[label].append(sums_of(probability_ST, judged))
            worst.append(
                [worst_decile(probability_ST[:, column], targets(judged)[:, column]) for column in TASKS.values()]
            )
            print(label, seed, {key: round(mean(sums), 4) for key, sums in found[label][-1].items()}, flush=True)
        reliability[label] = dict(zip(TASKS, np.mean(worst, axis=0).round(4).tolist(), strict=True))
    table = {
        label: {key: compared([one[key] for one in parts], [one[key] for one in found[beside]]) for key in parts[0]}
        for label, parts in found.items()
    }
    if out:
        out.write_text(
            json.dumps({"beside": beside, "seeds": seeds, "results": table, "reliability": reliability}, indent=1)
            + "\n"
        )


def examples_of(prepared: Prepared, config: Config) -> tuple[Examples, Examples]:
    """Return the offers of the first windows together, and those of the last."""
    end = int(prepared.sequences.at_E.max()) + 1
    parts, onto = [], None
    for number in range(WINDOWS, 0, -1):
        cut = end - number * WINDOW_DAYS * ONE_DAY_MS
        before = split.before(prepared.sequences, cut)
        pipeline = fit_recall(before, cut, config, prepared.knowledge, onto=onto)
        onto = pipeline.spaces
        slates = prepared.slates.between(cut, cut + WINDOW_DAYS * ONE_DAY_MS)
        sampling = Sampling(negatives=1.0, seed=0, with_history=True)
        part = offered_examples(
            pipeline, prepared.sequences, slates, sampling=sampling, track_ms_T=prepared.knowledge.track_ms_T
        )
        assert part is not None, "the log has slates in every window"
        parts.append(part)
    return stack(parts[:-1]), parts[-1]


def targets(examples: Examples) -> Float32:
    """Return what the products along the chain came to [S, T]."""
    outcome_ST = np.nan_to_num(examples.outcome_ST)
    outcome_ST[:, LIKE] *= outcome_ST[:, FINISH]
    return np.where(examples.outcome_ST[:, [PLAY]] > 0, outcome_ST, 0.0).astype(np.float32)


def fitted_chances(
    name: str, settings: dict[str, object], seed: int, known: Examples, judged: Examples
) -> NDArray[np.float64]:
    """Return the probability of every task [S, T] of the offers that are judged."""
    if rank.reads_history(name):
        usual = rank.settings_for(name, "offered", {"seed": seed} | ({"trees": []} if name == "multipath" else {}))
        network = rank.make(name, usual | settings).fit(known)
        assert isinstance(network, Network)
        return network_chances(network, judged)
    found = np.full((len(judged.label_S), len(OUTCOMES)), np.nan)
    for column in TASKS.values():
        model = rank.make(name, settings | ({"objectives": ["binary"], "seed": seed} if name == "trees" else {}))
        model.fit(replace(known, label_S=targets(known)[:, column] > 0))
        assert isinstance(model, Logistic | Trees)
        logit_S = raw_scores(model, judged.feature_SF)
        if isinstance(model, Logistic):  # its terms lack a constant
            from ritornello.nn.rank_calibration import platt

            target_S = (targets(known)[:, column] > 0).astype(np.float64)
            slope, shift = platt(raw_scores(model, known.feature_SF), target_S, np.ones(len(target_S)))
            logit_S = slope * logit_S + shift
        found[:, column] = expit(logit_S)
    return found


def raw_scores(model: Logistic | Trees, feature_SF: Float32) -> NDArray[np.float64]:
    """Return logits; those of the regression less a constant, which no order depends on."""
    if isinstance(model, Trees):
        return np.asarray(model.boosters[0].predict(feature_SF, raw_score=True))
    return np.asarray(model.terms(feature_SF).sum(axis=1), dtype=np.float64)


def network_chances(network: Network, judged: Examples) -> NDArray[np.float64]:
    """Ask the exported network, requests of like lengths together."""
    from ritornello.nn.rank_batches import Reader

    assert network.scaling is not None
    assert network.bins is not None
    assert network.model is not None
    reader = Reader(judged, network.scaling, network.bins, network.least_events)
    length_Q = (reader.requests.behaviour["play"].track_BL > 0).sum(axis=1)
    order_Q = np.argsort(length_Q, kind="stable")
    every_S = np.ones(len(judged.label_S), bool)
    found = np.zeros((len(judged.label_S), len(OUTCOMES)))
    for start in range(0, len(order_Q), ROWS):
        request_B = np.sort(order_Q[start : start + ROWS])
        batch = reader.batch(request_B, every_S)
        logit_BNH = network.model(**{name: value.numpy() for name, value in batch.inputs.items()})
        example_P = np.concatenate([np.arange(*reader.start_Q[row : row + 2]) for row in request_B])
        found[example_P] = chances(logit_BNH, network.calibration_2T)[batch.is_candidate_BN.numpy()]
    return found


def sums_of(probability_ST: NDArray[np.float64], judged: Examples) -> dict[str, Sums]:
    """Return every metric of every task, summed by listener."""
    assert judged.requests is not None
    user_Q = judged.requests.user_Q
    user_S = user_Q[judged.request_S]
    known_U, scene_S = np.unique(user_Q), scenes_of(judged)
    sums: dict[str, Sums] = {}
    for task, column in TASKS.items():
        chance_S = np.clip(probability_ST[:, column], 1e-6, 1 - 1e-6)
        target_S = targets(judged)[:, column]
        lost_S = -(target_S * np.log(chance_S) + (1 - target_S) * np.log(1 - chance_S))
        sums[f"{task} log-loss"] = by_listener(lost_S, np.ones(len(lost_S)), user_S, known_U)
        value_Q = np.array([ndcg(chance_S[part], target_S[part]) for part in groups(judged.request_S)])
        sums[f"{task} ndcg"] = by_listener(value_Q, np.ones(len(value_Q)), user_Q, known_U)
        order_S = np.lexsort((scene_S, user_S))
        parts = [order_S[part] for part in groups(user_S[order_S] * (scene_S.max() + 1) + scene_S[order_S])]
        value_G = np.array([area(chance_S[part], target_S[part]) for part in parts])  # G: listeners in a scene
        size_G = np.array([float(len(part)) for part in parts])
        sums[f"{task} gauc"] = by_listener(value_G, size_G, user_S[[part[0] for part in parts]], known_U)
    return sums


def scenes_of(examples: Examples) -> NDArray[np.int64]:
    """Return the scene of every offer [S], as a number from 1, 0 where it is unknown."""
    is_scene_F = np.array([name.startswith("scene_") for name in examples.feature_names])
    is_in_SC = examples.feature_SF[:, is_scene_F] > 0  # C: scenes
    return (
        np.where(is_in_SC.any(axis=1), 1 + is_in_SC.argmax(axis=1), 0)
        if is_scene_F.any()
        else np.zeros(len(is_in_SC), int)
    )


def groups(key_S: NDArray[np.integer]) -> list[NDArray[np.intp]]:
    """Return the places of each run of equal keys."""
    return np.split(np.arange(len(key_S)), np.flatnonzero(np.diff(key_S)) + 1)


def by_listener(
    value_P: NDArray[np.float64],
    weight_P: NDArray[np.float64],
    user_P: NDArray[np.integer],
    known_U: NDArray[np.integer],
) -> Sums:
    """Sum values and weights by listener; what is no number counts nothing."""
    is_there_P = np.isfinite(value_P)
    place_P = np.searchsorted(known_U, user_P[is_there_P])
    weight_P = weight_P[is_there_P]
    return (
        np.bincount(place_P, value_P[is_there_P] * weight_P, len(known_U)),
        np.bincount(place_P, weight_P, len(known_U)),
    )


def ndcg(chance_N: NDArray[np.float64], target_N: NDArray[np.float64]) -> float:
    """Return the NDCG of a slate, NaN where its order can not be wrong."""
    number = int((target_N > 0).sum())
    if number in (0, len(target_N)):
        return float("nan")
    gain_N = 1.0 / np.log2(np.arange(len(target_N)) + 2)
    return float((target_N[np.argsort(-chance_N, kind="stable")] * gain_N).sum() / gain_N[:number].sum())


def area(chance_N: NDArray[np.float64], target_N: NDArray[np.float64]) -> float:
    """Return the area under the curve of one listener, NaN where there is none."""
    ones = float((target_N > 0).sum())
    zeros = len(target_N) - ones
    if ones == 0 or zeros == 0:
        return float("nan")
    return float((rankdata(chance_N)[target_N > 0].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def worst_decile(chance_S: NDArray[np.float64], target_S: NDArray[np.float64]) -> float:
    """Return how far, at most, the mean chance of a tenth of the offers is from what came true."""
    parts = np.array_split(np.argsort(chance_S, kind="stable"), 10)
    return round(max(abs(float(chance_S[part].mean() - target_S[part].mean())) for part in parts), 4)


def mean(sums: Sums) -> float:
    """Return the mean over all."""
    return float(sums[0].sum() / sums[1].sum())


def compared(own: list[Sums], others: list[Sums]) -> dict[str, float]:
    """Return the mean over seeds, its standard error over listeners and over seeds, and the paired difference to others.

    Seeds are paired as far as both have them; the weights of the sums hang on the examples alone.
    """
    weight_U = own[0][1]
    drawn = np.random.default_rng(0).multinomial(len(weight_U), np.full(len(weight_U), 1 / len(weight_U)), size=DRAWS)
    pairs = list(zip(own, others, strict=False)) if min(len(own), len(others)) > 1 else [(own[0], others[0])]
    apart = [mean(mine) - mean(theirs) for mine, theirs in pairs]
    value_U = np.mean([sums[0] for sums in own], axis=0)
    apart_U = np.mean([mine[0] - theirs[0] for mine, theirs in pairs], axis=0)
    return {
        "mean": float(value_U.sum() / weight_U.sum()),
        "se": spread(drawn, value_U, weight_U),
        "difference": float(np.mean(apart)),
        "difference se": spread(drawn, apart_U, weight_U),
        "difference se over seeds": float(np.std(apart, ddof=1) / len(apart) ** 0.5) if len(apart) > 1 else 0.0,
        "seeds": len(own),
    }


def spread(drawn_DU: NDArray[np.int64], value_U: NDArray[np.float64], weight_U: NDArray[np.float64]) -> float:
    """Return the standard deviation of a mean over draws of listeners; draws that hold nothing to judge are left out."""
    weight_D = drawn_DU @ weight_U
    return float(((drawn_DU @ value_U)[weight_D > 0] / weight_D[weight_D > 0]).std())


if __name__ == "__main__":
    app()
