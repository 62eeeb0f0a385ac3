"""How a score comes of logits, by worked numbers."""

import numpy as np
import pytest

from ritornello import rank
from ritornello.data.outcomes import OUTCOMES
from ritornello.rank.network import chances, check_parity

AS_IT_IS = np.stack([np.ones(len(OUTCOMES)), np.zeros(len(OUTCOMES))])


def test_chances_are_products_along_the_chain():
    expected = {"play": 0.5, "finish": 0.25, "like": 0.125, "add": 0.25, "skip": 0.25, "share": 0.5}
    found = chances(np.zeros((1, 1, 1 + len(OUTCOMES)), np.float32), AS_IT_IS)[0, 0]
    assert dict(zip(OUTCOMES, found.tolist(), strict=True)) == pytest.approx(expected)


def test_calibration_moves_the_products():
    calibration_2T = AS_IT_IS.copy()
    calibration_2T[:, OUTCOMES.index("finish")] = (2.0, 1.0)
    found = chances(np.zeros((1, 1, 1 + len(OUTCOMES)), np.float32), calibration_2T)[0, 0]
    # the logit of 0.25 is -ln 3; 1 / (1 + e^-(1 - 2 ln 3)) = 1 / (1 + 9 / e) = 0.231970
    assert found[OUTCOMES.index("finish")] == pytest.approx(0.231970, abs=1e-5)
    assert found[OUTCOMES.index("like")] == pytest.approx(0.125)


def test_no_logit_is_too_far_out():
    logit_BNH = np.array([[[1e4] * 7, [-1e4] * 7]], np.float32)
    found = chances(logit_BNH, AS_IT_IS)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0], [[1.0] * 6, [0.0] * 6], atol=1e-6)


def test_a_graph_that_answers_otherwise_is_refused():
    answer = np.ones((1, 2, 3), np.float32)
    check_parity(answer + np.float32(5e-5), answer)
    with pytest.raises(ValueError, match=r"the exported ranker is 0.5 away from the trained one; allowed is 0.0001"):
        check_parity(answer + np.float32(0.5), answer)
    with pytest.raises(ValueError, match="is nan away"):
        check_parity(answer * np.float32(np.nan), answer)


@pytest.mark.parametrize("clip", [0.5, 0.0, float("nan"), float("inf")])
def test_a_clip_of_propensities_below_1_is_refused(clip):
    with pytest.raises(ValueError, match=r"propensity: found .*; allowed are numbers from 1 on"):
        rank.make("mean_pool", {"propensity": clip})
