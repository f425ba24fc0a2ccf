"""Holds functions to their policies: what signs with a function's name gets what its policy allows.

A function's processes have its logical id as their access key, here only. Everybody else, the
runner and the tests, may do anything. What AWS refuses for want of a grant is refused here too, so
a policy that lacks one fails a test.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from local.template.account import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Statement = dict[str, Any]
"""Of a policy, as IAM has it, its references resolved."""

SIGNER = re.compile(r"Credential=([^/,]+)/")
TRANSACTION_ACTIONS = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}


@dataclass(frozen=True)
class Call:
    """What is asked: `s3:GetObject` of `arn:aws:s3:::bucket/key`; `context` are condition keys."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


class Policies:
    """Functions' policies by their names; once in force, for good."""

    def __init__(self) -> None:
        self._of: Mapping[str, list[Statement]] = {}

    def enforce(self, policies: Mapping[str, list[Statement]]) -> None:
        self._of = policies

    def bind(self, caller: str) -> bool:
        return caller in self._of

    def allow(self, caller: str, call: Call) -> bool:
        return allows(self._of[caller], call)


def allows(policy: Iterable[Statement], call: Call) -> bool:
    return any(
        action == call.action and matches(resource, call.resource)
        for statement in policy
        if all(holds(*test, call.context) for test in conditions(statement))
        for action, resource in pairs(statement)
    )


def conditions(statement: Statement) -> list[tuple[str, Mapping[str, Any]]]:
    """Each operator with what it is to hold for."""
    return list(statement.get("Condition", {}).items())


def pairs(statement: Statement) -> Iterator[tuple[str, str]]:
    """Each action with each resource. A `Deny` has no counterpart here: nobody is granted more
    than he needs, to be denied some of it.
    """
    if statement["Effect"] == "Allow":
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                yield action, resource


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def matches(pattern: str, text: str) -> bool:
    """IAM's wildcards, for which a slash or a colon is a character like any other."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


def holds(operator: str, tests: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    """A condition on what the request doesn't tell, or of a kind not known here, never holds."""
    return operator == "StringLike" and all(
        key in context and any(matches(pattern, context[key]) for pattern in listed(patterns))
        for key, patterns in tests.items()
    )


class HeldToPolicies:
    """WSGI: refuses, as the service would, what the signer's policy doesn't allow."""

    def __init__(self, app: WSGIApplication, policies: Policies) -> None:
        self._app = app
        self._policies = policies

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        caller = signer(environ)
        if not self._policies.bind(caller):
            return self._app(environ, start_response)
        for call in calls(environ):
            if not self._policies.allow(caller, call):
                return refuse(
                    f"{caller} may not {call.action} {call.resource}", environ, start_response
                )
        return self._answer(caller, environ, start_response)

    def _answer(
        self, caller: str, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Of a missing object S3 says 404 only to whoever may list its key, to others 403.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        """
        heads: list[tuple[Any, ...]] = []

        def keep(*head: Any) -> Callable[[bytes], object]:
            heads.append(head)
            return lambda _: None

        body = self._app(environ, keep)
        [head] = heads
        if head[0].startswith("404") and is_read(environ):
            bucket, key = place(environ)
            if not self._policies.allow(caller, listing(bucket, key)):
                return refuse(f"{caller} may not list {key}", environ, start_response)
        start_response(*head)
        return body


def signer(environ: WSGIEnvironment) -> str:
    """The access key of a signed request, or of a presigned address."""
    found = SIGNER.search(environ.get("HTTP_AUTHORIZATION", ""))
    return found[1] if found else query(environ).get("X-Amz-Credential", "").partition("/")[0]


def calls(environ: WSGIEnvironment) -> Iterator[Call]:
    """What a request needs to be allowed: several actions, if it is about several things."""
    if is_s3(environ):
        return s3_calls(environ)
    service, _, operation = environ["HTTP_X_AMZ_TARGET"].partition(".")
    return READERS[service](operation, json.load(body_of(environ)))


def is_s3(environ: WSGIEnvironment) -> bool:
    """The other services are asked in JSON, the operation in a header."""
    return "HTTP_X_AMZ_TARGET" not in environ


def is_read(environ: WSGIEnvironment) -> bool:
    return is_s3(environ) and [call.action for call in s3_calls(environ)] == ["s3:GetObject"]


def dynamodb_calls(operation: str, asked: Mapping[str, Any]) -> Iterator[Call]:
    if operation.startswith("Transact"):
        for item in asked["TransactItems"]:
            for kind, request in item.items():
                yield table_call(TRANSACTION_ACTIONS[kind], request["TableName"])
    elif operation.startswith("Batch"):
        for table in asked["RequestItems"]:
            yield table_call(operation, table)
    else:
        yield table_call(operation, asked["TableName"], asked.get("IndexName"))


def table_call(action: str, table: str, index: str | None = None) -> Call:
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
    return Call(f"dynamodb:{action}", f"{arn}/index/{index}" if index else arn)


def sqs_calls(operation: str, asked: Mapping[str, Any]) -> Iterator[Call]:
    name = asked["QueueUrl"].rpartition("/")[2]
    yield Call(f"sqs:{operation.removesuffix('Batch')}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")


def secret_calls(operation: str, asked: Mapping[str, Any]) -> Iterator[Call]:
    yield Call(f"secretsmanager:{operation}", asked["SecretId"])


READERS: Mapping[str, Callable[[str, Mapping[str, Any]], Iterator[Call]]] = {
    "AmazonSQS": sqs_calls,
    "DynamoDB_20120810": dynamodb_calls,
    "secretsmanager": secret_calls,
}
"""By the service's name in the header."""


def s3_calls(environ: WSGIEnvironment) -> Iterator[Call]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html"""
    bucket, key = place(environ)
    given = query(environ)
    if key:
        yield object_call(object_action(environ["REQUEST_METHOD"], given), bucket, key)
    elif "delete" in given:
        for named in ET.parse(body_of(environ)).iterfind(".//{*}Key"):  # noqa: S314 - ours
            yield object_call("DeleteObject", bucket, named.text or "")
    else:
        yield listing(bucket, given.get("prefix"))


def object_action(method: str, given: Mapping[str, str]) -> str:
    if "uploadId" in given and method == "DELETE":
        return "AbortMultipartUpload"
    if "uploadId" in given and method == "GET":
        return "ListMultipartUploadParts"
    return {"DELETE": "DeleteObject", "GET": "GetObject", "HEAD": "GetObject"}.get(
        method, "PutObject"
    )


def object_call(action: str, bucket: str, key: str) -> Call:
    return Call(f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}")


def listing(bucket: str, prefix: str | None) -> Call:
    context = {} if prefix is None else {"s3:prefix": prefix}
    return Call("s3:ListBucket", f"arn:aws:s3:::{bucket}", context)


def place(environ: WSGIEnvironment) -> tuple[str, str]:
    """Bucket and key, both in the path: an address that is a number has no subdomains."""
    path = environ["PATH_INFO"].encode("latin-1").decode()
    bucket, _, key = path.removeprefix("/").partition("/")
    return bucket, key


def query(environ: WSGIEnvironment) -> dict[str, str]:
    given = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    return {name: values[0] for name, values in given.items()}


def body_of(environ: WSGIEnvironment) -> IO[bytes]:
    """The request's, which whoever comes next finds unread."""
    body = environ["wsgi.input"]
    content = io.BytesIO(body.read())
    body.seek(0)
    return content


def refuse(why: str, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """In the form of the service that was asked."""
    status, kind, body = (
        (
            "403 Forbidden",
            "application/xml",
            f"<Error><Code>AccessDenied</Code><Message>{escape(why)}</Message></Error>",
        )
        if is_s3(environ)
        else (
            "400 Bad Request",
            "application/x-amz-json-1.0",
            json.dumps({"__type": "AccessDeniedException", "message": why}),
        )
    )
    content = b"" if environ["REQUEST_METHOD"] == "HEAD" else body.encode()
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(content)))])
    return [content]
