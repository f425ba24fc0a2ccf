"""Schedules that invoke functions.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from local.template.account import ACCOUNT, REGION

if TYPE_CHECKING:
    from local.template.model import Invoker, Schedule

logger = logging.getLogger(__name__)


async def run_schedule(schedule: Schedule, invoker: Invoker) -> NoReturn:
    """Every `period` seconds, never twice at a time: a run that takes longer delays the next."""
    clock = asyncio.get_running_loop()
    due = clock.time()
    while True:
        due = max(due + schedule.period, clock.time())
        await asyncio.sleep(due - clock.time())
        try:
            await invoker.invoke(schedule.function, schedule.input or scheduled_event(schedule))
        except Exception:
            # The outermost edge: one failure is no reason to stop the clock.
            logger.exception("%s did not run", schedule.name)


def scheduled_event(schedule: Schedule) -> dict[str, Any]:
    """What EventBridge Scheduler sends when the schedule has no input of its own."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{schedule.name}"],
        "detail": "{}",
    }
