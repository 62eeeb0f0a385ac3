"""Fit every recall channel and the track statistics on what is known before a moment."""

from collections.abc import Mapping

from ritornello import rank, recall
from ritornello.config import Config
from ritornello.contracts import Spaces
from ritornello.data import features
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences
from ritornello.data.spaces import fit_spaces
from ritornello.pipeline import Pipeline
from ritornello.runs import Start


def fit_recall(
    known: Sequences,
    at: int,
    config: Config,
    knowledge: Knowledge,
    *,
    earlier: Pipeline | None = None,
    onto: Spaces | None = None,
    starts: Mapping[str, Start] | None = None,
) -> Pipeline:
    """Return a pipeline without rankers; `known` ends before `at`.

    A learned channel that `earlier` has, fitted on an older part of the same log, is brought up to date, not trained again; one
    that has a start goes on from there.
    The spaces that a sequence ranker reads are turned `onto` those that it learned from.
    """
    names = config.recall.channels
    unknown = sorted((set(config.recall.settings) | set(config.recall.quotas)) - set(names))
    if unknown:
        raise ValueError(f"recall: settings for {', '.join(unknown)}, which is not among channels {', '.join(names)}")
    seen = knowledge.before(at, played=known.num_tracks)
    equal = {name: config.recall.quotas.get(name, config.recall.quota) for name in names}
    return Pipeline(
        channels={
            name: recall.fit(
                recall.make(name, config.recall.settings.get(name)),
                known,
                at,
                seen,
                earlier=earlier.channels.get(name) if earlier else None,
                start=starts.get(name) if starts else None,
            )
            for name in names
        },
        quotas=dict.fromkeys(("window", "unheard", "next"), equal),
        next_quota=config.recall.next_quota,
        stats=features.fit_track_stats(known, at, seen.artist_T, clock=config.features.clock),
        rankers={},
        spaces=fit_spaces(known, seen, seed=config.seed, onto=onto)
        if rank.reads_history(config.rank.model)
        else Spaces(),
    )
