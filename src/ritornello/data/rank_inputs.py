"""What the sequence rankers read, as plain arrays: one function makes them for training and for service.

B requests, N candidates, L events of a domain, S spaces (the track's own first), D dimensions of a place, F features.
"""

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32, Int32, Spaces
from ritornello.data.behaviour import DOMAINS, Behaviour, Domain
from ritornello.data.scaling import Bins, Scaling
from ritornello.schema import PADDING

Arrays = dict[str, NDArray[np.generic]]


def inputs_of(
    track_BN: Int32,
    feature_BNF: Float32,
    behaviour: Behaviour,
    spaces: Spaces,
    scaling: Scaling,
    *,
    bins: Bins,
    least: int = 1,
) -> Arrays:
    """Return candidates (vector, key, feature), the context of each request, each domain's events (place, key, feature, age).

    The context holds the bins of the features that are the same for all candidates of a request: those of user and moment.

    A key tells which events and candidates are the same in a space: 0 is unknown, and -1 in its place for candidates, so that
    nothing unknown is ever the same. The plays are at least `least` wide, for models that walk over so many.
    """
    key_BNS = spaces.keys(track_BN)
    is_candidate_BN = track_BN != PADDING
    scaled_BNF = scaling(feature_BNF).astype(np.float32)
    scaled_BNF[np.isnan(scaled_BNF)] = 0.0
    scaled_BNF[~is_candidate_BN] = 0.0
    arrays: Arrays = {
        "vector": spaces.vectors(track_BN),
        "key": np.where(key_BNS == 0, -1, key_BNS).astype(np.int32),
        "feature": scaled_BNF,
        "context": bins(feature_BNF[np.arange(len(track_BN)), is_candidate_BN.argmax(axis=1)]),
    }
    for name in DOMAINS:
        events = widened(behaviour[name], least) if name == "play" else behaviour[name]
        arrays[f"{name}_place"] = spaces.places(events.track_BL)
        arrays[f"{name}_key"] = spaces.keys(events.track_BL)
        arrays[f"{name}_feature"] = events.feature_BLF.astype(np.int64)
        arrays[f"{name}_age"] = events.age_BL
    return arrays


def widened(events: Domain, least: int) -> Domain:
    """Pad the events of a domain on the left to a least width."""
    missing = least - events.track_BL.shape[1]
    if missing <= 0:
        return events
    padding = [(0, 0), (missing, 0)]
    return Domain(
        track_BL=np.pad(events.track_BL, padding),
        feature_BLF=np.pad(events.feature_BLF, [*padding, (0, 0)]),
        age_BL=np.pad(events.age_BL, padding),
    )
