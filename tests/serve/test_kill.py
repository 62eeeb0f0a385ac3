"""Killed at any moment, amid events, publications and hot swaps, the service loses nothing it promised, and is back at once."""

import http.client
import json
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ritornello.artifacts import Workspace
from ritornello.bundle import current_version, publish
from ritornello.data.prepare import load_prepared
from served import call, running

SEED = 1
SOAK_KILLS = int(os.environ.get("RITORNELLO_KILLS", "200"))
BACK_WITHIN_S = 5.0
MAX_LIFE_S = 2.0
POSTERS = 3
BATCH = 7
USER = "favourite-user"
CUT_OFF = (OSError, http.client.HTTPException, json.JSONDecodeError)  # before the answer, or amid it


@pytest.fixture
def versions(root, world, pipeline, small_config) -> list[str]:
    """Two bundles to swap between."""
    workspace = Workspace(root)
    first = current_version(workspace)
    plain = replace(pipeline, channels={"popular": pipeline.channels["popular"]}, rankers={})
    config = replace_channels(small_config)
    return [first, publish(workspace, plain, config, load_prepared(workspace), world.now)]


def replace_channels(config):
    return type(config)(recall=type(config.recall)(channels=("popular",)), rank=config.rank)


@dataclass
class Promises:
    """What was answered before a kill, and what was asked for when it came."""

    events: set[str] = field(default_factory=set)
    posted: set[str] = field(default_factory=set)
    published: str = ""
    publishing: str = ""
    is_publishing: bool = False
    num_published: int = 0
    slates: set[str] = field(default_factory=set)


def until_it_dies(step: Callable[[int], None]) -> threading.Thread:
    """Repeat a step, which is given its number, until the service is gone."""

    def repeat() -> None:
        number = 0
        while True:
            try:
                step(number)
            except CUT_OFF:
                return
            number += 1

    thread = threading.Thread(target=repeat)
    thread.start()
    return thread


def live(port: int, life: int, promises: Promises, versions: list[str]) -> list[threading.Thread]:
    """Post events, publish one bundle after the other and ask for slates, all at once."""

    def post(poster: int, number: int) -> None:
        ids = [f"{poster}-{number}-{place}" for place in range(BATCH)]
        again = [f"{poster}-{number - 1}-{place}" for place in range(BATCH if number else 0)]  # as after a lost answer
        promises.posted.update(ids)
        events = [
            {"user_id": f"life-{life}", "track_id": "favourite", "event_id": one, "at": number}
            for one in [*again, *ids]
        ]
        call(port, "/v1/events/batch", {"events": events})
        promises.events.update(ids)

    def swap(number: int) -> None:
        promises.publishing, promises.is_publishing = versions[(life + number) % 2], True
        call(port, f"/v1/bundles/{promises.publishing}/publish", method="POST")
        promises.published, promises.is_publishing = promises.publishing, False
        promises.num_published += 1

    def ask(number: int) -> None:
        promises.slates.add(str(call(port, "/v1/recommend", {"user_id": USER, "k": 5})["bundle"]))

    posters = [until_it_dies(lambda number, poster=poster: post(poster, number)) for poster in range(POSTERS)]
    return [*posters, until_it_dies(swap), until_it_dies(ask)]


def check_events(port: int, life: int, promises: Promises) -> None:
    """Hold what is kept against what was promised."""
    kept = [str(event["event_id"]) for event in call(port, f"/v1/users/life-{life}/export")["events"]]
    assert len(kept) == len(set(kept)), "none is doubled"
    assert promises.events <= set(kept) <= promises.posted, "none that was acknowledged is lost, none is made up"
    batches = {one.rpartition("-")[0] for one in kept}
    assert len(kept) == BATCH * len(batches), "a batch is there whole or not at all"


def kill_again_and_again(root: Path, versions: list[str], kills: int) -> dict[str, float]:
    """Start, load and kill the service; return the slowest start and how much was promised."""
    generator = random.Random(SEED)
    lives: list[Promises] = []
    slowest_s, served = 0.0, {versions[-1]}
    for life in range(kills + 1):
        started = time.monotonic()
        with running(root) as (process, port):
            slowest_s = max(slowest_s, time.monotonic() - started)
            ready = call(port, "/ready")
            assert ready["bundle"] in served
            assert ready["refused"] is None
            for earlier, promises in enumerate(lives):
                if earlier == life - 1 or life == kills:  # after every kill the newest, in the end all of them
                    check_events(port, earlier, promises)
            if life == kills:
                break
            lives.append(Promises(published=str(ready["bundle"])))
            threads = live(port, life, lives[-1], versions)
            time.sleep(generator.uniform(0.0, MAX_LIFE_S))
            process.kill()
            for thread in threads:
                thread.join(30)
            served = {lives[-1].published, lives[-1].publishing} - {""}
            assert lives[-1].slates <= set(versions)
    return {
        "slowest_s": slowest_s,
        "events": sum(len(one.events) for one in lives),
        "publications": sum(one.num_published for one in lives),
        "cut_publications": sum(one.is_publishing for one in lives),
    }


@pytest.mark.parametrize(
    "kills",
    [pytest.param(10, marks=pytest.mark.slow), pytest.param(SOAK_KILLS, marks=[pytest.mark.slow, pytest.mark.soak])],
)
def test_killed_at_any_moment_it_keeps_its_promises_and_is_back_at_once(
    root, versions, kills, record_testsuite_property
):
    found = kill_again_and_again(root, versions, kills)
    record_testsuite_property(f"{kills} kills", str(found))
    print(f"{kills} kills: {found}")  # noqa: T201  # shown with -s
    assert found["events"] > 10 * kills
    assert found["publications"] > kills / 2
    assert found["cut_publications"] > kills / 4
    assert found["slowest_s"] < BACK_WITHIN_S
