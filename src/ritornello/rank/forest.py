"""Many small trees at once, without walking down any of them (QuickScorer: Lucchese et al. 2015).

Leaves are numbered from the left. A split that sends a row to the right rules out all leaves on its left; the row falls into
the first leaf that no split has ruled out. So a split is one comparison and one mask of bits, which numpy does for all rows and
trees together, where LightGBM walks down one tree after the other. T trees, S splits and L leaves of the largest, R rows,
F features.
"""

import lightgbm
import msgspec
import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32

MOST_LEAVES = 64  # the bits of the widest mask
ROWS = 512  # at a time: what is between stays in the cache


class Node(msgspec.Struct, frozen=True):
    """A leaf or a split as LightGBM writes it down; the other fields of a leaf say nothing."""

    leaf_value: float = 0.0
    split_feature: int = 0
    threshold: float = 0.0
    missing_type: str = "None"
    default_left: bool = True
    left_child: "Node | None" = None
    right_child: "Node | None" = None

    @property
    def unknown_is_right(self) -> bool:
        """Tell where NaN goes: to where 0 does in a log that had none."""
        return not self.default_left if self.missing_type == "NaN" else self.threshold < 0.0


class Forest:
    """The trees of boosters, as arrays; the values of a booster's leaves count `scale` times."""

    def __init__(self, boosters: list[lightgbm.Booster], scales: list[float]) -> None:
        trees = [
            (msgspec.convert(tree["tree_structure"], Node), scale)
            for booster, scale in zip(boosters, scales, strict=True)
            for tree in booster.dump_model()["tree_info"]
        ]
        flat = [flatten(root) for root, _ in trees]
        number, width = len(trees), max((len(leaves) for leaves, _ in flat), default=1)
        self.leaf_TL = np.zeros((number, width))
        self.feature_ST = np.zeros((width - 1, number), np.int32)
        self.threshold_ST1 = np.full(
            (width - 1, number, 1), np.inf, np.float32
        )  # splits that are not there send none right
        self.unknown_is_right_ST1 = np.zeros((width - 1, number, 1), bool)
        self.mask_ST1 = np.zeros((width - 1, number, 1), np.min_scalar_type((1 << width) - 1))
        for place, ((leaves, splits), (_, scale)) in enumerate(zip(flat, trees, strict=True)):
            self.leaf_TL[place, : len(leaves)] = scale * np.array(leaves)
            for row, (node, mask) in enumerate(splits):
                self.feature_ST[row, place] = node.split_feature
                self.threshold_ST1[row, place] = below(node.threshold)
                self.unknown_is_right_ST1[row, place] = node.unknown_is_right
                self.mask_ST1[row, place] = mask

    def __call__(self, feature_RF: Float32) -> NDArray[np.float64]:
        """Return the sum over all trees for each row [R]."""
        parts = [self.sums(feature_RF[start : start + ROWS]) for start in range(0, len(feature_RF), ROWS)]
        return np.concatenate([np.zeros(0), *parts])

    def sums(self, feature_RF: Float32) -> NDArray[np.float64]:
        """Return the sums of some rows [R]."""
        value_FR = np.ascontiguousarray(feature_RF.T)
        is_right_STR = value_FR[self.feature_ST] > self.threshold_ST1
        if (is_unknown_FR := np.isnan(value_FR)).any():
            is_right_STR |= is_unknown_FR[self.feature_ST] & self.unknown_is_right_ST1
        ruled_out_TR = np.bitwise_or.reduce(is_right_STR * self.mask_ST1, axis=0)
        leaf_TR = np.bitwise_count(ruled_out_TR & ~(ruled_out_TR + 1))  # how many ones there are below the first zero
        first_T1 = np.arange(0, self.leaf_TL.size, self.leaf_TL.shape[1])[:, None]
        return np.asarray(self.leaf_TL.take(first_T1 + leaf_TR).sum(axis=0))


def flatten(root: Node) -> tuple[list[float], list[tuple[Node, int]]]:
    """Return a tree's leaves from the left, and its splits, each with the mask of the leaves on its left."""
    leaves: list[float] = []
    splits: list[tuple[Node, int]] = []

    def visit(node: Node) -> int:
        """Return the mask of the leaves below."""
        if node.left_child is None or node.right_child is None:
            leaves.append(node.leaf_value)
            return 1 << (len(leaves) - 1)
        left = visit(node.left_child)
        splits.append((node, left))
        return left | visit(node.right_child)

    visit(root)
    return leaves, splits


def below(threshold: float) -> np.float32:
    """Return the last number of single precision up to a threshold: the same ones lie above both."""
    with np.errstate(over="ignore"):
        near = np.float32(threshold)
    return near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf))
