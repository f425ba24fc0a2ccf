"""At each deployment that brings a new revision or another secret: the database's schema and what
tables hold are brought to the newest form, and what the secrets hold is checked: a wrong one fails.

A CloudFormation custom resource, which waits for the answer that is put to its ResponseURL. By
hand, an empty event does the same and returns {"revision": …}.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""

from __future__ import annotations

import json
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.request import Request, urlopen

from sqlalchemy.exc import DBAPIError

from audioapi import database, identity, settings
from audioapi.observe import logger
from audioapi.problems import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

T = TypeVar("T")

PHYSICAL_ID = "schema"  # always this one: at another, CloudFormation would delete the first
RESERVED_SECONDS = 20  # of the function's time, for the answer
ANSWER_TIMEOUT_SECONDS = 10

settings.database()
settings.identity()
settings.streaming()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    seconds = context.get_remaining_time_in_millis() / 1000 - RESERVED_SECONDS
    if not event:
        return {"revision": prepare(seconds)}
    answer = outcome(event["RequestType"], seconds)
    respond(event, answer)
    return answer


def prepare(seconds: float) -> str | None:
    """The schema's revision afterwards. Waits up to `seconds` for a database that is just made."""
    from audioapi import migrations  # noqa: PLC0415 - Alembic, which a Delete has no use for
    from audioapi.streaming import store  # noqa: PLC0415 - as above

    identity.jwt_secret()
    change = database.persistently(lambda: migrations.upgrade(database.url()), seconds=seconds)
    logger.info("schema migrated", before=change.before, after=change.after)
    logger.info("owners respelt", sessions=store.respell_owners())
    return change.after


def outcome(request: str, seconds: float) -> dict[str, Any]:
    """What CloudFormation is told. What people keep is not deleted with a stack."""
    if request == "Delete":
        return {"Status": "SUCCESS"}
    try:
        revision = within(seconds, partial(prepare, seconds))
    except Exception as error:  # noqa: BLE001 — unanswered, CloudFormation waits for an hour
        logger.exception("migration failed")
        return {"Status": "FAILED", "Reason": reason(error)}
    return {"Status": "SUCCESS", "Data": {"Revision": revision}}


def within(seconds: float, work: Callable[[], T]) -> T:
    """Gives up waiting, as a database may hang in ways that no time-out of its client sees."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 — raised again by result()
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future.result(timeout=seconds)


def reason(error: BaseException) -> str:
    """For the stack's events, which more people read than the logs: no text that may quote data."""
    match error:
        case DBAPIError():
            return database.reason(error)
        case UnavailableError(__cause__=DBAPIError() as cause):
            return f"{error.detail}: {database.reason(cause)}"
        case UnavailableError() | settings.SettingsError():
            return str(error)
        case TimeoutError():
            return "The database doesn't answer"
        case _:
            return f"{type(error).__name__}: the function's log says more"


def respond(event: dict[str, Any], answer: dict[str, Any]) -> None:
    """Raises what keeps the answer from arriving: Lambda then gives us the same event again."""
    body = {
        "PhysicalResourceId": PHYSICAL_ID,
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        **answer,
    }
    request = Request(  # noqa: S310 — CloudFormation's own URL
        event["ResponseURL"],
        data=json.dumps(body).encode(),
        method="PUT",
        headers={"Content-Type": ""},  # so it was signed, and urllib would add one
    )
    with urlopen(request, timeout=ANSWER_TIMEOUT_SECONDS):  # noqa: S310 — the same
        logger.info("answered", status=answer["Status"])
