"""Sparse matrices: built from pairs, the best of every row, single entries, as named arrays. R rows, P (row, column) pairs."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import Float32, Int32

# Entries of a matrix that may be spread out: 80 MB.
SMALL = 20_000_000
SPREAD = 100  # entries a matrix may have for each that is looked up in it, to be spread out


def empty() -> csr_array:
    """Return what stands for a matrix before a channel is fitted."""
    return csr_array(np.zeros((1, 1), np.float32))


def sum_pairs(
    row_E: NDArray[np.integer], column_E: NDArray[np.integer], weight_E: NDArray[np.generic], shape: tuple[int, int]
) -> csr_array:
    """Build a sparse matrix from (row, column, weight), equal pairs summed, columns in order."""
    matrix = csr_array((weight_E.astype(np.float32), (row_E, column_E)), shape=shape)
    matrix.sum_duplicates()
    return matrix


def grown(matrix: csr_array, size: int) -> csr_array:
    """Return a square matrix with empty rows and columns behind, up to `size` of them.

    >>> grown(csr_array(np.eye(2)), 3).toarray().tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    indptr = np.pad(matrix.indptr, (0, size - matrix.shape[0]), mode="edge")
    return csr_array((matrix.data, matrix.indices, indptr), shape=(size, size))


def from_sorted(row_P: NDArray[np.integer], column_P: Int32, value_P: Float32, shape: tuple[int, int]) -> csr_array:
    """Build a sparse matrix from distinct pairs that are in order of row and column."""
    indptr = np.zeros(shape[0] + 1, np.int32 if len(row_P) < np.iinfo(np.int32).max else np.int64)
    np.cumsum(np.bincount(row_P, minlength=shape[0]), out=indptr[1:])
    return csr_array((value_P, column_P, indptr), shape=shape)


def scale_rows(matrix: csr_array, factor_R: NDArray[np.floating]) -> csr_array:
    """Multiply every row by its factor."""
    factor_P = np.repeat(factor_R.astype(np.float32), np.diff(matrix.indptr))
    return csr_array((factor_P * matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)


def product(rows: csr_array, matrix: csr_array, plus: csr_array | None = None) -> csr_array:
    """Return rows times a matrix, and `plus` other rows where given, all in float32.

    A single row, as a request has, is summed in one vector as long as the matrix is wide, which gives the library's own sums,
    sooner and with their columns in order; of many rows the library clears its memory only once.
    """
    if rows.shape[0] != 1:
        found = csr_array(rows @ matrix)
        return found if plus is None else add(plus, found)
    sum_T = csr_array(matrix[rows.indices]).T @ rows.data
    if plus is not None:
        sum_T[plus.indices] += plus.data
    column_P = np.flatnonzero(sum_T != 0).astype(np.int32)
    return csr_array((sum_T[column_P], column_P, np.array([0, len(column_P)], np.int32)), shape=(1, len(sum_T)))


def add(first: csr_array, second: csr_array) -> csr_array:
    """Add two matrices that hold a column once a row, in any order; the columns of the sum are in order.

    The library's own sum goes from column to column in memory where they are in no order, which is slow in wide matrices.
    """
    sums: list[Float32] = [np.zeros(0, np.float32)]
    columns: list[Int32] = [np.zeros(0, np.int32)]
    for row in range(first.shape[0]):
        sum_T, is_held_T = np.zeros(first.shape[1], np.float32), np.zeros(first.shape[1], bool)
        for matrix in (first, second):
            own = slice(matrix.indptr[row], matrix.indptr[row + 1])
            sum_T[matrix.indices[own]] += matrix.data[own]
            is_held_T[matrix.indices[own]] = True
        columns.append(np.flatnonzero(is_held_T).astype(np.int32))
        sums.append(sum_T[columns[-1]])
    indptr = np.cumsum([len(row) for row in columns])
    return csr_array((np.concatenate(sums), np.concatenate(columns), indptr), shape=first.shape)


def inverse(value: NDArray[np.floating]) -> Float32:
    """Return 1 / value, 0 where the value is 0."""
    return np.asarray(np.divide(1.0, value, out=np.zeros(len(value)), where=value > 0), dtype=np.float32)


def cosine_items(matrix: csr_array, *, keep: int, shrink: float) -> csr_array:
    """Return the cosine between columns, `keep` neighbours a column, damped where few rows support it.

    The damping c / (c + shrink) over the norms is the usual guard against chance pairs (Bell and Koren 2007).
    """
    norm_T = np.sqrt(np.asarray(matrix.power(2).sum(axis=0)).ravel())
    together = csr_array(matrix.T @ matrix)
    together.setdiag(0)
    together.eliminate_zeros()
    row_P = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    value_P = together.data
    together.data = value_P / (norm_T[row_P] * norm_T[together.indices] + shrink)
    return keep_best(together, keep)


def keep_best(matrix: csr_array, keep: int) -> csr_array:
    """Return the matrix with the `keep` largest positive entries of every row."""
    entry_K, count_R, _ = best_entries(matrix, keep)
    row_K = np.repeat(np.arange(matrix.shape[0]), count_R)
    entry_K = entry_K[np.lexsort((matrix.indices[entry_K], row_K))]
    return from_sorted(row_K, matrix.indices[entry_K], matrix.data[entry_K], matrix.shape)


def best_of_rows(matrix: csr_array, k: int) -> tuple[NDArray[np.intp], Int32, Int32]:
    """Return row, column and rank (from 1) of the `k` largest positive entries of every row, best first."""
    entry_K, count_R, rank_K = best_entries(matrix, k)
    return np.repeat(np.arange(matrix.shape[0]), count_R), matrix.indices[entry_K].astype(np.int32), rank_K


def best_entries(matrix: csr_array, k: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Int32]:
    """Return where the `k` largest positive entries of every row lie in the data, how many each row has, and their ranks.

    Equal entries go by column, so that a list never depends on the order in which sums were made.
    """
    entries: list[NDArray[np.intp]] = [np.zeros(0, np.intp)]
    count_R = np.zeros(matrix.shape[0], np.intp)
    bounds = zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True)
    for row, (start, stop) in enumerate(bounds if k > 0 else ()):
        value_P = matrix.data[start:stop]
        if stop - start > k:
            floor = max(np.partition(value_P, stop - start - k)[stop - start - k], np.float32(1e-30))
            place_P = np.flatnonzero(value_P >= floor)
        else:
            place_P = np.flatnonzero(value_P > 0)
        order_K = np.lexsort((matrix.indices[start:stop][place_P], -value_P[place_P]))[:k]
        entries.append(start + place_P[order_K])
        count_R[row] = len(order_K)
    first_R = np.cumsum(count_R) - count_R
    rank_K = np.arange(1, int(count_R.sum()) + 1) - np.repeat(first_R, count_R)
    return np.concatenate(entries), count_R, rank_K.astype(np.int32)


def columns(matrix: csr_array, column_S: Int32) -> Float32:
    """Return a few distinct columns [R, S], spread out; the library's way takes as long as the matrix is wide."""
    place_T = np.full(matrix.shape[1], -1, np.int32)
    place_T[column_S] = np.arange(len(column_S))
    place_P = place_T[matrix.indices]
    entry_K = np.flatnonzero(place_P >= 0)
    row_K = np.searchsorted(matrix.indptr, entry_K, side="right") - 1
    found_RS = np.zeros((matrix.shape[0], len(column_S)), np.float32)
    found_RS[row_K, place_P[entry_K]] = matrix.data[entry_K]
    return found_RS


def values_at(matrix: csr_array, row_P: NDArray[np.integer], column_P: NDArray[np.integer]) -> Float32:
    """Return single entries of a matrix, 0 where it has none; one that is small beside them is spread out, which is faster."""
    if len(row_P) == 0:
        return np.zeros(0, np.float32)
    if matrix.shape[0] * matrix.shape[1] <= min(SMALL, SPREAD * len(row_P)):
        return np.asarray(matrix.toarray()[row_P, column_P], dtype=np.float32)
    matrix.sum_duplicates()  # columns in order are searched by bisection
    value_P = np.zeros(len(row_P), np.float32)
    order_P = np.argsort(row_P, kind="stable")
    bounds = np.searchsorted(row_P[order_P], np.arange(matrix.shape[0] + 1)).tolist()
    for row, (first, last) in enumerate(pairwise(bounds)):
        place_P = order_P[first:last]
        own = slice(matrix.indptr[row], matrix.indptr[row + 1])
        column_N, wanted_P = matrix.indices[own], column_P[place_P]
        slot_P = np.searchsorted(column_N, wanted_P)
        is_there_P = slot_P < len(column_N)
        is_there_P[is_there_P] = column_N[slot_P[is_there_P]] == wanted_P[is_there_P]
        value_P[place_P[is_there_P]] = matrix.data[own][slot_P[is_there_P]]
    return value_P


def pack(matrix: csr_array, name: str) -> dict[str, NDArray[np.generic]]:
    """Return a sparse matrix as named arrays."""
    return {
        f"{name}_data": matrix.data,
        f"{name}_indices": matrix.indices,
        f"{name}_indptr": matrix.indptr,
        f"{name}_shape": np.array(matrix.shape),
    }


def unpack(arrays: dict[str, NDArray[np.generic]], name: str) -> csr_array:
    """Read what `pack` wrote."""
    parts = (arrays[f"{name}_data"], arrays[f"{name}_indices"], arrays[f"{name}_indptr"])
    rows, columns = arrays[f"{name}_shape"].tolist()
    return csr_array(parts, shape=(rows, columns))
