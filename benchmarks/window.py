"""One window of the benchmark: prepared by the harness, every model's lists made, every list scored twice."""

import hashlib
import json
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from comparison import OURS
from list_scores import check_against, score_lists
from measure import Cost, measured

HERE = Path(__file__).parent
ONLY = {"all": [], "repeat": ["--only", "heard"], "new": ["--only", "unheard"]}
Told = Callable[[str], None]
HarnessScores = dict[str, dict[str, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What is the same for every window of a run."""

    harness: Path
    data: Path
    test_days: float
    min_user: int
    min_item: int
    ritornello: str
    config: Path | None
    threads: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """One cut T and the folder that keeps its files."""

    label: str
    cut_s: float
    folder: Path

    @property
    def prep(self) -> Path:
        """Return the folder that the harness fills."""
        return self.folder / "prepared"

    def lists(self, model: str) -> Path:
        """Return the folder of one model's lists."""
        return self.folder / "lists" / model.translate(str.maketrans(":+=", "__-"))

    def log(self, step: str) -> Path:
        """Return the file that keeps what a step printed."""
        return self.folder / "logs" / f"{step.replace(' ', '_').replace(':', '_')}.txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """What one window gave: `values` has one row a model, metric and user."""

    stats: dict[str, float]
    costs: list[Cost]
    values: pl.DataFrame
    harness_scores: dict[str, HarnessScores]


def prepare(settings: Settings, window: Window) -> Cost:
    """Let the harness split the log at T."""
    options = {
        "--data": settings.data,
        "--prep": window.prep,
        "--test-days": settings.test_days,
        "--min-user": settings.min_user,
        "--min-item": settings.min_item,
        "--split-ts": window.cut_s,
    }
    command = [sys.executable, str(settings.harness), "prepare", *(str(x) for pair in options.items() for x in pair)]
    return measured("harness prepare", command, window.log("harness"), settings.threads)


def ritornello_steps(settings: Settings, window: Window) -> dict[str, list[str]]:
    """List the command lines that lead from the training events to three lists."""
    workspace, prep, lists = str(window.folder / "workspace"), window.prep, window.lists(OURS)
    config = [] if settings.config is None else ["--config", str(settings.config)]
    users = ["--users", str(prep / "eval_users.parquet"), "-k", "100", "--at", str(math.ceil(window.cut_s))]
    steps = {
        "ingest": ["ingest", workspace, str(prep / "train.parquet")],
        "prepare": ["prepare", workspace],
        "train": ["train", workspace, *config],
    }
    for part, only in ONLY.items():
        out = ["--out", str(lists / f"{part}.parquet")]
        steps[f"recommend {part}"] = ["recommend", workspace, "--scene", "none", *users, *only, *out]
    return steps


def make_our_lists(settings: Settings, window: Window, told: Told) -> Iterator[Cost]:
    """Run Ritornello through its command line alone, in a fresh workspace."""
    shutil.rmtree(window.folder / "workspace", ignore_errors=True)
    shutil.rmtree(window.lists(OURS), ignore_errors=True)
    window.lists(OURS).mkdir(parents=True)
    for step, arguments in ritornello_steps(settings, window).items():
        name = f"{OURS} {step}"
        told(f"{window.label}: {name}")
        yield measured(name, [settings.ritornello, *arguments], window.log(name), settings.threads)


def make_peer_lists(settings: Settings, window: Window, peers: list[str], told: Told) -> Iterator[Cost]:
    """Write every peer's lists unless the same harness already made them on the same window."""
    seen = (
        settings.harness.read_bytes()
        + (HERE / "peer_lists.py").read_bytes()
        + (window.prep / "stats.json").read_bytes()
    )
    fingerprint = hashlib.sha256(seen).hexdigest()
    for model in peers:
        told(f"{window.label}: {model}")
        stamp = window.lists(model) / "made_from.txt"
        if stamp.exists() and stamp.read_text() == fingerprint:
            continue
        options = {
            "--harness": settings.harness,
            "--prep": window.prep,
            "--model": model,
            "--out": stamp.parent,
            "--threads": settings.threads,
        }
        command = [sys.executable, str(HERE / "peer_lists.py"), *(str(x) for pair in options.items() for x in pair)]
        yield measured(model, command, window.log(model), settings.threads)
        stamp.write_text(fingerprint)


def judge(settings: Settings, window: Window, model: str) -> HarnessScores:
    """Return the harness's scores of one model's lists."""
    lists = window.lists(model)
    files = ["--rankings", str(lists / "all.parquet"), "--repeat", str(lists / "repeat.parquet")]
    files += ["--new", str(lists / "new.parquet"), "--out", str(lists / "score.json")]
    command = [sys.executable, str(settings.harness), "score", "--prep", str(window.prep), *files]
    measured(f"score {model}", command, window.log(f"score {model}"), settings.threads)
    scores: HarnessScores = json.loads((lists / "score.json").read_text())
    return scores


def run(settings: Settings, window: Window, peers: list[str], told: Told) -> Scored:
    """Prepare the window, run every model on it and score every list; `told` hears of each step as it starts."""
    told(f"{window.label}: harness prepare")
    costs = [prepare(settings, window)]
    costs += make_our_lists(settings, window, told)
    costs += make_peer_lists(settings, window, peers, told)
    values, harness_scores = [], {}
    for model in (OURS, *peers):
        told(f"{window.label}: score {model}")
        harness_scores[model] = judge(settings, window, model)
        of_model = score_lists(window.lists(model), window.prep)
        check_against(of_model, harness_scores[model])
        values.append(
            of_model.select(
                model=pl.lit(model), window=pl.lit(window.label), metric="metric", user_id="user_id", value="value"
            )
        )
    stats = json.loads((window.prep / "stats.json").read_text())
    return Scored(stats=stats, costs=costs, values=pl.concat(values), harness_scores=harness_scores)
