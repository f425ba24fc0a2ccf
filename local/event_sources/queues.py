"""Queues that invoke functions, by event source mappings.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

from __future__ import annotations

import asyncio
import base64
import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

from local.template.account import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        MessageAttributeValueOutputTypeDef,
        MessageTypeDef,
        ReceiveMessageResultTypeDef,
    )

    from local.template.model import Invocation, Invoker, QueueSource

logger = logging.getLogger(__name__)

LONG_POLL = 20  # seconds, the longest that SQS allows; where the services end, it ends too
MOST_PER_RECEIVE = 10
CONCURRENCY = 10
AFTER_ERROR = 1.0  # seconds until a service that failed is asked again


class QueuePoller:
    """An event source mapping: gives a queue's messages to a function and deletes what is done.

    What failed is left alone: it appears again after the queue's visibility timeout, or after what
    the function has set it to.
    """

    def __init__(self, source: QueueSource, name: str, sqs: SQSClient, invoker: Invoker) -> None:
        self._source = source
        self._url = f"{sqs.meta.endpoint_url}/{ACCOUNT}/{name}"
        self._arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        self._sqs = sqs
        self._invoker = invoker
        self._slots = asyncio.Semaphore(source.maximum_concurrency or CONCURRENCY)
        # A thread of its own: it waits nearly all the time, and would starve the loop's few.
        self._waiting = ThreadPoolExecutor(1, thread_name_prefix=source.queue)

    async def run(self) -> NoReturn:
        """One receiver, however many batches are at work: order in a FIFO group is SQS's care."""
        try:
            async with asyncio.TaskGroup() as batches:
                while True:
                    await self._slots.acquire()
                    batch = await self._next_batch()
                    batches.create_task(self._give(batch))
        finally:
            self._waiting.shutdown(wait=False)

    async def _next_batch(self) -> Sequence[MessageTypeDef]:
        """Waits for a first message, then at most the window for the batch to fill."""
        size = self._source.batch_size
        while not (batch := await self._receive(size, LONG_POLL)):
            pass
        closes = time.monotonic() + self._source.window
        while len(batch) < size and (left := closes - time.monotonic()) > 0:
            batch += await self._receive(size - len(batch), math.ceil(left))
        return batch

    async def _receive(self, most: int, wait: int) -> list[MessageTypeDef]:
        try:
            answer = await asyncio.get_running_loop().run_in_executor(
                self._waiting, self._poll, min(most, MOST_PER_RECEIVE), wait
            )
        except Exception as error:  # noqa: BLE001 - the outermost edge: whatever it is, it is asked again
            logger.warning("%s can't be polled: %s", self._source.queue, error)
            await asyncio.sleep(AFTER_ERROR)
            return []
        return answer.get("Messages", [])

    def _poll(self, most: int, wait: int) -> ReceiveMessageResultTypeDef:
        return self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )

    async def _give(self, batch: Sequence[MessageTypeDef]) -> None:
        try:
            event = {"Records": [record(message, self._arn) for message in batch]}
            invocation = await self._invoker.invoke(self._source.function, event)
            await self._delete(done(batch, invocation, partial=self._source.partial_failures))
        except Exception:
            # The outermost edge: whatever becomes of one batch, the next ones are delivered.
            logger.exception("A batch of %s was not finished", self._source.queue)
        finally:
            self._slots.release()

    async def _delete(self, messages: Sequence[MessageTypeDef]) -> None:
        for start in range(0, len(messages), MOST_PER_RECEIVE):
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                for index, message in enumerate(messages[start : start + MOST_PER_RECEIVE])
            ]
            await asyncio.to_thread(
                self._sqs.delete_message_batch,
                QueueUrl=self._url,
                Entries=entries,  # type: ignore[arg-type]  # the stubs' TypedDict, spelt as a dict
            )


def record(message: MessageTypeDef, arn: str) -> dict[str, Any]:
    """One of an event's `Records`, in AWS's spelling of the queue's answer."""
    shaped = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: message_attribute(value)
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        shaped["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return shaped


def message_attribute(value: MessageAttributeValueOutputTypeDef) -> dict[str, Any]:
    shaped: dict[str, Any] = {
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }
    if "StringValue" in value:
        shaped["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        shaped["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return shaped


def done(
    batch: Sequence[MessageTypeDef], invocation: Invocation, *, partial: bool
) -> Sequence[MessageTypeDef]:
    """The messages that need no second delivery."""
    if invocation.error is not None:
        return []
    failed = failures(invocation.payload) if partial else frozenset[str]()
    if failed is None or not failed <= {message["MessageId"] for message in batch}:
        return []
    return [message for message in batch if message["MessageId"] not in failed]


def failures(payload: Any) -> frozenset[str] | None:
    """The ids that a function reports as failed; None, for the whole batch, if it does so wrongly.

    Null and empty answers mean that nothing failed.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    try:
        items = (payload or {}).get("batchItemFailures") or []
        failed = frozenset(item["itemIdentifier"] for item in items)
    except (AttributeError, KeyError, TypeError):
        return None
    return failed if all(isinstance(name, str) and name for name in failed) else None
