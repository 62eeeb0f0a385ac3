"""The spaces in which tracks are near or far: the track's own place, and where its artist, album, genre and language lie.

A track's place comes from who played what before a moment (data/factorisation.py); an artist lies in the middle of its tracks.
The places of a later moment are turned onto those of an earlier one, so that a model that learned on the one reads the other.
T tracks, D dimensions of a place, A attributes, S values of an attribute, N tracks asked for.
"""

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32, Int32, Spaces
from ritornello.data.factorisation import factorise, turned, unit
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences, listens

DIM, REGULARIZATION, ALPHA, ITERATIONS, HALF_LIFE_DAYS = 32, 200.0, 80.0, 10, 120.0


def fit_spaces(sequences: Sequences, knowledge: Knowledge, *, seed: int, onto: Spaces | None = None) -> Spaces:
    """Place the tracks of `knowledge` by what is in `sequences`, both as of one moment."""
    size = knowledge.num_tracks + 1
    is_used_E = listens(sequences)
    place_TD = np.zeros((size, DIM), np.float32)
    if is_used_E.any():
        place_TD = unit(
            factorise(
                sequences,
                size,
                factors=DIM,
                regularization=REGULARIZATION,
                alpha=ALPHA,
                iterations=ITERATIONS,
                half_life_days=HALF_LIFE_DAYS,
                seed=seed,
            )
        )
        place_TD[np.bincount(sequences.track_E[is_used_E], minlength=size) == 0] = 0.0
    if onto is not None and onto.place_TD.shape[1]:
        place_TD = turned(place_TD, onto.place_TD)
    columns = (knowledge.artist_T, knowledge.album_T, knowledge.genre_T, languages(knowledge))
    return Spaces(
        place_TD=place_TD,
        attribute_TA=np.stack(columns, axis=1).astype(np.int32),
        mean_ASD=tuple(middles(column_T, place_TD) for column_T in columns),
    )


def languages(knowledge: Knowledge) -> Int32:
    """Return the number of each track's language in the graph, 0 where it has none."""
    language_T = np.zeros(knowledge.num_tracks + 1, np.int32)
    graph = knowledge.graph
    if "has_language" in graph.relations:
        is_edge_E = np.asarray(graph.relation_E) == graph.relations.index("has_language")
        head_E, tail_E = np.asarray(graph.head_E)[is_edge_E], np.asarray(graph.tail_E)[is_edge_E]
        is_known_E = head_E < len(language_T)
        _, number_E = np.unique(tail_E, return_inverse=True)
        language_T[head_E[is_known_E]] = number_E[is_known_E] + 1
    return language_T


def middles(value_T: NDArray[np.integer], place_TD: Float32) -> Float32:
    """Return the direction in which the played tracks of each value lie [S, D]; zeros for what has none, and for 0."""
    mean_SD = np.zeros((int(value_T.max(initial=0)) + 1, place_TD.shape[1]), np.float32)
    np.add.at(mean_SD, value_T, place_TD)
    mean_SD[0] = 0.0
    return unit(mean_SD)
