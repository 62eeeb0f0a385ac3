"""How far can a log be trusted? Off-policy estimates from logged propensities beside what really happens.

The listeners of a simulated world live once more under each target policy, over the same days as the log that the
estimates are made from; the value is minutes listened per offered track. What the estimates cannot see is that another policy
leads listeners into other situations. R logged offers, F features.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from ritornello.contracts import Int32, Int64
from ritornello.data.sources.simulator.catalogue import Catalogue
from ritornello.data.sources.simulator.engine import GLANCE_MS, Engine
from ritornello.data.sources.simulator.generate import load_world
from ritornello.data.sources.simulator.log import Log, LogRows
from ritornello.data.sources.simulator.memory import Rows
from ritornello.data.sources.simulator.policy import Ask, Events, Mixture, Offer
from ritornello.data.sources.simulator.randomness import Float64, keys
from ritornello.data.sources.simulator.world import LoggingConfig
from ritornello.evaluation.loop_policies import RANDOM
from ritornello.evaluation.off_policy import Estimate, doubly_robust, inverse_propensity, self_normalised
from ritornello.schema import ONE_MINUTE_MS, Action

DAYS = 14
LEAST = 2
NUM_FEATURES = 6
SAMPLED_OFFERS = 8  # of a target policy, per logged one, for the reward model's mean
CLIP = 50.0
TARGETS = {
    "logging": None,
    "random": RANDOM,
    "popular": LoggingConfig(uniform=0.0, popular=1.0, genre=0.0, again=0.0),
    "genre": LoggingConfig(uniform=0.0, popular=0.0, genre=1.0, again=0.0),
    "again": LoggingConfig(uniform=0.0, popular=0.0, genre=0.0, again=1.0),
    "mostly_again": LoggingConfig(uniform=0.05, popular=0.1, genre=0.35, again=0.5),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Offers:
    """Logged offers, with what each target policy would have done in their place."""

    id_R: Int64
    at_R: Int64
    propensity_R: Float64
    feature_RF: Float64
    target_R: dict[str, Float64]
    mean_feature_RF: dict[str, Float64]


class Recorder:
    """The logging policy, which notes at every offer how the target policies see it."""

    def __init__(self, policy: Mixture) -> None:
        self.policy = policy
        self.offers: list[Offers] = []

    def offer(self, ask: Ask) -> Offer:
        offer = self.policy.offer(ask)
        self.offers.append(
            Offers(
                id_R=ask.id_R,
                at_R=ask.at_R,
                propensity_R=offer.propensity_R,
                feature_RF=self.features(ask.row_R, offer.track_R),
                target_R={
                    name: self.policy.propensity(ask.row_R, ask.at_R, offer.track_R, settings)
                    for name, settings in TARGETS.items()
                },
                mean_feature_RF={name: self.mean_features(ask, settings) for name, settings in TARGETS.items()},
            )
        )
        return offer

    def observe(self, events: Events) -> None:
        self.policy.observe(events)

    def mean_features(self, ask: Ask, settings: LoggingConfig | None) -> Float64:
        """Return the features of what a target policy would offer, on average over some draws."""
        twin = self.policy.twin(settings, owns_state=False)
        total_RF = np.zeros((len(ask.row_R), NUM_FEATURES))
        for number in range(SAMPLED_OFFERS):
            again = Ask(
                row_R=ask.row_R,
                id_R=ask.id_R,
                at_R=ask.at_R,
                key_R=keys(ask.key_R, 1_000 + number),
                session_R=ask.session_R,
                place_R=ask.place_R,
            )
            total_RF += self.features(ask.row_R, twin.offer(again).track_R)
        return total_RF / SAMPLED_OFFERS

    def features(self, row_R: Rows, track_R: Int32) -> Float64:
        """Return what a service knows of listener and track: popularity, the genre's share of the plays, played lately."""
        catalogue: Catalogue = self.policy.catalogue
        count_RG = self.policy.count_BG[row_R]
        share_R = count_RG[np.arange(len(row_R)), catalogue.genre_T[track_R]] / count_RG.sum(axis=1)
        is_known_R = (self.policy.newest_BW[row_R] == track_R[:, None]).any(axis=1).astype(np.float64)
        popularity_R = np.log(catalogue.weight_T[track_R] * len(catalogue))
        activity_R = np.log1p(self.policy.num_plays_B[row_R])
        ones_R = np.ones(len(row_R))
        return np.stack([ones_R, popularity_R, share_R, np.sqrt(share_R), is_known_R, activity_R], axis=1)


def check_off_policy(folder: Path, *, listeners: int, progress: Progress | None = None) -> dict[str, object]:
    """Return by target policy the estimates from the log and the value that the closed loop has.

    Raises:
        ValueError: when the folder holds no world, or one too small to say anything.
    """
    described, catalogue, _ = load_world(folder)
    world = described.world
    if world.days < LEAST or min(world.listeners, listeners) < LEAST:
        raise ValueError(
            f"the off-policy check needs {LEAST} days and {LEAST} listeners or more, found {world.days} and "
            f"{min(world.listeners, listeners)}"
        )
    task = progress.add_task("off-policy: lives", total=len(TARGETS) + 2) if progress else None

    def advance() -> None:
        if progress and task is not None:
            progress.advance(task)

    id_B = np.arange(1, min(listeners, world.listeners) + 1)
    engine = Engine(world, catalogue, id_B)
    first_day = max(1, world.days - DAYS)
    logging = Mixture(catalogue, world.logging, len(id_B), start_ms=world.start_ms)
    engine.run(logging, Log(), 0, first_day)
    advance()
    values = {}
    for name, settings in TARGETS.items():
        log = Log()
        engine.fork().run(logging.twin(settings, owns_state=True), log, first_day, world.days)
        values[name] = value_of(log.rows())
        advance()
    recorder, log = Recorder(logging), Log()
    engine.run(recorder, log, first_day, world.days)
    advance()
    offers = join(recorder.offers)
    reward_R = rewards(log.rows(), offers)
    return {
        "protocol": "off_policy",
        "simulated": world.label,
        "stats": {"listeners": len(id_B), "offers": len(reward_R), "days": world.days - first_day},
        "results": {name: {"closed_loop": values[name], **estimates(offers, reward_R, name)} for name in TARGETS},
    }


def join(offers: list[Offers]) -> Offers:
    """Return all offers as one."""
    return Offers(
        id_R=np.concatenate([part.id_R for part in offers]),
        at_R=np.concatenate([part.at_R for part in offers]),
        propensity_R=np.concatenate([part.propensity_R for part in offers]),
        feature_RF=np.concatenate([part.feature_RF for part in offers]),
        target_R={name: np.concatenate([part.target_R[name] for part in offers]) for name in TARGETS},
        mean_feature_RF={name: np.concatenate([part.mean_feature_RF[name] for part in offers]) for name in TARGETS},
    )


def rewards(rows: LogRows, offers: Offers) -> Float64:
    """Return the minutes that followed each offer; a play begins a glance after it."""
    is_play_R = rows.action_R == Action.PLAY
    order_P = np.lexsort((rows.at_R[is_play_R], rows.id_R[is_play_R]))
    id_P, at_P = rows.id_R[is_play_R][order_P], rows.at_R[is_play_R][order_P]
    minutes_P = rows.played_ms_R[is_play_R][order_P] / ONE_MINUTE_MS
    key_P = (id_P << 44) + at_P
    key_R = (offers.id_R << 44) + offers.at_R + GLANCE_MS
    place_R = np.minimum(np.searchsorted(key_P, key_R), len(key_P) - 1)
    return np.where(key_P[place_R] == key_R, minutes_P[place_R], 0.0)


def value_of(rows: LogRows) -> dict[str, float]:
    """Return the minutes per offer when a policy is really at work, with its standard error over listeners."""
    is_offer_R, is_play_R = rows.action_R == Action.IMPRESSION, rows.action_R == Action.PLAY
    is_played_R = is_play_R & (rows.request_R >= 0)
    size = int(rows.id_R.max(initial=0)) + 1
    offers_U = np.bincount(rows.id_R[is_offer_R], minlength=size).astype(np.float64)
    minutes_U = np.bincount(
        rows.id_R[is_played_R], weights=rows.played_ms_R[is_played_R] / ONE_MINUTE_MS, minlength=size
    )
    value = float(minutes_U.sum() / offers_U.sum())
    error = float(np.sqrt(((minutes_U - value * offers_U) ** 2).sum()) / offers_U.sum())
    return {"value": value, "standard_error": error}


def estimates(offers: Offers, reward_R: Float64, name: str) -> dict[str, dict[str, float]]:
    """Return what each estimator makes of the log for one target."""
    target_R, user_R = offers.target_R[name], offers.id_R
    predicted_R, expected_R = reward_model(offers, reward_R, name)
    found = {
        "ips": inverse_propensity(reward_R, offers.propensity_R, target_N=target_R, user_N=user_R),
        "snips": self_normalised(reward_R, offers.propensity_R, target_N=target_R, user_N=user_R),
        "dr": doubly_robust(
            reward_R,
            offers.propensity_R,
            target_N=target_R,
            user_N=user_R,
            predicted_N=predicted_R,
            expected_N=expected_R,
            clip=CLIP,
        ),
    }
    return {estimator: as_figures(estimate) for estimator, estimate in found.items()}


def as_figures(estimate: Estimate) -> dict[str, float]:
    """Return an estimate as plain numbers."""
    return {
        "value": estimate.value,
        "standard_error": estimate.standard_error,
        "effective_sample_size": estimate.effective_sample_size,
        "mean_weight": estimate.mean_weight,
        "largest_weight": estimate.largest_weight,
    }


def reward_model(offers: Offers, reward_R: Float64, name: str) -> tuple[Float64, Float64]:
    """Return the predicted minutes of each offer, and of what the target would offer instead.

    Least squares on half of the listeners predicts the other half, so that no offer is predicted by a model that knows it.
    """
    predicted_R, expected_R = np.zeros(len(reward_R)), np.zeros(len(reward_R))
    is_odd_R: NDArray[np.bool_] = offers.id_R % 2 == 1
    for is_fit_R in (is_odd_R, ~is_odd_R):
        weight_F = np.linalg.lstsq(offers.feature_RF[is_fit_R], reward_R[is_fit_R], rcond=None)[0]
        predicted_R[~is_fit_R] = offers.feature_RF[~is_fit_R] @ weight_F
        expected_R[~is_fit_R] = offers.mean_feature_RF[name][~is_fit_R] @ weight_F
    return predicted_R, expected_R
