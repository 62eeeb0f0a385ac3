"""Train the whole pipeline as of a moment: rankers on earlier cuts first, then the channels on everything before it."""

import logging
from dataclasses import dataclass, replace

import numpy as np
from rich.progress import Progress

from ritornello import rank
from ritornello.config import Config
from ritornello.contracts import Bool, Float32, Only
from ritornello.data import split
from ritornello.data.impressions import Slates
from ritornello.data.knowledge import Knowledge
from ritornello.data.logged_scenes import LoggedScenes
from ritornello.data.outcomes import FINISH
from ritornello.data.sequence import Sequences
from ritornello.pipeline import Pipeline
from ritornello.rank import Examples
from ritornello.schema import ONE_DAY_MS
from ritornello.train.candidates import (
    Sampling,
    choose_cuts,
    next_examples,
    offered_examples,
    stack,
    window_after,
    window_examples,
)
from ritornello.train.quotas import WINDOWS, Reach, learn, reach
from ritornello.train.recall import fit_recall

MIN_POSITIVES = 50
# What a ranker may be asked for: the next weeks among all tracks or among unheard ones alone, the very next play, and
# what an offer would come to.
WINDOW_TASKS: dict[str, Only] = {"window": "any", "unheard": "unheard"}
OFFERED = "offered"
TASKS = (*WINDOW_TASKS, "next", OFFERED)

logger = logging.getLogger(__name__)


def fit_pipeline(
    sequences: Sequences,
    at: int,
    config: Config,
    knowledge: Knowledge,
    *,
    tasks: tuple[str, ...] = TASKS,
    slates: Slates | None = None,
    progress: Progress | None = None,
) -> Pipeline:
    """Train on events strictly older than `at`, with a ranker per task; a log too short for a ranker goes without.

    Of the logged slates those that began before `at` teach the ranker of offers.
    """
    learned = learn_from(sequences, at, config, knowledge, tasks=tasks, slates=slates, progress=progress)
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
    slates: Slates | None = None,
    progress: Progress | None = None,
) -> Learned:
    """Fit the channels at earlier moments, oldest first, gather examples there, and fit them on everything before `at`."""
    unknown = sorted(set(config.rank.settings) - set(TASKS))
    if unknown:
        raise ValueError(f"rank.settings: unknown task {', '.join(unknown)}; allowed are {', '.join(TASKS)}")
    for task in tasks:  # what is wrong with a setting is said before the work, not after it
        rank.make(config.rank.model, rank.settings_for(config.rank.model, task, config.rank.settings.get(task, {})))
    known = split.before(sequences, at)
    slates = slates.before(at) if slates is not None and config.rank.slates and len(slates) else None
    cuts = choose_cuts(known, at, cuts=config.rank.cuts, window_days=config.rank.window_days)
    examples: dict[str, list[Examples]] = {task: [] for task in tasks if task != OFFERED or slates is not None}
    task_id = progress.add_task("train: cuts", total=len(cuts) + 1) if progress else None
    reached: dict[str, list[Reach]] = {task: [] for task in tasks if task in WINDOW_TASKS}
    earlier: Pipeline | None = None
    for number, cut in reversed(list(enumerate(cuts))):  # oldest first: quotas learn from the windows that have ended
        before = split.before(known, cut)
        onto = earlier.spaces if earlier else None
        fitted = fit_recall(before, cut, config, knowledge, earlier=earlier, onto=onto)
        earlier = with_quotas(fitted, reached, config)
        offered = None
        if slates is not None:  # as many from each window
            drawn = slates.between(cut, cut + int(config.rank.window_days * ONE_DAY_MS))
            offered = drawn.sample(config.rank.slates // len(cuts), config.seed + number)
        moment = Moment(number=number, cut=cut, before=before, slates=offered, track_ms_T=knowledge.track_ms_T)
        for task, part in examples_at(known, moment, config, earlier, tasks, reached).items():
            examples[task].insert(0, part)
        if progress and task_id is not None:
            progress.advance(task_id)
    # what is served is trained on everything; towers of the oldest cut were good enough for the examples
    onto = earlier.spaces if earlier else None
    pipeline = with_quotas(fit_recall(known, at, config, knowledge, onto=onto), reached, config)
    if slates is not None:
        pipeline = replace(pipeline, scenes=scenes_of(slates, config))
    if progress and task_id is not None:
        progress.advance(task_id)
    return Learned(pipeline=pipeline, examples=examples)


def scenes_of(slates: Slates, config: Config) -> LoggedScenes:
    """Return the scenes that the log names, and say which of ours none of them is."""
    scenes = LoggedScenes(names=slates.scenes, known_as=config.rank.scenes)
    nowhere = [scene for scene in config.rank.scenes if not scenes.number(scene)]
    if slates.scenes and nowhere:
        logger.warning(
            "the log offers in the scenes %s; rank.scenes takes none of them for %s: offers there are judged as in no scene",
            ", ".join(slates.scenes),
            " or ".join(nowhere),
        )
    return scenes


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """An earlier moment: the how manieth back, when, what was known by then, and which offers of its window teach (None: none).

    `track_ms_T` are the lengths that the catalogue knows.
    """

    number: int
    cut: int
    before: Sequences
    slates: Slates | None
    track_ms_T: Float32


def examples_at(
    known: Sequences,
    moment: Moment,
    config: Config,
    pipeline: Pipeline,
    tasks: tuple[str, ...],
    reached: dict[str, list[Reach]],
) -> dict[str, Examples]:
    """Return what each task can learn from recall as of one cut; what was reached in its window is added."""
    before, cut, number, track_ms_T = moment.before, moment.cut, moment.number, moment.track_ms_T
    window = window_after(known, cut, config.rank.window_days)
    end = cut + int(config.rank.window_days * ONE_DAY_MS)
    if config.recall.learn_quotas:
        for task, parts in reached.items():  # only now, when this cut's own quotas are fixed; older ones are let go
            newest = reach(pipeline, before, window, cut, config.recall, only=WINDOW_TASKS[task])
            reached[task] = [*parts[1 - WINDOWS :], newest]
    found: dict[str, Examples | None] = {}
    sampling = Sampling(
        negatives=config.rank.negatives,
        easy_negatives=config.rank.easy_negatives,
        skip_negatives=config.rank.skip_negatives,
        seed=config.seed + number,
        with_history=rank.reads_history(config.rank.model),
    )
    for task, only in WINDOW_TASKS.items():
        if task in tasks:
            found[task] = window_examples(
                pipeline, before, window, cut, only=only, sampling=sampling, track_ms_T=track_ms_T
            )
    if "next" in tasks and number < config.rank.next_cuts:
        found["next"] = next_examples(
            pipeline,
            known,
            cut,
            end,
            plays=config.rank.next_plays // config.rank.next_cuts,
            sampling=replace(sampling, negatives=config.rank.next_negatives, easy_negatives=None),
            track_ms_T=track_ms_T,
        )
    if OFFERED in tasks and moment.slates is not None:
        found[OFFERED] = offered_examples(pipeline, known, moment.slates, sampling=sampling, track_ms_T=track_ms_T)
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
    settings = rank.settings_for(config.rank.model, task, config.rank.settings.get(task, {}))
    examples = stack(parts)
    if task == OFFERED and not rank.reads_history(config.rank.model):
        examples = replace(
            examples, label_S=was_worth_it(examples)
        )  # what has no head for each link learns the last one
    return rank.make(config.rank.model, settings).fit(examples)


def was_worth_it(examples: Examples) -> Bool:
    """Tell which offers were played to the end; where the log does not tell how far plays got, which were played."""
    is_finished_S = examples.outcome_ST[:, FINISH]
    return np.asarray(is_finished_S > 0 if np.isfinite(is_finished_S).any() else examples.label_S)
