"""Likeness: which names of the catalogue mean what a phrase says, by the vectors of a text model.

Only genres, decades, languages and tags have vectors, at most MAX_NAMES of them, those with the most tracks: artists may be a
million, and are known by their names. N names, D dimensions.
"""

import logging
import time
from dataclasses import dataclass

import numpy as np

from ritornello.contracts import Float32
from ritornello.data.facts import TAG, Facts
from ritornello.scenes.spellings import readable
from ritornello.schema import ERA, GENRE, LANGUAGE
from ritornello.text import TextModel

KINDS = (GENRE, ERA, LANGUAGE, TAG)
MAX_NAMES = 10_000
MOST = 3  # names that one phrase may mean

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Meant:
    """A group that a phrase means, by its kind and row, and how alike the two are."""

    kind: str
    row: int
    similarity: float


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Likeness:
    """The vectors of names, and the model that made them."""

    model: TextModel
    group_N: tuple[tuple[str, int], ...]
    vector_ND: Float32

    def nearest(self, phrase: str) -> list[Meant]:
        """Return what a phrase means, the likest first; nothing that is less alike than the model's `similarity`."""
        similarity_N = self.vector_ND @ self.model.embed(phrase)
        best_N = np.lexsort((np.arange(len(similarity_N)), -similarity_N))[:MOST]
        return [
            Meant(kind=self.group_N[place][0], row=self.group_N[place][1], similarity=float(similarity_N[place]))
            for place in best_N.tolist()
            if similarity_N[place] >= self.model.similarity
        ]


def embed_names(model: TextModel, facts: Facts) -> Likeness:
    """Return the vectors of a catalogue's names; it takes some milliseconds a name."""
    started = time.perf_counter()
    group_N = [(kind, row) for kind in KINDS for row in range(len(facts.groups[kind]))]
    group_N.sort(key=lambda group: -len(facts.groups[group[0]].tracks(group[1])))
    group_N = group_N[:MAX_NAMES]
    vectors = [model.embed(readable(kind, facts.groups[kind].names[row])) for kind, row in group_N]
    logger.info("text model: %d names embedded, %.0f ms", len(vectors), 1000 * (time.perf_counter() - started))
    return Likeness(
        model=model,
        group_N=tuple(group_N),
        vector_ND=np.stack(vectors) if vectors else np.zeros((0, model.num_dimensions), np.float32),
    )
