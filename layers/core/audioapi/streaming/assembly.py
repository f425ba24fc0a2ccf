"""The worker's part: a closed session's chunks become one WAV, whole or not at all.

Every step may be done twice or be cut short by a crash: the session is sealed once, the same
chunks give the same bytes under the same key, and only then is the session called completed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audioapi import objects, queues, settings, worker
from audioapi.clock import now_ms
from audioapi.media import assemble, wav
from audioapi.media.errors import LostSoundError
from audioapi.observe import logger, measure
from audioapi.streaming import chunks, frames, removal, service, store
from audioapi.streaming.models import Session, Status
from audioapi.webhooks import service as webhooks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.streaming.frames import Frame

GAVE_UP = "The file could not be made; the chunks are kept"


def assemble_session(session_id: str) -> None:
    """Makes the session's file and tells whoever is still connected."""
    session = store.session(session_id)
    if session is None or session.status is Status.ACTIVE:
        logger.warning("nothing to assemble", session_id=session_id)
    elif session.status.finished:
        _announce(session)
    elif session.status is Status.CLOSING and _still_coming(session):
        message = {"type": "assemble_session", "session_id": session_id}
        queues.send(settings.streaming().jobs_queue_url, message, delay_seconds=1)
    elif sealed := store.seal(session_id):
        _finish(sealed)


def fold_chunks(session_id: str) -> None:
    """Folds the chunks of a session that goes on, so that its end is soon done with."""
    session = store.session(session_id)
    if session is None or session.status is not Status.ACTIVE:
        return
    for after, last in chunks.fold(session, now=now_ms()):
        if not store.note_folded(session_id, after=after, last=last):
            return  # another delivery of this job is further


def fold_failed(session_id: str) -> None:
    """Nothing is lost without it: the session's end reads the chunks one by one."""
    logger.warning("chunks not folded", session_id=session_id)


def give_up(session_id: str) -> None:
    """Marks a session whose job failed too often, so that nobody waits for it in vain."""
    session = store.session(session_id)
    if session is None:
        return
    if session.status.finished:
        _announce(session)
        return
    reason = f"{GAVE_UP} (last failure: {session.last_failure or 'the worker ended'})"
    if failed := store.fail(session, reason, gave_up=True):
        measure({"SessionsFailed": 1})
    _announce_end(session_id, failed)


def _still_coming(session: Session) -> bool:
    """Whether chunks that were sent before the close may still be on their way.

    If the close counted them, it is known which; otherwise some quiet must tell that none is left:
    a burst of messages may be worked off, one after the other, for longer than any fixed time.
    """
    config = settings.streaming()
    quiet = now_ms() - session.last_activity
    if session.expected_chunks is None:
        return quiet < config.close_settle_seconds * 1000
    if quiet >= config.straggler_wait_seconds * 1000:
        return False
    if session.total_chunks < session.expected_chunks:
        return True  # also if all are there: one that isn't counted yet would be refused
    return session.numbered is not False and service.next_seq(session) < session.expected_chunks


def _finish(sealed: Session) -> None:
    try:
        finished = _make_file(sealed)
    except assemble.MediaError as error:
        logger.warning("session is no audio", session_id=sealed.session_id, reason=str(error))
        finished = store.fail(sealed, str(error))
    except LostSoundError as error:
        logger.error("sound was lost", session_id=sealed.session_id, reason=str(error))
        finished = store.fail(sealed, str(error))
    except Exception as error:
        store.note_failure(sealed.session_id, type(error).__name__)
        raise
    if finished:
        failed = finished.status is Status.ERROR
        measure({"SessionsFailed" if failed else "SessionsCompleted": 1})
    _announce_end(sealed.session_id, finished)


def _make_file(sealed: Session) -> Session | None:
    """Streams chunks, decoder and upload into each other: memory doesn't grow with the session.

    Damage doesn't keep the rest from being kept; the session's `error` then says what was lost.
    """
    config = settings.streaming()
    if (found_as := chunks.as_found(sealed)) is None:
        return store.complete(sealed, missing_chunks=_missing(sealed))
    sealed = found_as
    missing = _missing(sealed)
    report, found = assemble.Report(), _Found()
    pcm = assemble.assemble(
        found.counting(chunks.read(sealed)),
        declared=sealed.format,
        sample_rate=sealed.sample_rate,
        channels=sealed.channels,
        report=report,
        limits=worker.limits(),
        loglevel=config.ffmpeg_loglevel,
    )
    key = removal.file_key(sealed.session_id)
    parts = wav.parts(
        pcm,
        sample_rate=sealed.sample_rate,
        channels=sealed.channels,
        decoded=lambda: report.samples,
    )
    objects.upload_parts(config.audio_bucket, key, parts, content_type="audio/wav")
    return store.complete(
        sealed,
        file_path=key,
        duration_seconds=report.samples / sealed.sample_rate,
        lost_seconds=_lost_seconds(report, found, missing, sealed.sample_rate),
        numbered=sealed.numbered,
        total_chunks=found.total,
        bytes_received=found.size,
        next_seq=(missing[0] if missing else found.total) if sealed.numbered else 0,
        missing_chunks=missing,
        error="; ".join(report.warnings) or None,
    )


def _missing(sealed: Session) -> list[int]:
    return chunks.missing(sealed) if sealed.numbered else []


def _lost_seconds(
    report: assemble.Report, found: _Found, missing: list[int], sample_rate: int
) -> float | None:
    """What the files say, or what chunks that never came hold, if they are like the others."""
    if not missing:
        return report.lost_seconds
    estimate = report.samples / sample_rate * len(missing) / found.total
    return max(report.lost_seconds or 0.0, round(estimate, 6))


@dataclass
class _Found:
    """What a session really consists of: a crash may have left its counters behind."""

    total: int = 0
    size: int = 0

    def counting(self, data: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in data:
            self.total += 1
            self.size += len(chunk)
            yield chunk


def _announce_end(session_id: str, ended: Session | None) -> None:
    """Also if another delivery ended it: that one may have died since."""
    finished = ended or store.session(session_id)
    if finished and finished.status.finished:
        _announce(finished)


def _announce(finished: Session) -> None:
    """May be said twice: after the first time, nobody is connected any more, and a file that is
    processed already isn't processed again.
    """
    if finished.deleted:  # what was made of it since goes, too
        finished = removal.remove_audio(finished.session_id) or finished
    queues.send(
        settings.streaming().notifications_queue_url,
        {"session_id": finished.session_id, "frame": _result(finished)},
    )
    if finished.user_id is None or finished.organization_id is None:
        return  # streamed without a key: nobody's memories, and nobody's webhooks
    if finished.file_path:
        queues.send(settings.streaming().jobs_queue_url, _processing(finished))
    _tell_webhooks(finished.organization_id, finished.user_id, finished)


def _tell_webhooks(organization_id: str, user_id: str, finished: Session) -> None:
    failed = finished.status is Status.ERROR
    webhooks.announce(
        organization_id,
        user_id,
        "session.failed" if failed else "session.completed",
        {
            "session_id": finished.session_id,
            "status": finished.status,
            "file_path": finished.file_path,
            "duration_seconds": finished.duration_seconds,
            "lost_seconds": finished.lost_seconds,
            "missing_chunks": finished.missing_chunks,
            "error": finished.error,
        },
        about=finished.session_id,
    )


def _processing(finished: Session) -> dict[str, Any]:
    """The job that makes memories of the file."""
    return {
        "type": "process_session",
        "session_id": finished.session_id,
        "organization_id": finished.organization_id,
        "user_id": finished.user_id,
        "key": finished.file_path,
        "start_time": finished.start_time,
    }


def _result(finished: Session) -> Frame:
    if finished.status is Status.ERROR:
        return frames.unprocessable(finished)
    return frames.ready(finished, download_url=service.download_url(finished))
