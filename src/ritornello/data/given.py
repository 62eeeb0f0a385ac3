"""Vectors that a catalogue gives for its tracks, as one matrix.

T tracks (with PADDING), V dimensions, G tracks with a vector.
"""

import numpy as np
import polars as pl

from ritornello.contracts import Float32


def stack_given(vector: pl.Series) -> tuple[Float32, dict[str, int]]:
    """Return a row per track, zeros where no vector is known, and counts of vectors: known, and left out by reason.

    V is the length that most vectors have (of two as common, the longer one); those of another length, or with a number that is
    not finite, are left out.

    >>> stack_given(pl.Series([[1.0, 2.0], None, [3.0], [4.0, float("nan")]], dtype=pl.List(pl.Float32)))[0].tolist()
    [[0.0, 0.0], [1.0, 2.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    """
    given = (
        pl.DataFrame({"vector": vector})
        .with_row_index("row", offset=1)
        .drop_nulls()
        .filter(pl.col("vector").list.len() > 0)
    )
    if given.is_empty():
        return np.zeros((len(vector) + 1, 0), np.float32), {}
    size = given["vector"].list.len().alias("size")
    width = size.value_counts().sort("count", "size", descending=True)["size"][0]
    fitting = given.filter(size == width)
    value_GV = fitting["vector"].explode().cast(pl.Float32).fill_null(float("nan")).to_numpy().reshape(-1, width)
    is_finite_G = np.isfinite(value_GV).all(axis=1)
    given_TV = np.zeros((len(vector) + 1, width), np.float32)
    given_TV[fitting["row"].to_numpy()[is_finite_G]] = value_GV[is_finite_G]
    counts = {
        "known": int(is_finite_G.sum()),
        "another length": len(given) - len(fitting),
        "not finite": int((~is_finite_G).sum()),
    }
    return given_TV, {name: count for name, count in counts.items() if count}
