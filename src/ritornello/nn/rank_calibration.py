"""Calibration of the chain's probabilities: slope and shift of every logit, fitted on listeners held out (Platt 1999).

P (request, candidate) pairs, T outcomes.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b
from scipy.special import expit
from torch import nn

from ritornello.data.outcomes import OUTCOMES
from ritornello.nn.chain import chain_targets, log_products
from ritornello.nn.rank_batches import Reader

if TYPE_CHECKING:  # the settings live with the rankers
    from ritornello.rank.network import NetworkConfig

LEAST_CALIBRATING = 20  # cases of either kind


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
