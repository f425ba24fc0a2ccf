"""What AWS asks for: AWS price list, us-east-1, 2026-11, in US dollars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MILLION = 1_000_000

_S3_WRITE = 5.00 / _MILLION
"""S3 Standard: PUT, COPY, POST and LIST requests."""
_S3_READ = 0.40 / _MILLION
"""All its other requests, but for those that delete or abort, which are free."""
_WRITE = 0.625 / _MILLION
"""DynamoDB on demand: a write of up to 1 KB, as all of these are taken to be."""
_READ = 0.125 / _MILLION
"""A strongly consistent read of up to 4 KB; other reads cost half."""
_QUEUE = 0.40 / _MILLION
"""SQS standard queues: every request."""
_BY_OTHER_UNITS = 0.0
"""By tokens or by minutes of sound: the requests themselves are free."""

CALLS: Mapping[str, float] = {
    "s3:AbortMultipartUpload": 0.0,
    "s3:CompleteMultipartUpload": _S3_WRITE,
    "s3:CreateMultipartUpload": _S3_WRITE,
    "s3:DeleteObjects": 0.0,
    "s3:GetObject": _S3_READ,
    "s3:HeadBucket": _S3_READ,
    "s3:HeadObject": _S3_READ,
    "s3:ListObjectsV2": _S3_WRITE,
    "s3:ListParts": _S3_WRITE,
    "s3:PutObject": _S3_WRITE,
    "s3:UploadPart": _S3_WRITE,
    "dynamodb:BatchGetItem": _READ,
    "dynamodb:DeleteItem": _WRITE,
    "dynamodb:GetItem": _READ,
    "dynamodb:PutItem": _WRITE,
    "dynamodb:Query": _READ,
    "dynamodb:Scan": _READ,
    "dynamodb:TransactWriteItems": 2 * _WRITE,
    "dynamodb:UpdateItem": _WRITE,
    "sqs:ChangeMessageVisibility": _QUEUE,
    "sqs:DeleteMessage": _QUEUE,
    "sqs:GetQueueAttributes": _QUEUE,
    "sqs:ReceiveMessage": _QUEUE,
    "sqs:SendMessage": _QUEUE,
    # A message is paid for; to ask for a connection, or to end one, is free.
    "apigatewaymanagementapi:DeleteConnection": 0.0,
    "apigatewaymanagementapi:GetConnection": 0.0,
    "apigatewaymanagementapi:PostToConnection": 1.00 / _MILLION,
    "secrets-manager:GetSecretValue": 5.00 / _MILLION,
    "bedrock-runtime:Converse": _BY_OTHER_UNITS,
    "transcribe:GetTranscriptionJob": _BY_OTHER_UNITS,
    "transcribe:StartTranscriptionJob": _BY_OTHER_UNITS,
}
"""Of a request, or of one of its items where it is paid for by these. By `service:operation`, as
botocore names them.
"""

ITEMS: Mapping[str, Callable[[Any], int]] = {
    "dynamodb:BatchGetItem": lambda body: sum(
        len(table["Keys"]) for table in body["RequestItems"].values()
    ),
    "dynamodb:TransactWriteItems": lambda body: len(body["TransactItems"]),
}
"""How many items a request has that is paid for by these, by its decoded body."""

MESSAGE = 1.00 / _MILLION
"""API Gateway, WebSocket: a message of up to 32 KB, either way."""

CONNECTION_MINUTE = 0.25 / _MILLION

REQUEST = 0.20 / _MILLION
"""Lambda: an invocation."""

GB_SECOND = 0.0000166667
"""Lambda on x86."""

LOG_BYTE = 0.50 / 1e9
"""CloudWatch Logs: taking it in."""


class NoPriceError(LookupError):
    """An operation that this module has no price of."""


def of(operation: str) -> float:
    """Dollars for one call, `service:operation`, or for one of its items."""
    try:
        return CALLS[operation]
    except KeyError:
        raise NoPriceError(f"{operation} has no price in {__name__}.CALLS") from None
