"""Themed: a playlist made from a theme, with a title and a line about it; without a theme, from the user's first interest.

Its promise: at most LONGEST distinct tracks that fit the theme, those that fit more of it rather, at most `artist_cap` of
an artist (unless the theme is an artist), in an order in which tracks follow well from each other; nothing the user
dislikes or blocks. The same request gives the same list; nobody in particular gets what people play most of the theme.
Where nothing fits, the user's ranked list stands in; where few tracks fit, the list is short; words that nothing is
called, or like, are left out. All of it is told in the note, and what a sentence was understood as.
"""

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import History, Int32, Slate
from ritornello.pipeline import Pipeline, batches, join
from ritornello.recall import Linked
from ritornello.rerank import Shortlist
from ritornello.rerank.diversity import cap_artists
from ritornello.rerank.familiarity import choose
from ritornello.rerank.flow import follow_links
from ritornello.rerank.spacing import space_artists
from ritornello.scenes import NOTHING, Asked
from ritornello.scenes.blend import blended, plain, resorted
from ritornello.scenes.days import UTC_ZONE
from ritornello.scenes.picks import Pick, newcomer, note, ruled, shortfall, take_rows
from ritornello.scenes.seeds import num_listens
from ritornello.scenes.themes import Theme, find_theme

ORIGIN = "theme"
LONGEST = 50
NOTHING_FITS = "nothing in the catalogue fits: this is your ranked list"


class ThemedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings: `strictness` is what a track loses, in standard deviations, where it fits none of the theme instead of all.

    `personal` is the weight of the user's taste against what people play, `flow` of the link from the track before, and
    `pool` how many tracks of a theme are considered.
    """

    familiarity: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    strictness: Annotated[float, msgspec.Meta(ge=0)] = 12.0
    personal: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.7
    flow: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    artist_cap: Annotated[int, msgspec.Meta(ge=1)] = 3
    artist_gap: Annotated[int, msgspec.Meta(ge=0)] = 2
    pool: Annotated[int, msgspec.Meta(ge=1)] = 500


class Themed:
    """Make a playlist from a theme."""

    Config = ThemedConfig

    def __init__(self, config: ThemedConfig) -> None:
        self.config = config

    def moment(self, at: int, zone: str = UTC_ZONE) -> int:
        return at

    def recommend(self, pipeline: Pipeline, history: History, k: int, asked: Asked = NOTHING) -> Slate:
        slates = [self._playlist(pipeline, one, k, asked) for one in batches(history, size=1)]
        return join(slates, (ORIGIN, *pipeline.channels), k)

    def _playlist(self, pipeline: Pipeline, history: History, k: int, asked: Asked) -> Slate:
        """Return one user's playlist, padded to `k`."""
        theme = find_theme(asked.theme, asked.facts, history, asked.likeness)
        track_N = theme.track_N if theme else np.zeros(0, np.int32)
        if theme is None or not (track_N < len(pipeline.stats.value_TF)).any():
            slate, told = plain(pipeline, history, ORIGIN, self.config.pool), NOTHING_FITS
        else:
            slate, told = self._fitting(pipeline, history, theme.track_N, theme.fit_N), theme.note
        most = min(k, LONGEST)
        shortlist = self._order(pipeline, ruled(pipeline, history, slate, 0, asked), most, theme)
        told = note(
            newcomer(history, 0) if theme is None else "",
            told,
            f"a theme has at most {LONGEST} tracks" if k > LONGEST else "",
            shortfall(len(shortlist), most),
        )
        title = theme.title if theme else "A list for you"
        described = f"{len(shortlist)} tracks: {theme.matched}." if theme else f"{len(shortlist)} tracks."
        return take_rows(slate, [Pick(index_N=shortlist.index_N, title=title, description=described, note=told)], k)

    def _fitting(self, pipeline: Pipeline, history: History, track_N: Int32, fit_N: NDArray[np.float64]) -> Slate:
        """Rank the tracks that fit best: by fit, by what people play, and by the user's taste."""
        is_known_N = track_N < len(pipeline.stats.value_TF)
        track_N, fit_N = track_N[is_known_N], fit_N[is_known_N]
        listens_N = num_listens(pipeline, track_N)
        best_N = np.lexsort((track_N, -listens_N, -fit_N))[: self.config.pool]
        slate = blended(pipeline, history, track_N[best_N], listens_N[best_N], ORIGIN, personal=self.config.personal)
        fit_of = dict(zip(track_N.tolist(), fit_N.tolist(), strict=True))
        lost_K = 1 - np.array([fit_of[track] for track in slate.track_BK[0].tolist()])
        return resorted(slate, (slate.score_BK[0] - self.config.strictness * lost_K).astype(np.float32))

    def _order(self, pipeline: Pipeline, shortlist: Shortlist, k: int, theme: Theme | None) -> Shortlist:
        """Cap, choose and order."""
        if theme is None or not theme.is_of_one:
            shortlist = cap_artists(shortlist, self.config.artist_cap)
        shortlist = choose(shortlist, k, self.config.familiarity)
        channel = pipeline.channels.get("transitions") or pipeline.channels.get("item2item")
        if isinstance(channel, Linked):
            return follow_links(shortlist, channel.links_TT, weight=self.config.flow, gap=self.config.artist_gap)
        return space_artists(shortlist, self.config.artist_gap)
