"""The live worker: a message means to look at a session, and a run hears all that there is of it.

A run decodes from the first chunk on, in one FFmpeg process, and waits for more while it's there. A
queue gives out one message of a session at a time, and the next one after it is done or its worker
is dead: whoever runs takes the session over, and whoever ran before can write nothing any more.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from audioapi import objects, settings, worker
from audioapi.analysis import artifacts, logs
from audioapi.analysis.conversation import Conversation
from audioapi.analysis.live import service, store
from audioapi.analysis.live.chunks import Chunks, IdleError, OutOfTimeError
from audioapi.analysis.live.event_log import EventLog
from audioapi.analysis.live.models import Status
from audioapi.analysis.recognition.recognisers import RecogniserError
from audioapi.media import conversation as media
from audioapi.media.errors import LostSoundError, MediaError
from audioapi.media.pieces import pieces
from audioapi.observe import logger
from audioapi.problems import (
    AnalysisFailureError,
    AudioApiError,
    LiveAsrFailureError,
    NoUtterancesError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.analysis.conversation import Turn
    from audioapi.analysis.live.models import LiveSession
    from audioapi.analysis.models import Conclusion
    from audioapi.jobs import Delivery

_MARGIN_SECONDS = 10
_PART_BYTES = 8 * 1024 * 1024
_BYTES = "application/octet-stream"


def hear(session_id: str, delivery: Delivery) -> None:
    """Tells all that can be told of a session by now. Does nothing if no more came since all was
    heard: the messages of chunks that an earlier run took come too.
    """
    session, cursor = store.get(session_id), store.cursor(session_id)
    if session is None or cursor is None:
        logger.warning("no such live session", session_id=session_id)
        return
    with logs.about(session.conversation_id):
        if cursor.ended:
            service.settle(session, cursor.ended)  # who told the end may have died right after it
        elif not session.status.open or session.next_chunk_seq > cursor.heard_chunks:
            with delivery.held(settings.worker().worker_missed_seconds):
                _run(session, ends_at=_ends_at(delivery.deadline))


def _ends_at(deadline: float) -> float:
    """When to begin nothing more: what has begun may take a few seconds."""
    left = deadline - time.monotonic()
    return deadline - min(_MARGIN_SECONDS, left / 3)


def _run(session: LiveSession, *, ends_at: float) -> None:
    chunks = Chunks(session, ends_at=ends_at)
    try:
        event_log = EventLog(session)
        logger.info("live worker begins", known_utterances=event_log.cursor.utterances)
        _tell(chunks, event_log)
    except store.FencedOutError:
        logger.info("the live session has ended, or another worker has it")


def _tell(chunks: Chunks, event_log: EventLog) -> None:
    """To the session's end, or to where the run has to end before it."""
    try:
        _hear_out(chunks, event_log)
    except IdleError:
        event_log.rest(heard_chunks=chunks.taken)
        return
    except OutOfTimeError:
        # The same message may come a few times only, however long somebody speaks.
        service.wake(chunks.session, {"action": "go_on"}, event_log.token)
        return
    except AudioApiError as problem:
        logger.info("live session fails", code=problem.code, reason=problem.detail)
        event_log.fail(problem, cancelled=chunks.session.status is Status.CANCELLED)
    service.delete_chunks(chunks.session)


def _hear_out(chunks: Chunks, event_log: EventLog) -> None:
    """A session that is finalized in the end."""
    conversation, warnings = _heard(chunks, event_log)
    conclusion = conversation.conclude()
    _keep(chunks, conversation, conclusion, warnings)
    event_log.conclude(conclusion, conversation.agents)
    logger.info("live session completed", seconds=conversation.seconds)


def _heard(chunks: Chunks, event_log: EventLog) -> tuple[Conversation, list[str]]:
    limits = media.Limits(disk_bytes=worker.disk_bytes())
    try:
        with media.sound(chunks, limits=limits) as sound:
            conversation = _conversation(chunks.session, sound.channels)
            event_log.begin()
            for block in sound.blocks:
                with chunks.being_heard():
                    _tell_turns(conversation.feed(block), conversation, chunks, event_log)
        _tell_turns(conversation.finish(), conversation, chunks, event_log)
    except MediaError as error:
        raise _failure(chunks.session, error) from error
    except LostSoundError as error:
        raise AnalysisFailureError(str(error)) from error
    except RecogniserError as error:
        raise LiveAsrFailureError(str(error)) from error
    for _ in chunks:
        pass  # the media may end before the session
    return conversation, sound.warnings


def _failure(session: LiveSession, error: MediaError) -> AudioApiError:
    """Nothing at all is no media, and nobody spoke."""
    return AnalysisFailureError(str(error)) if session.next_chunk_seq else NoUtterancesError()


def _conversation(session: LiveSession, channels: int) -> Conversation:
    known = store.utterances(session.session_id)
    return Conversation(session.conversation_id, channels=channels, goal=session.goal, known=known)


def _tell_turns(
    turns: Iterator[Turn], conversation: Conversation, chunks: Chunks, event_log: EventLog
) -> None:
    for turn in turns:
        event_log.tell(turn, conversation.agents)
        chunks.check_time()


def _keep(
    chunks: Chunks, conversation: Conversation, conclusion: Conclusion, warnings: list[str]
) -> None:
    """The artifacts, of which there will be the same again if this run dies before its end."""
    session = chunks.session
    folder = artifacts.folder(session.conversation_id, session.started_at)
    upload_path = f"{folder}/upload{session.suffix}"
    _keep_upload(chunks, upload_path)
    artifacts.keep(
        conversation, conclusion, warnings=warnings, folder=folder, upload_path=upload_path
    )


def _keep_upload(chunks: Chunks, key: str) -> None:
    """All chunks as the one file that they are."""
    parts = pieces(chunks.again(), _PART_BYTES)
    bucket = settings.analysis().audio_bucket
    objects.upload_parts(bucket, key, enumerate(parts, start=1), content_type=_BYTES)
