"""The training loop of the learned channels: epochs, early stopping, checkpoints to go on from, and a halt at the first NaN.

Rows of embedding tables that a batch does not touch are not touched by the update either. Everything random hangs on the seed
and the epoch, so that a run that was cut off goes on as if it had not been.
"""

import json
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from ritornello.runs import current_run

logger = logging.getLogger(__name__)

PATIENCE = 2
WARM_UP = 0.05  # share of all steps over which the learning rate rises
FINAL_RATE = 0.05  # of the learning rate, at the end


class Batch(Protocol):
    """What a step learns from."""

    @property
    def num_tokens(self) -> int:
        """How many events or examples there are."""

    @property
    def facts(self) -> str:
        """Say what the batch holds, for the case that it does harm."""


B = TypeVar("B", bound=Batch)


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What is to be trained: `fingerprint` names data and settings, so that no other run's checkpoint is taken up."""

    name: str
    fingerprint: str
    num_epochs: int
    steps_per_epoch: int
    learning_rate: float
    table_rate: float
    seed: int
    weight_decay: float = 0.0


@dataclass(kw_only=True, slots=True)
class Curve:
    """What training measured, epoch by epoch."""

    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    tokens: int = 0


class Optimizers:
    """Adam for the dense weights, and its sparse form for the tables; both rates are warmed up and let down."""

    def __init__(self, model: nn.Module, task: Task) -> None:
        tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding) and module.sparse]
        known = {id(weight) for weight in tables}
        dense = [weight for weight in model.parameters() if id(weight) not in known]
        self.all: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(dense, lr=task.learning_rate, betas=(0.9, 0.98), weight_decay=task.weight_decay)
        ]
        if tables:
            self.all.append(torch.optim.SparseAdam(tables, lr=task.table_rate, betas=(0.9, 0.98)))
        self.task = task

    def step(self, number: int) -> None:
        """Update with the rate of step `number`, then forget the gradients."""
        share = schedule(number / max(1, self.task.num_epochs * self.task.steps_per_epoch))
        for optimizer, rate in zip(self.all, (self.task.learning_rate, self.task.table_rate), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


def schedule(done: float) -> float:
    """Return the share of the learning rate when a share `done` of all steps is done.

    >>> round(schedule(0.025), 2), round(schedule(0.05), 2), round(schedule(1.0), 2)
    (0.5, 1.0, 0.05)
    """
    if done < WARM_UP:
        return done / WARM_UP
    left = (1.0 - min(done, 1.0)) / (1.0 - WARM_UP)
    return FINAL_RATE + (1.0 - FINAL_RATE) * left


def train(
    model: nn.Module,
    task: Task,
    *,
    epoch: Callable[[int], Iterator[B]],
    loss_of: Callable[[B], Tensor],
    validate: Callable[[], float] | None,
) -> Curve:
    """Train until the epochs are over or the validation metric has not risen for PATIENCE epochs; keep the best weights.

    Raises:
        ValueError: at the first loss that is no number, with the facts of the batch.
    """
    run = current_run()
    with torch.random.fork_rng(devices=[]):
        optimizers = Optimizers(model, task)
        checkpoint = Checkpoint(run.folder, task)
        curve, best = checkpoint.restore(model, optimizers)
        bar = run.progress.add_task(f"train: {task.name}", total=task.num_epochs) if run.progress else None
        for number in range(len(curve.loss), task.num_epochs):
            if stalled(curve, PATIENCE):
                break
            run_epoch(model, optimizers, number, epoch(number), loss_of, curve)
            model.eval()
            if validate is not None:
                with torch.no_grad():
                    curve.validation.append(validate())
                if curve.validation[-1] >= max(curve.validation):
                    best = {name: value.detach().clone() for name, value in model.state_dict().items()}
            checkpoint.save(model, optimizers, curve, best)
            report(task, curve)
            if run.progress and bar is not None:
                run.progress.update(bar, advance=1, description=describe(task, curve))
        if run.progress and bar is not None:
            run.progress.update(bar, completed=task.num_epochs)
    if best:
        model.load_state_dict(best)
    model.eval()
    checkpoint.remove()
    return curve


def run_epoch(  # one epoch's parts, in the order of their use
    model: nn.Module,
    optimizers: Optimizers,
    number: int,
    batches: Iterator[B],
    loss_of: Callable[[B], Tensor],
    curve: Curve,
) -> None:
    """Go through the batches once."""
    torch.manual_seed(optimizers.task.seed * 1_000_003 + number)
    model.train()
    started, total, steps = perf_counter(), 0.0, 0
    for batch in batches:
        loss = loss_of(batch)
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(
                f"training of {optimizers.task.name} has diverged: the loss is {value} in epoch {number + 1}, step {steps + 1}"
                f", on a batch of {batch.facts}; "
                f"lower learning_rate (it is {optimizers.task.learning_rate:g}); no bundle was written"
            )
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        optimizers.step(number * optimizers.task.steps_per_epoch + steps)
        total, steps = total + value, steps + 1
        curve.tokens += batch.num_tokens
    curve.loss.append(total / max(steps, 1))
    curve.seconds.append(perf_counter() - started)


def stalled(curve: Curve, patience: int) -> bool:
    """Tell whether the last `patience` epochs brought nothing better.

    >>> stalled(Curve(validation=[0.1, 0.3, 0.2, 0.3]), 2), stalled(Curve(validation=[0.1, 0.3, 0.2]), 2)
    (True, False)
    """
    value = curve.validation
    return len(value) > patience and max(value[-patience:]) <= max(value[:-patience])


def describe(task: Task, curve: Curve) -> str:
    """Say where training stands."""
    words = f"train: {task.name}, loss {curve.loss[-1]:.3f}"
    if curve.validation:
        words += f", validation {curve.validation[-1]:.4f}"
    return f"{words}, {curve.tokens / max(sum(curve.seconds), 1e-9):,.0f} events/s"


def report(task: Task, curve: Curve) -> None:
    """Log an epoch, and append it to the run's log."""
    logger.info("%s (epoch %d of %d)", describe(task, curve), len(curve.loss), task.num_epochs)
    folder = current_run().folder
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "name": task.name,
        "fingerprint": task.fingerprint,
        "epoch": len(curve.loss),
        "loss": curve.loss[-1],
        "validation": curve.validation[-1] if curve.validation else None,
        "seconds": curve.seconds[-1],
        "events_per_second": curve.tokens / max(sum(curve.seconds), 1e-9),
    }
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(facts) + "\n")


class Checkpoint:
    """The state of a run after its last whole epoch, as safetensors; replaced in one step, removed when the run has ended."""

    def __init__(self, folder: Path | None, task: Task) -> None:
        name = sha256(f"{task.name}:{task.fingerprint}".encode()).hexdigest()[:16]
        self.path = folder / f"{task.name}-{name}.safetensors" if folder else None

    def save(self, model: nn.Module, optimizers: Optimizers, curve: Curve, best: dict[str, Tensor]) -> None:
        """Write weights, the optimizers' state, the best weights so far and the curve."""
        if self.path is None:
            return
        from safetensors.torch import save_file

        tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in best.items()}
        for place, optimizer in enumerate(optimizers.all):
            for row, state in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{place}.{row}.{name}": torch.as_tensor(value) for name, value in state.items()}
        facts = {"loss": curve.loss, "validation": curve.validation, "seconds": curve.seconds, "tokens": curve.tokens}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        save_file({name: value.contiguous() for name, value in tensors.items()}, draft, {"curve": json.dumps(facts)})
        draft.replace(self.path)

    def restore(self, model: nn.Module, optimizers: Optimizers) -> tuple[Curve, dict[str, Tensor]]:
        """Take up what was saved, if anything was."""
        if self.path is None or not self.path.is_file():
            return Curve(), {}
        from safetensors import safe_open

        with safe_open(self.path, framework="pt") as file:
            facts = json.loads(file.metadata()["curve"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping: it has only keys()
        logger.info("going on from %s, %d epochs done", self.path.name, len(facts["loss"]))
        model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
        for place, optimizer in enumerate(optimizers.all):
            whole = optimizer.state_dict()
            states: dict[int, dict[str, object]] = {}
            for name, value in tensors.items():
                if name.startswith(f"optimizer.{place}."):
                    row, key = name.split(".")[2:]
                    # the sparse form counts its steps as a plain number
                    is_count = key == "step" and isinstance(optimizer, torch.optim.SparseAdam)
                    states.setdefault(int(row), {})[key] = int(value) if is_count else value
            optimizer.load_state_dict({**whole, "state": states})
        return Curve(**facts), {name[5:]: value for name, value in tensors.items() if name.startswith("best.")}

    def remove(self) -> None:
        """Delete the checkpoint of a run that has ended."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
