"""Amazon Transcribe's batch jobs: starting one, and reading what it wrote.
https://docs.aws.amazon.com/transcribe/latest/dg/how-input.html
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from audioapi.speech.transcript import Transcript, Utterance, Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_transcribe import TranscribeServiceClient

NAME = "transcribe"
_PAUSE_SECONDS = 0.8
_SENTENCE_ENDS = (".", "?", "!", "。")


@cache
def client() -> TranscribeServiceClient:
    return boto3.client("transcribe")


def start(
    job_name: str,
    media_uri: str,
    output_bucket: str,
    output_key: str,
    *,
    language: str | None = "en-US",
) -> None:
    """Starts the job unless one of that name was started before. `media_uri` is an `s3://` one;
    without a `language`, Transcribe finds out which it is.
    """
    spoken: dict[str, Any] = {"LanguageCode": language} if language else {"IdentifyLanguage": True}
    try:
        client().start_transcription_job(
            TranscriptionJobName=job_name,
            Media={"MediaFileUri": media_uri},
            OutputBucketName=output_bucket,
            OutputKey=output_key,
            **spoken,
        )
    except client().exceptions.ConflictException:
        return  # an earlier delivery of the same work got there


def failure_reason(job_name: str) -> str | None:
    """Why the job failed, in Transcribe's words; None if it didn't, or not yet."""
    job = client().get_transcription_job(TranscriptionJobName=job_name)["TranscriptionJob"]
    return job.get("FailureReason")


def read(result: Mapping[str, Any], *, language: str | None = None) -> Transcript:
    """The transcript in a job's output; `language` is what it was started with. An utterance ends
    with its sentence, or before a pause.
    https://docs.aws.amazon.com/transcribe/latest/dg/how-input.html#how-output
    """
    results = result["results"]
    return Transcript(
        utterances=tuple(_utterances(results["items"])),
        recogniser=NAME,
        version=None,  # Transcribe doesn't tell it
        language=results.get("language_code", language),
    )


def _utterances(items: Iterable[Mapping[str, Any]]) -> Iterator[Utterance]:
    words: list[Word] = []
    ended = False
    for item in items:
        content = item["alternatives"][0]["content"]
        if item["type"] == "punctuation":
            if words:
                words[-1] = replace(words[-1], text=words[-1].text + content)
            ended = content in _SENTENCE_ENDS
            continue
        word = _word(item)
        if words and (ended or word.start - words[-1].end >= _PAUSE_SECONDS):
            yield _utterance(words)
            words = []
        words.append(word)
        ended = False
    if words:
        yield _utterance(words)


def _utterance(words: Sequence[Word]) -> Utterance:
    return Utterance(words[0].start, words[-1].end, tuple(words))


def _word(item: Mapping[str, Any]) -> Word:
    """Numbers are strings in Transcribe's output."""
    best = item["alternatives"][0]
    return Word(
        text=best["content"],
        start=float(item["start_time"]),
        end=float(item["end_time"]),
        confidence=float(best["confidence"]),
    )
