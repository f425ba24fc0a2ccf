"""Keys and tokens: who is let in as whom, and who isn't."""

from __future__ import annotations

import base64
import hmac
import json
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from audioapi import identity, settings
from audioapi.identity import Principal
from audioapi.problems import ForbiddenError, InvalidKeyError, UnavailableError
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.template.model import Stack

ALICE = Principal("alice", "acme")
SECRET = "a secret of at least thirty-two bytes"


@pytest.fixture
def tokens(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment checks HS256 tokens for the audience `audio` of the issuer `us`."""
    arn = boto3.client("secretsmanager").create_secret(Name="jwt", SecretString=SECRET)["ARN"]
    monkeypatch.setenv("JWT_SECRET_ARN", arn)
    monkeypatch.setenv("JWT_AUDIENCE", "audio")
    monkeypatch.setenv("JWT_ISSUER", "us")
    settings.identity.cache_clear()


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
KEYS = {
    "keys": [
        {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "rsa", "use": "sig"},
        {**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "ec", "use": "sig"},
    ]
}


class Jwks(BaseHTTPRequestHandler):
    """An identity provider's document of keys."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(KEYS).encode())

    def log_message(self, *_: object) -> None:
        """Not on the tests' console."""


@pytest.fixture
def provider(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """The deployment checks tokens with the keys that an identity provider publishes."""
    server = HTTPServer(("127.0.0.1", 0), Jwks)
    with serving(server):
        monkeypatch.setenv("JWKS_URL", f"http://127.0.0.1:{server.server_port}/jwks.json")
        monkeypatch.setenv("JWT_AUDIENCE", "audio")
        monkeypatch.setenv("JWT_ISSUER", "us")
        settings.identity.cache_clear()
        yield server


def signed(key: Any, algorithm: str, kid: str) -> str:
    return jwt.encode(claims(), key, algorithm=algorithm, headers={"kid": kid})


def claims(**changes: Any) -> dict[str, Any]:
    given = {
        "sub": "alice",
        "organization_id": "acme",
        "aud": "audio",
        "iss": "us",
        "exp": int(time.time()) + 60,
        **changes,
    }
    return {name: value for name, value in given.items() if value is not None}


def token(secret: str = SECRET, **changes: Any) -> str:
    return jwt.encode(claims(**changes), secret, algorithm="HS256")


def test_a_key_is_known_in_a_header_and_in_the_query(stack: Stack) -> None:
    identity.put_api_key("k", ALICE)
    assert identity.authenticate({"x-api-key": "k"}, {}) == ALICE
    assert identity.authenticate({}, {"api_key": "k"}) == ALICE


def test_only_the_digest_of_a_key_is_kept(stack: Stack) -> None:
    identity.put_api_key("very-secret", ALICE)
    table = stack.resources["ApiKeysTable"].properties["TableName"]
    assert "very-secret" not in str(boto3.client("dynamodb").scan(TableName=table)["Items"])


def test_nobody_is_nobody(stack: Stack) -> None:
    assert identity.authenticate({}, {}) is None


def test_an_unknown_or_expired_key_is_refused(stack: Stack) -> None:
    identity.put_api_key("old", ALICE, expires_at=int(time.time()) - 1)
    for key in ("unknown", "old"):
        with pytest.raises(InvalidKeyError):
            identity.authenticate({"x-api-key": key}, {})


def test_a_key_comes_before_a_token(stack: Stack, tokens: None) -> None:
    identity.put_api_key("k", Principal("bob", "acme"))
    caller = identity.authenticate(
        {"x-api-key": "k", "authorization": f"Bearer {token()}"}, {"token": token()}
    )
    assert caller == Principal("bob", "acme")


def test_a_token_is_known_in_a_header_and_in_the_query(stack: Stack, tokens: None) -> None:
    assert identity.authenticate({"authorization": f"Bearer {token()}"}, {}) == ALICE
    assert identity.authenticate({}, {"token": token()}) == ALICE


def test_a_tokens_scope_limits_it(stack: Stack, tokens: None) -> None:
    reader = identity.authenticate({}, {"token": token(scope="read")})
    assert reader is not None
    reader.require("read")
    with pytest.raises(ForbiddenError):
        reader.require("write")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"aud": "video"},
        {"aud": None},
        {"iss": "them"},
        {"iss": None},
        {"sub": None},
        {"organization_id": None},
        {"organization_id": 3},
        {"scope": ["write"]},
        {"secret": "another secret of at least thirty-two"},
    ],
)
def test_a_token_that_lacks_anything_is_refused(
    stack: Stack, tokens: None, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidKeyError):
        identity.authenticate({}, {"token": token(**changes)})


@pytest.mark.parametrize("name", ["organization_id", "sub"])
@pytest.mark.parametrize("value", ["", "a" * 256, "acme\0", "\x7f"])
def test_a_token_of_somebody_who_can_not_be_kept_is_refused(
    stack: Stack, tokens: None, name: str, value: str
) -> None:
    with pytest.raises(InvalidKeyError, match=f"{name} must be 1 to 255 bytes"):
        identity.authenticate({"authorization": f"Bearer {token(**{name: value})}"}, {})


def test_an_unsigned_token_is_refused(stack: Stack, tokens: None) -> None:
    with pytest.raises(InvalidKeyError):
        identity.authenticate({}, {"token": jwt.encode(claims(), "", algorithm="none")})


@pytest.mark.parametrize("header", ["Bearer", "Bearer x.y.z", "Basic YTpi", "nonsense"])
def test_a_malformed_header_is_refused(stack: Stack, tokens: None, header: str) -> None:
    with pytest.raises(InvalidKeyError):
        identity.authenticate({"authorization": header}, {})


def test_without_a_secret_no_token_is_good(stack: Stack) -> None:
    with pytest.raises(InvalidKeyError):
        identity.authenticate({}, {"token": token()})


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA_KEY, "RS256", "rsa"), (EC_KEY, "ES256", "ec")]
)
def test_a_providers_token_is_known(
    provider: HTTPServer, key: Any, algorithm: str, kid: str
) -> None:
    assert identity.authenticate({}, {"token": signed(key, algorithm, kid)}) == ALICE


def test_a_token_of_a_key_that_the_provider_does_not_publish_is_refused(
    provider: HTTPServer,
) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for kid in ("rsa", "unknown"):
        with pytest.raises(InvalidKeyError):
            identity.authenticate({}, {"token": signed(other, "RS256", kid)})


def test_a_public_key_is_no_secret_to_sign_with(provider: HTTPServer) -> None:
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, claims())
    )
    known = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mac = hmac.digest(known, head + b"." + body, "sha256")
    forged = b".".join((head, body, base64.urlsafe_b64encode(mac).rstrip(b"="))).decode()
    with pytest.raises(InvalidKeyError):
        identity.authenticate({}, {"token": forged})


def test_a_provider_that_is_away_is_not_the_callers_fault(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HTTPServer(("127.0.0.1", 0), Jwks) as server:
        nobody_listens = server.server_port
    monkeypatch.setenv("JWKS_URL", f"http://127.0.0.1:{nobody_listens}/jwks.json")
    settings.identity.cache_clear()
    with pytest.raises(UnavailableError):
        identity.authenticate({}, {"token": signed(RSA_KEY, "RS256", "rsa")})
