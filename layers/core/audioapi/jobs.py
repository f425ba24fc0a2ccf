"""What every queue function shares: one message after the other, failures reported one by one.

A failed message comes back after seconds that grow with its attempts, not after the queue's
visibility timeout; one that is not due yet comes back when its work says. How often it was received
tells of work that can't be done. A service that is away says nothing of the work: where a queue's
handler says for how many hours, it is tried again for as long. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore import exceptions as sdk

from audioapi import queues
from audioapi.clock import now_ms
from audioapi.observe import logger, measure
from audioapi.problems import UnavailableError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from aws_lambda_powertools.utilities.typing import LambdaContext

Message = dict[str, Any]


class Family(Enum):
    """Whose code does a job."""

    SESSIONS = auto()
    RECORDINGS = auto()
    LIBRARY = auto()


FAMILY_OF: Mapping[str, Family] = {
    "assemble_session": Family.SESSIONS,
    "fold_chunks": Family.SESSIONS,
    "process_recording": Family.RECORDINGS,
    "process_session": Family.RECORDINGS,
    "transcribe_part": Family.RECORDINGS,
    "merge_transcript": Family.RECORDINGS,
    "transcript_ready": Family.RECORDINGS,
    "normalise_audio": Family.LIBRARY,
    "tidy_library": Family.LIBRARY,
}
"""Every type of message in the jobs queue."""

Importers = Mapping[Family, Callable[[], Mapping[str, Callable[..., None]]]]
"""What imports a family's code, and gives what is to be done for each of its types of job."""


def of_type(job: str, importers: Importers) -> Callable[..., None]:
    """What is to be done for that type of job. Only its family's code is imported."""
    return importers[FAMILY_OF[job]]()[job]


@dataclass(frozen=True)
class Delivery:
    """How often a message was received, from 1, how long ago it was sent, and when the function
    is ended that does its work: seconds of `time.monotonic`. `held` is for work that takes long:
    the message comes back so many seconds after its worker has died.
    """

    attempt: int
    age_ms: int
    deadline: float
    held: Callable[[float], AbstractContextManager[None]]


class RetryLaterError(Exception):
    """The work is not done, though nothing went wrong: its message should come back then."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"in {seconds:.1f} s")
        self.seconds = seconds


Work = Callable[[Message, Delivery], None]

_HOUR_MS = 3_600_000
_PASSING = frozenset(
    {
        "AccessDeniedException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TransactionConflictException",
    }
)
"""What services say, with 400, who are asked too much, and DynamoDB of a policy that somebody
will put right: it says nothing of the work. (S3's AccessDenied may be about an object that isn't.)
"""


def passes(error: Exception) -> bool:
    """Whether it tells of a service that is away or busy, and not of the work."""
    if isinstance(error, sdk.ClientError):
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        return (
            status >= HTTPStatus.INTERNAL_SERVER_ERROR
            or error.response["Error"]["Code"] in _PASSING
        )
    return isinstance(error, UnavailableError | sdk.ConnectionError | sdk.HTTPClientError)


def handler(
    work: Work, *, queue_url: str, passing_hours: float = 0
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """A handler for `queue_url`'s messages, JSON objects, each of which is given to `work`. If it
    fails for a reason that passes, a message less than `passing_hours` old is sent again: a copy
    has been received by nobody yet. In a FIFO queue, that changes the order of its group.
    """

    @logger.inject_lambda_context(clear_state=True)
    def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000
        records = event["Records"]
        failed = [
            r["messageId"]
            for r in records
            if not _done(r, work, queue_url, deadline, passing_hours)
        ]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    return lambda_handler


def _done(
    record: dict[str, Any], work: Work, queue_url: str, deadline: float, passing_hours: float
) -> bool:
    attributes = record["attributes"]
    delivery = Delivery(
        attempt=int(attributes["ApproximateReceiveCount"]),
        age_ms=now_ms() - queues.first_sent(record),
        deadline=deadline,
        held=lambda seconds: queues.held(queue_url, record["receiptHandle"], seconds=seconds),
    )
    logger.append_keys(message_id=record["messageId"], attempt=delivery.attempt)
    logger.set_correlation_id(queues.correlation_id(record))
    queue, began = record["eventSourceARN"].rpartition(":")[2], time.monotonic()
    try:
        if seconds := queues.early(record):
            raise RetryLaterError(seconds)  # noqa: TRY301 — as its work would
        work(json.loads(record["body"]), delivery)
    except RetryLaterError as later:
        logger.info("message comes back later", seconds=round(later.seconds, 1))
        queues.retry_in(queue_url, record["receiptHandle"], seconds=later.seconds)
        return False
    except Exception as error:  # noqa: BLE001 — the outermost edge: one failure is not the others'
        logger.exception("message failed; it will be tried again")
        measure({"JobsRetried": 1}, queue=queue)
        waits = passes(error) and delivery.age_ms < passing_hours * _HOUR_MS
        if waits and _sent_again(record, queue_url):
            return True
        queues.retry_soon(queue_url, record["receiptHandle"], attempt=delivery.attempt)
        return False
    duration = (time.monotonic() - began) * 1000
    measure({"JobsDone": 1, "JobDuration": duration}, queue=queue)
    return True


def _sent_again(record: dict[str, Any], queue_url: str) -> bool:
    """Whether that could be done. A crash behind it has the work tried twice: it is idempotent."""
    try:
        queues.send_again(queue_url, record)
    except (sdk.ClientError, sdk.BotoCoreError):
        logger.exception("message not sent again")
        return False
    return True
