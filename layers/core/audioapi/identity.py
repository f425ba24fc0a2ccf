"""Who is calling: API keys, of which only digests are kept, and JSON Web Tokens.

Authentication happens here and not in an authoriser, because a gateway can't shape a 401's body.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from audioapi import secrets, settings, tables, tenants
from audioapi.problems import ForbiddenError, InvalidKeyError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jwt import PyJWKClient

ALL_SCOPES = ("read", "write")
_SYMMETRIC = ["HS256"]
_SECRET_BYTES = 32
_ASYMMETRIC = ["RS256", "ES256"]


@dataclass(frozen=True)
class Principal:
    """A caller: a user of an organisation, and what the credential allows."""

    user_id: str
    organization_id: str
    scopes: tuple[str, ...] = ALL_SCOPES

    def require(self, scope: str) -> None:
        if scope not in self.scopes:
            raise ForbiddenError(f"This key lacks the scope '{scope}'", scopes=list(self.scopes))


class Owned(Protocol):
    """A caller, or what somebody keeps."""

    @property
    def organization_id(self) -> str | None: ...
    @property
    def user_id(self) -> str | None: ...


def same_owner(one: Owned, other: Owned) -> bool:
    """The same `user_id` in two organisations is two people."""
    return (one.organization_id, one.user_id) == (other.organization_id, other.user_id)


def authenticate(headers: Mapping[str, str], query: Mapping[str, str]) -> Principal | None:
    """The caller by the first credential there is: header `x-api-key`, query `api_key`, header
    `Authorization: Bearer`, query `token` (browsers' EventSource and WebSocket set no headers).

    `headers` have lower-case names. None without any credential; InvalidKeyError for a bad one.
    """
    if api_key := headers.get("x-api-key") or query.get("api_key"):
        return _by_api_key(api_key)
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer:
        return _by_token(bearer.strip())
    if scheme:
        raise InvalidKeyError
    if token := query.get("token"):
        return _by_token(token)
    return None


def required(principal: Principal | None) -> Principal:
    if principal is None:
        raise InvalidKeyError
    return principal


def digest(api_key: str) -> str:
    """SHA-256 hex of a key: keys are long and random, so a slow hash would add nothing."""
    return hashlib.sha256(api_key.encode()).hexdigest()


@dataclass(frozen=True)
class ApiKey:
    """What is kept of a key. `name` is for people, times are epoch seconds, None is never."""

    digest: str
    principal: Principal
    name: str | None = None
    created_at: int | None = None
    expires_at: int | None = None


def put_api_key(
    api_key: str, principal: Principal, *, name: str | None = None, expires_at: int | None = None
) -> ApiKey:
    """Makes `api_key` valid for `principal`, until `expires_at` (epoch seconds) if given. Raises
    ValueError for an id that not every store can keep.
    """
    tenants.check("organization_id", principal.organization_id)
    tenants.check("user_id", principal.user_id)
    kept = ApiKey(digest(api_key), principal, name, int(time.time()), expires_at)
    item = {
        "digest": kept.digest,
        "user_id": principal.user_id,
        "organization_id": principal.organization_id,
        "scopes": list(principal.scopes),
        "name": kept.name,
        "created_at": kept.created_at,
        "expires_at": kept.expires_at,
    }
    tables.client().put_item(
        TableName=settings.identity().api_keys_table, Item=tables.marshal(item)
    )
    return kept


def api_keys() -> Iterator[ApiKey]:
    """All keys, expired ones too, in no order."""
    pages = tables.client().get_paginator("scan")
    for page in pages.paginate(TableName=settings.identity().api_keys_table):
        yield from (_api_key(tables.unmarshal(item)) for item in page["Items"])


def delete_api_key(key: ApiKey) -> None:
    """Revokes a key: the next request with it is refused."""
    tables.client().delete_item(
        TableName=settings.identity().api_keys_table, Key=tables.marshal({"digest": key.digest})
    )


def _by_api_key(api_key: str) -> Principal:
    found = tables.client().get_item(
        TableName=settings.identity().api_keys_table,
        Key=tables.marshal({"digest": digest(api_key)}),
    )
    if not (item := found.get("Item")):
        raise InvalidKeyError
    key = _api_key(tables.unmarshal(item))
    if key.expires_at is not None and key.expires_at <= time.time():
        raise InvalidKeyError
    return key.principal


def _api_key(item: Mapping[str, Any]) -> ApiKey:
    return ApiKey(
        item["digest"],
        Principal(item["user_id"], item["organization_id"], tuple(item["scopes"])),
        item.get("name"),
        item.get("created_at"),
        item.get("expires_at"),
    )


def _by_token(token: str) -> Principal:
    import jwt  # noqa: PLC0415 — 70 ms that only callers with a token pay for

    config = settings.identity()
    try:
        if config.jwks_url:
            key: Any = _jwks(config.jwks_url).get_signing_key_from_jwt(token)
            algorithms = _ASYMMETRIC
        elif secret := jwt_secret():
            key, algorithms = secret, _SYMMETRIC
        else:
            raise InvalidKeyError
        claims = jwt.decode(
            token,
            key,
            algorithms=algorithms,
            audience=config.jwt_audience,
            issuer=config.jwt_issuer,
            options={"require": ["exp", "sub"]},
        )
    except jwt.PyJWKClientConnectionError as error:
        raise UnavailableError("The keys that tokens are checked with can't be fetched") from error
    except jwt.PyJWTError as error:
        raise InvalidKeyError from error
    return _principal(claims)


def _principal(claims: Mapping[str, Any]) -> Principal:
    """`scope` is a string of names (RFC 8693 §4.2); without one the token allows everything."""
    user_id, organization_id = claims["sub"], claims.get("organization_id")
    scopes = claims.get("scope")
    if not isinstance(organization_id, str) or not isinstance(scopes, str | None):
        raise InvalidKeyError
    try:
        tenants.check("organization_id", organization_id)
        tenants.check("sub", user_id)
    except ValueError as error:
        raise InvalidKeyError(str(error)) from error
    return Principal(
        user_id, organization_id, ALL_SCOPES if scopes is None else tuple(scopes.split())
    )


@cache
def _jwks(url: str) -> PyJWKClient:
    from jwt import PyJWKClient  # noqa: PLC0415 — as above

    return PyJWKClient(url, timeout=5)


@cache
def jwt_secret() -> str | None:
    """What tokens are signed with by HS256, which needs 256 bits (RFC 7518 §3.2); None if none are.

    Raises SettingsError for a secret that isn't there or is shorter, and UnavailableError.
    """
    arn = settings.identity().jwt_secret_arn
    if arn is None:
        return None
    secret = secrets.read(arn, variable="JWT_SECRET_ARN")
    if len(secret.encode()) < _SECRET_BYTES:
        raise settings.SettingsError(
            f"JWT_SECRET_ARN: the secret has less than {_SECRET_BYTES} bytes, which HS256 needs"
        )
    return secret
