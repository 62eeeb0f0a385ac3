"""Scales and bins of features, by worked numbers."""

import numpy as np

from ritornello.data.scaling import NUM_BINS, Bins, Scaling


def examples() -> np.ndarray:
    """Return a narrow feature, one that spreads over thousands, and one that never changes."""
    step_S = np.linspace(0.0, 1.0, 1001)
    return np.stack([step_S * 4 - 1, np.expm1(step_S * 8), np.full(1001, 7.0)], axis=1).astype(np.float32)


def test_features_come_out_with_mean_0_and_deviation_1():
    scaled_SF = Scaling.fit(examples())(examples())
    np.testing.assert_allclose(scaled_SF.mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(scaled_SF.std(axis=0), [1.0, 1.0, 0.0], atol=1e-9)


def test_what_is_far_out_is_cut_and_what_spreads_is_read_in_doublings():
    scaling = Scaling.fit(examples())
    far_PF = np.array([[1e9, 1e9, 1e9], [3.0, 2980.0, 7.0]], np.float32)
    scaled_PF = scaling(far_PF)
    np.testing.assert_allclose(scaled_PF[0], scaled_PF[1])
    even_PF = np.stack([[1.0] * 3, np.expm1([2.0, 4.0, 6.0]), [7.0] * 3], axis=1).astype(np.float32)
    step = np.diff(scaling(even_PF)[:, 1])
    np.testing.assert_allclose(step[0], step[1], rtol=0.02)


def test_the_middle_is_what_the_scale_takes_for_0():
    scaling = Scaling.fit(examples())
    middle_F = scaling.middle()
    assert middle_F.dtype == np.float32
    np.testing.assert_allclose(scaling(middle_F[None])[0, :2], 0.0, atol=1e-5)
    # the narrow one runs from -1 to 3, the wide one from 0 to e^8: its middle lies near e^4 = 54.6, far below its mean
    np.testing.assert_allclose(middle_F[[0, 2]], [1.0, 7.0], atol=1e-3)
    assert 40 < middle_F[1] < 70 < examples()[:, 1].mean()


def test_bins_hold_equal_shares_and_their_edges_belong_below():
    feature_SF = np.stack([np.arange(320), np.arange(320)[::-1], np.ones(320)], axis=1).astype(np.float32)
    bins = Bins.fit(feature_SF, np.array([0, 2]))
    assert bins.edge_CK.shape == (2, NUM_BINS - 1)
    # of 0..319 the first edge lies at 319 / 32 = 9.96875
    np.testing.assert_allclose(bins.edge_CK[0, 0], 9.96875)
    bin_SC = bins(feature_SF)
    assert np.bincount(bin_SC[:, 0], minlength=NUM_BINS).tolist() == [10] * NUM_BINS
    assert not bin_SC[:, 1].any(), "what is at an edge lies below it"
    probe_BF = np.array([[9.0, 0, 1.5], [10.0, 0, 0.5], [-50.0, 0, 1.0], [1e6, 0, np.nan]], np.float32)
    assert bins(probe_BF).tolist() == [[0, NUM_BINS - 1], [1, 0], [0, 0], [NUM_BINS - 1, 0]]


def test_without_columns_there_are_no_bins():
    bins = Bins.fit(examples(), np.zeros(0, np.int64))
    assert bins(examples()[:5]).shape == (5, 0)


def test_both_survive_the_disk(tmp_path):
    scaling, bins = Scaling.fit(examples()), Bins.fit(examples(), np.array([0, 1]))
    np.savez(tmp_path / "state.npz", **scaling.arrays(), **bins.arrays())
    with np.load(tmp_path / "state.npz") as archive:
        arrays = dict(archive)
    np.testing.assert_array_equal(Scaling.restore(arrays)(examples()), scaling(examples()))
    np.testing.assert_array_equal(Bins.restore(arrays)(examples()), bins(examples()))
