"""Themed playlists on a workspace with a bundle, simulated or not: how pure, how deep, how spread, how well they flow.

    ritornello simulate WS --users 500 --tracks 3000 --days 40 && ritornello prepare WS && ritornello train WS
    python benchmarks/themed.py WS [--users N] [--json F]

Fit is the share of what a theme names that a track meets, purity the share of a list that has its most common genre,
beside the same for lists of the same tracks dealt out at random; the tail is what lies outside the tenth of tracks that
is played most; spread is distinct artists per track; overlap is the share heard before; flow is the mean link between
neighbours over that of the same list in random order.
K list length, T tracks.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello import request
from ritornello.artifacts import Workspace
from ritornello.contracts import History, Int32, Slate
from ritornello.data.simulate import simulated_mark
from ritornello.scenes import Asked
from ritornello.scenes.seeds import num_listens
from ritornello.scenes.themes import find_theme
from ritornello.schema import ERA, GENRE, LANGUAGE
from spread import spread

K = 30
HEAD_SHARE = 0.1


def main() -> None:
    """Make lists for every kind of theme and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--users", type=int, default=40, help="how many users, by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    workspace = Workspace(given.workspace)
    served = request.open_workspace(workspace)
    rng = np.random.default_rng(given.seed)
    user_U = np.sort(rng.permutation(len(served.prepared.user_ids))[: given.users] + 1).astype(np.int32)
    at = request.newest_moment(served.prepared)
    figures: dict[str, object] = {"users": len(user_U), "length": K, **simulated_mark(workspace)}
    for kind, themes in themes_of(served).items():
        made = [
            request.recommend(served, user_U, K, at=at, scene="themed", asked=Asked(facts=served.facts, theme=theme))
            for theme in themes
        ]
        fits = [
            fit(served, theme, history.rows(slice(row, row + 1)), slate.track_BK[row])
            for theme, (history, slate) in zip(themes, made, strict=True)
            for row in range(len(slate))
        ]
        described = describe(served, [slate for _, slate in made], rng)
        figures[kind] = {"themes": len(themes), "fit": spread(fits), **described}
        print(kind, figures[kind])
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


def themes_of(served: request.Served) -> dict[str, list[str]]:
    """Return some themes of every kind: the groups of most tracks, and sentences made of them."""
    names = {kind: largest(served, kind) for kind in (GENRE, ERA, LANGUAGE)}
    return {
        "genre": [f"genre:{name}" for name in names[GENRE]],
        "era": [f"era:{name}" for name in names[ERA]],
        "interest": ["interest:1"],
        "sentence": [
            f"{language} {genre} of the {era}"
            for genre, era, language in zip(names[GENRE], names[ERA], names[LANGUAGE], strict=False)
        ],
    }


def fit(served: request.Served, theme: str, history: History, track_K: Int32) -> float:
    """Return the mean fit of a list; 0 for the ranked list that stands in where a user has no interest."""
    found = find_theme(theme, served.facts, history)
    fit_of = {} if found is None else dict(zip(found.track_N.tolist(), found.fit_N.tolist(), strict=True))
    return float(np.mean([fit_of.get(track, 0.0) for track in track_K[track_K > 0].tolist()]))


def largest(served: request.Served, kind: str, most: int = 4) -> list[str]:
    """Return the names of the groups of most tracks."""
    groups = served.facts.groups[kind]
    size_G = np.diff(groups.member_GT.indptr)[: len(groups)]
    return [groups.names[row] for row in np.argsort(-size_G, kind="stable")[:most]]


def describe(served: request.Served, slates: list[Slate], rng: np.random.Generator) -> dict[str, object]:
    """Return the figures of lists with standard errors over them."""
    lists = [track_K[track_K > 0] for slate in slates for track_K in slate.track_BK]
    heard = [
        heard_K[track_K > 0]
        for slate in slates
        for track_K, heard_K in zip(slate.track_BK, slate.heard_BK, strict=True)
    ]
    dealt = np.split(rng.permutation(np.concatenate(lists)), np.cumsum([len(tracks) for tracks in lists])[:-1])
    is_head_T = head(served)
    links_TT = served.bundle.pipeline.channels["transitions"].links_TT  # type: ignore[attr-defined]
    return {
        "length": spread([len(tracks) for tracks in lists]),
        "purity": spread([purity(served, tracks) for tracks in lists]),
        "purity_dealt_at_random": spread([purity(served, tracks) for tracks in dealt]),
        "tail": spread([1 - is_head_T[tracks].mean() for tracks in lists]),
        "artist_spread": spread([artists(served, tracks) for tracks in lists]),
        "overlap": spread([is_heard.mean() for is_heard in heard]),
        "flow": round(
            sum(flow(links_TT, tracks) for tracks in lists)
            / max(sum(flow(links_TT, rng.permutation(tracks)) for tracks in lists), 1e-12),
            2,
        ),
    }


def head(served: request.Served) -> NDArray[np.bool_]:
    """Tell which tracks belong to the tenth that is played most."""
    listens_T = num_listens(
        served.bundle.pipeline, np.arange(len(served.bundle.pipeline.stats.value_TF), dtype=np.int32)
    )
    best = np.argsort(-listens_T, kind="stable")[: int(HEAD_SHARE * len(listens_T))]
    return np.isin(np.arange(len(listens_T)), best)


def purity(served: request.Served, track_K: Int32) -> float:
    """Return the share of the most common genre."""
    return float(np.bincount(served.facts.of(GENRE, track_K)).max() / len(track_K))


def artists(served: request.Served, track_K: Int32) -> float:
    """Return distinct artists per track."""
    return len(np.unique(served.facts.of("artist", track_K))) / len(track_K)


def flow(links_TT: csr_array, track_K: Int32) -> float:
    """Return the sum of links from each track to the next."""
    return float(links_TT[track_K[:-1], track_K[1:]].sum())


if __name__ == "__main__":
    main()
