"""The worker's part: a closed session's chunks become one WAV, whole or not at all.

Every step may be done twice or be cut short by a crash: the session is sealed once, the same
chunks give the same bytes under the same key, and only then is the session called completed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from audioapi import objects, queues, settings, worker
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
_MOST_SHORT_LOOKS = 10
"""In 1, 2, 4 … 300 seconds: a quarter of an hour."""


def assemble_session(session_id: str) -> None:
    """Makes the session's file and tells whoever is still connected."""
    session = store.session(session_id)
    if session is None or session.status is Status.ACTIVE:
        logger.warning("nothing to assemble", session_id=session_id)
    elif session.status.finished:
        _announce(session)
    elif session.status is Status.CLOSING and (seconds := _seconds_to_wait(session)):
        service.have_assembled(session, in_seconds=seconds)
    elif sealed := store.seal(session_id):
        _finish(sealed)


def fold_chunks(session_id: str) -> None:
    """Folds the chunks of a session that goes on, so that its end is soon done with."""
    session = store.session(session_id)
    if session is None or session.status is not Status.ACTIVE:
        return
    for after, last, count in chunks.fold(session):
        folded = store.note_folded(session, after=after, last=last, count=count)
        if folded is None:
            return  # another delivery of this job is further
        session = folded


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


def _seconds_to_wait(session: Session) -> int:
    """How long to wait before another look, as chunks that were sent before the close may still be
    on their way; 0: no longer.

    If the close counted them, it is known which; otherwise some quiet must tell that none is left:
    a burst of messages may be worked off, one after the other, for longer than any fixed time. What
    tells of quiet is how often nothing had changed: it needs nobody's clock.
    """
    config = settings.streaming()
    if session.expected_chunks is None:
        seconds, most_looks = config.close_settle_seconds, 1
    else:
        seconds, most_looks = 1, config.straggler_wait_seconds
    if seconds == 0 or _all_there(session):
        return 0
    quiet_looks = session.quiet_looks + 1 if session.total_chunks == session.seen_chunks else 0
    if quiet_looks >= most_looks:
        return 0
    store.note_look(session, quiet_looks=quiet_looks)
    return seconds


def _all_there(session: Session) -> bool:
    """Also the one that isn't counted yet: it would be refused."""
    expected = session.expected_chunks
    if expected is None or session.total_chunks < expected:
        return False
    return session.numbered is False or service.next_seq(session) >= expected


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
    """None if it isn't time yet, or another delivery was faster."""
    found = chunks.listed(sealed)
    patient = sealed.short_looks < _MOST_SHORT_LOOKS
    if _is_short(sealed, found) and patient:
        _look_again(sealed, "fewer chunks are listed than came")
        return None
    found = chunks.settle(found)
    runs = chunks.runs(found)
    if runs is None and patient:
        _look_again(sealed, "a run of chunks isn't listed")
        return None
    missing = chunks.missing(found, expected=_expected(sealed)) if found.numbered else []
    made = _Made(missing) if found.empty else _assembled(sealed, found, runs, missing)
    return _complete(sealed, made)


def _look_again(sealed: Session, reason: str) -> None:
    logger.error(reason, session_id=sealed.session_id)
    store.note_short_look(sealed)
    service.have_assembled(sealed, in_seconds=queues.pause(sealed.short_looks))


def _is_short(sealed: Session, found: chunks.ChunkList) -> bool:
    """Whether less is listed than was acknowledged: S3 lists late, or somebody deletes."""
    if sealed.deleted:
        return False
    if (found.numbered or found.empty) and found.last_seq + 1 < _acknowledged(sealed):
        return True
    folded = sealed.folded_chunks if found.folded_to else 0
    return folded is not None and folded + len(found.names) < sealed.total_chunks


def _expected(sealed: Session) -> int:
    """How many numbered chunks there should be, as far as anybody said."""
    return max(_acknowledged(sealed), sealed.expected_chunks or 0)


def _acknowledged(sealed: Session) -> int:
    """The number behind the furthest chunk that a client was told of, as far as that is known."""
    return max(sealed.next_seq, 0 if sealed.last_seq is None else sealed.last_seq + 1)


@dataclass
class _Made:
    """A session's file, and what it is made of: a crash may have left the session's counters
    behind, and a chunk may be gone.
    """

    missing: list[int]
    numbered: bool | None = None
    key: str | None = None
    total: int = 0
    size: int = 0
    report: assemble.Report = field(default_factory=assemble.Report)

    def counting(self, data: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in filter(None, data):
            self.total += 1
            self.size += len(chunk)
            yield chunk


def _assembled(
    sealed: Session, found: chunks.ChunkList, runs: list[str] | None, missing: list[int]
) -> _Made:
    """Streams chunks, decoder and upload into each other: memory doesn't grow with the session.

    Damage doesn't keep the rest from being kept; the session's `error` then says what was lost.
    """
    config = settings.streaming()
    key = removal.file_key(sealed.session_id)
    made = _Made(missing, found.numbered, key)
    pcm = assemble.assemble(
        made.counting(chunks.read(found, runs)),
        declared=sealed.format,
        sample_rate=sealed.sample_rate,
        channels=sealed.channels,
        report=made.report,
        limits=worker.limits(),
        loglevel=config.ffmpeg_loglevel,
    )
    parts = wav.parts(
        pcm,
        sample_rate=sealed.sample_rate,
        channels=sealed.channels,
        decoded=lambda: made.report.samples,
    )
    objects.upload_parts(config.audio_bucket, key, parts, content_type="audio/wav")
    return made


def _complete(sealed: Session, made: _Made) -> Session | None:
    gone = max(0, sealed.total_chunks - made.total)
    warnings = [f"{gone} chunks are gone from the store"] if gone else []
    following = made.missing[0] if made.missing else made.total
    return store.complete(
        sealed,
        file_path=made.key,
        duration_seconds=made.report.samples / sealed.sample_rate,
        lost_seconds=_lost_seconds(made, gone, sealed.sample_rate),
        numbered=made.numbered,
        total_chunks=made.total,
        bytes_received=made.size,
        next_seq=following if made.numbered else 0,
        missing_chunks=made.missing,
        error="; ".join([*warnings, *made.report.warnings]) or None,
    )


def _lost_seconds(made: _Made, gone: int, sample_rate: int) -> float | None:
    """What the files say, or what chunks that aren't there hold, if they are like the others."""
    absent = max(len(made.missing), gone)
    if not (absent and made.total):
        return made.report.lost_seconds
    estimate = made.report.samples / sample_rate * absent / made.total
    return max(made.report.lost_seconds or 0.0, round(estimate, 6))


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
