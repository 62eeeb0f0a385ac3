"""Training speed of our DIN beside the DIN of torch-rechub and of DeepCTR-Torch: candidates a second, forth and back.

    python benchmarks/ranking_training_speed.py --peer-python PYTHON [--runs 5] [--json F]

PYTHON is one that has both peers (pip install torch-rechub deepctr-torch requests). All take batches of 16 requests with 64
candidates each and L plays, vectors 32 wide, an activation unit of 36, a tower of 64 and 32, Adam, one thread, in a process of
their own; runs take turns. The peers read one row a candidate and learn a table of 10,000 tracks; ours reads a request once,
and places that are given. Seconds are those of the processor, so that other programs on the machine do not count.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

import numpy as np
import torch
from torch import Tensor, nn

from measure import environment

REQUESTS, CANDIDATES, WIDTH, UNIT, HIDDEN, TRACKS, USERS = 16, 64, 32, 36, (64, 32), 10_000, 1_000
LENGTHS, SYSTEMS, OURS = (50, 200), ("ritornello", "torch-rechub", "deepctr-torch"), "ritornello"
STEPS, WARM_UP = 12, 3
Step = Callable[[], Tensor]


def ritornello(length: int) -> tuple[nn.Module, Step]:
    """Return our network and what gives its loss."""
    from ritornello.data.behaviour import DOMAINS, FEATURE_SIZES
    from ritornello.nn.chain import ORDER, link_losses, order_loss
    from ritornello.nn.rankers.din import DIN
    from ritornello.nn.rankers.shape import Shape
    from ritornello.rank.din import DINConfig

    config = DINConfig(width=WIDTH, hidden=HIDDEN, length=length, activation=UNIT)
    module = DIN(config, Shape(dim=WIDTH, num_features=4, num_context=1, num_spaces=1))
    inputs = {
        "vector": torch.randn(REQUESTS, CANDIDATES, 1, WIDTH),
        "feature": torch.randn(REQUESTS, CANDIDATES, 4),
        "context": torch.zeros(REQUESTS, 1, dtype=torch.long),
    }
    for name in DOMAINS[:1]:
        inputs[f"{name}_place"] = torch.randn(REQUESTS, length, WIDTH)
        inputs[f"{name}_key"] = torch.ones(REQUESTS, length, 1, dtype=torch.int32)
        inputs[f"{name}_feature"] = torch.zeros(REQUESTS, length, len(FEATURE_SIZES), dtype=torch.long)
    label_BN = (torch.rand(REQUESTS, CANDIDATES) < 0.1).float()
    outcome_BNT = torch.full((REQUESTS, CANDIDATES, 6), torch.nan)
    outcome_BNT[..., 0] = label_BN
    weight_BN = torch.ones(REQUESTS, CANDIDATES)

    def loss() -> Tensor:
        logit_BNH = module(inputs)
        listwise = order_loss(logit_BNH[..., ORDER], label_BN, weight_BN > 0)
        return torch.as_tensor(listwise + link_losses(logit_BNH, outcome_BNT, weight_BN).sum())

    return module, loss


def rows(length: int) -> dict[str, Tensor]:
    """Return one row a candidate, as the peers read them: the plays of a request are there once for each of its candidates."""
    history = torch.randint(1, TRACKS, (REQUESTS, length)).repeat_interleave(CANDIDATES, dim=0)
    number = REQUESTS * CANDIDATES
    return {
        "user": torch.randint(1, USERS, (REQUESTS,)).repeat_interleave(CANDIDATES),
        "track": torch.randint(1, TRACKS, (number,)),
        "hist_track": history,
        "length": torch.full((number,), length),
        "label": (torch.rand(number) < 0.1).float(),
    }


def torch_rechub(length: int) -> tuple[nn.Module, Step]:
    """Return the network of torch-rechub and what gives its loss."""
    from torch_rechub.basic.features import SequenceFeature, SparseFeature
    from torch_rechub.models.ranking import DIN

    batch = rows(length)
    module = DIN(
        features=[SparseFeature("user", vocab_size=USERS, embed_dim=WIDTH)],
        history_features=[
            SequenceFeature("hist_track", vocab_size=TRACKS, embed_dim=WIDTH, pooling="concat", shared_with="track")
        ],
        target_features=[SparseFeature("track", vocab_size=TRACKS, embed_dim=WIDTH)],
        mlp_params={"dims": list(HIDDEN)},
        attention_mlp_params={"dims": [UNIT]},
    )
    read = {name: batch[name] for name in ("user", "track", "hist_track")}
    return module, lambda: nn.functional.binary_cross_entropy(module(read), batch["label"])


def deepctr_torch(length: int) -> tuple[nn.Module, Step]:
    """Return the network of DeepCTR-Torch and what gives its loss."""
    from deepctr_torch.inputs import SparseFeat, VarLenSparseFeat, build_input_features
    from deepctr_torch.models import DIN

    batch = rows(length)
    track = SparseFeat("hist_track", TRACKS, embedding_dim=WIDTH, embedding_name="track")
    columns = [
        SparseFeat("user", USERS, embedding_dim=WIDTH),
        SparseFeat("track", TRACKS, embedding_dim=WIDTH),
        VarLenSparseFeat(track, maxlen=length, length_name="length"),
    ]
    module = DIN(columns, ["track"], dnn_hidden_units=HIDDEN, att_hidden_size=(UNIT,), device="cpu")
    place = build_input_features(columns)
    read = torch.zeros(REQUESTS * CANDIDATES, max(last for _, last in place.values()))
    for name, (first, last) in place.items():
        read[:, first:last] = batch[name].reshape(len(read), -1).float()

    def loss() -> Tensor:
        found = nn.functional.binary_cross_entropy(module(read)[:, 0], batch["label"])
        return torch.as_tensor(found + module.get_regularization_loss())[..., 0].sum()

    return module, loss


def train(system: str, length: int) -> dict[str, object]:
    """Train for some steps, and return how many candidates a second went through."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = {"ritornello": ritornello, "torch-rechub": torch_rechub, "deepctr-torch": deepctr_torch}
    module, loss_of = made[system](length)
    module.train()
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-3)
    started = process_time()
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            started = process_time()
        loss = loss_of()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    rate = STEPS * REQUESTS * CANDIDATES / (process_time() - started)
    return {"system": system, "length": length, "candidates/s": rate, "loss": loss.item()}


def main() -> None:
    """Let all take turns, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", nargs=2, metavar=("SYSTEM", "L"), help="used by the command itself")
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(train(options.worker[0], int(options.worker[1]))))
        return
    found: list[dict[str, object]] = []
    for run in range(options.runs):
        for length in LENGTHS:
            for system in SYSTEMS:
                python = sys.executable if system == OURS else options.peer_python
                command = [python, __file__, "--worker", system, str(length)]
                done = subprocess.run(command, env=environment(1), check=True, capture_output=True, text=True)
                found.append({"run": run, **json.loads(done.stdout.splitlines()[-1])})
                print(found[-1], flush=True)
    summary = []
    for length in LENGTHS:
        rate = {
            system: np.array(
                [row["candidates/s"] for row in found if (row["system"], row["length"]) == (system, length)]
            )
            for system in SYSTEMS
        }
        for system in SYSTEMS:
            times_R = rate[OURS] / rate[system]
            summary.append(
                {
                    "system": system,
                    "length": length,
                    "candidates/s": round(float(np.median(rate[system]))),
                    "ours is times": [
                        round(float(value), 2) for value in (np.median(times_R), times_R.min(), times_R.max())
                    ],
                }
            )
            print(summary[-1])
    if options.json:
        about = {"torch": torch.__version__, "load": os.getloadavg()[0], "runs": options.runs}
        options.json.write_text(json.dumps({**about, "summary": summary, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
