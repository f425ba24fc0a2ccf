"""The live worker: what is told of a session, when, and that its end is always told."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from audioapi import objects, settings
from audioapi.analysis import conversation
from audioapi.analysis.agents import Agents
from audioapi.analysis.live import chunks, dead_letters, service, store
from audioapi.analysis.live.chunks import Chunks, OutOfTimeError
from audioapi.analysis.live.models import Status
from audioapi.clock import now_ms
from audioapi.media import conversation as media
from audioapi.media.conversation import sound
from tests import audio
from tests.integration import ffmpegs
from tests.integration.audioapi.analysis.live.live_calls import (
    control,
    kept,
    let_in,
    messages,
    send,
    set_back,
    started,
)
from tests.integration.audioapi.analysis.live.live_worker_calls import (
    BOTH,
    PAUSE,
    RATE,
    TALK,
    FakeRecogniser,
    artifact,
    bucket,
    do,
    failure,
    give_back,
    give_up,
    next_message,
    objects_of,
    plain,
    told,
    types,
    work,
    working,
)
from tests.integration.audioapi.faults import DeadError, die
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.template.model import Stack


@pytest.fixture(autouse=True)
def _callers(stack: Stack) -> None:
    let_in()


@pytest.fixture
def _soon_idle(monkeypatch: pytest.MonkeyPatch, stack: Stack) -> None:
    url = settings.live().live_queue_url
    soon: Any = SimpleNamespace(live_queue_url=url, live_idle_seconds=0.3)
    monkeypatch.setattr(settings, "live", lambda: soon)


@pytest.fixture
def _patient_worker(stack: Stack) -> Iterator[None]:
    with working():
        yield


@pytest.fixture
def _worker(_soon_idle: None) -> Iterator[None]:
    with working():
        yield


@pytest.fixture(autouse=True)
def recogniser(monkeypatch: pytest.MonkeyPatch) -> FakeRecogniser:
    recogniser = FakeRecogniser()
    monkeypatch.setattr(conversation, "configured", lambda: recogniser)
    monkeypatch.setattr(Agents, "take_latencies", lambda _: {})  # forty numbers an utterance
    return recogniser


def sent(data: bytes, *, parts: int = 4, **wanted: Any) -> str:
    """A new session with all of its chunks."""
    session_id = started(**wanted)
    for seq, chunk in enumerate(audio.chunks(data, len(data) // parts + 1)):
        assert send(session_id, seq, chunk).status == 200
    return session_id


def finalized(data: bytes, **wanted: Any) -> str:
    session_id = sent(data, **wanted)
    assert control(session_id, "finalize").status == 200
    return session_id


def dies() -> None:
    raise OSError("out of memory")


def bit_by_bit(talk: bytes) -> str:
    """A session of which each chunk gets a run of its own, as the next one comes late."""
    session_id = started(suffix=".wav")
    for seq, chunk in enumerate(audio.chunks(talk, len(talk) // 5 + 1)):
        send(session_id, seq, chunk)
        work()
    control(session_id, "finalize")
    work()
    return session_id


def has_heard(session_id: str, count: int) -> bool:
    return utterances(session_id) == count


def utterances(session_id: str) -> int:
    return types(session_id).count("final_transcript")


def test_a_finalized_session_is_told_from_its_start_to_its_end() -> None:
    session_id = finalized(TALK, suffix=".wav")
    work()
    events = told(session_id)
    assert [data["phase"] for kind, data in events[:3] if kind == "status"] == [
        "starting",
        "waiting_media",
        "processing",
    ]
    said = [data for kind, data in events if kind == "final_transcript"]
    assert [data["utterance_id"] for data in said] == ["utt_0001", "utt_0002", "utt_0003"]
    assert [round(data["t_start"]) for data in said] == [0, 4, 8]
    (summed, summary), (_, completed), (last, done) = events[-3:]
    assert (summed, last) == ("summary_update", "done")
    assert completed == {"phase": "completed", "progress": 1.0}
    assert summary["insights"]["duration_seconds"] == 12.0
    assert done == {"conversation_id": kept(session_id).conversation_id}
    assert kept(session_id).status is Status.COMPLETED


def test_what_was_found_is_kept_and_the_chunks_are_not() -> None:
    session_id = finalized(TALK, suffix=".wav")
    work()
    conversation_id = kept(session_id).conversation_id
    assert artifact(conversation_id, "upload.wav") == TALK
    timeline = json.loads(artifact(conversation_id, "timeline.json"))["timeline"]
    said = [data for kind, data in told(session_id) if kind == "final_transcript"]
    assert [it["text"] for it in timeline] == [it["text"] for it in said]
    outputs = json.loads(artifact(conversation_id, "agent_outputs.json"))
    assert outputs["insights"] == dict(told(session_id))["summary_update"]["insights"]
    assert objects_of(session_id) == []


def test_chunks_that_were_never_counted_go_with_the_others() -> None:
    """Of two with one number one was refused, and a worker died before it had noted its fold."""
    session_id = finalized(TALK, suffix=".wav")
    session = kept(session_id)
    for key in (session.chunk_key(1, "0" * 64), session.fold_key(0, 2)):
        objects.put(bucket(), key, b"refused", content_type="application/octet-stream")
    work()
    assert objects_of(session_id) == []


@pytest.mark.usefixtures("_worker")
def test_utterances_are_told_while_the_session_goes_on() -> None:
    session_id = started(suffix=".wav")
    for seq, chunk in enumerate(audio.chunks(TALK, len(TALK) // 3 + 1)):
        send(session_id, seq, chunk)
        until(partial(has_heard, session_id, seq + 1))
    control(session_id, "finalize")
    until(lambda: types(session_id)[-1] == "done")


def test_what_somebody_says_is_told_while_it_is_said() -> None:
    session_id = finalized(TALK, suffix=".wav")
    work()
    first, *_ = (n for n, kind in enumerate(types(session_id)) if kind == "final_transcript")
    partials = [data for _, data in told(session_id)[3:first]]
    assert [data["text"] for data in partials] == ["1.0 seconds", "2.0 seconds", "3.0 seconds"]
    assert {data["t_start"] for data in partials} == {told(session_id)[first][1]["t_start"]}


@pytest.mark.usefixtures("_soon_idle")
def test_messages_of_chunks_that_were_heard_cost_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = []

    def noted(chunks: Chunks, **limits: Any) -> Any:
        begun.append(chunks)
        return sound(chunks, **limits)

    monkeypatch.setattr(media, "sound", noted)
    session_id = sent(TALK, parts=20, suffix=".wav")
    work()
    control(session_id, "finalize")
    work()
    assert types(session_id)[-1] == "done"
    assert len(begun) == 2


@pytest.mark.usefixtures("_soon_idle")
@pytest.mark.parametrize("talk", [TALK, BOTH])
def test_runs_that_go_on_later_tell_what_is_new(talk: bytes, recogniser: FakeRecogniser) -> None:
    undisturbed = finalized(talk, suffix=".wav")
    work()
    heard, recogniser.heard = recogniser.heard, []
    assert plain(bit_by_bit(talk)) == plain(undisturbed)
    assert recogniser.heard == heard


@pytest.mark.usefixtures("_soon_idle")
def test_a_run_that_goes_on_fetches_chunks_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_FOLDED_CHUNKS", 2)
    undisturbed = finalized(TALK, suffix=".wav")
    work()
    fetched, read = Counter[str](), objects.read

    def noted(bucket: str, key: str) -> bytes:
        fetched[key.split("/")[2]] += 1
        return read(bucket, key)

    monkeypatch.setattr(objects, "read", noted)
    session_id = bit_by_bit(TALK)  # five chunks in six runs, the last of which keeps all at its end
    assert fetched == {"chunks": 1 + 2 + 1 + 2 + 1 + 1 + 1, "folds": 0 + 0 + 1 + 1 + 2 + 2 + 2}
    assert plain(session_id) == plain(undisturbed)
    assert objects_of(session_id) == []
    assert artifact(kept(session_id).conversation_id, "upload.wav") == TALK


def test_two_who_speak_at_a_time_are_told_apart() -> None:
    session_id = finalized(BOTH, suffix=".wav")
    work()
    said = [data for kind, data in plain(session_id) if kind == "final_transcript"]
    assert [data["speaker"] for data in said] == ["speaker_1", "speaker_2"] * 3


def test_a_run_whose_time_is_over_leaves_the_rest_to_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client has said all, and every message but one is gone."""
    undisturbed = finalized(TALK, suffix=".wav")
    work()
    session_id = finalized(TALK, suffix=".wav")
    messages()  # are gone then
    service.wake(kept(session_id), {"action": "finalize"}, "again")
    known, runs = 0, 0

    def check_time(_: Chunks) -> None:
        """There is time for one utterance in a run."""
        if utterances(session_id) > known:
            raise OutOfTimeError

    monkeypatch.setattr(Chunks, "check_time", check_time)
    while message := next_message():
        known, runs = utterances(session_id), runs + 1
        assert do(message)
    assert runs == 4
    assert plain(session_id) == plain(undisturbed)


def test_a_function_without_time_only_passes_the_work_on() -> None:
    session_id = finalized(TALK, suffix=".wav")
    for _ in range(8):
        assert do(next_message(), remaining_seconds=0)
    assert types(session_id) == ["status", "status"]
    work()
    assert types(session_id)[-1] == "done"


def test_a_cancelled_session_tells_why() -> None:
    session_id = sent(TALK, suffix=".wav")
    control(session_id, "cancel", reason="The caller hung up")
    work()
    assert failure(session_id) == ("STREAM_FAILURE", "The caller hung up")
    assert kept(session_id).status is Status.CANCELLED
    assert objects_of(session_id) == []


@pytest.mark.usefixtures("_worker")
def test_a_session_is_cancelled_while_its_worker_waits() -> None:
    session_id = sent(TALK, suffix=".wav")
    until(lambda: "final_transcript" in types(session_id))
    control(session_id, "cancel")
    until(lambda: types(session_id)[-1] == "done")
    assert failure(session_id) == ("STREAM_FAILURE", "Live session cancelled")


def test_a_session_without_chunks_is_cancelled_and_finalized_too() -> None:
    cancelled, empty = started(), started()
    control(cancelled, "cancel")
    control(empty, "finalize")
    work()
    assert failure(cancelled)[0] == "STREAM_FAILURE"
    assert failure(empty) == ("NO_UTTERANCES", "No utterances detected in uploaded media")
    assert kept(empty).status is Status.FAILED


def test_silence_has_no_utterances() -> None:
    session_id = finalized(audio.wav(PAUSE * 3, rate=RATE, channels=1), suffix=".wav")
    work()
    assert types(session_id) == ["status", "status", "status", "error", "done"]
    assert failure(session_id)[0] == "NO_UTTERANCES"


@pytest.mark.parametrize("parts", [1, 4])
def test_what_is_no_audio_is_told_before_the_session_ends(parts: int) -> None:
    session_id = sent(b"<html>" + b"no sound" * 2000, parts=parts)
    work()
    assert failure(session_id) == (
        "ANALYSIS_FAILURE",
        "It is no audio: it starts with an HTML page",
    )
    assert kept(session_id).status is Status.FAILED
    assert send(session_id, 4, TALK).refusal == (409, "Session already finalized")


def test_sound_that_is_lost_ends_the_session_with_both_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFMPEG_PATH", str(ffmpegs.breaking_off(tmp_path, samples=16_000)))
    session_id = finalized(TALK, suffix=".wav")
    work()
    code, detail = failure(session_id)
    assert code == "ANALYSIS_FAILURE"
    assert re.match(r"^\d+\.000 s were decoded, but what came out has 0\.\d{3} s$", detail)


def test_a_recogniser_that_dies_ends_the_session(recogniser: FakeRecogniser) -> None:
    recogniser.think = dies
    session_id = finalized(TALK, suffix=".wav")
    work()
    assert "final_transcript" not in types(session_id)
    assert failure(session_id) == ("LIVE_ASR_FAILURE", "fake: OSError")


@pytest.mark.usefixtures("_patient_worker")
def test_a_session_that_nobody_finalized_in_time_has_failed() -> None:
    session_id = sent(TALK, suffix=".wav")
    until(lambda: "final_transcript" in types(session_id))
    set_back(session_id, expires_at=now_ms())
    until(lambda: types(session_id)[-1] == "done")
    assert failure(session_id) == ("STREAM_FAILURE", "Live session expired")
    assert kept(session_id).status is Status.EXPIRED


def test_a_session_that_was_finalized_is_heard_however_late() -> None:
    """Its worker may have been away for longer than its results are kept."""
    session_id = finalized(TALK, suffix=".wav")
    set_back(session_id, expires_at=now_ms())
    assert not store.expire(session_id, now=now_ms())
    assert control(session_id, "keepalive").refusal == (409, "Session already finalized")
    work()
    assert types(session_id)[-3:] == ["summary_update", "status", "done"]
    ended = kept(session_id)
    assert ended.status is Status.COMPLETED
    assert ended.expires_at > now_ms()


@pytest.mark.usefixtures("_worker")
def test_media_that_end_before_the_session_are_all_that_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As of a damaged file that FFmpeg gives up on, while its sender goes on."""

    def gives_up(chunks: Chunks, **limits: Any) -> Any:
        return sound(islice(filter(None, chunks), 2), **limits)

    monkeypatch.setattr(media, "sound", gives_up)
    session_id = sent(TALK, parts=4, suffix=".wav")
    until(partial(has_heard, session_id, 2))
    assert types(session_id)[-1] != "done"
    control(session_id, "finalize")
    until(lambda: kept(session_id).status is Status.COMPLETED)
    assert types(session_id).count("final_transcript") == 2
    assert artifact(kept(session_id).conversation_id, "upload.wav") == TALK


def test_whoever_comes_later_takes_the_session_over(recogniser: FakeRecogniser) -> None:
    """A worker that was thought dead goes on from where it stood still, and writes nothing."""
    undisturbed = finalized(TALK, suffix=".wav")
    work()
    session_id = finalized(TALK, suffix=".wav")
    thinking, woken = threading.Event(), threading.Event()

    def fall_asleep() -> None:
        thinking.set()
        woken.wait()

    recogniser.think = fall_asleep
    message = next_message()
    with ThreadPoolExecutor(1) as pool:
        sleepy = pool.submit(do, message)
        thinking.wait()
        recogniser.think = lambda: None
        give_back(message)
        work()
        woken.set()
        assert sleepy.result()
    assert plain(session_id) == plain(undisturbed)


def test_a_session_whose_messages_fail_again_and_again_ends() -> None:
    session_id = sent(TALK, suffix=".wav")
    give_up(session_id, chunk_seq=3)
    work()
    assert types(session_id) == ["status", "status", "error", "done"]
    assert failure(session_id) == ("LIVE_ASR_FAILURE", "The conversation could not be heard")
    assert kept(session_id).status is Status.FAILED


@pytest.mark.parametrize("what", [{"chunk_seq": 0}, {"action": "go_on"}])
def test_a_message_that_failed_ends_no_session_that_has_moved_on(what: dict[str, Any]) -> None:
    """More chunks came, each with a message of its own."""
    session_id = sent(TALK, suffix=".wav")
    give_up(session_id, **what)
    assert kept(session_id).status.open
    control(session_id, "finalize")
    work()
    assert kept(session_id).status is Status.COMPLETED


def test_who_dies_behind_the_end_that_was_told_is_followed_by_one_that_settles_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session_id = sent(TALK, suffix=".wav")
    with monkeypatch.context() as patch:
        patch.setattr(store, "settle", die)
        with pytest.raises(DeadError):
            dead_letters.give_up(session_id, chunk_seq=3)
    assert kept(session_id).status.open
    give_up(session_id, chunk_seq=3)
    assert kept(session_id).status is Status.FAILED
    assert send(session_id, 4, b"more").status == 409


def test_an_ended_session_stays_as_it_ended() -> None:
    session_id = finalized(TALK, suffix=".wav")
    work()
    before = told(session_id)
    give_up(session_id)
    service.wake(kept(session_id), {"chunk_seq": 0}, "late")
    work()
    assert told(session_id) == before
    assert kept(session_id).status is Status.COMPLETED


def test_a_message_about_no_session_is_done_with() -> None:
    give_up("live_00000000")
    gone = kept(started()).model_copy(update={"session_id": "live_00000000"})
    service.wake(gone, {"chunk_seq": 0}, "0")
    assert do(next_message())


def test_a_failure_nobody_expected_brings_the_message_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session_id = finalized(TALK, suffix=".wav")
    with monkeypatch.context() as broken:
        broken.setenv("FFMPEG_PATH", "/nowhere/ffmpeg")
        assert not do(next_message())
    work()
    assert types(session_id)[-1] == "done"
