"""The Lambda context, as far as anything reads it."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext


class Context(LambdaContext):
    def __init__(self, *, remaining_seconds: float = 30) -> None:
        self._remaining_seconds = remaining_seconds
        self._function_name = "test"
        self._memory_limit_in_mb = 128
        self._invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:test"
        self._aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override]  # Powertools' is static
        return round(self._remaining_seconds * 1000)
