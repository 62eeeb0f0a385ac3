"""Hot swap: a published bundle is served at once, no request fails or mixes two, and what cannot be loaded is refused."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import pytest

from ritornello.artifacts import Workspace, write_atomic
from ritornello.bundle import current_version, publish
from ritornello.data.prepare import load_prepared, prepare

USER = "favourite-user"


@pytest.fixture
def versions(root, world, pipeline, small_config) -> tuple[str, str]:
    """Two bundles that give different slates; the second is served."""
    workspace = Workspace(root)
    first = current_version(workspace)
    plain = replace(pipeline, channels={"popular": pipeline.channels["popular"]}, rankers={})
    config = replace_channels(small_config)
    return first, publish(workspace, plain, config, load_prepared(workspace), world.now)


def replace_channels(config):
    return type(config)(recall=type(config.recall)(channels=("popular",)), rank=config.rank)


def ask(client):
    answer = client.post("/v1/recommend", json={"user_id": USER, "k": 10})
    assert answer.status_code == 200, answer.text
    return answer.json()


def tracks(slate):
    return [track["track_id"] for track in slate["tracks"]]


def wait_for(client, version):
    deadline = time.monotonic() + 20
    while client.get("/ready").json()["bundle"] != version:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_publication_by_another_process_is_followed(client, root, versions):
    first, second = versions
    wait_for(client, second)
    assert ask(client)["bundle"] == second
    write_atomic(root / "bundles" / "current", first)
    wait_for(client, first)
    assert ask(client)["bundle"] == first


def test_operators_publish_and_roll_back(client, versions):
    first, second = versions
    wait_for(client, second)
    assert client.post("/v1/bundles/rollback").json()["serving"] == first
    assert ask(client)["bundle"] == first
    assert client.post("/v1/bundles/rollback").status_code == 409
    answer = client.post(f"/v1/bundles/{second}/publish").json()
    assert answer["serving"] == second
    assert [bundle["is_current"] for bundle in answer["bundles"]] == [False, True]
    assert client.post("/v1/bundles/nothing/publish").status_code == 404
    assert client.post("/v1/bundles/.draft/publish").status_code == 400


def test_a_bundle_that_cannot_be_loaded_is_never_published(client, root, versions):
    first, second = versions
    wait_for(client, second)
    (root / "bundles" / first / "stats" / "value_TF.npy").write_bytes(b"damaged")
    answer = client.post(f"/v1/bundles/{first}/publish")
    assert answer.status_code == 409
    assert "is corrupt" in answer.json()["error"]
    assert current_version(Workspace(root)) == second


def test_what_cannot_be_loaded_is_refused_and_the_last_good_one_goes_on(client, root, versions):
    first, second = versions
    wait_for(client, second)
    (root / "bundles" / first / "stats" / "value_TF.npy").write_bytes(b"damaged")
    write_atomic(root / "bundles" / "current", first)
    deadline = time.monotonic() + 20
    while client.get("/ready").json()["refused"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "is corrupt" in client.get("/ready").json()["refused"]
    assert ask(client)["bundle"] == second
    assert "ritornello_bundle_refused 1.0" in client.get("/metrics").text
    write_atomic(root / "bundles" / "current", second)
    while client.get("/ready").json()["refused"] is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "ritornello_bundle_refused 0.0" in client.get("/metrics").text


def test_a_workspace_prepared_anew_is_followed(client, root, world):
    before = client.app.state.service.follower.current()
    prepare(Workspace(root))
    deadline = time.monotonic() + 20
    while client.app.state.service.follower.current() is before:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert tracks(ask(client))


def test_swaps_under_load_fail_and_mix_nothing(client, root, versions):
    wait_for(client, versions[1])
    expected = {}
    for version in versions:
        client.post(f"/v1/bundles/{version}/publish")
        expected[version] = tracks(ask(client))
    assert expected[versions[0]] != expected[versions[1]]
    is_over = Event()

    def load() -> list[str]:
        served = []
        while not is_over.is_set():
            slate = ask(client)
            assert tracks(slate) == expected[slate["bundle"]]
            served.append(slate["bundle"])
        return served

    with ThreadPoolExecutor(3) as pool:
        loads = [pool.submit(load) for _ in range(3)]
        try:
            for turn in range(8):
                write_atomic(root / "bundles" / "current", versions[turn % 2])
                wait_for(client, versions[turn % 2])
        finally:
            is_over.set()
        served = [version for load in loads for version in load.result()]
    assert set(served) == set(versions)
