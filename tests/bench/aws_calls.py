"""The calls to AWS that a chunk takes, and what an hour of audio costs by them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.bench import prices
from tests.bench.bench import ROOT, Bench, Measurement
from tests.bench.results import Figure, at_most

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_RATES = (4, 1)
_LAMBDA_GB = 0.5  # the template's MemorySize
_LAMBDA_SECONDS = 0.025
"""Of the message function for a chunk. An assumption: three calls of some 8 ms each."""
_PLATFORM_BYTES = 400
"""Of the lines with which Lambda itself tells of an invocation's start and end.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html
"""


@dataclass(frozen=True)
class Counted:
    """Calls for so many `chunks`, by `service:operation`; how many of the chunks were answered, and
    the bytes of log lines that the message function wrote about them.
    """

    ack_every: int
    chunks: int
    answers: int
    log_bytes: int
    message: Mapping[str, int]
    folding: Mapping[str, int]
    session: Mapping[str, int]

    def per_chunk(self, *operations: str) -> float:
        return sum(self.message.get(name, 0) for name in operations) / self.chunks


def _measure(bench: Bench) -> Iterator[Figure]:
    chunk_count, ack_every = (10, [10]) if bench.quick else (1024, [1, 10])
    environment = {**bench.services.environment, "POWERTOOLS_METRICS_DISABLED": "false"}
    with bench.progress(f"sessions of {chunk_count:,} chunks, counted", len(ack_every)) as done:
        for every in ack_every:
            counted = _count(environment, chunk_count, every)
            done()
            yield from _calls(counted)
            yield from (_dollars(counted, rate) for rate in _RATES)


def _count(environment: Mapping[str, str], chunk_count: int, ack_every: int) -> Counted:
    command = [sys.executable, "-m", "tests.bench.session_calls", str(chunk_count), str(ack_every)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return Counted(ack_every=ack_every, chunks=chunk_count, **found)


def _calls(counted: Counted) -> Iterator[Figure]:
    suffix = f"ack_every {counted.ack_every}"
    yield Figure(
        f"S3 PUTs for a chunk, {suffix}",
        counted.per_chunk("s3:PutObject"),
        unit="",
        target=at_most(1),
        seen={"S3 LISTs": counted.per_chunk("s3:ListObjectsV2")},
    )
    yield Figure(
        f"DynamoDB writes for a chunk, {suffix}",
        counted.per_chunk("dynamodb:UpdateItem", "dynamodb:PutItem"),
        unit="",
        target=at_most(1.01),  # what an acknowledgement of several found is kept now and then
        seen={"DynamoDB reads": counted.per_chunk("dynamodb:GetItem")},
    )
    yield Figure(
        f"all calls for a chunk, {suffix}",
        counted.per_chunk(*counted.message),
        unit="",
        seen={
            "and by fold jobs": sum(counted.folding.values()) / counted.chunks,
            "and a session, besides its chunks": sum(counted.session.values()),
        },
    )


def _dollars(counted: Counted, rate: int) -> Figure:
    """By the calls for a chunk; the few that a session takes besides don't count in an hour."""
    parts = {
        "S3": _priced(counted, "s3"),
        "DynamoDB": _priced(counted, "dynamodb"),
        "SQS": _priced(counted, "sqs"),
        "messages": prices.MESSAGE,
        "acks": prices.MESSAGE * counted.answers / counted.chunks,
        "Lambda": prices.REQUEST + _LAMBDA_SECONDS * _LAMBDA_GB * prices.GB_SECOND,
        "logs": prices.LOG_BYTE * (counted.log_bytes / counted.chunks + _PLATFORM_BYTES),
    }
    hourly = {name: dollars * rate * 3600 for name, dollars in parts.items()}
    return Figure(
        f"dollars for an hour, {rate} chunk{'s' * (rate > 1)}/s, ack_every {counted.ack_every}",
        sum(hourly.values()) + 60 * prices.CONNECTION_MINUTE,
        unit="$",
        seen=hourly,
    )


def _priced(counted: Counted, service: str) -> float:
    """Dollars for a chunk, with what folding adds to it."""
    return sum(
        count * prices.of(name) / counted.chunks
        for counts in (counted.message, counted.folding)
        for name, count in counts.items()
        if name.startswith(f"{service}:")
    )


MEASUREMENT = Measurement(
    "calls",
    "AWS calls for a chunk, counted, and dollars for an hour of audio",
    60,
    "Counted at botocore while a session of 24,000-byte chunks goes through the functions' "
    "handlers, and its jobs through the worker's. Prices: AWS price list, us-east-1, 2026-11; "
    "requests, fold jobs' requests, connection minutes and log lines, with the message function "
    "taken to run 25 ms. Storage, transfer and the worker's seconds are left out.",
    _measure,
)
