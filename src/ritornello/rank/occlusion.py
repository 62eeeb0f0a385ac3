"""Which own tracks moved a score: the candidate scored again without the events of each, all at once.

What leaving something out changes is true to any network, whatever its weights of attention look like. M own tracks.
"""

from dataclasses import replace

import numpy as np

from ritornello.contracts import Float32, Int32, RankBatch
from ritornello.data.behaviour import Behaviour, Domain, behaviour_of
from ritornello.rank.network import Network
from ritornello.schema import PADDING

NEWEST = 30  # own tracks that are tried


def own_tracks_that_moved(network: Network, batch: RankBatch, slot: int) -> tuple[Int32, Float32]:
    """Return the newest own tracks of a batch of one row, and by how much each raises the score of the candidate at `slot`."""
    behaviour = behaviour_of(batch.history)
    track_M = newest_tracks(behaviour)
    one = replace(batch, track_BN=batch.track_BN[:, [slot]], feature_BNF=batch.feature_BNF[:, [slot]])
    many = replace(
        one,
        track_BN=np.repeat(one.track_BN, len(track_M) + 1, axis=0),
        feature_BNF=np.repeat(one.feature_BNF, len(track_M) + 1, axis=0),
    )
    left_out = np.r_[PADDING, track_M].astype(np.int32)
    blanked = {name: without(domain, left_out) for name, domain in behaviour.items()}
    score_M = network.order(network.logits(many, blanked), many)[:, 0]
    return track_M, (score_M[0] - score_M[1:]).astype(np.float32)


def newest_tracks(behaviour: Behaviour) -> Int32:
    """Return the distinct tracks of the plays, the newest first."""
    track_L = behaviour["play"].track_BL[0, ::-1]
    track_L = track_L[track_L != PADDING]
    _, first_M = np.unique(track_L, return_index=True)
    return np.asarray(track_L[np.sort(first_M)][:NEWEST], dtype=np.int32)


def without(domain: Domain, left_out_M: Int32) -> Domain:
    """Return the one row of a domain once for each track, the events of that track blanked."""
    track_ML = np.repeat(domain.track_BL, len(left_out_M), axis=0)
    is_kept_ML = track_ML != left_out_M[:, None]
    return Domain(
        track_BL=np.where(is_kept_ML, track_ML, PADDING).astype(np.int32),
        feature_BLF=np.where(is_kept_ML[:, :, None], domain.feature_BLF, 0).astype(np.uint8),
        age_BL=np.where(is_kept_ML, domain.age_BL, 0.0).astype(np.float32),
    )
