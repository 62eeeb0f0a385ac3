"""Plain: the ranked list without a scene, by a listener's standing rules, which hold wherever tracks are shown."""

from ritornello.contracts import History, Only, Slate
from ritornello.pipeline import Pipeline, batches, join, top
from ritornello.scenes import Asked
from ritornello.scenes.picks import Pick, obeys_rules, shortlist_of, take_rows


def recommend(pipeline: Pipeline, history: History, k: int, *, only: Only, asked: Asked) -> Slate:
    """Return the best `k` tracks per row that the rules allow."""
    slates = []
    for rows in batches(history):
        ranked = pipeline.rank(rows, task="window", only=only)
        slate = top(ranked, rows, ranked.track_BN.shape[1])
        picks = [allowed(pipeline, rows, slate, row, k, asked) for row in range(len(rows))]
        slates.append(take_rows(slate, picks, k))
    return join(slates, tuple(pipeline.channels), k)


def allowed(pipeline: Pipeline, history: History, slate: Slate, row: int, k: int, asked: Asked) -> Pick:
    """Return the first `k` tracks of one row that the rules allow."""
    shortlist = shortlist_of(pipeline, slate, row)
    return Pick(index_N=shortlist.index_N[obeys_rules(history, row, shortlist, asked)][:k])
