"""Standing rules over HTTP: kept, applied to every slate of their user, ended on time, nobody else's business."""

import pytest

from ritornello.artifacts import Workspace
from ritornello.scenes import SCENES
from ritornello.schema import ONE_DAY_MS
from ritornello.serve.bodies import MAX_LISTED
from ritornello.serve.tokens import give_token

USER = "favourite-user"
RULES = f"/v1/users/{USER}/rules"
NOTHING = {"user_id": USER, "blocks": [], "hide_heard_days": 0.0, "owned_only": False, "explicit": True}


def ask(client, user_id=USER, **wish):
    answer = client.post("/v1/recommend", json={"user_id": user_id, "k": 12, **wish})
    assert answer.status_code == 200, answer.text
    return answer.json()["tracks"]


def ids(tracks):
    return [track["track_id"] for track in tracks]


def block(client, status=200, **body):
    answer = client.post(f"{RULES}/blocks", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_rules_are_replaced_whole_and_taken_back(client, clock):
    assert client.get(RULES).json() == NOTHING
    body = {"blocks": [{"kind": "genre", "id": "A"}], "hide_heard_days": 3, "owned_only": True, "explicit": False}
    told = {**body, "user_id": USER, "blocks": [{"kind": "genre", "id": "A", "until": None}]}
    assert client.put(RULES, json=body).json() == told
    assert client.get(RULES).json() == told
    assert client.put(RULES, json={}).json() == NOTHING


def test_a_block_makes_room_for_another_of_the_same_thing(client, clock):
    block(client, kind="track", id="favourite")
    told = block(client, kind="track", id="favourite", days=30)
    assert told["blocks"] == [{"kind": "track", "id": "favourite", "until": clock.now + 30 * ONE_DAY_MS}]
    block(client, kind="album", id="favourite")
    gone = client.delete(f"{RULES}/blocks", params={"kind": "track", "id": "favourite"}).json()
    assert gone["blocks"] == [{"kind": "album", "id": "favourite", "until": None}]
    assert client.delete(f"{RULES}/blocks", params={"kind": "track", "id": "nowhere"}).json() == gone


@pytest.mark.parametrize("scene", ["none", *SCENES])
def test_a_block_holds_in_every_scene_until_it_ends(client, clock, scene):
    usual, others = ids(ask(client, scene=scene)), ids(ask(client, "pair-1", scene=scene))
    until = clock.now + ONE_DAY_MS // 100
    block(client, kind="track", id=usual[0], until=until)
    assert usual[0] not in ids(ask(client, scene=scene))
    assert ids(ask(client, "pair-1", scene=scene)) == others, "the rules of one are not those of another"
    clock.now = until - 2
    assert usual[0] not in ids(ask(client, scene=scene))
    clock.now = until
    assert ids(ask(client, scene=scene)) == usual
    assert client.get(RULES).json()["blocks"] == []


def test_every_kind_of_block_holds_together_with_those_of_the_request(client):
    usual = ids(ask(client, scene="personal_fm"))
    facts = client.app.state.service.follower.current().served.facts
    for kind in ("artist", "genre"):
        name = client.get(f"/v1/tracks/{usual[0]}").json()[{"artist": "artist_id", "genre": "genre"}[kind]]
        barred = {facts.track_ids[row - 1] for row in facts.find(kind, name).tolist()}
        block(client, kind=kind, id=name)
        asked = {"blocks": [{"kind": "track", "id": usual[1]}]}
        left = ids(ask(client, scene="personal_fm", rules=asked))
        assert left
        assert not barred & set(left)
        assert usual[1] not in left
        client.put(RULES, json={})


@pytest.mark.parametrize("scene", ["none", "personal_fm"])
def test_what_was_heard_lately_is_hidden(client, scene):
    assert any(track["heard"] for track in ask(client, scene=scene))
    client.put(RULES, json={"hide_heard_days": 10_000})
    tracks = ask(client, scene=scene)
    assert tracks
    assert not any(track["heard"] for track in tracks)


@pytest.mark.parametrize("scene", ["none", "personal_fm"])
@pytest.mark.parametrize("rules", [{"owned_only": True}, {"explicit": False}])
def test_what_is_not_owned_or_is_explicit_is_left_out(client, scene, rules):
    facts = client.app.state.service.follower.current().served.facts
    asked = {"rules": {"playable": False}} if scene != "none" else {}
    shown = ids(ask(client, scene=scene, **asked))[0]
    row = int(facts.find("track", shown)[0])
    facts.is_playable_T[row] = "owned_only" not in rules
    facts.is_explicit_T[row] = "explicit" in rules
    assert shown in ids(ask(client, scene=scene, **asked))
    client.put(RULES, json=rules)
    assert shown not in ids(ask(client, scene=scene, **asked)), "a request allows nothing that the user forbids"


def test_rules_are_exported_and_forgotten_with_their_user(client, root):
    block(client, kind="genre", id="A")
    exported = client.get(f"/v1/users/{USER}/export").json()
    assert exported["profile"]["rules"]["blocks"] == [{"kind": "genre", "id": "A", "until": None}]
    client.delete(f"/v1/users/{USER}")
    assert client.get(RULES).json() == NOTHING
    assert client.get(f"/v1/users/{USER}/export").json()["profile"]["rules"]["blocks"] == []


def test_nobody_reads_or_writes_the_rules_of_another(client, root):
    own, other = (give_token(Workspace(root), user, is_operator=False) for user in (USER, "pair-1"))
    asked = [
        ("GET", RULES, {}),
        ("PUT", RULES, {"json": {}}),
        ("POST", f"{RULES}/blocks", {"json": {"kind": "genre", "id": "A"}}),
        ("DELETE", f"{RULES}/blocks", {"params": {"kind": "genre", "id": "A"}}),
    ]
    for method, path, more in asked:
        assert client.request(method, path, **more).status_code == 401
        headers = {"Authorization": f"Bearer {other}"}
        assert client.request(method, path, headers=headers, **more).status_code == 403
        assert client.request(method, path, headers={"Authorization": f"Bearer {own}"}, **more).status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"kind": "mood", "id": "x"}, "$.kind"),
        ({"kind": "track", "id": " "}, "$.id"),
        ({"kind": "track", "id": "x", "days": 0}, "$.days"),
        ({"kind": "track", "id": "x", "days": 1, "until": 5}, "has until and days: allowed is one of them"),
        ({"kind": "track"}, "`id`"),
    ],
)
def test_a_bad_block_is_one_line(client, body, said):
    assert said in block(client, status=400, **body)["error"]
    assert client.get(RULES).json() == NOTHING


def test_a_user_has_so_many_blocks(client):
    many = [{"kind": "track", "id": str(number)} for number in range(MAX_LISTED)]
    assert client.put(RULES, json={"blocks": many}).status_code == 200
    assert f"allowed are {MAX_LISTED}" in block(client, status=400, kind="track", id="one more")["error"]
    block(client, kind="track", id="7", days=1)
    assert len(client.get(RULES).json()["blocks"]) == MAX_LISTED
