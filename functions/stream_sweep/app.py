"""Every minute: closes sessions without traffic, and those that have lasted too long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioapi import settings
from audioapi.clock import epoch_ms
from audioapi.observe import logger
from audioapi.streaming import sweeper

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

settings.streaming()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _: LambdaContext) -> None:
    sweeper.sweep(now=epoch_ms(event["time"]))
