"""A call is allowed by what a policy says of its action, its resource and its condition."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from local.services.permissions import Call, HeldToPolicies, Policies, Statement, allows, calls
from tests.unit.local.template.template_support import with_properties

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KEYS = "arn:aws:dynamodb:us-east-1:123456789012:table/Keys"
JOBS = "arn:aws:sqs:us-east-1:123456789012:Jobs"
READ: Statement = {
    "Effect": "Allow",
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::audio/a/*",
}
LIST: Statement = {
    "Effect": "Allow",
    "Action": ["s3:ListBucket"],
    "Resource": ["arn:aws:s3:::audio"],
    "Condition": {"StringLike": {"s3:prefix": "a/*"}},
}


def allowed(statement: Statement, call: Call) -> bool:
    return allows([statement], call)


def listing(**context: str) -> Call:
    return Call("s3:ListBucket", "arn:aws:s3:::audio", {f"s3:{k}": v for k, v in context.items()})


def test_a_wildcard_stands_for_slashes_too_and_for_nothing_in_front() -> None:
    assert allowed(READ, Call("s3:GetObject", "arn:aws:s3:::audio/a/b/c"))
    assert not allowed(READ, Call("s3:GetObject", "arn:aws:s3:::audio/b/a/c"))
    assert not allowed(READ, Call("s3:GetObject", "arn:aws:s3:::audio2/a/c"))
    assert not allowed(READ, Call("s3:PutObject", "arn:aws:s3:::audio/a/c"))


def test_a_condition_holds_only_if_the_request_tells_so() -> None:
    assert allowed(LIST, listing(prefix="a/b"))
    assert not allowed(LIST, listing(prefix="b"))
    assert not allowed(LIST, listing())


def test_a_condition_that_is_not_known_here_allows_nothing() -> None:
    statement = {**READ, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}

    assert not allowed(statement, Call("s3:GetObject", "arn:aws:s3:::audio/a/b"))


def asked(target: str, body: Any) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "HTTP_X_AMZ_TARGET": target,
        "wsgi.input": io.BytesIO(json.dumps(body).encode()),
    }


def of_s3(
    method: str, path: str, query: str = "", body: bytes = b"", **more: str
) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "wsgi.input": io.BytesIO(body),
        **more,
    }


@pytest.mark.parametrize(
    ("request_", "needed"),
    [
        (
            asked("DynamoDB_20120810.GetItem", {"TableName": "Keys"}),
            [("dynamodb:GetItem", KEYS)],
        ),
        (
            asked("DynamoDB_20120810.Query", {"TableName": "Keys", "IndexName": "by-day"}),
            [("dynamodb:Query", f"{KEYS}/index/by-day")],
        ),
        (
            asked("DynamoDB_20120810.BatchGetItem", {"RequestItems": {"Keys": {}}}),
            [("dynamodb:BatchGetItem", KEYS)],
        ),
        (
            asked(
                "DynamoDB_20120810.TransactWriteItems",
                {
                    "TransactItems": [
                        {"Put": {"TableName": "Keys"}},
                        {"ConditionCheck": {"TableName": "Keys"}},
                    ]
                },
            ),
            [("dynamodb:PutItem", KEYS), ("dynamodb:ConditionCheckItem", KEYS)],
        ),
        (
            asked("AmazonSQS.SendMessageBatch", {"QueueUrl": "http://127.0.0.1:1/1/Jobs"}),
            [("sqs:SendMessage", JOBS)],
        ),
        (
            asked("secretsmanager.GetSecretValue", {"SecretId": "arn:of:it"}),
            [("secretsmanager:GetSecretValue", "arn:of:it")],
        ),
        (of_s3("PUT", "/audio/a"), [("s3:PutObject", "arn:aws:s3:::audio/a")]),
        (of_s3("POST", "/audio/a", "uploads"), [("s3:PutObject", "arn:aws:s3:::audio/a")]),
        (of_s3("HEAD", "/audio/a/b"), [("s3:GetObject", "arn:aws:s3:::audio/a/b")]),
        (of_s3("DELETE", "/audio/a"), [("s3:DeleteObject", "arn:aws:s3:::audio/a")]),
        (
            of_s3("DELETE", "/audio/a", "uploadId=1"),
            [("s3:AbortMultipartUpload", "arn:aws:s3:::audio/a")],
        ),
        (
            of_s3("GET", "/audio/a", "uploadId=1"),
            [("s3:ListMultipartUploadParts", "arn:aws:s3:::audio/a")],
        ),
        (of_s3("GET", "/audio", "list-type=2"), [("s3:ListBucket", "arn:aws:s3:::audio")]),
        (
            of_s3(
                "POST",
                "/audio",
                "delete",
                b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                b"<Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>",
            ),
            [
                ("s3:DeleteObject", "arn:aws:s3:::audio/a"),
                ("s3:DeleteObject", "arn:aws:s3:::audio/b"),
            ],
        ),
    ],
)
def test_what_a_request_needs(request_: dict[str, Any], needed: list[tuple[str, str]]) -> None:
    assert [(call.action, call.resource) for call in calls(request_)] == needed


class Moto:
    """Answers all with one status, and keeps the bodies that it was asked with."""

    def __init__(self, status: str) -> None:
        self._status = status
        self.bodies: list[bytes] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.bodies.append(environ["wsgi.input"].read())
        start_response(self._status, [])
        return [b"an answer"]


def answer(
    environ: dict[str, Any], policy: list[Statement], status: str = "200 OK"
) -> tuple[str, list[bytes]]:
    policies = Policies()
    policies.enforce({"Worker": policy})
    moto = Moto(status)
    heads: list[str] = []
    body = HeldToPolicies(moto, policies)(environ, lambda *head: heads.append(head[0]))  # type: ignore[arg-type]
    assert b"".join(body)
    return heads[0], moto.bodies


def signed(by: str) -> dict[str, Any]:
    return {"HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={by}/20260101/us-east-1/s3/x, …"}


def test_what_is_allowed_is_passed_on_whole() -> None:
    request = of_s3("GET", "/audio/a/b", body=b"xyz", **signed("Worker"))

    assert answer(request, [READ]) == ("200 OK", [b"xyz"])


def test_what_is_not_allowed_is_refused_and_never_done() -> None:
    request = of_s3("PUT", "/audio/a/b", **signed("Worker"))

    assert answer(request, [READ]) == ("403 Forbidden", [])


def test_the_other_services_say_it_in_json() -> None:
    request = asked("AmazonSQS.SendMessage", {"QueueUrl": "x/Jobs"}) | signed("Worker")

    assert answer(request, [READ]) == ("400 Bad Request", [])


def test_a_presigned_address_allows_what_its_signer_may() -> None:
    credential = "X-Amz-Credential=Worker%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"

    assert answer(of_s3("GET", "/audio/a/b", credential), [READ])[0] == "200 OK"
    assert answer(of_s3("PUT", "/audio/a/b", credential), [READ])[0] == "403 Forbidden"


def test_who_is_no_function_may_do_anything() -> None:
    assert answer(of_s3("PUT", "/audio/b", **signed("local")), [])[0] == "200 OK"


def test_a_missing_object_is_missed_only_by_who_may_list_it() -> None:
    def missing(policy: list[Statement]) -> str:
        request = of_s3("GET", "/audio/a/b", **signed("Worker"))
        return answer(request, policy, "404 Not Found")[0]

    assert missing([READ]) == "403 Forbidden"
    assert missing([READ, LIST]) == "404 Not Found"


def test_a_missing_upload_is_missed_by_everybody() -> None:
    request = of_s3("DELETE", "/audio/a/b", "uploadId=1", **signed("Worker"))
    policy: Statement = {**READ, "Action": "s3:AbortMultipartUpload"}

    assert answer(request, [policy], "404 Not Found")[0] == "404 Not Found"


def test_a_functions_policy_is_its_roles_with_the_references_resolved(tmp_path: Path) -> None:
    stack = with_properties(
        tmp_path,
        """
        Policies:
          - Statement:
              - Effect: Allow
                Action: sqs:SendMessage
                Resource: !Sub arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:jobs
              - !If [Verbose, {Effect: Allow, Action: s3:PutObject, Resource: x}, !Ref AWS::NoValue]
        """,
    )

    assert stack.functions["Worker"].policy == (
        {
            "Effect": "Allow",
            "Action": "sqs:SendMessage",
            "Resource": "arn:aws:sqs:us-east-1:111122223333:jobs",
        },
    )
