"""Training of the sequence rankers: requests with a sample of their candidates, all tasks of the chain at once, export to ONNX.

Every epoch draws other unplayed candidates. The requests of some users may be held out, to calibrate the heads on.
S examples, Q requests, B requests of a batch, N candidates, H heads, T outcomes, F features.
"""

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from scipy.optimize import fmin_l_bfgs_b
from scipy.special import expit
from torch import Tensor, nn

from ritornello.contracts import Bool, Float32, Int32
from ritornello.data.outcomes import OUTCOMES, PLAY
from ritornello.data.rank_inputs import Arrays, inputs_of
from ritornello.data.scaling import Bins, Scaling
from ritornello.nn.chain import ORDER, chain_loss, chain_targets, log_products, order_loss
from ritornello.nn.loop import Task, train
from ritornello.nn.rankers.shape import Shape
from ritornello.schema import PADDING

if TYPE_CHECKING:
    from ritornello.rank import Examples
    from ritornello.rank.network import NetworkConfig

SPREAD_REQUESTS = 200
POSITIONS = 32  # places of a slate that are told apart
CONTEXT = ("user_", "session_", "hour", "weekday")
AUXILIARY = 0.3
TRACED: dict[tuple[object, ...], onnx.ModelProto] = {}
PREFIX = "module."  # of a weight's name in the graph
TRAINING_SETTINGS = (
    *("dropout", "epochs", "learning_rate", "weight_decay", "unplayed", "batch_requests", "order", "chain"),
    *("position", "held_out", "utility", "seed", "trees"),
)
LEAST_CALIBRATING = 20  # cases of either kind


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


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingBatch:
    """Some requests with their candidates, padded at the end."""

    inputs: dict[str, Tensor]
    label_BN: Tensor
    outcome_BNT: Tensor
    weight_BN: Tensor
    position_BN: Tensor
    is_candidate_BN: Tensor

    @property
    def num_tokens(self) -> int:
        """Return the number of candidates."""
        return int(self.is_candidate_BN.sum())

    @property
    def facts(self) -> str:
        """Say what the batch holds."""
        return f"{len(self.label_BN)} requests with {self.num_tokens} candidates, {int(self.label_BN.sum())} of them played"


class Reader:
    """Examples by request, as batches."""

    def __init__(self, examples: "Examples", scaling: Scaling, bins: Bins, least: int) -> None:
        assert examples.requests is not None, "examples for a sequence ranker keep the histories"
        self.examples, self.requests = examples, examples.requests
        self.scaling, self.bins, self.least = scaling, bins, least
        self.start_Q = np.searchsorted(examples.request_S, np.arange(len(self.requests) + 1))
        self.is_sure_S = examples.label_S | (examples.outcome_ST[:, PLAY] > 0) | (examples.weight_S == 1.0)

    def batch(self, request_B: NDArray[np.int64], chosen_S: Bool) -> RankingBatch:
        """Return the chosen candidates of some requests of one moment."""
        example_B = [
            np.flatnonzero(chosen_S[slice(*self.start_Q[row : row + 2])]) + self.start_Q[row] for row in request_B
        ]
        width = max(map(len, example_B))
        place_BN = np.zeros((len(request_B), width), np.int64)
        is_candidate_BN = np.arange(width) < np.array([len(part) for part in example_B])[:, None]
        place_BN[is_candidate_BN] = np.concatenate(example_B)
        examples, requests = self.examples, self.requests
        behaviour = {name: part.rows(request_B).trim() for name, part in requests.behaviour.items()}
        arrays = inputs_of(
            np.where(is_candidate_BN, examples.track_S[place_BN], PADDING).astype(np.int32),
            examples.feature_SF[place_BN],
            behaviour,
            requests.spaces_K[requests.known_Q[request_B[0]]],
            self.scaling,
            bins=self.bins,
            least=self.least,
        )
        outcome_BNT = np.where(is_candidate_BN[:, :, None], examples.outcome_ST[place_BN], np.nan)
        return RankingBatch(
            inputs=as_tensors(arrays),
            label_BN=torch.from_numpy((examples.label_S[place_BN] & is_candidate_BN).astype(np.float32)),
            outcome_BNT=torch.from_numpy(outcome_BNT.astype(np.float32)),
            weight_BN=torch.from_numpy((examples.weight_S[place_BN] * is_candidate_BN).astype(np.float32)),
            position_BN=torch.from_numpy(examples.position_S[place_BN].astype(np.int64)),
            is_candidate_BN=torch.from_numpy(is_candidate_BN),
        )

    def batches(self, request_R: NDArray[np.int64], *, size: int, unplayed: int, seed: int) -> Iterator[RankingBatch]:
        """Yield batches of requests in a random order, each with all that is sure and a sample of its other candidates."""
        generator = np.random.default_rng(seed)
        luck_S = generator.random(len(self.examples.label_S))
        number_Q = np.add.reduceat(~self.is_sure_S, self.start_Q[:-1])
        share_Q = unplayed / np.maximum(number_Q, 1)
        chosen_S = self.is_sure_S | (luck_S < share_Q[self.examples.request_S])
        for request_B in shuffled(request_R, self.requests.known_Q[request_R], size, generator):
            yield self.batch(request_B, chosen_S)


def shuffled(
    request_R: NDArray[np.int64], known_R: NDArray[np.integer], size: int, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Return groups of requests in a random order; those of a group are of one moment."""
    groups = []
    for known in np.unique(known_R):
        member_R = generator.permutation(request_R[known_R == known])
        groups += np.array_split(member_R, -(-len(member_R) // size))
    return [groups[place] for place in generator.permutation(len(groups))]


def as_tensors(arrays: Arrays) -> dict[str, Tensor]:
    """Return arrays as torch reads them."""
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def fit(examples: "Examples", config: "NetworkConfig", architecture: str, *, least_events: int) -> Fitted:
    """Train a network on examples, and make it ready to be served."""
    scaling = Scaling.fit(examples.feature_SF)
    is_context_F = [name.startswith(CONTEXT) for name in examples.feature_names]
    bins = Bins.fit(examples.feature_SF, np.flatnonzero(is_context_F))
    reader = Reader(examples, scaling, bins, least_events)
    shape = shape_of(examples, len(bins.column_C))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        module = make(architecture, config, shape)
    is_held_Q = held_out(reader.requests.user_Q, config.held_out)
    optimise(module, reader, np.flatnonzero(~is_held_Q), config, name=architecture.rpartition(":")[2])
    sample = reader.batch(np.arange(min(2, len(is_held_Q))), np.ones(len(examples.label_S), bool))
    content = export(module, sample.inputs, key=(architecture, traced_by(config), shape))
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
        fingerprint=f"{config} {len(reader.examples.label_S)}",
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

    def loss_of(batch: RankingBatch) -> Tensor:
        logit_BNH = module(batch.inputs)
        if has_positions:
            logit_BNH = with_position(logit_BNH, batch.position_BN, module.get_submodule("position"))
        loss = config.order * order_loss(logit_BNH[..., ORDER], batch.label_BN, batch.is_candidate_BN)
        loss = loss + config.chain * chain_loss(logit_BNH, batch.outcome_BNT, batch.weight_BN)
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


def with_position(logit_BNH: Tensor, position_BN: Tensor, table: nn.Module) -> Tensor:
    """Return the logits with what the place in the slate adds to that of a play."""
    shift_BN1 = table(position_BN.clamp(0, POSITIONS - 1)) * (position_BN >= 0)[:, :, None]
    head = 1 + PLAY
    parts = [logit_BNH[..., :head], logit_BNH[..., head : head + 1] + shift_BN1, logit_BNH[..., head + 1 :]]
    return torch.cat(parts, dim=2)


def calibrate(
    module: nn.Module, reader: Reader, request_R: NDArray[np.int64], config: "NetworkConfig"
) -> NDArray[np.float64]:
    """Return slope and shift of the logit of every probability [2, T], fitted on requests that were held out (Platt 1999).

    1 and 0 where nothing was, and for outcomes that it does not tell of.
    """
    calibration_2T = np.stack([np.ones(len(OUTCOMES)), np.zeros(len(OUTCOMES))])
    if len(request_R) == 0:
        return calibration_2T
    module.eval()
    log_PT, outcome_PT, weight_P = [], [], []
    with torch.no_grad():
        for batch in reader.batches(request_R, size=config.batch_requests, unplayed=config.unplayed, seed=config.seed):
            is_candidate_BN = batch.is_candidate_BN
            log_PT.append(log_products(module(batch.inputs))[is_candidate_BN].numpy())
            outcome_PT.append(chain_targets(batch.outcome_BNT)[is_candidate_BN].numpy())
            weight_P.append(batch.weight_BN[is_candidate_BN].numpy())
    log, outcome, weight = (np.concatenate(part).astype(np.float64) for part in (log_PT, outcome_PT, weight_P))
    for column in range(len(OUTCOMES)):
        is_told_P = np.isfinite(outcome[:, column])
        positives = np.count_nonzero(outcome[is_told_P, column] > 0.5)
        if min(positives, np.count_nonzero(is_told_P) - positives) >= LEAST_CALIBRATING:
            logit_P = logit_of(log[is_told_P, column])
            calibration_2T[:, column] = platt(logit_P, outcome[is_told_P, column], weight[is_told_P])
    return calibration_2T


def logit_of(log_P: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logit of a probability that is given as a logarithm."""
    log_P = np.minimum(log_P, -1e-9)
    return np.asarray(log_P - np.log(-np.expm1(log_P)))


def platt(
    logit_P: NDArray[np.float64], target_P: NDArray[np.float64], weight_P: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return slope and shift that make logits fit targets best."""

    def loss(parameter: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        shifted_P = parameter[0] * logit_P + parameter[1]
        error_P = weight_P * (expit(shifted_P) - target_P)
        value = np.sum(weight_P * (np.logaddexp(0.0, shifted_P) - target_P * shifted_P))
        return float(value), np.array([error_P @ logit_P, error_P.sum()])

    found, _, _ = fmin_l_bfgs_b(loss, np.array([1.0, 0.0]))
    return np.asarray(found)


class Positional(nn.Module):
    """A network whose inputs come in order, as the exporter wants them."""

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def forward(self, *values: Tensor) -> Tensor:
        return torch.as_tensor(self.module(dict(zip(self.names, values, strict=True))))


def example_inputs(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return nothing in the right shapes, no two sizes the same: the exporter takes equal sizes for one and the same."""
    widths = {name: place for place, name in enumerate(sorted(name for name in inputs if name.endswith("_age")), 5)}

    def size(name: str) -> tuple[int, ...]:
        domain = f"{name.partition('_')[0]}_age"
        if domain not in widths:
            return (2,) if name == "context" else (2, 3)
        least = inputs[domain].shape[1] if domain == "play_age" else 0
        return (2, least + 7 + widths[domain])

    return {
        name: torch.zeros(*size(name), *value.shape[len(size(name)) :], dtype=value.dtype)
        for name, value in inputs.items()
    }


def traced_by(config: "NetworkConfig") -> tuple[object, ...]:
    """Return the settings that shape a network; those of its training do not."""
    return tuple(
        value for name, value in sorted(msgspec.structs.asdict(config).items()) if name not in TRAINING_SETTINGS
    )


def export(module: nn.Module, inputs: dict[str, Tensor], *, key: tuple[object, ...]) -> bytes:
    """Return the network as an ONNX model, for any number of requests, candidates and events.

    A graph is traced once per shape of a network and process; every network fills in its own weights.
    """
    if key not in TRACED:
        TRACED[key] = trace(module, example_inputs(inputs))
    model = onnx.ModelProto()
    model.CopyFrom(TRACED[key])
    weights = {PREFIX + name: value for name, value in module.state_dict().items()}
    for initializer in model.graph.initializer:
        if initializer.name in weights:
            value = weights[initializer.name].detach().numpy()
            initializer.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), initializer.name))
    return bytes(model.SerializeToString())


def trace(module: nn.Module, inputs: dict[str, Tensor]) -> onnx.ModelProto:
    """Trace the graph of a network."""
    any_size = torch.export.Dim.DYNAMIC
    names = tuple(inputs)
    shapes = tuple({0: any_size, 1: any_size} if name != "context" else {0: any_size} for name in names)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch uses what torch has deprecated
        program = torch.onnx.export(
            Positional(module, names).eval(),
            tuple(inputs.values()),
            dynamo=True,
            verbose=False,
            optimize=False,  # keeps every weight under its own name; the runtime optimises when it loads
            input_names=list(names),
            dynamic_shapes=(shapes,),
        )
    assert program is not None, "the exporter gives a program where no file is named"
    model: onnx.ModelProto = program.model_proto
    for node in model.graph.node:  # where in the source each came from: more than all the weights
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    return model
