"""The laws of a world: nobody hears anybody else, time runs forward, every act has its reason, every chance is known."""

from copy import deepcopy
from dataclasses import fields

import msgspec
import numpy as np
import polars as pl
import pytest
from scipy.stats import chisquare

from ritornello.data.labels import CHORUS_MS, CHORUS_RATIO
from ritornello.data.sessions import SESSION_GAP_MS
from ritornello.data.sources.simulator import appeal, chain, world
from ritornello.data.sources.simulator.catalogue import build_catalogue
from ritornello.data.sources.simulator.choice import SOURCES, Origin
from ritornello.data.sources.simulator.engine import SEARCH_MS, SLATE, Engine
from ritornello.data.sources.simulator.generate import live_through
from ritornello.data.sources.simulator.listeners import invent_listeners
from ritornello.data.sources.simulator.log import Log, LogRows
from ritornello.data.sources.simulator.memory import PLACES, Memory
from ritornello.data.sources.simulator.policy import JUST_PLAYED, Ask, Events, Mixture, Offer, ways
from ritornello.data.sources.simulator.randomness import keys
from ritornello.data.sources.simulator.schedule import A_DAY, PAUSE_MS, WEEKDAY_H, WEEKEND_H, schedule
from ritornello.data.sources.simulator.shelf import Shelf
from ritornello.data.sources.simulator.world import PRESETS, SWITCHES, LoggingConfig, World, make_world
from ritornello.schema import ONE_DAY_MS, Action

SMALL = make_world("default", listeners=300, tracks=1_000, days=40)
ID_B = np.arange(1, SMALL.listeners + 1)
POLICIES = {
    "logging": SMALL.logging,
    "uniform": LoggingConfig(uniform=1.0, popular=0.0, genre=0.0, again=0.0),
}
SIZES = {"listeners": 17, "tracks": 99, "days": 3, "seed": 5, "start_ms": 0, "preset": "other"}
TRIALS = 200_000


@pytest.fixture(scope="module")
def catalogue():
    return build_catalogue(SMALL)


@pytest.fixture(scope="module")
def rows(catalogue):
    return live_through(SMALL, catalogue, ID_B)[1]


@pytest.fixture(scope="module")
def log(rows):
    """The log by listener and time, a column per field, with whether a play got past the chorus."""
    table = pl.DataFrame({field.name.rsplit("_", 1)[0]: getattr(rows, field.name) for field in fields(LogRows)})
    is_past = (pl.col("played_ms") >= CHORUS_RATIO * pl.col("track_ms")) | (pl.col("played_ms") >= CHORUS_MS)
    return table.with_columns(is_past=is_past).sort("id", "at", maintain_order=True)


def of_listeners(rows, id_B):
    is_theirs_R = np.isin(rows.id_R, id_B)
    return {field.name: getattr(rows, field.name)[is_theirs_R] for field in fields(LogRows)}


def assert_same(one, other):
    for name, array_R in one.items():
        np.testing.assert_array_equal(array_R, other[name], err_msg=name)


def run(catalogue, settings):
    engine, log = Engine(SMALL, catalogue, ID_B), Log()
    engine.run(Mixture(catalogue, settings, len(ID_B), start_ms=SMALL.start_ms), log, 0, SMALL.days)
    return log.rows()


def session_starts(rows):
    """Return the first moments after a silence, by listener."""
    order_R = np.lexsort((rows.at_R, rows.id_R))
    id_R, at_R = rows.id_R[order_R], rows.at_R[order_R]
    is_start_R = np.r_[True, (np.diff(id_R) != 0) | (np.diff(at_R) >= SESSION_GAP_MS)]
    return list(zip(id_R[is_start_R].tolist(), at_R[is_start_R].tolist(), strict=True))


def test_a_listener_lives_the_same_whoever_else_does(catalogue, rows):
    id_B = np.array([5, 17, 18, 250])
    assert_same(of_listeners(rows, id_B), of_listeners(live_through(SMALL, catalogue, id_B)[1], id_B))


def test_the_order_of_listeners_does_not_matter(catalogue, rows):
    id_B = np.array([250, 5])
    _, backwards = live_through(SMALL, catalogue, id_B)
    for one in id_B:
        assert_same(of_listeners(rows, one), of_listeners(backwards, one))


def test_every_policy_meets_the_scheduled_sessions(catalogue):
    plan = schedule(SMALL, invent_listeners(SMALL, catalogue, ID_B), 0, SMALL.days)
    row_S, place_S = np.nonzero(plan.start_BS)
    scheduled = list(zip(ID_B[row_S].tolist(), plan.start_BS[row_S, place_S].tolist(), strict=True))
    first, second = (run(catalogue, settings) for settings in POLICIES.values())
    assert session_starts(first) == session_starts(second) == scheduled
    assert len(first.at_R) != len(second.at_R)


def test_a_fork_meets_the_same_luck(catalogue):
    engine, policy = (
        Engine(SMALL, catalogue, ID_B),
        Mixture(catalogue, SMALL.logging, len(ID_B), start_ms=SMALL.start_ms),
    )
    engine.run(policy, Log(), 0, 10)
    logs = [Log(), Log()]
    for twin, log in zip((engine.fork(), engine), logs, strict=True):
        twin.run(deepcopy(policy), log, 10, 15)
    assert_same(*(of_listeners(log.rows(), ID_B) for log in logs))


@pytest.mark.parametrize("preset", ["default", "no_clock"])
def test_sessions_follow_the_hours_of_the_day(preset):
    """Shifts of single listeners blur the common rhythm: its first wave has to be there, in strength and in phase."""
    large = make_world(preset, listeners=4_000, tracks=1_000, days=28)
    listeners = invent_listeners(large, build_catalogue(large), np.arange(1, 4_001))
    plan = schedule(large, listeners, 0, large.days)
    at_S = plan.start_BS[plan.start_BS > 0]
    assert plan.number_BS.max() < large.days * A_DAY
    wave_H = np.exp(2j * np.pi * (np.arange(24) + 0.5) / 24.0)
    rhythm_H = (5 * WEEKDAY_H / WEEKDAY_H.sum() + 2 * WEEKEND_H / WEEKEND_H.sum()) / 7
    expected = (rhythm_H @ wave_H) * np.exp(-0.5 * (2.0 * np.pi * 2.0 / 24.0) ** 2) if preset == "default" else 0.0
    found = np.exp(2j * np.pi * (at_S % ONE_DAY_MS) / ONE_DAY_MS).mean()
    assert abs(found - expected) < 0.03


def test_sessions_keep_their_distance(catalogue, log):
    plan = schedule(SMALL, invent_listeners(SMALL, catalogue, ID_B), 0, SMALL.days)
    is_next_BS = plan.start_BS[:, 1:] > 0
    assert (plan.deadline_BS[:, :-1][is_next_BS] + SESSION_GAP_MS <= plan.start_BS[:, 1:][is_next_BS]).all()
    assert (plan.start_BS[:, :-1][is_next_BS] < plan.deadline_BS[:, :-1][is_next_BS]).all()
    end = (pl.col("at") + pl.col("played_ms").clip(0)).cum_max()
    silence = log.select(since_start=pl.col("at").diff().over("id"), since_end=(pl.col("at") - end.shift(1)).over("id"))
    breaks = silence.filter(pl.col("since_start") >= SESSION_GAP_MS)
    assert len(breaks) == (plan.start_BS > 0).sum() - log["id"].n_unique()
    longest_ms = catalogue.track_ms_T.max() + SEARCH_MS  # the last track begins before the deadline
    assert breaks["since_end"].min() > PAUSE_MS - longest_ms > 0


def test_time_runs_forward(rows, log):
    assert (np.diff(rows.at_R) >= 0).all()
    assert (rows.at_R >= SMALL.start_ms).all()
    plays = log.filter(pl.col("action") == int(Action.PLAY))
    assert plays["played_ms"].is_between(0, plays["track_ms"]).all()
    others = log.filter(pl.col("action") != int(Action.PLAY))
    assert (others["played_ms"] == -1).all()
    after = log.select(pl.col("at").diff().over("id") - (pl.col("played_ms").clip(0)).shift(1).over("id")).to_series()
    assert (after.drop_nulls() > 0).all()


def test_nothing_is_heard_before_its_release(catalogue, rows):
    assert (catalogue.released_at_T[rows.track_R] <= rows.at_R).all()
    assert (catalogue.track_ms_T[rows.track_R] == rows.track_ms_R).all()
    assert (catalogue.released_at_T > SMALL.start_ms).any()


def test_acts_follow_a_play_of_their_track(log):
    acted = log.filter(pl.col("action").is_in([int(act) for act in (Action.PLAY, *chain.ACTS)]))
    is_play = pl.col("action") == int(Action.PLAY)
    acted = acted.with_columns(
        pl.when(is_play).then(name).forward_fill().over("id").name.suffix("_played") for name in ("track", "is_past")
    ).filter(~is_play)
    assert set(acted["action"]) == {int(act) for act in chain.ACTS}
    assert (acted["track"] == acted["track_played"]).all()
    likes = acted.filter(pl.col("action") == int(Action.LIKE))
    assert likes["is_past_played"].all()
    assert not likes.select("id", "track").is_duplicated().any()


def test_offers_can_be_traced(log):
    is_shown = pl.col("action") == int(Action.IMPRESSION)
    shown, others = log.filter(is_shown), log.filter(~is_shown)
    assert others["propensity"].is_nan().all()
    assert (shown["propensity"] > 0).all()
    assert (shown["propensity"] <= 1).all()
    assert (shown["source"] == Origin.OFFER).all()
    requests = shown.group_by("request").agg("position", pl.col("id").n_unique().alias("ids"))
    assert (requests["ids"] == 1).all()
    assert all(positions == list(range(len(positions))) for positions in requests["position"].to_list())
    assert requests["position"].list.len().is_between(1, SLATE).all()
    taken = others.filter(pl.col("source") == int(Origin.OFFER))
    offer = ["id", "track", "request", "position"]
    assert taken.join(shown, on=offer, how="anti").is_empty()
    own = others.filter(pl.col("source") != int(Origin.OFFER))
    assert (own["request"] == -1).all()
    assert (own["position"] == -1).all()
    assert SOURCES[Origin.OFFER] == "offer"


def remembering(num_listens=0, *, day=0.0, is_skip=False):
    """Return a memory of track 7 by artist 3 that one listener heard so often on one day."""
    memory = Memory(1, satiation_days=SMALL.appeal.satiation_days, annoyance_days=SMALL.appeal.annoyance_days)
    row_R, day_R = np.array([0]), np.array([day])
    place_R = np.array([-1])
    for _ in range(num_listens):
        place_R = memory.make_room(row_R, np.array([7]), np.array([3]), place_R, day_R)
        memory.record(row_R, place_R, day_R, is_skip_R=np.array([is_skip]), bond_R=np.zeros(1))
    return memory, row_R, place_R


def test_what_is_heard_often_wears_out_and_heals():
    memory, row_R, place_R = remembering(3)
    assert memory.recent(row_R, place_R, np.array([0.0])) == pytest.approx(3.0)
    assert memory.recent(row_R, place_R, np.array([SMALL.appeal.satiation_days])) == pytest.approx(1.5)
    assert memory.recent_all(row_R, np.array([SMALL.appeal.satiation_days]))[0, place_R[0]] == pytest.approx(1.5)
    assert memory.plays(row_R, place_R) == 3


def test_annoyance_is_the_artists_and_fades():
    memory, row_R, _ = remembering(2, is_skip=True)
    annoyed = [memory.annoyance(row_R, np.array([3]), np.array([day])) for day in (0.0, SMALL.appeal.annoyance_days)]
    assert annoyed == [pytest.approx(2.0), pytest.approx(1.0)]
    assert memory.annoyance(row_R, np.array([4]), np.zeros(1)) == 0.0
    assert remembering(2)[0].annoyance(row_R, np.array([3]), np.zeros(1)) == 0.0
    felt = appeal.annoyance(SMALL, memory, row_R, np.array([3], np.int32), np.zeros(1))
    assert felt == pytest.approx(-2.0 * SMALL.appeal.annoyance)
    calm = make_world("no_negatives")
    assert appeal.annoyance(calm, memory, row_R, np.array([3], np.int32), np.zeros(1)) == 0.0


def test_exposure_rises_and_then_falls():
    def gain(settings, num_listens, days_later=0.0):
        memory, row_R, place_R = remembering(num_listens, day=10.0)
        return appeal.exposure(settings, memory, row_R, place_R, np.array([10.0 + days_later]))[0]

    gains = np.array([gain(SMALL, num_listens) for num_listens in range(9)])
    best = int(gains.argmax())
    assert gains[0] == 0.0
    assert 0 < best < 8
    assert (np.diff(gains)[:best] > 0).all()
    assert (np.diff(gains)[best:] < 0).all()
    assert gains[-1] < 0.0 < gain(SMALL, 8, days_later=30.0)
    assert gain(make_world("no_satiation"), 8) > gains[best]
    assert gain(make_world("no_repeats"), 1) <= 0.0


def test_the_faintest_memory_makes_room():
    memory = Memory(1, satiation_days=2.0, annoyance_days=2.0)
    row_R, bond_R, heard_R = np.array([0]), np.zeros(1), np.array([False])
    for track in range(PLACES):
        place_R = memory.make_room(row_R, np.array([track]), np.array([0]), np.array([-1]), np.array([1.0]))
        for _ in range(1 if track == 20 else 2):
            memory.record(row_R, place_R, np.array([1.0]), is_skip_R=heard_R, bond_R=bond_R)
    place_R = memory.find(row_R, np.array([[20]]))[:, 0]
    memory.is_liked_BM[0, place_R] = True
    assert memory.make_room(row_R, np.array([99]), np.array([5]), np.array([-1]), np.array([2.0])) == place_R
    assert set(memory.track_BM[0].tolist()) == set(range(PLACES)) - {20} | {99}
    assert memory.plays(row_R, place_R) == 0
    assert not memory.is_liked(row_R, place_R)
    assert memory.annoyance(row_R, np.array([5]), np.array([2.0])) == 0


@pytest.mark.parametrize("preset", ["default", "no_passive"])
@pytest.mark.parametrize("is_passive", [False, True])
@pytest.mark.parametrize("track_ms", [70_000, 500_000])
def test_expected_ms_is_the_mean_of_listen(preset, is_passive, track_ms):
    settings = make_world(preset)
    for felt in (-6.0, -1.5, 0.0, 3.0):
        shape = TRIALS // 4
        given = (np.full(shape, felt), np.full(shape, track_ms))
        mood = {"bias_R": np.full(shape, 0.3), "is_passive_R": np.full(shape, is_passive)}
        play = chain.listen(settings, keys(np.uint64(3), np.arange(shape)), *given, **mood)
        error = play.played_ms_R.std() / np.sqrt(shape)
        assert abs(play.played_ms_R.mean() - chain.expected_ms(settings, *given, **mood)[0]) < 4.0 * error + 1.0


def test_a_shelf_draws_by_weight_and_never_the_unreleased():
    group_T, released_T = np.array([0, 1, 1, 1, 1, 3]), np.array([0, 5, 10, 20, 900, 900])
    weight_T = np.array([9.0, 1.0, 2.0, 5.0, 90.0, 1.0])
    shelf = Shelf.of(group_T, released_T, weight_T)
    uniform_B = (np.arange(TRIALS) + 0.5) / TRIALS

    def draw(group, now, **since):
        shape = len(uniform_B)
        return shelf.draw(np.full(shape, group), np.full(shape, now), uniform_B, **since)

    share_T = np.bincount(draw(1, 20), minlength=6) / TRIALS
    np.testing.assert_allclose(share_T, [0, 1 / 8, 2 / 8, 5 / 8, 0, 0], atol=1e-4)
    assert set(draw(1, 20, since_B=np.full(TRIALS, 10)).tolist()) == {2, 3}
    assert set(draw(1, 4).tolist()) == set(draw(2, 999).tolist()) == set(draw(3, 899).tolist()) == {-1}
    assert shelf.weight(np.array([1, 2]), np.array([19, 19])).tolist() == [3.0, 0.0]


@pytest.mark.parametrize("num_plays", [0, JUST_PLAYED + 3, 100])
@pytest.mark.parametrize("day", [0, 39])
def test_a_mixture_offers_with_the_chance_that_it_tells(num_plays, day):
    small = make_world("default", tracks=200, days=40)
    catalogue = build_catalogue(small)
    policy = Mixture(catalogue, small.logging, 3, start_ms=small.start_ms)
    at_ms = small.start_ms + day * ONE_DAY_MS
    heard_N = np.flatnonzero(catalogue.released_at_T <= small.start_ms)[::-3].astype(np.int32)
    for place in range(num_plays):
        track_R = heard_N[[place % len(heard_N)]]
        one_R, length_R = np.ones(1, np.int64), catalogue.track_ms_T[track_R]
        policy.observe(
            Events(
                row_R=one_R,
                at_R=one_R,
                track_R=track_R,
                action_R=np.array([Action.PLAY], np.int8),
                played_ms_R=length_R,
                track_ms_R=length_R,
            )
        )
    track_T = np.arange(len(catalogue), dtype=np.int32)
    row_T, at_T = np.ones(len(track_T), np.int64), np.full(len(track_T), at_ms)
    chance_T = policy.propensity(row_T, at_T, track_T)
    assert chance_T.sum() == pytest.approx(1.0)
    row_R, count_R = np.ones(TRIALS, np.int64), np.zeros(TRIALS, np.int64)
    ask = Ask(
        row_R=row_R,
        id_R=row_R,
        at_R=np.full(TRIALS, at_ms),
        key_R=keys(np.uint64(8), np.arange(TRIALS)),
        session_R=count_R,
        place_R=count_R,
    )
    offer = policy.offer(ask)
    np.testing.assert_array_equal(offer.propensity_R, chance_T[offer.track_R])
    found_T, expected_T = np.bincount(offer.track_R, minlength=len(track_T)), TRIALS * chance_T
    assert (found_T[expected_T == 0] == 0).all()
    is_usual_T = expected_T >= 5
    pooled = [np.r_[count_T[is_usual_T], count_T[~is_usual_T].sum()] for count_T in (found_T, expected_T)]
    kept = pooled[1] > 0
    assert chisquare(pooled[0][kept], pooled[1][kept]).pvalue > 1e-3


def test_a_mixture_of_nothing_is_refused():
    with pytest.raises(ValueError, match="are all 0"):
        ways(LoggingConfig(uniform=0.0, popular=0.0, genre=0.0, again=0.0))


def test_presets_carry_their_names_and_differ():
    assert all(preset.preset == name for name, preset in PRESETS.items())
    assert len({preset.rules_hash for preset in PRESETS.values()}) == len(PRESETS)
    for name in SWITCHES:
        switches = msgspec.structs.asdict(PRESETS[f"no_{name}"].switches)
        assert [switch for switch, is_on in switches.items() if not is_on] == [name]
    assert make_world("quick_skips", listeners=7, seed=9) == msgspec.structs.replace(
        PRESETS["quick_skips"], listeners=7, seed=9
    )


@pytest.mark.parametrize(
    ("preset", "sizes", "words"),
    [
        ("loud", {}, "preset 'loud' is unknown; allowed are default"),
        ("default", {"listeners": 0}, "listeners"),
        ("default", {"tracks": 10**9}, "tracks"),
        ("default", {"days": -1}, "days"),
        ("default", {"moons": 2}, "moons"),
        ("default", {"overrides": ["appeal.moons=2"]}, "moons"),
        ("default", {"overrides": ["sessions.loop=2"]}, "loop"),
    ],
)
def test_a_wrong_world_is_refused_in_one_line(preset, sizes, words):
    with pytest.raises(ValueError, match=words) as refused:
        make_world(preset, **sizes)
    assert "\n" not in str(refused.value)


def test_rules_can_be_changed_by_name():
    changed = make_world("default", ["appeal.taste=4.0"], seed=3)
    assert changed.appeal.taste == 4.0
    assert changed.rules_hash != SMALL.rules_hash == make_world("default", seed=3).rules_hash
    assert changed.preset != SMALL.preset


def another(value):
    if isinstance(value, bool):
        return not value
    return (*value, 0.0) if isinstance(value, tuple) else value + 1


def test_the_hash_names_the_rules_and_nothing_else(monkeypatch):
    base = World()
    hashes = {base.rules_hash}
    sections = [name for name in World.__struct_fields__ if name not in SIZES]
    for name in sections:
        section = getattr(base, name)
        for field, value in msgspec.structs.asdict(section).items():
            changed = msgspec.structs.replace(section, **{field: another(value)})
            hashes.add(msgspec.structs.replace(base, **{name: changed}).rules_hash)
    assert len(hashes) == 1 + sum(len(getattr(base, name).__struct_fields__) for name in sections)
    assert msgspec.structs.replace(base, **SIZES).rules_hash == base.rules_hash
    monkeypatch.setattr(world, "VERSION", world.VERSION + 1)
    assert base.rules_hash not in hashes


class Nothing:
    """A policy with nothing to offer."""

    def offer(self, ask):
        return Offer(track_R=np.full(len(ask.row_R), -1, np.int32), propensity_R=np.full(len(ask.row_R), np.nan))

    def observe(self, events):
        assert (events.track_R >= 0).all()


def test_an_empty_place_is_filled_with_something_popular(catalogue):
    log = Log()
    Engine(SMALL, catalogue, ID_B[:40], offered_share=0.9).run(Nothing(), log, 0, 10)
    rows = log.rows()
    is_shown_R = rows.action_R == Action.IMPRESSION
    assert is_shown_R.sum() > 100
    assert (rows.track_R >= 0).all()
    assert (catalogue.released_at_T[rows.track_R] <= rows.at_R).all()
    assert np.isnan(rows.propensity_R).all()
    offered_T = np.bincount(rows.track_R[is_shown_R], minlength=len(catalogue))
    assert catalogue.weight_T @ offered_T / offered_T.sum() > 1.2 * catalogue.weight_T.mean()
