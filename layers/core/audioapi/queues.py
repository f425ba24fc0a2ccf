"""SQS: sending a job, and putting one off."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs import SQSClient

_LONGEST_RETRY_SECONDS = 300
# 12 h counted from when the message was received, which a function's time-out may lie back.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
_LONGEST_VISIBILITY_SECONDS = 12 * 3600 - 900


@cache
def client() -> SQSClient:
    return boto3.client("sqs")


def send(queue_url: str, message: Mapping[str, Any], *, delay_seconds: int = 0) -> None:
    client().send_message(
        QueueUrl=queue_url, MessageBody=json.dumps(message), DelaySeconds=delay_seconds
    )


def retry_soon(queue_url: str, receipt_handle: str, *, attempt: int) -> None:
    """Makes a message visible again after 1, 2, 4 … 300 seconds by its attempt, so that a failure
    the code saw never waits for the visibility timeout, which must outlast the longest job.
    """
    retry_in(queue_url, receipt_handle, seconds=min(2 ** (attempt - 1), _LONGEST_RETRY_SECONDS))


def retry_in(queue_url: str, receipt_handle: str, *, seconds: float) -> None:
    """Makes a message visible again after `seconds`, of which SQS allows not quite 12 hours."""
    client().change_message_visibility(
        QueueUrl=queue_url,
        ReceiptHandle=receipt_handle,
        VisibilityTimeout=min(math.ceil(seconds), _LONGEST_VISIBILITY_SECONDS),
    )
