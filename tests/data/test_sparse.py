"""The shared sparse code equals its plain twin, whatever the matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.sparse import csr_array

from ritornello.data import sparse
from ritornello.data.sparse import (
    add,
    best_of_rows,
    columns,
    cosine_items,
    from_sorted,
    inverse,
    keep_best,
    pack,
    product,
    scale_rows,
    sum_pairs,
    unpack,
    values_at,
)

# Few values, so that ties are common; zeros are not stored.
TIED = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=st.sampled_from([0, 1, 2, 3])
)


@given(dense=TIED, k=st.integers(0, 14))
def test_the_best_of_a_row_are_those_of_a_full_sort(dense, k):
    row_K, column_K, rank_K = best_of_rows(csr_array(dense), k)
    for row, value_T in enumerate(dense):
        expected = sorted((-value, column) for column, value in enumerate(value_T) if value > 0)[:k]
        is_row_K = row_K == row
        assert column_K[is_row_K].tolist() == [column for _, column in expected]
        assert rank_K[is_row_K].tolist() == list(range(1, len(expected) + 1))


@given(dense=TIED, keep=st.integers(0, 14))
def test_keeping_the_best_zeroes_the_others(dense, keep):
    expected = np.zeros_like(dense)
    for row, value_T in enumerate(dense):
        for column in sorted(range(len(value_T)), key=lambda column, value_T=value_T: (-value_T[column], column))[
            :keep
        ]:
            expected[row, column] = value_T[column]
    np.testing.assert_array_equal(keep_best(csr_array(dense), keep).toarray(), expected)


@given(dense=TIED)
def test_single_entries_scaling_and_packing(dense):
    matrix = csr_array(dense)
    row_P, column_P = (index.ravel() for index in np.indices(dense.shape))
    np.testing.assert_array_equal(values_at(matrix, row_P, column_P).reshape(dense.shape), dense)
    factor_R = np.arange(len(dense), dtype=np.float32)
    np.testing.assert_allclose(scale_rows(matrix, factor_R).toarray(), dense * factor_R[:, None])
    np.testing.assert_array_equal(unpack(pack(matrix, "name"), "name").toarray(), dense)


@given(dense=TIED, pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 11)), min_size=1))
def test_single_entries_of_a_wide_matrix_are_those_of_the_dense_one(dense, pairs):
    row_P, column_P = np.array([(row % dense.shape[0], column % dense.shape[1]) for row, column in pairs]).T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "SMALL", 0)
        found_P = values_at(csr_array(csr_array(dense) @ np.eye(dense.shape[1], dtype=np.float32)), row_P, column_P)
    np.testing.assert_array_equal(found_P, dense[row_P, column_P])


@given(dense=TIED, seed=st.integers(0, 99))
def test_a_sum_is_that_of_the_dense_ones_whatever_the_order_of_the_columns(dense, seed):
    generator = np.random.default_rng(seed)
    other = generator.permuted(dense, axis=1) * np.float32(0.1)
    mixed = csr_array(csr_array(other) @ csr_array(np.eye(dense.shape[1], dtype=np.float32)))
    found = add(csr_array(dense), mixed)
    np.testing.assert_array_equal(found.toarray(), dense + other)
    assert found.has_canonical_format


@given(dense=TIED, seed=st.integers(0, 99), with_more=st.booleans())
def test_a_product_is_the_librarys_own_for_one_row_and_for_many(dense, seed, with_more):
    generator = np.random.default_rng(seed)
    matrix = csr_array(
        (generator.random((dense.shape[1], 7)) * (generator.random((dense.shape[1], 7)) < 0.4)).astype(np.float32)
    )
    more = csr_array((generator.random((len(dense), 7)) < 0.3).astype(np.float32)) if with_more else None
    for rows in (slice(0, 1), slice(None)):
        few = csr_array(dense[rows])
        plus = more[rows] if more is not None else None
        expected = (few @ matrix).toarray()
        found = product(few, matrix, plus)
        np.testing.assert_array_equal(found.toarray(), expected if plus is None else plus.toarray() + expected)
        assert found.dtype == np.float32


@given(dense=TIED, seed=st.integers(0, 99))
def test_columns_are_those_of_the_dense_matrix(dense, seed):
    generator = np.random.default_rng(seed)
    column_S = generator.permutation(dense.shape[1])[: generator.integers(0, dense.shape[1] + 1)].astype(np.int32)
    np.testing.assert_array_equal(columns(csr_array(dense), column_S), dense[:, column_S])


@given(dense=TIED)
def test_sorted_pairs_make_the_matrix_they_came_from(dense):
    row_P, column_P = np.nonzero(dense)
    made = from_sorted(row_P, column_P.astype(np.int32), dense[row_P, column_P], dense.shape)
    np.testing.assert_array_equal(made.toarray(), dense)
    assert made.has_canonical_format


@given(dense=TIED, shrink=st.sampled_from([0.0, 0.5, 10.0]))
def test_cosine_is_the_dense_formula(dense, shrink):
    norm_T = np.sqrt((dense.astype(np.float64) ** 2).sum(axis=0))
    together_TT = dense.T.astype(np.float64) @ dense
    np.fill_diagonal(together_TT, 0)
    below_TT = np.outer(norm_T, norm_T) + shrink
    expected = np.divide(together_TT, below_TT, out=np.zeros_like(together_TT), where=together_TT > 0)
    np.testing.assert_allclose(cosine_items(csr_array(dense), keep=100, shrink=shrink).toarray(), expected, rtol=1e-5)


def test_equal_pairs_are_summed_and_nothing_divides_by_zero():
    matrix = sum_pairs(np.array([0, 0, 1]), np.array([2, 2, 0]), np.array([1.0, 2.0, 5.0]), (2, 3))
    assert matrix.toarray().tolist() == [[0, 0, 3], [5, 0, 0]]
    assert inverse(np.array([0.0, 4.0])).tolist() == [0, 0.25]
