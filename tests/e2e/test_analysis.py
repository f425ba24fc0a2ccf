"""Conversations through the running stack: every event once and in order, whoever drops out."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests import forms, sse
from tests.e2e import live
from tests.e2e.stack import kill
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.stack import Stack
    from tests.soak import Soak

BREATHS = (1.2, 1.6, 1.2, 1.4, 1.0)
ENDING = ["summary_update", "status", "done"]

# As seed 004 has it.
PUBLISHED = """
def upload_chunk(session_id, chunk_data, chunk_seq):
    try:
        response = requests.post(
            f'/analyze/live/{session_id}/chunk',
            files={'chunk': chunk_data, 'chunk_seq': chunk_seq}
        )
        response.raise_for_status()
        return response.json()['next_chunk_seq']
    except requests.exceptions.HTTPError as e:
        if e.response.status_code == 409:
            # Wrong sequence - get correct sequence from error or previous response
            return get_correct_sequence(session_id)
        raise
"""


def check_whole(consumer: live.Consumer, *, utterances: int) -> None:
    """Every event once, in order, to the very end."""
    assert live.numbers(consumer.heard) == list(range(1, len(consumer.heard) + 1))
    assert consumer.types()[-3:] == ENDING
    assert consumer.heard[-2].data["phase"] == "completed"
    told = consumer.said("final_transcript")
    assert len(told) == utterances
    assert len({each["utterance_id"] for each in told}) == utterances
    assert [each["t_end"] for each in told] == sorted(each["t_end"] for each in told)


@pytest.mark.soak
def test_a_conversation_at_ten_times_its_pace_with_a_consumer_that_drops_five_times(
    stack: Stack, soak: Soak
) -> None:
    breaths = BREATHS[: soak.count("utterances", few=3, many=5)]
    session = live.start(stack, goal="Find out how much he may do for them")
    consumer = live.Consumer(session)
    with ThreadPoolExecutor(1) as background:
        speaking = background.submit(session.speak, live.conversation(*breaths), speed=10)
        for _ in range(5):
            consumer.listen(events=2)
        speaking.result()
        session.control("finalize")
        consumer.listen()
    check_whole(consumer, utterances=len(breaths))
    assert len(consumer.statuses) >= 6
    assert set(consumer.types()) >= {"final_transcript", "emotion", "cognitive"}
    assert " ".join(each["text"] for each in consumer.said("final_transcript")).strip()


def test_a_second_consumer_is_refused_and_the_next_one_let_in(stack: Stack) -> None:
    session = live.start(stack)
    with sse.opened(session.events_url) as first:
        assert next(iter(first)).data["phase"] == "starting"
        with sse.opened(session.events_url) as second:
            assert second.status == 409
            assert second.body["detail"].startswith("Only one SSE consumer")

    def let_in() -> bool:
        with sse.opened(session.events_url) as third:
            return third.status == 200

    until(let_in)


def test_a_silent_conversation_has_no_utterances(stack: Stack) -> None:
    session = live.start(stack)
    session.speak(live.conversation(), speed=10)
    session.control("finalize")
    consumer = live.Consumer(session)
    consumer.listen()
    assert consumer.types()[-2:] == ["error", "done"]
    assert consumer.said("error")[0]["code"] == "NO_UTTERANCES"


def test_a_cancelled_conversation_is_told_as_a_failure(stack: Stack) -> None:
    session = live.start(stack)
    session.speak(live.conversation(1.0), speed=10)
    session.control("cancel", reason="the caller hung up")
    consumer = live.Consumer(session)
    consumer.listen()
    assert consumer.types()[-2:] == ["error", "done"]
    assert consumer.said("error")[0]["code"] == "STREAM_FAILURE"


def test_a_session_is_gone_once_its_events_were_delivered(stack: Stack) -> None:
    session = live.start(stack)
    session.control("cancel")
    live.Consumer(session).listen()

    def gone() -> bool:
        with sse.opened(session.events_url) as again:
            return again.status == 404

    until(gone)


class Site(requests.Session):
    """The library that the published client uses, where it is this service that it talks to."""

    exceptions = requests.exceptions

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.headers["x-api-key"] = stack.api_key
        self._base = stack.url

    def request(self, method: Any, url: Any, *args: Any, **more: Any) -> requests.Response:
        return super().request(method, f"{self._base}{url}", *args, **more)


def test_the_published_python_uploader(stack: Stack) -> None:
    """It sends the chunk's number as a file, and asks for the right one when it's refused."""
    session = live.start(stack)

    def get_correct_sequence(_: str) -> int:
        refusal = session.send(99, b"anything")
        return int(refusal.body["detail"].removeprefix("Expected chunk_seq="))

    with Site(stack) as site:
        client: dict[str, Any] = {"requests": site, "get_correct_sequence": get_correct_sequence}
        exec(PUBLISHED, client)  # noqa: S102 — the client as its users have it
        file = live.conversation(2.0)
        seq = client["upload_chunk"](session.id, file[:40_000], 7)
        assert seq == 0
        for data in (file[:40_000], file[40_000:80_000], file[80_000:]):
            seq = client["upload_chunk"](session.id, data, seq)
        assert seq == 3
        with pytest.raises(requests.exceptions.HTTPError, match="404"):
            client["upload_chunk"]("live_00000000", b"data", 0)
    session.control("finalize")
    consumer = live.Consumer(session)
    consumer.listen()
    check_whole(consumer, utterances=1)


def test_a_recording_is_analysed_on_the_spot(stack: Stack) -> None:
    body = forms.multipart(("file", "call.wav", live.conversation(1.2, 1.0)))
    answer = stack.post_form("/analyze", body)
    assert answer.status == 200
    assert answer.body["utterances"] == len(answer.body["timeline"]) == 2


def test_a_recording_is_streamed_to_a_client_that_follows_the_redirect(stack: Stack) -> None:
    with Site(stack) as site:
        file = ("call.wav", live.conversation(1.2, 1.0))
        response = site.post("/analyze/stream", files={"file": file}, stream=True)
        kinds = [
            line.removeprefix(b"event: ").decode()
            for line in response.iter_lines()
            if line.startswith(b"event: ")
        ]
    assert len(response.history) == 1
    assert response.headers["content-type"].startswith("text/event-stream")
    assert kinds.count("final_transcript") == 2
    assert kinds[-3:] == ENDING


def test_metrics_tell_of_what_was_streamed(stack: Stack) -> None:
    session = live.start(stack)
    session.control("cancel")
    live.Consumer(session).listen()
    told = stack.get("/metrics").body
    assert told["events"]["done"] >= 1
    assert told["sse"]["opened"] >= 1


@pytest.mark.soak
def test_many_conversations_at_once(tuned: Stack, soak: Soak) -> None:
    conversations = soak.count("conversations", few=3, many=20)
    for seed in soak.seeds(few=1):
        talks = [random.Random(seed + number).sample(BREATHS, 2) for number in range(conversations)]
        with ThreadPoolExecutor(conversations) as clients:
            consumers = list(clients.map(partial(converse, tuned), talks))
        for consumer in consumers:
            check_whole(consumer, utterances=2)
            assert consumer.said("done") == [{"conversation_id": consumer.live.conversation_id}]


def converse(stack: Stack, breaths: Sequence[float]) -> live.Consumer:
    session = live.start(stack, goal="Find out how much he may do for them")
    consumer = live.Consumer(session)
    session.speak(live.conversation(*breaths), speed=2)
    session.control("finalize")
    consumer.listen()
    return consumer


@pytest.mark.soak
def test_a_worker_that_is_killed_at_random_costs_no_event_and_doubles_none(
    tuned: Stack, soak: Soak
) -> None:
    kills = soak.count("kills", few=2, many=4)
    breaths = BREATHS[: soak.count("utterances", few=2, many=5)]
    talk = live.conversation(*breaths)
    for seed in soak.seeds(few=1):
        moments = random.Random(seed).sample(range(live.chunk_count(talk)), kills)
        session = live.start(tuned)
        consumer = live.Consumer(session)
        with ThreadPoolExecutor(1) as background:
            listening = background.submit(consumer.listen)
            for seq in session.speaking(talk, speed=2):
                if seq in moments:
                    [worker, *_] = until(lambda: tuned.at_work("LiveWorkerFunction"))
                    kill(worker)
            session.control("finalize")
            listening.result()
        check_whole(consumer, utterances=len(breaths))
