"""Plain: the ranked list without a scene, by a listener's standing rules, which hold wherever tracks are shown."""

from ritornello.contracts import History, Only, Slate
from ritornello.pipeline import Pipeline, batches, join, top
from ritornello.rerank.standing import StandingRules
from ritornello.scenes import NOTHING, Asked
from ritornello.scenes.days import UTC_ZONE
from ritornello.scenes.picks import Pick, obeys_rules, shortlist_of, take_rows


class Plain:
    """Show the ranked list, restricted to heard or unheard tracks where asked."""

    def __init__(self, only: Only) -> None:
        self.only = only

    def moment(self, at: int, zone: str = UTC_ZONE) -> int:
        return at

    def recommend(self, pipeline: Pipeline, history: History, k: int, asked: Asked = NOTHING) -> Slate:
        if asked.standing == StandingRules():
            return pipeline.recommend(history, k, only=self.only)
        slates = []
        for rows in batches(history):
            ranked = pipeline.rank(rows, task="window", only=self.only)
            slate = top(ranked, rows, ranked.track_BN.shape[1])
            picks = [allowed(pipeline, rows, slate, row, k, asked) for row in range(len(rows))]
            slates.append(take_rows(slate, picks, k))
        return join(slates, tuple(pipeline.channels), k)


def allowed(pipeline: Pipeline, history: History, slate: Slate, row: int, k: int, asked: Asked) -> Pick:
    """Return the first `k` tracks of one row that the rules allow."""
    shortlist = shortlist_of(pipeline, slate, row)
    return Pick(index_N=shortlist.index_N[obeys_rules(history, row, shortlist, asked)][:k])
