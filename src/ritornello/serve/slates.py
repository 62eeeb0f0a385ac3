"""From a wish to an answer: the history of the moment, the slate of the one pipeline, and a reason for every track."""

import time
import uuid
from dataclasses import replace

import numpy as np

from ritornello import request
from ritornello.contracts import Bool, History, Int32, Slate
from ritornello.pipeline import Pipeline
from ritornello.reasons import explain_slate, in_words
from ritornello.schema import PADDING
from ritornello.serve.asking import asked_of, check, moment_of_scene, settings_of
from ritornello.serve.bodies import Ask, SlateAnswer, SlateTrack, as_id
from ritornello.serve.history import histories, moment_of
from ritornello.serve.refusals import RefusedError
from ritornello.serve.service import Service
from ritornello.serve.snapshot import Snapshot
from ritornello.serve.stages import measured
from ritornello.serve.state import ShownSlate


def answer(service: Service, ask: Ask, snapshot: Snapshot) -> SlateAnswer:
    """Answer one request from one snapshot.

    Raises:
        RefusedError: for an unknown scene, or a setting that it does not take.
    """
    check(ask)
    started = time.perf_counter()
    user_id = as_id(ask.user_id)
    live = service.state.user(user_id)
    at = moment_of(live, service.clock())
    history_at = histories(snapshot, user_id, live)
    read = time.perf_counter()
    pipeline = snapshot.pipeline_as_of(moment_of_scene(ask, live, at), at)
    excluded = snapshot.tracks.rows([as_id(track) for track in ask.exclude])
    try:
        with measured() as seconds:
            history, slate = request.recommend_from(
                pipeline,
                history_at,
                min(ask.k + len(excluded), len(pipeline.stats.value_TF) - 1),
                at=at,
                scene=ask.scene,
                only=ask.only,
                settings=settings_of(ask),
                asked=asked_of(ask, snapshot, live, at),
            )
    except ValueError as error:  # a seed, a theme or a playlist that does not exist
        raise RefusedError(400, str(error)) from error
    slate = keep(slate, ~np.isin(slate.track_BK[0], excluded), ask.k)
    ranked = time.perf_counter()
    tracks = told_tracks(snapshot, pipeline, history, slate)
    service.metrics.stage("history", read - started)
    service.metrics.stage("slate", ranked - read)
    for name, took in seconds.items():
        service.metrics.stage(name, took)
    service.metrics.stage("reasons", time.perf_counter() - ranked)
    service.metrics.slate(ask.scene, [name for track in tracks for name in track.channels])
    service.delays.answered(user_id)
    made = SlateAnswer(
        request_id=str(uuid.uuid4()),
        user_id=user_id,
        scene=ask.scene,
        bundle=snapshot.version,
        at=at,
        title="".join(slate.title_B),
        description="".join(slate.description_B),
        tracks=tracks,
        notes=notes_on(ask, history, slate, len(tracks)),
    )
    service.state.show(as_shown(made))
    return made


def keep(slate: Slate, is_kept_K: Bool, k: int) -> Slate:
    """Return the first `k` kept tracks of a slate of one row, without padding."""
    slot_K = np.flatnonzero(is_kept_K & (slate.track_BK[0] != PADDING))[:k]
    return replace(
        slate,
        track_BK=slate.track_BK[:, slot_K],
        score_BK=slate.score_BK[:, slot_K],
        heard_BK=slate.heard_BK[:, slot_K],
        channel_BKC=slate.channel_BKC[:, slot_K],
        propensity_BK=None if slate.propensity_BK is None else slate.propensity_BK[:, slot_K],
    )


def told_tracks(snapshot: Snapshot, pipeline: Pipeline, history: History, slate: Slate) -> list[SlateTrack]:
    """Return the tracks of a slate as they are told, each with its reason."""
    row_K: Int32 = slate.track_BK[0]
    reason_K = explain_slate(pipeline, history, slate)[0]
    channel_C = np.array(slate.channels)
    return [
        SlateTrack(
            position=slot + 1,
            track_id=str(snapshot.names.track_ids[row - 1]),
            title=snapshot.names.titles[row - 1],
            artist=snapshot.names.artists[row - 1],
            score=float(slate.score_BK[0, slot]),
            heard=bool(slate.heard_BK[0, slot]),
            channels=channel_C[slate.channel_BKC[0, slot]].tolist(),
            reason=in_words(reason_K[slot], snapshot.names),
            propensity=None if slate.propensity_BK is None else float(slate.propensity_BK[0, slot]),
        )
        for slot, row in enumerate(row_K.tolist())
    ]


def notes_on(ask: Ask, history: History, slate: Slate, num_tracks: int) -> list[str]:
    """Say where the slate is less than was asked for: in the scene's own words where it has any."""
    if any(slate.note_B):
        return [note for note in slate.note_B if note]
    notes = []
    if not (history.track_BL != PADDING).any():
        notes.append("nothing this user did before is known: the slate is what suits a newcomer")
    if num_tracks < ask.k:
        notes.append(f"{num_tracks} of {ask.k} tracks: no channel proposes more that may be shown")
    return notes


def as_shown(made: SlateAnswer) -> ShownSlate:
    """Return what is remembered of an answer."""
    return ShownSlate(
        request_id=made.request_id,
        user_id=made.user_id,
        at=made.at,
        scene=made.scene,
        track_ids=[track.track_id for track in made.tracks],
        propensities=[track.propensity for track in made.tracks],
    )
