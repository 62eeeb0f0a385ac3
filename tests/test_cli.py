"""The command line as scripts see it: exit status, one line for a user's mistake, and the promised files."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from ritornello.cli import main
from ritornello.cli.moments import parse_moment
from worlds import write_world

FAST = [
    "--set=rank.cuts=2",
    "--set=rank.next_cuts=1",
    "--set=rank.next_plays=200",
    "--set=recall.quota=40",
    "--set=recall.settings.factors.factors=8",
    "--set=recall.settings.vector.dim=16",
    "--set=recall.settings.vector.width=8",
    "--set=recall.settings.vector.folds=2",
    "--set=rank.settings.window.num_trees=10",
    "--set=rank.settings.next.num_trees=10",
]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["ritornello", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, users=60, tracks=300, days=70, seed=3)
    return folder


@pytest.fixture(scope="module")
def workspace(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli") / "ws"
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert run(monkeypatch, "ingest", root, world / "tracks.parquet", "--as", "catalogue") == 0
        assert run(monkeypatch, "ingest", root, world / "events.parquet") == 0
        assert run(monkeypatch, "prepare", root) == 0
        assert run(monkeypatch, "train", root, *FAST) == 0
    return root


@pytest.fixture
def users(world: Path) -> list[str]:
    return [str(user) for user in pl.read_parquet(world / "events.parquet")["user_id"].unique().sort()]


def test_recommend_writes_the_promised_columns(
    workspace: Path, users: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pl.DataFrame({"user_id": [*users, "nobody"]}).write_parquet(tmp_path / "users.parquet")
    out = tmp_path / "lists.parquet"
    assert run(monkeypatch, "recommend", workspace, "--users", tmp_path / "users.parquet", "-k", 20, "--out", out) == 0
    lists = pl.read_parquet(out)
    assert lists.columns == ["user_id", "rank", "track_id", "score", "heard", "channels", "reason"]
    assert lists["user_id"].n_unique() == len(users) + 1
    assert lists.group_by("user_id").len()["len"].max() == 20
    assert not lists.select("user_id", "track_id").is_duplicated().any()
    assert lists.group_by("user_id").agg(pl.col("rank").min())["rank"].unique().to_list() == [1]


@pytest.mark.parametrize(("only", "heard"), [("heard", True), ("unheard", False)])
def test_only_restricts_the_list(
    workspace: Path, users: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only: str, heard: bool
) -> None:
    out = tmp_path / "lists.parquet"
    assert run(monkeypatch, "recommend", workspace, "--user", users[0], "--only", only, "--out", out) == 0
    assert pl.read_parquet(out)["heard"].unique().to_list() == [heard]


def test_recommend_prints_a_list_and_explain_tells_why(
    workspace: Path,
    users: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "mix.parquet"
    assert run(monkeypatch, "recommend", workspace, "--user", users[0], "--scene", "daily_mix", "--out", out) == 0
    track = pl.read_parquet(out)["track_id"][0]
    capsys.readouterr()
    assert run(monkeypatch, "explain", workspace, "--user", users[0], "--track", track) == 0
    told = capsys.readouterr().out
    assert "relisten" in told
    assert "place " in told


def test_training_twice_gives_the_same_bundle(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (workspace / "bundles" / "current").read_text()
    assert run(monkeypatch, "train", workspace, *FAST) == 0
    assert (workspace / "bundles" / "current").read_text() == before
    assert run(monkeypatch, "bundles", workspace) == 0
    assert f"* {before}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recommend", "WS", "--user", "nobody"], "unknown user 'nobody'"),
        (["recommend", "WS", "--user", "USER", "-k", "0"], "-k is 0: allowed are 1 to"),
        (["recommend", "WS", "--user", "USER", "-k", "99999"], "-k is 99999: allowed are 1 to"),
        (["recommend", "WS"], "either --user ID or --users"),
        (["recommend", "WS", "--user", "USER", "--scene", "radio"], "unknown scene 'radio'"),
        (["recommend", "WS", "--user", "USER", "--only", "new"], "--only is 'new'"),
        (["recommend", "WS", "--user", "USER", "--at", "yesterday"], "'yesterday' is no moment"),
        (["recommend", "WS", "--user", "USER", "--out", "list.txt"], "ends in .parquet"),
        (["explain", "WS", "--user", "USER", "--track", "nothing"], "unknown track 'nothing'"),
        (["train", "WS", "--set", "rank.cutz=3"], "cutz"),
        (["train", "WS", "--set", "rank.cuts"], "section.key=value"),
        (["train", "WS", "--config", "missing.toml"], "no configuration file"),
        (["train", "WS", "--set", 'recall.channels=["wrong"]'], "unknown recall channel 'wrong'"),
        (["evaluate", "WS", "--protocol", "guess"], "--protocol is 'guess'"),
        (["replay", "WS", "missing.parquet", "--out", "x.parquet"], "no file at missing.parquet"),
        (["recommend", "EMPTY", "--user", "a"], "is not prepared"),
        (["prepare", "EMPTY"], "ingest"),
        (["ingest", "EMPTY", "missing.parquet"], "missing.parquet"),
        (["bundles", "WS", "rollback"], "no bundle before"),
        (["bundles", "WS", "publish"], "needs a VERSION"),
        (["bundles", "WS", "publish", "../../other"], "no bundle '../../other'"),
        (["bundles", "WS", "rollback", "v1"], "takes no VERSION"),
        (["bundles", "EMPTY", "rollback"], "has no trained bundle"),
        (["recommend", "WS", "--user", "[/bold] odd\nname"], "unknown user '[/bold] odd"),
        (["recommend", "WS", "--user", "USER", "--at", "1e18"], "no moment of a log"),
        (["recommend", "WS", "--user", "USER", "--at", "-1"], "no moment of a log"),
        (["recommend", "WS", "--user", "USER", "--scene", "os:getcwd"], "is no class"),
        (["recommend", "WS", "--user", "USER", "--scene", "nowhere:Scene"], "cannot be loaded"),
        (["recommend", "WS", "--user", "USER", "--out", "nowhere/list.parquet"], "no folder nowhere"),
        (["evaluate", "WS", "--json", "nowhere/figures.json"], "--json: there is no folder"),
        (["evaluate", "WS", "--test-days", "inf"], "--test-days is inf"),
        (["evaluate", "WS", "--protocol", "live", "--test-days", "nan"], "--test-days is nan"),
        (["train", "WS", "--set", "rank.negatives=0"], "rank.negatives"),
        (["train", "WS", "--set", "rank.window_days=inf"], "rank.window_days"),
        (["train", "WS", "--set", "recall.quota=-1"], "recall.quota"),
        (["train", "WS", "--set", "rank.settings.window.num_trees=few"], "num_trees"),
        (
            ["train", "WS", "--set", "rank.model=multipath", "--set", 'rank.settings.next.paths=["nope"]'],
            "unknown nope",
        ),
        (["ingest", "FILE", "missing.parquet"], "missing.parquet"),
        (["prepare", "FILE"], "is a file: a workspace is a folder"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(
    workspace: Path,
    users: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    (tmp_path / "file").write_text("")
    places = {"WS": str(workspace), "EMPTY": str(tmp_path / "empty"), "USER": users[0], "FILE": str(tmp_path / "file")}
    assert run(monkeypatch, *[places.get(argument, argument) for argument in arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len([line for line in error.splitlines() if line.startswith("error:")]) == 1
    assert "Traceback" not in error


def test_a_changed_bundle_is_refused(
    workspace: Path, users: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    version = (workspace / "bundles" / "current").read_text()
    victim = next((workspace / "bundles" / version / "channels" / "popular").glob("*.npy"))
    good = victim.read_bytes()
    victim.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    try:
        assert run(monkeypatch, "recommend", workspace, "--user", users[0]) == 2
        assert "is corrupt" in capsys.readouterr().err
    finally:
        victim.write_bytes(good)


def test_a_bundle_for_other_ids_is_refused(
    workspace: Path,
    users: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "other"
    (tmp_path / "world").mkdir()
    write_world(tmp_path / "world", users=20, tracks=400, days=60, seed=9)
    assert run(monkeypatch, "ingest", other, tmp_path / "world" / "events.parquet") == 0
    assert run(monkeypatch, "prepare", other) == 0
    (other / "bundles").symlink_to(workspace / "bundles")
    assert run(monkeypatch, "recommend", other, "--user", users[0]) == 2
    assert "the bundle is stale" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("user_ids", "said"),
    [([None, "a"], "1 of 2 rows have no user_id"), ([["a"]], "type List"), ([b"\xff"], "type Binary")],
)
def test_a_users_file_without_usable_ids_is_refused(
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    user_ids: list[object],
    said: str,
) -> None:
    pl.DataFrame({"user_id": user_ids}).write_parquet(tmp_path / "users.parquet")
    assert run(monkeypatch, "recommend", workspace, "--users", tmp_path / "users.parquet") == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("row_id", [1, 1], "row_id 1 stands 2 times"),
        ("timestamp", [[1], [2]], "type List"),
        ("user_id", [[1], [2]], "type"),
    ],
)
def test_queries_that_cannot_be_answered_are_refused(
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    column: str,
    values: list[object],
    said: str,
) -> None:
    rows = {"row_id": [1, 2], "user_id": ["a", "b"], "timestamp": [1e9, 1e9], "track_id": ["x", "y"], column: values}
    pl.DataFrame(rows).write_parquet(tmp_path / "queries.parquet")
    assert run(monkeypatch, "replay", workspace, tmp_path / "queries.parquet", "--out", tmp_path / "out.parquet") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.parquet").exists()


def copy_of(workspace: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(workspace, tmp_path / "copy"))


def test_training_again_mends_a_damaged_bundle(
    workspace: Path, users: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_of(workspace, tmp_path)
    shutil.rmtree(copy / "bundles" / (copy / "bundles" / "current").read_text() / "channels")
    assert run(monkeypatch, "recommend", copy, "--user", users[0]) == 2
    assert run(monkeypatch, "train", copy, *FAST) == 0
    assert run(monkeypatch, "recommend", copy, "--user", users[0]) == 0


@pytest.mark.parametrize("content", [b"", b"../../elsewhere", b"gone", b"\xff\xfe"])
def test_a_bad_current_is_refused_and_rollback_leads_out(
    workspace: Path, users: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    copy = copy_of(workspace, tmp_path)
    (copy / "bundles" / "current").write_bytes(content)
    assert run(monkeypatch, "recommend", copy, "--user", users[0]) == 2
    assert run(monkeypatch, "bundles", copy, "rollback") == 0
    assert run(monkeypatch, "recommend", copy, "--user", users[0]) == 0


@pytest.mark.parametrize(
    "content", ["[]", "3", '{"format": 1, "files": 1}', '{"format": 1, "files": {}}', '{"format": 1}']
)
def test_a_bad_manifest_is_refused(
    workspace: Path,
    users: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str,
) -> None:
    copy = copy_of(workspace, tmp_path)
    (copy / "bundles" / (copy / "bundles" / "current").read_text() / "manifest.json").write_text(content)
    assert run(monkeypatch, "recommend", copy, "--user", users[0]) == 2
    assert "train again" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["track_E.npy", "at_E.npy", "start_U.npy", "sequences.json", "users.parquet", "tracks.parquet"]
)
@pytest.mark.parametrize("kept", [0, 0.5, None])
def test_damaged_arrays_are_told(
    workspace: Path,
    users: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    kept: float | None,
) -> None:
    copy = copy_of(workspace, tmp_path)
    victim = copy / "prepared" / name
    whole = victim.read_bytes()
    victim.unlink() if kept is None else victim.write_bytes(whole[: int(len(whole) * kept)])
    assert run(monkeypatch, "recommend", copy, "--user", users[0]) == 2
    assert "prepare" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["part.json", "part-00000.parquet"])
def test_a_damaged_part_is_told_and_a_stray_file_is_none(
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    copy = copy_of(workspace, tmp_path)
    (copy / "events" / "notes.txt").write_text("not a part")
    assert run(monkeypatch, "prepare", copy) == 0
    victim = next((copy / "events").glob(f"*/{name}"))
    victim.write_bytes(victim.read_bytes()[:20])
    assert run(monkeypatch, "prepare", copy) == 2
    assert "is damaged" in capsys.readouterr().err


def test_moments_are_read_as_seconds_or_dates() -> None:
    assert parse_moment("1420535985.5") == 1420535985500
    assert parse_moment("2015-01-06T09:19:45+00:00") == 1420535985000


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("simulated") / "ws"
    size = ("--users", 120, "--tracks", 300, "--days", 20, "--seed", 3, "--set", "listening.rate=0.8")
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert run(monkeypatch, "simulate", root, *size) == 0
        assert run(monkeypatch, "prepare", root) == 0
        assert run(monkeypatch, "train", root, *FAST) == 0
    return root


def test_policies_play_in_a_simulated_world(
    simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "loop.json"
    options = ("--protocol", "closed_loop", "--policies", "random, popular,live", "--listeners", 60, "--test-days", 2)
    assert run(monkeypatch, "evaluate", simulated, *options, "--json", out) == 0
    figures = json.loads(out.read_text())
    assert set(figures["results"]) == {"random", "popular", "live"}
    assert figures["simulated"].startswith("simulated, world default, changed v")
    assert "simulated" in capsys.readouterr().out


def test_the_window_of_a_simulated_log_says_so(
    simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "window.json"
    assert run(monkeypatch, "evaluate", simulated, "--test-days", 4, *FAST, "--json", out) == 0
    assert capsys.readouterr().out.count("simulated") >= 2
    assert json.loads(out.read_text())["simulated"].startswith("simulated")


def test_the_off_policy_check_and_an_ab_test_run(
    simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "off.json"
    assert run(monkeypatch, "evaluate", simulated, "--protocol", "off_policy", "--listeners", 100, "--json", out) == 0
    assert json.loads(out.read_text())["results"]["random"]["ips"]["standard_error"] > 0
    assert run(monkeypatch, "ab", simulated, "random", "oracle", "--days", 1, "--json", tmp_path / "ab.json") == 2
    assert "too few" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--policies", "nobody"), "allowed are different ones of oracle"),
        (("--policies", "live,live"), "allowed are different ones"),
        (("--test-days", "1.5"), "whole days"),
        (("--scene", "nowhere"), "scene"),
    ],
)
def test_bad_options_of_the_closed_loop_are_one_line(
    simulated: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    said: str,
) -> None:
    assert run(monkeypatch, "evaluate", simulated, "--protocol", "closed_loop", "--listeners", 30, *options) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("protocol", "option"),
    [("closed_loop", "--cuts=2"), ("closed_loop", "--set=rank.cuts=1"), ("off_policy", "--test-days=3")],
)
def test_options_that_would_be_ignored_are_refused(
    simulated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], protocol: str, option: str
) -> None:
    assert run(monkeypatch, "evaluate", simulated, "--protocol", protocol, option) == 2
    assert f"{option.split('=', maxsplit=1)[0]} does not go with --protocol {protocol}" in capsys.readouterr().err


def test_a_log_that_is_not_simulated_has_no_closed_loop(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "evaluate", workspace, "--protocol", "closed_loop") == 2
    assert "there is no simulated world" in capsys.readouterr().err
    assert run(monkeypatch, "simulate", workspace, "--users", 10) == 2
    assert "holds a log already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--preset", "none"), "allowed are default, quick_skips"),
        (("--users", "0"), "listeners"),
        (("--tracks", "3"), "tracks"),
        (("--days", "10000"), "days"),
        (("--seed", "-1"), "seed"),
        (("--set", "switches.gravity=false"), "gravity"),
        (("--set", "chain.early=3"), "early"),
        (("--catalogue", "nowhere.parquet"), "nowhere.parquet"),
    ],
)
def test_bad_worlds_are_one_line_and_leave_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    said: str,
) -> None:
    assert run(monkeypatch, "simulate", tmp_path / "ws", *options) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1
    assert not list((tmp_path / "ws").glob("[!.]*"))


def test_tokens_live_events_and_forgetting(
    workspace: Path,
    users: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = shutil.copytree(workspace, tmp_path / "ws")
    assert run(monkeypatch, "token", copy, users[0]) == 0
    assert len(capsys.readouterr().out.strip()) == 36
    assert run(monkeypatch, "export", copy, tmp_path / "live.parquet") == 0
    assert pl.read_parquet(tmp_path / "live.parquet").is_empty()
    assert run(monkeypatch, "prune", copy) == 0
    assert "let go of 0 events" in capsys.readouterr().out
    assert run(monkeypatch, "forget", copy, users[0]) == 0
    assert "run `ritornello prepare" in " ".join(capsys.readouterr().out.split())
    assert run(monkeypatch, "forget", copy, users[0]) == 0
    assert "deleted 0 live events and 0 events of the log" in capsys.readouterr().out
    assert run(monkeypatch, "prepare", copy) == 0
    assert run(monkeypatch, "recommend", copy, "--user", users[0]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "NOWHERE"], "is not prepared"),
        (["serve", "WS", "--host", "0.0.0.0"], "has no tokens"),
        (["token", "NOWHERE", "somebody"], "there is no workspace"),
        (["token", "WS", " "], "USER is blank"),
        (["forget", "NOWHERE", "somebody"], "there is no workspace"),
        (["export", "WS", "NOWHERE/live.parquet"], "there is no folder"),
        (["prune", "NOWHERE"], "there is no workspace"),
    ],
)
def test_what_the_service_cannot_do_is_one_line(
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    filled = [text.replace("WS", str(workspace)).replace("NOWHERE", str(tmp_path / "nowhere")) for text in arguments]
    assert run(monkeypatch, *filled) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "Traceback" not in error
