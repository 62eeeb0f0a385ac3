"""Training of the sequence rankers: requests with a sample of their candidates, all tasks of the chain at once.

Every epoch draws other unplayed candidates. The requests of some users may be held out, to calibrate the heads on.
S examples, Q requests, B requests of a batch, N candidates, H heads, T outcomes, F features.
"""

from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ritornello.contracts import Bool, Float32, Int32
from ritornello.data.outcomes import OUTCOMES, PLAY
from ritornello.data.rank_inputs import Arrays
from ritornello.data.scaling import Bins, Scaling
from ritornello.nn.chain import ORDER, Balance, link_losses, order_loss
from ritornello.nn.loop import Task, train
from ritornello.nn.rank_batches import RankingBatch, Reader, shuffled
from ritornello.nn.rank_calibration import calibrate
from ritornello.nn.rank_export import export
from ritornello.nn.rankers.shape import Shape

if TYPE_CHECKING:
    from ritornello.rank import Examples
    from ritornello.rank.network import NetworkConfig

SPREAD_REQUESTS = 200
POSITIONS = 32  # places of a slate that are told apart
CONTEXT = ("user_", "session_", "hour", "weekday", "scene_")
AUXILIARY = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """A trained network as it is served, and what it answers to a sample."""

    content: bytes
    scaling: Scaling
    bins: Bins
    calibration_2T: NDArray[np.float64]
    spread: float
    module: nn.Module
    sample: Arrays
    expected_BNH: Float32


def fit(examples: "Examples", config: "NetworkConfig", architecture: str, *, least_events: int) -> Fitted:
    """Train a network on examples, and make it ready to be served."""
    scaling = Scaling.fit(examples.feature_SF)
    is_context_F = [name.startswith(CONTEXT) for name in examples.feature_names]
    bins = Bins.fit(examples.feature_SF, np.flatnonzero(is_context_F))
    reader = Reader(examples, scaling, bins, least_events, is_graded=config.graded, propensity=config.propensity)
    shape = shape_of(examples, len(bins.column_C))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        module = make(architecture, config, shape)
    is_held_Q = held_out(reader.requests.user_Q, config.held_out)
    optimise(module, reader, np.flatnonzero(~is_held_Q), config, name=architecture.rpartition(":")[2])
    sample = reader.batch(np.arange(min(2, len(is_held_Q))), np.ones(len(examples.label_S), bool))
    content = export(module, sample.inputs)
    module.eval()
    with torch.no_grad():
        expected_BNH: Float32 = module(sample.inputs).numpy()
    return Fitted(
        content=content,
        scaling=scaling,
        bins=bins,
        calibration_2T=calibrate(module, reader, np.flatnonzero(is_held_Q), config),
        module=module,
        spread=spread_of(module, reader, config),
        sample={name: value.numpy() for name, value in sample.inputs.items()},
        expected_BNH=expected_BNH,
    )


def spread_of(module: nn.Module, reader: Reader, config: "NetworkConfig") -> float:
    """Return the standard deviation of the order's logits inside a request, from some of the requests."""
    request_R = np.unique(np.linspace(0, len(reader.requests) - 1, SPREAD_REQUESTS).astype(np.int64))
    total, number = 0.0, 0
    module.eval()
    with torch.no_grad():
        for batch in reader.batches(request_R, size=config.batch_requests, unplayed=config.unplayed, seed=config.seed):
            logit_BN = module(batch.inputs)[..., ORDER].double()
            count_B1 = batch.is_candidate_BN.sum(dim=1, keepdim=True)
            mean_B1 = (logit_BN * batch.is_candidate_BN).sum(dim=1, keepdim=True) / count_B1
            total += float(((logit_BN - mean_B1) ** 2 * batch.is_candidate_BN).sum())
            number += int(count_B1.sum())
    return float(np.sqrt(total / max(number, 1)))


def held_out(user_Q: Int32, every: int) -> Bool:
    """Tell the requests of every so manieth user; of none where `every` is 0, or where there are too few."""
    if not every or len(np.unique(user_Q)) < every:
        return np.zeros(len(user_Q), bool)
    return np.asarray(user_Q % every == 0)


def shape_of(examples: "Examples", num_context: int) -> Shape:
    """Return the dimensions of what a network reads."""
    assert examples.requests is not None
    spaces = examples.requests.spaces_K[0]
    return Shape(
        dim=spaces.place_TD.shape[1],
        num_features=examples.feature_SF.shape[1],
        num_context=num_context,
        num_spaces=1 + spaces.attribute_TA.shape[1],
    )


def make(architecture: str, config: "NetworkConfig", shape: Shape) -> nn.Module:
    """Build the network that a path "module:Class" names."""
    module, _, name = architecture.partition(":")
    network: nn.Module = getattr(import_module(module), name)(config, shape)
    return network


def optimise(
    module: nn.Module, reader: Reader, request_R: NDArray[np.int64], config: "NetworkConfig", *, name: str
) -> None:
    """Run the loop."""
    steps = len(
        shuffled(request_R, reader.requests.known_Q[request_R], config.batch_requests, np.random.default_rng(0))
    )
    task = Task(
        name=name,
        fingerprint=f"{config} {digest(reader.examples)}",
        num_epochs=config.epochs,
        steps_per_epoch=steps,
        learning_rate=config.learning_rate,
        table_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        seed=config.seed,
    )

    has_positions = config.position and bool((reader.examples.position_S > 0).any())
    if has_positions:  # what stands further down is played less, whatever it is: learned, and left out when served
        module.add_module("position", nn.Embedding(POSITIONS, 1, _weight=torch.zeros(POSITIONS, 1)))
    is_link_T = torch.tensor([float(name in config.links) for name in OUTCOMES])
    balance = Balance(len(OUTCOMES)) if config.balance == "learned" else nn.Identity()
    module.add_module("balance", balance)

    def loss_of(batch: RankingBatch) -> Tensor:
        logit_BNH = module(batch.inputs)
        if has_positions:
            logit_BNH = with_position(logit_BNH, batch.position_BN, module.get_submodule("position"))
        loss = config.order * order_loss(logit_BNH[..., ORDER], batch.label_BN, batch.is_candidate_BN)
        loss_T = balance(is_link_T * link_losses(logit_BNH, batch.outcome_BNT, batch.weight_BN * batch.rarity_BN))
        loss = loss + config.chain * loss_T.sum()
        return torch.as_tensor(loss + AUXILIARY * module.auxiliary(batch.inputs))  # type: ignore[operator]

    train(
        module,
        task,
        epoch=lambda number: reader.batches(
            request_R, size=config.batch_requests, unplayed=config.unplayed, seed=config.seed * 1_000_003 + number
        ),
        loss_of=loss_of,
        validate=None,
    )


def digest(examples: "Examples") -> str:
    """Return what tells these examples from any others: another task's, or another log's."""
    content = sha256()
    for array in (examples.track_S, examples.request_S, examples.label_S, examples.feature_SF):
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()[:16]


def with_position(logit_BNH: Tensor, position_BN: Tensor, table: nn.Module) -> Tensor:
    """Return the logits with what the place in the slate adds to that of a play."""
    shift_BN1 = table(position_BN.clamp(0, POSITIONS - 1)) * (position_BN >= 0)[:, :, None]
    head = 1 + PLAY
    parts = [logit_BNH[..., :head], logit_BNH[..., head : head + 1] + shift_BN1, logit_BNH[..., head + 1 :]]
    return torch.cat(parts, dim=2)
