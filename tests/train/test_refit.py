"""A channel whose training is dear is trained at the oldest cut, then brought up to date, and trained anew for service."""

from dataclasses import replace
from typing import ClassVar, Self

import msgspec

from ritornello import recall
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences
from ritornello.recall.popular import Popular
from ritornello.train.candidates import choose_cuts
from ritornello.train.fit import fit_pipeline


class Dear(Popular):
    """Popular, with a note of how it was fitted, and at which moment."""

    log: ClassVar[list[tuple[str, int]]] = []

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        self.log.append(("fit", at))
        return super().fit(sequences, at, knowledge)

    def refit(self, earlier: Self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        assert sequences.at_E.max() < at
        self.log.append(("refit", at))
        return super().fit(sequences, at, knowledge)


def test_it_is_trained_at_the_oldest_cut_and_refitted_at_the_others_and_trained_anew_at_the_end(world, small_config):
    name = f"{__name__}:Dear"
    recalled = msgspec.structs.replace(small_config.recall, channels=("popular", name), settings={})
    config = msgspec.structs.replace(small_config, recall=recalled)
    Dear.log.clear()
    fit_pipeline(world.sequences, world.now, config, world.knowledge, tasks=("window",))
    cuts = choose_cuts(world.sequences, world.now, cuts=config.rank.cuts, window_days=config.rank.window_days)
    assert len(cuts) > 1
    assert Dear.log == [("fit", min(cuts)), *(("refit", cut) for cut in sorted(cuts)[1:]), ("fit", world.now)]


def test_a_channel_of_another_kind_is_no_start(world):
    Dear.log.clear()
    seen = replace(world.knowledge).before(world.now, played=world.sequences.num_tracks)
    for earlier in (None, recall.make("fresh")):
        recall.fit(recall.make(f"{__name__}:Dear"), world.sequences, world.now, seen, earlier=earlier)
    assert Dear.log == [("fit", world.now)] * 2
