"""What AWS asks for: AWS price list, us-east-1, 2026-11, in US dollars."""

from __future__ import annotations

_MILLION = 1_000_000

CALLS = {
    # S3 Standard: PUT, COPY, POST and LIST requests; GET and all others.
    "s3:PutObject": 5.00 / _MILLION,
    "s3:ListObjectsV2": 5.00 / _MILLION,
    "s3:GetObject": 0.40 / _MILLION,
    # DynamoDB on demand: items are below 1 KB, one unit each; reads are strongly consistent.
    "dynamodb:UpdateItem": 0.625 / _MILLION,
    "dynamodb:GetItem": 0.125 / _MILLION,
    # SQS standard queues.
    "sqs:SendMessage": 0.40 / _MILLION,
}

MESSAGE = 1.00 / _MILLION
"""API Gateway, WebSocket: a message of up to 32 KB, either way."""

CONNECTION_MINUTE = 0.25 / _MILLION

REQUEST = 0.20 / _MILLION
"""Lambda: an invocation."""

GB_SECOND = 0.0000166667
"""Lambda on x86."""
