"""`Idempotency-Key`: a request that is sent again is answered again, and not carried out twice.

As the IETF draft has it: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import BaseModel

from audioapi import settings, tables
from audioapi.problems import ConflictError, InvalidRequestError, UnprocessableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

    from audioapi.identity import Principal

KEPT_SECONDS = 24 * 3600
_KEY = re.compile(r"[!-~]{1,255}")
_RETRY_AFTER = "1"
_CREDENTIALS = ("api_key", "token")

Answer = TypeVar("Answer", bound=BaseModel)


def once(
    app: APIGatewayHttpResolver,
    caller: Principal,
    work: Callable[[], Answer],
    answer: type[Answer],
) -> Answer:
    """What `work` returns; for a request of the same caller with the same key within a day, what
    it returned then. A failure is not kept: the next request with the key tries again.

    What was returned may hold a secret, so whoever asks again must be one who may ask: raises
    ForbiddenError for a key without the scope `write`, ConflictError while the first request is
    being carried out, and UnprocessableError for a key that came with another request.
    """
    caller.require("write")
    event, key = app.current_event, key_of(app)
    if key is None:
        return work()
    if not _KEY.fullmatch(key):
        raise InvalidRequestError(
            "Idempotency-Key must be 1 to 255 visible ASCII characters", field="Idempotency-Key"
        )
    request = {
        "identity": [caller.organization_id, caller.user_id, event.http_method, event.path, key],
        "payload": [_without_credentials(event.query_string_parameters), event.body],
    }
    with _refusals():
        answered: Answer = _kept(app, work, answer)(request=request)
    return answered


def key_of(app: APIGatewayHttpResolver) -> str | None:
    """The request's key, for work that may have been done before though its answer wasn't kept: the
    first request may have died in between.
    """
    return app.current_event.headers.get("idempotency-key")


def remembers(asked_at: int, *, now: int) -> bool:
    """Whether a key of then still names the same request: both in epoch milliseconds."""
    return now - asked_at < KEPT_SECONDS * 1000


def _kept(
    app: APIGatewayHttpResolver, work: Callable[[], Answer], answer: type[Answer]
) -> Callable[..., Answer]:
    """`work`, whose answer to a `request` is kept."""
    # 200 ms of imports that only callers with a key pay for
    from aws_lambda_powertools.utilities import idempotency as powertools  # noqa: PLC0415
    from aws_lambda_powertools.utilities.idempotency.serialization.pydantic import (  # noqa: PLC0415
        PydanticSerializer,
    )

    @powertools.idempotent_function(  # type: ignore[untyped-decorator]  # Powertools' own
        data_keyword_argument="request",
        persistence_store=powertools.DynamoDBPersistenceLayer(
            table_name=settings.idempotency().idempotency_table, boto3_client=tables.client()
        ),
        config=powertools.IdempotencyConfig(
            event_key_jmespath="identity",
            payload_validation_jmespath="payload",
            expires_after_seconds=KEPT_SECONDS,
            hash_function="sha256",
            lambda_context=app.lambda_context,
        ),
        output_serializer=PydanticSerializer(answer),
        key_prefix="answer",
    )
    def perform(*, request: object) -> Answer:  # noqa: ARG001 — what the key is made of
        return work()

    return cast("Callable[..., Answer]", perform)


@contextmanager
def _refusals() -> Iterator[None]:
    """What Powertools refuses, as callers are told."""
    from aws_lambda_powertools.utilities.idempotency import exceptions  # noqa: PLC0415 — as above

    try:
        yield
    except exceptions.IdempotencyAlreadyInProgressError as error:
        conflict = ConflictError("The first request with this Idempotency-Key is not done yet")
        conflict.headers = {"Retry-After": _RETRY_AFTER}
        raise conflict from error
    except exceptions.IdempotencyValidationError as error:
        raise UnprocessableError(
            "Idempotency-Key was used with another request", field="Idempotency-Key"
        ) from error


def _without_credentials(query: dict[str, str] | None) -> dict[str, str]:
    """A request that is sent again may well carry a newer token."""
    return {name: value for name, value in (query or {}).items() if name not in _CREDENTIALS}
