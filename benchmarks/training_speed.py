"""Training speed of `vector` beside RecTools' SASRec as the harness runs it: positions a second, and quality by time.

    python benchmarks/training_speed.py --harness HARNESS.py --prep PREP --peer-python PYTHON [--set dim=64] [--json F]

PREP is a window that the harness prepared; PYTHON one that has RecTools (the peer trains under its own time limit, 400 s). Both
train one after the other on the same threads and the same events, and the harness scores both lists. A position is an event
that the next ones are predicted from; ours counts those of finished epochs, the peer's are its steps times windows a batch.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl

from measure import environment
from ritornello import recall
from ritornello.artifacts import Workspace
from ritornello.config import apply_override
from ritornello.data.ids import rows_of
from ritornello.data.ingest import ingest
from ritornello.data.prepare import load_prepared, prepare
from ritornello.data.sequence import encode
from ritornello.recall.merge import recall as best
from ritornello.runs import Run, running

PEER, WINDOWS_A_BATCH, LENGTH = "rt_sasrec_win", 32, 50


def main() -> None:
    """Run both, print and write."""
    options = parse()
    if options.epochs is not None:
        print(json.dumps(train(options)))
        return
    rows = [peer(options)]
    for epochs in (1, 0):
        command = [sys.executable, __file__, *sys.argv[1:], "--epochs", str(epochs)]
        done = subprocess.run(command, env=environment(options.threads), check=True, capture_output=True, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    print("| training | positions/s | fit, s | all NDCG@100 |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['what']} | {row['positions/s']:,.0f} | {row['fit s']:.1f} | {row['all ndcg@100']:.4f} |")
    if options.json:
        options.json.write_text(
            json.dumps({"threads": options.threads, "set": options.set, "rows": rows}, indent=1) + "\n"
        )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--harness", type=Path, required=True)
    parser.add_argument("--prep", type=Path, required=True)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--epochs", type=int, help="used by the command itself; 0: as the settings say")
    return parser.parse_args()


def peer(options: argparse.Namespace) -> dict[str, object]:
    """Let the harness train and score its SASRec."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "peer.json"
        command = [options.peer_python, str(options.harness), "worker", "--prep", str(options.prep), "--model", PEER]
        command += ["--out", str(out), "--threads", str(options.threads)]
        subprocess.run(command, env=environment(options.threads), check=True, stdout=subprocess.DEVNULL)
        found = json.loads(out.read_text())
    info = found["info"]
    number_U = pl.read_parquet(options.prep / "train.parquet").group_by("user_id").len()["len"].to_numpy()
    window = number_U.sum() / np.ceil(number_U / LENGTH).sum()  # events in one, on average
    return {
        "what": f"{PEER}, {info['epochs_done']} epochs and the rest of its time limit",
        "positions/s": info["steps"] * WINDOWS_A_BATCH * float(window) / found["fit_s"],
        "fit s": found["fit_s"],
        "all ndcg@100": found["all"]["ndcg@100"],
        "info": info,
    }


def train(options: argparse.Namespace) -> dict[str, object]:
    """Train our channel once and let the harness score its lists."""
    import torch

    torch.set_num_threads(options.threads)
    settings: dict[str, object] = {}
    for override in options.set:
        apply_override(settings, override)
    if options.epochs:
        settings["epochs"] = options.epochs
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        workspace = Workspace(folder / "workspace")
        ingest(workspace, [options.prep / "train.parquet"])
        prepare(workspace)
        prepared = load_prepared(workspace)
        sequences = prepared.sequences
        at = int(sequences.at_E.max()) + 1
        started = perf_counter()
        with running(Run(folder=folder / "run")):
            channel = recall.make("vector", settings).fit(
                sequences, at, prepared.knowledge.before(at, played=sequences.num_tracks)
            )
        seconds = perf_counter() - started
        epochs = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
        users = pl.read_parquet(options.prep / "eval_users.parquet")["user_id"]
        user_B = rows_of(users, prepared.user_ids)
        track_BN = best(channel, encode(sequences, user_B, np.full(len(user_B), at)), 100).track_BN
        row_P, slot_P = np.nonzero(track_BN)
        lists = pl.DataFrame(
            {
                "user_id": users.gather(row_P),
                "rank": (slot_P + 1).astype(np.int32),
                "track_id": prepared.track_ids.gather(track_BN[row_P, slot_P] - 1),
            }
        )
        lists.write_parquet(folder / "lists.parquet")
        command = [sys.executable, str(options.harness), "score", "--prep", str(options.prep)]
        command += ["--rankings", str(folder / "lists.parquet"), "--out", str(folder / "score.json")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        score = json.loads((folder / "score.json").read_text())
    return {
        "what": f"vector, {len(epochs)} epoch{'s' if len(epochs) > 1 else ''}, placing and export included",
        "positions/s": epochs[-1]["events_per_second"],
        "fit s": seconds,
        "all ndcg@100": score["all"]["ndcg@100"],
    }


if __name__ == "__main__":
    main()
