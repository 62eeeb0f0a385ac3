"""Live events go back into the log: after export, ingest and prepare, it gives the history that the service had."""

from dataclasses import fields

import numpy as np
import polars as pl

from ritornello import request
from ritornello.artifacts import Workspace
from ritornello.contracts import History
from ritornello.data.ids import rows_of
from ritornello.data.ingest import ingest
from ritornello.data.parts import PART_FILE, parts_of
from ritornello.data.prepare import load_prepared, prepare
from ritornello.data.sequence import encode
from ritornello.schema import ONE_MINUTE_MS, Action
from ritornello.serve.export import as_in_the_log, export_events
from ritornello.serve.history import histories
from ritornello.serve.snapshot import open_snapshot
from ritornello.serve.state.sqlite import open_state


def test_what_was_exported_is_the_history_of_the_next_training(client, root, clock, tmp_path):
    user_id = "pair-1"
    slate = client.post("/v1/recommend", json={"user_id": user_id, "k": 3}).json()
    for place, track in enumerate(("pair-first", "favourite", "pair-first", "favourite")):
        at = clock.now - (place % 3) * 45 * ONE_MINUTE_MS
        client.post("/v1/events", json={"user_id": user_id, "track_id": track, "at": at, "played_ms": 1000 * place})
    client.post("/v1/events", json={"user_id": user_id, "action": "impression", "request_id": slate["request_id"]})
    for later, action in enumerate(("like", "unlike")):
        event = {"user_id": user_id, "track_id": "B-01", "at": clock.now - 10 + later, "action": action}
        client.post("/v1/events", json=event)
    client.delete(f"/v1/users/{user_id}/events", params={"track_id": "pair-first", "at": clock.now})
    workspace = Workspace(root)
    assert export_events(workspace, tmp_path / "live.parquet") == 8
    shown = client.post("/v1/recommend", json={"user_id": user_id, "k": 10}).json()
    with open_state(workspace) as state:
        live = histories(open_snapshot(workspace), user_id, state.user(user_id))(clock.now + 1)
    report = ingest(workspace, [tmp_path / "live.parquet"], now_ms=clock.now)
    assert (report.accepted, report.rejected) == (8, {})
    kept = pl.read_parquet(parts_of(workspace.events)[-1] / PART_FILE).filter(pl.col("request_id").is_not_null())
    assert kept["position"].sort().to_list() == [1, 2, 3]
    assert prepare(workspace).impressions == 3
    prepared = load_prepared(workspace)
    user_B = rows_of(pl.Series([user_id]), prepared.user_ids)
    logged = encode(prepared.sequences, user_B, np.array([clock.now + 1]))
    for field in fields(History):
        np.testing.assert_array_equal(getattr(live, field.name), getattr(logged, field.name), err_msg=field.name)
    assert Action.LIKE not in logged.action_BL[0, -3:], "what was taken back is so in the log too"
    _, again = request.recommend(request.open_workspace(workspace), user_B, 10, at=clock.now + 1)
    assert shown["bundle"] == request.open_workspace(workspace).bundle.version
    assert [track["track_id"] for track in shown["tracks"]] == prepared.track_ids.gather(
        again.track_BK[0] - 1
    ).to_list()
    np.testing.assert_allclose([track["score"] for track in shown["tracks"]], again.score_BK[0], rtol=1e-5)


def test_nothing_to_export_is_an_empty_log(root, tmp_path):
    assert export_events(Workspace(root), tmp_path / "live.parquet") == 0
    assert pl.read_parquet(tmp_path / "live.parquet").is_empty()


def test_whole_numbers_stay_numbers_where_the_log_has_numbers():
    whole = pl.Series([7], dtype=pl.Int64)
    assert as_in_the_log(pl.Series(["12", "7"]), whole).dtype == pl.Int64
    assert as_in_the_log(pl.Series(["12", "x"]), whole).dtype == pl.String
    assert as_in_the_log(pl.Series(["12"]), pl.Series(["a"])).dtype == pl.String
