"""Train the whole pipeline as of a moment: rankers on earlier cuts first, then the channels on everything before it."""

import logging
from dataclasses import dataclass, replace

from rich.progress import Progress

from ritornello import rank
from ritornello.config import Config, Settings
from ritornello.contracts import Only
from ritornello.data import split
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences
from ritornello.pipeline import Pipeline
from ritornello.rank import Examples
from ritornello.schema import ONE_DAY_MS
from ritornello.train.candidates import Sampling, choose_cuts, next_examples, stack, window_after, window_examples
from ritornello.train.quotas import WINDOWS, Reach, learn, reach
from ritornello.train.recall import fit_recall

MIN_POSITIVES = 50
# What won on validation windows where it differs from a model's own defaults; a configuration goes before it.
TASK_SETTINGS: dict[tuple[str, str], Settings] = {
    ("trees", "unheard"): {"objectives": ["binary", "binary"]},
    ("multipath", "unheard"): {"trees": ["binary", "binary"]},
}
# What a ranker may be asked for: the next weeks among all tracks or among unheard ones alone, and the very next play.
WINDOW_TASKS: dict[str, Only] = {"window": "any", "unheard": "unheard"}
TASKS = (*WINDOW_TASKS, "next")

logger = logging.getLogger(__name__)


def fit_pipeline(
    sequences: Sequences,
    at: int,
    config: Config,
    knowledge: Knowledge,
    *,
    tasks: tuple[str, ...] = TASKS,
    progress: Progress | None = None,
) -> Pipeline:
    """Train on events strictly older than `at`, with a ranker per task; a log too short for a ranker goes without."""
    learned = learn_from(sequences, at, config, knowledge, tasks=tasks, progress=progress)
    return fit_rankers(learned, config)


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """Channels as of a moment, and what rankers can learn from earlier ones, task by task."""

    pipeline: Pipeline
    examples: dict[str, list[Examples]]


def learn_from(
    sequences: Sequences,
    at: int,
    config: Config,
    knowledge: Knowledge,
    *,
    tasks: tuple[str, ...] = TASKS,
    progress: Progress | None = None,
) -> Learned:
    """Fit the channels at earlier moments, oldest first, gather examples there, and fit them on everything before `at`."""
    unknown = sorted(set(config.rank.settings) - set(TASKS))
    if unknown:
        raise ValueError(f"rank.settings: unknown task {', '.join(unknown)}; allowed are {', '.join(TASKS)}")
    known = split.before(sequences, at)
    cuts = choose_cuts(known, at, cuts=config.rank.cuts, window_days=config.rank.window_days)
    examples: dict[str, list[Examples]] = {task: [] for task in tasks}
    task_id = progress.add_task("train: cuts", total=len(cuts) + 1) if progress else None
    reached: dict[str, list[Reach]] = {task: [] for task in tasks if task in WINDOW_TASKS}
    earlier: Pipeline | None = None
    for number, cut in reversed(list(enumerate(cuts))):  # oldest first: quotas learn from the windows that have ended
        before = split.before(known, cut)
        onto = earlier.spaces if earlier else None
        fitted = fit_recall(before, cut, config, knowledge, earlier=earlier, onto=onto)
        earlier = with_quotas(fitted, reached, config)
        for task, part in examples_at(known, before, cut, number, config, earlier, tasks, reached).items():
            examples[task].insert(0, part)
        if progress and task_id is not None:
            progress.advance(task_id)
    # what is served is trained on everything; towers of the oldest cut were good enough for the examples
    onto = earlier.spaces if earlier else None
    pipeline = with_quotas(fit_recall(known, at, config, knowledge, onto=onto), reached, config)
    if progress and task_id is not None:
        progress.advance(task_id)
    return Learned(pipeline=pipeline, examples=examples)


def fit_rankers(learned: Learned, config: Config) -> Pipeline:
    """Fit a ranker for every task that has enough to learn from."""
    rankers = {task: fit_ranker(task, parts, config) for task, parts in learned.examples.items() if enough(task, parts)}
    return replace(learned.pipeline, rankers=rankers)


def with_quotas(pipeline: Pipeline, reached: dict[str, list[Reach]], config: Config) -> Pipeline:
    """Give each task the quotas learned from windows that have ended.

    The very next play keeps equal ones: `next_quota` is their cap, and with every channel at it there is nothing to share out.
    """
    learned = {task: learn(parts, pipeline.quotas[task], config.recall) for task, parts in reached.items()}
    return replace(pipeline, quotas={**pipeline.quotas, **learned})


def examples_at(
    known: Sequences,
    before: Sequences,
    cut: int,
    number: int,
    config: Config,
    pipeline: Pipeline,
    tasks: tuple[str, ...],
    reached: dict[str, list[Reach]],
) -> dict[str, Examples]:
    """Return what each task can learn from recall as of one cut; what was reached in its window is added."""
    window = window_after(known, cut, config.rank.window_days)
    if config.recall.learn_quotas:
        for task, parts in reached.items():  # only now, when this cut's own quotas are fixed; older ones are let go
            newest = reach(pipeline, before, window, cut, config.recall, only=WINDOW_TASKS[task])
            reached[task] = [*parts[1 - WINDOWS :], newest]
    found: dict[str, Examples | None] = {}

    def sampling(negatives: float) -> Sampling:
        with_history = rank.reads_history(config.rank.model)
        return Sampling(negatives=negatives, seed=config.seed + number, with_history=with_history)

    for task, only in WINDOW_TASKS.items():
        if task in tasks:
            found[task] = window_examples(
                pipeline, before, window, cut, only=only, sampling=sampling(config.rank.negatives)
            )
    if "next" in tasks and number < config.rank.next_cuts:
        end = cut + int(config.rank.window_days * ONE_DAY_MS)
        found["next"] = next_examples(
            pipeline,
            known,
            cut,
            end,
            plays=config.rank.next_plays // config.rank.next_cuts,
            sampling=sampling(config.rank.next_negatives),
        )
    return {task: part for task, part in found.items() if part is not None}


def enough(task: str, parts: list[Examples]) -> bool:
    """Tell whether there is enough to learn from; the fused order of recall stands in otherwise."""
    positives = sum(int(part.label_S.sum()) for part in parts)
    if positives < MIN_POSITIVES:
        logger.warning(
            "the log has %d played candidates in earlier windows, a %r ranker needs %d: recall's own order stands in",
            positives,
            task,
            MIN_POSITIVES,
        )
    return positives >= MIN_POSITIVES


def fit_ranker(task: str, parts: list[Examples], config: Config) -> rank.Ranker:
    """Fit the ranker of one task; settings are given by task name."""
    settings = TASK_SETTINGS.get((config.rank.model, task), {}) | config.rank.settings.get(task, {})
    return rank.make(config.rank.model, settings).fit(stack(parts))
