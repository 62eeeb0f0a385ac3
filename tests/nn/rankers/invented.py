"""Invented inputs of every architecture, and networks whose weights are drawn anew.

B requests, N candidates, L events of a domain, S spaces, D dimensions of a place, F features.
"""

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from ritornello import plugins
from ritornello.data.behaviour import AGE, DOMAINS, FEATURE_SIZES
from ritornello.data.scaling import NUM_BINS
from ritornello.nn import rank_training
from ritornello.nn.rankers.shape import Shape
from ritornello.rank import RANKERS, reads_history
from ritornello.rank.multipath import PATHS
from ritornello.rank.network import Network, NetworkConfig

NETWORKS = [name for name in RANKERS if reads_history(name)]
SHAPE = Shape(dim=4, num_features=3, num_context=2, num_spaces=5)
SMALL: dict[str, object] = {"width": 6, "hidden": (10, 6), "dropout": 0.0}
OWN: dict[str, dict[str, object]] = {
    "din": {"activation": 5},
    "dien": {"evolved": 3},
    "multipath": {"evolved": 3, "interests": 3, "trees": (), "paths": PATHS, "fusion": "gate"},
}
WIDTHS = {name: 4 + place for place, name in enumerate(DOMAINS)}
NUM_TRACKS = 12


def network_of(name: str) -> type[Network]:
    found = plugins.find("ranker", name, RANKERS)
    assert issubclass(found, Network)
    return found


def config_of(name: str, **settings: object) -> NetworkConfig:
    return msgspec.convert(SMALL | OWN.get(name, {}) | settings, network_of(name).Config)


def make(name: str, **settings: object) -> nn.Module:
    """Return a small network; no weight is what it begins with, since zeros would hide what they stand for."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = rank_training.make(network_of(name).architecture, config_of(name, **settings), SHAPE)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.5 * torch.randn(weight.shape, generator=generator))
    return module.eval()


def invent(*, rows: int = 3, candidates: int = 4, widths: dict[str, int] = WIDTHS, seed: int = 0) -> dict[str, Tensor]:
    """Return inputs: tracks with places and attributes, rows with fewer and fewer events, the last with none."""
    rng = np.random.default_rng(seed)
    place_TD = unit(rng.normal(size=(NUM_TRACKS + 1, SHAPE.dim)))
    key_TS = rng.integers(0, 4, (NUM_TRACKS + 1, SHAPE.num_spaces))
    key_TS[:, 0] = np.arange(NUM_TRACKS + 1)
    place_TD[0], key_TS[0] = 0.0, 0
    track_BN = np.stack([rng.permutation(NUM_TRACKS)[:candidates] + 1 for _ in range(rows)])
    inputs: dict[str, np.ndarray] = {
        "vector": unit(rng.normal(size=(rows, candidates, SHAPE.num_spaces, SHAPE.dim))),
        "key": np.where(key_TS[track_BN] == 0, -1, key_TS[track_BN]),
        "feature": rng.normal(size=(rows, candidates, SHAPE.num_features)),
        "context": rng.integers(0, NUM_BINS, (rows, SHAPE.num_context)),
    }
    inputs["vector"][:, :, 0] = place_TD[track_BN]
    for name in DOMAINS:
        width = widths[name]
        number_B = np.maximum(width - np.arange(rows), 0) * (np.arange(rows) < max(rows - 1, 1))
        is_event_BL = np.arange(width) >= width - number_B[:, None]
        track_BL = np.where(is_event_BL, rng.integers(1, NUM_TRACKS + 1, (rows, width)), 0)
        feature_BLF = np.stack([rng.integers(0, size, (rows, width)) for size in FEATURE_SIZES], axis=2)
        feature_BLF[:, :, -1].sort(axis=1)
        feature_BLF[:, :, -1] = feature_BLF[:, ::-1, -1]  # sessions ago: the newest come last
        feature_BLF *= is_event_BL[:, :, None]
        inputs[f"{name}_place"], inputs[f"{name}_key"] = place_TD[track_BL], key_TS[track_BL]
        inputs[f"{name}_feature"] = feature_BLF
        inputs[f"{name}_age"] = 2.0 ** feature_BLF[:, :, AGE] / 60 * is_event_BL
    return {key: as_tensor(key, array) for key, array in inputs.items()}


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def as_tensor(name: str, array: np.ndarray) -> Tensor:
    """Return an array in the type that data/rank_inputs.py gives it."""
    if name.endswith("key"):
        return torch.from_numpy(array.astype(np.int32))
    is_whole = name == "context" or name.endswith("_feature")
    return torch.from_numpy(array.astype(np.int64 if is_whole else np.float32))


def answer(module: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return torch.as_tensor(module(inputs))
