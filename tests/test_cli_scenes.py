"""The scenes from the command line: what they take, what they write, and what they refuse in one line."""

import json
from pathlib import Path

import polars as pl
import pytest

from playlists import playlist_tables
from ritornello.data.sources import planted
from test_cli import FAST, run
from text_folder import write_text_model


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    planted.write_world(folder)
    files = [folder / "tracks.parquet", folder / "triples.parquet"]
    for name, table in playlist_tables().items():
        files.append(folder / f"planted-{name}.parquet")
        table.write_parquet(files[-1])
    root = folder / "ws"
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert run(monkeypatch, "ingest", root, *files, "--as", "catalogue") == 0
        assert run(monkeypatch, "ingest", root, folder / "events.parquet") == 0
        assert run(monkeypatch, "prepare", root) == 0
        assert run(monkeypatch, "train", root, *FAST) == 0
    return root


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["personal_fm", "--user", "A-01"], "Personal FM"),
        (["similar", "--user", "A-01", "--seed", "B-03"], "More like Song 3 of B"),
        (["similar", "--seed", "artist:B-artist-1"], "More like B-Artist-1"),
        (["playlists", "--user", "A-01", "--playlist", "B mix"], "B Mix, continued"),
        (["themed", "--user", "A-01", "--theme", "quiet"], "Quiet: 6 tracks: quiet."),
        (["themed", "--theme", "genre:B"], "B: 8 tracks: genre B."),
        (["daily_mix", "--user", "new", "--seed", "artist:B-artist-1"], "a first list from what you picked"),
        (["daily_mix", "--user", "A-01", "--block", "genre:A", "--hide-heard-days", "30"], "Daily mix"),
    ],
)
def test_every_scene_writes_the_promised_columns(
    options: list[str], said: str, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "list.parquet"
    assert run(monkeypatch, "recommend", workspace, "--scene", *options, "-k", 8, "--out", out) == 0
    lists = pl.read_parquet(out)
    assert lists.columns == ["user_id", "rank", "track_id", "score", "heard", "channels", "reason"]
    assert lists["rank"].to_list() == list(range(1, len(lists) + 1))
    assert said in capsys.readouterr().err.replace("\n", " ")


def test_a_text_model_joins_in_where_its_folder_is_named(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_text_model(tmp_path / "model")
    asked = ("recommend", workspace, "--scene", "themed", "--theme", "calme", "-k", 4, "--text-model", folder)
    assert run(monkeypatch, *asked) == 0
    assert 'note: understood by likeness: "calme" as tag quiet' in capsys.readouterr().err
    assert run(monkeypatch, *asked, "--text-similarity", 1) == 0
    assert "nothing in the catalogue fits" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("recommend", "--scene", "themed", "--theme", "calme"), ("serve",)])
def test_a_bad_text_model_is_told_in_one_line_before_anything_starts(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *options = command
    folder = write_text_model(tmp_path / "model", inputs=("pixels",))
    assert run(monkeypatch, name, tmp_path / "none", *options, "--text-model", folder) == 2
    told = capsys.readouterr().err
    assert "takes pixels: allowed are input_ids" in " ".join(told.split())
    assert "Traceback" not in told


def test_the_daily_mix_is_of_the_day_in_a_time_zone(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mix(*options: str) -> list[str]:
        out = tmp_path / "list.parquet"
        arguments = ("--scene", "daily_mix", "--user", "A-01", "--at", "2024-03-30T20:00", *options, "--out", out)
        assert run(monkeypatch, "recommend", workspace, *arguments) == 0
        return pl.read_parquet(out)["track_id"].to_list()

    assert mix() == mix("--time-zone", "UTC") == mix("--time-zone", "Europe/London")
    assert mix("--time-zone", "Asia/Tokyo") != mix(), "there it is tomorrow"


def test_playlists_are_ranked_where_none_is_named(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ranked.parquet"
    arguments = ("recommend", workspace, "--scene", "playlists", "--user", "B-02", "-k", 3)
    assert run(monkeypatch, *arguments, "--out", out) == 0
    ranked = pl.read_parquet(out)
    assert ranked.columns == ["user_id", "rank", "playlist_id", "title", "score"]
    assert ranked["playlist_id"][0].startswith("B ")
    assert run(monkeypatch, *arguments) == 0
    assert "B Nights" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["jspf", "m3u8", "xspf"])
def test_a_list_becomes_a_file_for_players(
    suffix: str, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / f"mix.{suffix}"
    assert (
        run(monkeypatch, "recommend", workspace, "--scene", "daily_mix", "--user", "A-01", "-k", 5, "--out", out) == 0
    )
    text = out.read_text(encoding="utf-8")
    assert "Daily mix" in text
    if suffix == "jspf":
        assert len(json.loads(text)["playlist"]["track"]) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scene", "similar", "--seed", "nope"], "seed 'nope': found no such track or artist or album"),
        (["--scene", "playlists", "--playlist", "nope"], "no playlist 'nope': allowed are the ids of 10 playlists"),
        (["--scene", "themed", "--theme", "genre:nope"], "no genre 'nope': allowed are "),
        (
            ["--scene", "daily_mix", "--theme", "jazz"],
            "--theme does not go with --scene daily_mix: allowed with themed",
        ),
        (
            ["--scene", "daily_mix", "--time-zone", "Mars/Olympus"],
            "time zone 'Mars/Olympus' is unknown: allowed are IANA",
        ),
        (
            ["--scene", "similar", "--time-zone", "Asia/Tokyo"],
            "--time-zone does not go with --scene similar: allowed with daily_mix",
        ),
        (["--scene", "none", "--block", "artist:x"], "--block does not go with --scene none"),
        (["--scene", "similar", "--block", "x"], "--block is 'x': allowed are track:, artist:, album: or genre:"),
        (["--out", "list.txt"], "ends in .parquet, .jspf, .m3u8, .xspf"),
        (["--scene", "playlists", "--out", "list.jspf"], "ranked playlists are no tracks"),
    ],
)
def test_what_cannot_be_answered_is_one_clear_line(
    arguments: list[str], message: str, workspace: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run(monkeypatch, "recommend", workspace, "--user", "A-01", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
