"""Rank a catalogue's playlists for users as of a moment, and see what the users then play.

    python benchmarks/playlist_ranking.py WS [--test-days D] [--users N] [--json F]

The pipeline learns from all before the last D days; a playlist's gain for a user is how many distinct tracks of it the user
listens to in these days, over the root of its length. NDCG@10 by that gain, and the share of the user's tracks of these
days that the first five playlists hold; beside it playlists by what everybody listened to before, over the same root.
Playlists made later are not known. P playlists, T tracks, K list length.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ritornello.artifacts import Workspace
from ritornello.config import Config, RankConfig
from ritornello.data import split
from ritornello.data.facts import Groups, of_catalogue
from ritornello.data.graph import PLAYLIST
from ritornello.data.labels import is_listen
from ritornello.data.prepare import load_prepared
from ritornello.data.sequence import Sequences, encode
from ritornello.data.simulate import simulated_mark
from ritornello.data.sparse import inverse
from ritornello.scenes import Asked
from ritornello.scenes.playlists import Playlists, PlaylistsConfig
from ritornello.schema import ONE_DAY_MS
from ritornello.train.fit import fit_pipeline
from spread import spread

K, FIRST = 10, 5
LEAST_BEFORE, LEAST_AFTER = 20, 5
CONFIG = Config(rank=RankConfig(cuts=2))


def main() -> None:
    """Train as of the cut, rank, and print figures with standard errors."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--test-days", type=float, default=14.0)
    parser.add_argument("--users", type=int, default=300, help="how many users with enough events, by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    prepared = load_prepared(Workspace(given.workspace))
    end = int(prepared.sequences.at_E.max())
    cut = end - int(given.test_days * ONE_DAY_MS)
    known, later = split.before(prepared.sequences, cut), split.between(prepared.sequences, cut, end)
    graph = prepared.knowledge.graph.before(cut, len(prepared.track_ids))
    facts = of_catalogue(prepared.tracks, graph)
    pipeline = fit_pipeline(known, cut, CONFIG, prepared.knowledge, tasks=("window",))
    usual = np.flatnonzero(np.diff(known.start_U) >= LEAST_BEFORE)
    able = [user for user in usual.tolist() if len(listens(later, user)) >= LEAST_AFTER]
    user_B = np.sort(np.random.default_rng(given.seed).permutation(able)[: given.users])
    history = encode(known, user_B, np.full(len(user_B), cut, np.int64))
    ranked = Playlists(PlaylistsConfig()).rank(pipeline, history, K, Asked(facts=facts))
    playlists = facts.groups[PLAYLIST]
    rankings = {
        "popularity": np.tile(by_popularity(playlists, known), (len(user_B), 1)),
        "Ritornello": ranked.playlist_BK - 1,
    }
    targets = [listens(later, user) for user in user_B.tolist()]
    figures: dict[str, object] = {
        "users": len(user_B),
        "playlists": len(playlists),
        **simulated_mark(Workspace(given.workspace)),
    }
    for name, playlist_BK in rankings.items():
        scored = [score(playlists, row_K, track_S) for row_K, track_S in zip(playlist_BK, targets, strict=True)]
        figures[name] = {"ndcg@10": spread([one for one, _ in scored]), "held@5": spread([two for _, two in scored])}
        print(name, figures[name])
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


def listens(sequences: Sequences, user: int) -> NDArray[np.int32]:
    """Return the distinct tracks that a user listens to."""
    events = slice(*sequences.start_U[user : user + 2])
    is_used_E = is_listen(sequences.action_E[events], sequences.play_ratio_E[events])
    return np.unique(sequences.track_E[events][is_used_E])


def by_popularity(playlists: Groups, known: Sequences) -> NDArray[np.intp]:
    """Return the playlists that hold most of what everybody listens to, over the root of their length."""
    is_used_E = is_listen(known.action_E, known.play_ratio_E)
    size = playlists.member_GT.shape[1]
    count_T = np.bincount(known.track_E[is_used_E], minlength=size)[:size]
    score_P = (playlists.member_GT @ count_T) * per_root(playlists)
    return np.argsort(-score_P, kind="stable")[:K]


def per_root(playlists: Groups) -> NDArray[np.float32]:
    """Return one over the root of each playlist's length."""
    return inverse(np.sqrt(np.diff(playlists.member_GT.indptr)))


def score(playlists: Groups, playlist_K: NDArray[np.integer], track_S: NDArray[np.int32]) -> tuple[float, float]:
    """Return NDCG@K by gain, and the share of tracks that the first few playlists hold."""
    is_target_T = np.zeros(playlists.member_GT.shape[1])
    is_target_T[track_S] = 1
    gain_P = (playlists.member_GT @ is_target_T) * per_root(playlists)
    found_K = playlist_K[playlist_K >= 0]
    discount_K = 1 / np.log2(np.arange(K) + 2)
    ideal = float((np.sort(gain_P)[::-1][:K] * discount_K[: len(gain_P)]).sum())
    held_T = np.unique(np.concatenate([playlists.tracks(int(one)) for one in found_K[:FIRST]]))
    ndcg = float((gain_P[found_K] * discount_K[: len(found_K)]).sum()) / max(ideal, 1e-9)
    return ndcg, float(np.isin(track_S, held_T).mean())


if __name__ == "__main__":
    main()
