"""Each switch of a world removes its mechanism's signature from the log, and nothing else.

The worlds share listeners and luck, so that they differ by the mechanism; the bounds leave room for seeds.
"""

from functools import cache

import numpy as np
import pytest

from data.simulator.signatures import SIGNATURES, Signature, measure, tabulate
from ritornello.data.sources.simulator.catalogue import build_catalogue
from ritornello.data.sources.simulator.generate import live_through
from ritornello.data.sources.simulator.world import SWITCHES, make_world

PRESENT = 3.0  # standard errors from zero, in the default world
ABSENT = 0.2  # of the default value, or CHANCE standard errors
CHANCE = 3.0
LEAST, MOST = 0.5, 2.0  # times the default value, when another mechanism is off
# Where one mechanism gives another its occasions, the signature cannot be seen without it.
NO_OCCASION = {("repeats", "satiation")}  # nothing comes round often enough to tire of it

pytestmark = pytest.mark.slow


def switch_of(name: str) -> str:
    return name.partition("_")[0]


@cache
def signatures(preset: str) -> dict[str, Signature]:
    world = make_world(preset, listeners=1_500, tracks=2_000, days=60)
    catalogue = build_catalogue(world)
    _, rows = live_through(world, catalogue, np.arange(1, world.listeners + 1))
    return measure(tabulate(rows, catalogue))


def test_every_switch_has_a_signature():
    assert {switch_of(name) for name in SIGNATURES} == set(SWITCHES)


@pytest.mark.parametrize("name", SIGNATURES)
def test_switching_a_mechanism_off_removes_its_signature(name):
    default, off = signatures("default")[name], signatures(f"no_{switch_of(name)}")[name]
    assert default.value > PRESENT * default.error
    assert abs(off.value) <= max(ABSENT * default.value, CHANCE * off.error)
    assert default.value - off.value > PRESENT * np.hypot(default.error, off.error)


def test_switching_a_mechanism_off_leaves_the_other_signatures():
    gone = {}
    for switch in SWITCHES:
        for name, off in signatures(f"no_{switch}").items():
            if switch_of(name) == switch or (switch, name) in NO_OCCASION:
                continue
            default, slack = signatures("default")[name].value, CHANCE * off.error
            if not LEAST * default - slack <= off.value <= MOST * default + slack:
                gone[switch, name] = (default, off)
    assert not gone
