"""Walks on a typed graph: what one step weighs, and the best path to where a walk arrived.

A step along an edge weighs its relation's weight x the edge's own x (edges of that relation that leave the node)^-a x (those
that arrive at the next one)^-b. Edges are walked both ways, each way a relation of its own: 2r along relation r, 2r + 1
against it. E edges, D directed edges, N nodes, S steps (distinct pairs of nodes), R rows, C columns asked for.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from ritornello.contracts import Float32, Int32
from ritornello.data.graph import KnownEdges


@dataclass(frozen=True, slots=True)
class Steps:
    """All single steps [N, N]; `way_S` is the way (2r or 2r + 1) of the heaviest edge in each entry."""

    matrix: csr_array
    way_S: Int32


class Step(NamedTuple):
    """One step of a path: the node it leaves, the way it takes, the node where it arrives."""

    start: int
    way: int
    end: int


def make_steps(edges: KnownEdges, weight_R: Float32, *, fan_out: int, out_damping: float, in_damping: float) -> Steps:
    """Weigh every step; of the edges of one way that leave a node, the `fan_out` heaviest are walked, newest node first."""
    is_used_E = weight_R[edges.relation_E] > 0
    head_E, tail_E, weight_E = edges.head_E[is_used_E], edges.tail_E[is_used_E], edges.weight_E[is_used_E]
    relation_E = edges.relation_E[is_used_E]
    start_D, end_D = np.r_[head_E, tail_E], np.r_[tail_E, head_E]
    way_D = np.r_[2 * relation_E, 2 * relation_E + 1].astype(np.int32)
    out_D, in_D = degrees(head_E, relation_E), degrees(tail_E, relation_E)
    out_D, in_D = np.r_[out_D, in_D], np.r_[in_D, out_D]
    value_D = np.r_[weight_E, weight_E] * weight_R[way_D // 2] * out_D**-out_damping * in_D**-in_damping
    order_D = np.lexsort((-end_D, -value_D, start_D, way_D))
    kept_D = order_D[place_in_run(way_D[order_D], start_D[order_D]) < fan_out]
    kept_D = kept_D[np.lexsort((way_D[kept_D], -value_D[kept_D], end_D[kept_D], start_D[kept_D]))]
    is_first_D = place_in_run(start_D[kept_D], end_D[kept_D]) == 0
    first_S = np.flatnonzero(is_first_D)
    value_S = np.add.reduceat(value_D[kept_D], first_S) if len(first_S) else np.zeros(0)
    heaviest_S = kept_D[first_S]
    count_N = np.bincount(start_D[heaviest_S], minlength=edges.num_nodes)
    parts = (value_S.astype(np.float32), end_D[heaviest_S].astype(np.int32), np.r_[0, np.cumsum(count_N)])
    return Steps(csr_array(parts, shape=(edges.num_nodes, edges.num_nodes)), way_D[heaviest_S])


def degrees(node_E: Int32, relation_E: Int32) -> NDArray[np.float64]:
    """Return for each edge how many edges of its relation have the same node at this end."""
    key_E = (relation_E.astype(np.int64) << 32) | node_E
    _, group_E, count_G = np.unique(key_E, return_inverse=True, return_counts=True)
    return np.asarray(count_G[group_E], dtype=np.float64)


def place_in_run(*keys: NDArray[np.generic]) -> NDArray[np.intp]:
    """Return each place's distance from the start of its run of equal keys.

    >>> place_in_run(np.array([5, 5, 5, 7]), np.array([1, 1, 2, 2])).tolist()
    [0, 1, 0, 0]
    """
    size = len(keys[0])
    is_start = np.ones(size, bool)
    is_start[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    place = np.arange(size)
    return place - np.maximum.accumulate(np.where(is_start, place, 0))


def best_paths(steps: Steps, start_N: csr_array, target_C: Int32, *, hops: int, hop_weight: float) -> list[list[Step]]:
    """Return the heaviest walk from a row [1, N] of starts to each target, as its steps; empty where there is none.

    A walk weighs what its start does, times its steps, times `hop_weight` for each of them. Equal ones go by node.
    """
    into = csc_array(steps.matrix[:, target_C])
    node_P, mass_P = start_N.indices.astype(np.int64), start_N.data.astype(np.float64)
    reached: list[
        tuple[NDArray[np.int64], NDArray[np.int64]]
    ] = []  # per hop: the nodes, and where each was reached from
    best_C = np.zeros(len(target_C))
    last_C: list[tuple[int, int]] = [(0, 0)] * len(target_C)  # hop and node before the target
    for hop in range(hops):
        mass_N = np.zeros(steps.matrix.shape[0])
        mass_N[node_P] = mass_P * hop_weight
        for column in range(len(target_C)):
            entry = slice(into.indptr[column], into.indptr[column + 1])
            value = into.data[entry] * mass_N[into.indices[entry]]
            if len(value) and value.max() > best_C[column]:
                best_C[column] = value.max()
                last_C[column] = (hop, int(into.indices[entry][value.argmax()]))
        if hop < hops - 1:
            node_P, from_P, mass_P = heaviest_step(steps.matrix, node_P, mass_P * hop_weight)
            reached.append((node_P, from_P))
    return [
        trace(steps, reached, *last, int(target)) if best > 0 else []
        for best, last, target in zip(best_C, last_C, target_C, strict=True)
    ]


def heaviest_step(
    matrix: csr_array, node_P: NDArray[np.int64], mass_P: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the nodes one step away, from which node each is best reached, and with what weight."""
    ahead = csr_array(matrix[node_P])
    row_S = np.repeat(np.arange(len(node_P)), np.diff(ahead.indptr))
    value_S = ahead.data * mass_P[row_S]
    order_S = np.lexsort((node_P[row_S], -value_S, ahead.indices))
    chosen = order_S[place_in_run(ahead.indices[order_S]) == 0]
    return ahead.indices[chosen].astype(np.int64), node_P[row_S[chosen]], value_S[chosen]


def trace(
    steps: Steps, reached: list[tuple[NDArray[np.int64], NDArray[np.int64]]], hop: int, node: int, target: int
) -> list[Step]:
    """Follow a path back from its target."""
    path = [Step(node, way_of(steps, node, target), target)]
    for node_P, from_P in reversed(reached[:hop]):
        start = int(from_P[np.searchsorted(node_P, path[0].start)])
        path.insert(0, Step(start, way_of(steps, start, path[0].start), path[0].start))
    return path


def way_of(steps: Steps, start: int, end: int) -> int:
    """Return the way of the step between two nodes."""
    first, stop = steps.matrix.indptr[start : start + 2]
    return int(steps.way_S[first + np.searchsorted(steps.matrix.indices[first:stop], end)])
