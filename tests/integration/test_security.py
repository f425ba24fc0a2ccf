"""What is kept is encrypted and reached over TLS alone, whoever comes in is slowed down, and no
secret is in the environment. What has no rule here yet fails, until somebody thought about it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.template import reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TEMPLATES = {
    name: reader.read(Path(f"{name}.yaml"))
    for name in ("template", "own_database", "observability")
}
RESOURCES: list[tuple[str, str, dict[str, Any]]] = [
    (f"{name}.{logical_id}", resource["Type"], resource.get("Properties", {}))
    for name, source in TEMPLATES.items()
    for logical_id, resource in source["Resources"].items()
]
MAIN = TEMPLATES["template"]["Resources"]
TLS_ONLY = {"Bool": {"aws:SecureTransport": "false"}}
SECRETIVE = re.compile(r"SECRET|PASSWORD|TOKEN|CREDENTIAL|DATABASE_URL|(?<!API_)KEY")


def refuses_plain_http(statement: Mapping[str, Any], actions: str) -> bool:
    return (
        statement.get("Effect") == "Deny"
        and statement["Principal"] == "*"
        and statement["Action"] == actions
        and statement["Condition"] == TLS_ONLY
    )


def policies(kind: str) -> list[dict[str, Any]]:
    return [item for _, of, item in RESOURCES if of == kind]


def bucket(name: str, properties: Mapping[str, Any]) -> None:
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    for rule in properties["CorsConfiguration"]["CorsRules"]:
        assert rule["AllowedOrigins"] == {"Ref": "AllowedOrigins"}
        assert "DELETE" not in rule["AllowedMethods"]
    [policy] = policies("AWS::S3::BucketPolicy")
    assert policy["Bucket"] == {"Ref": name}
    [statement] = policy["PolicyDocument"]["Statement"]
    assert refuses_plain_http(statement, "s3:*")
    assert len(statement["Resource"]) == 2  # the bucket and what is in it


def queue(name: str, properties: Mapping[str, Any]) -> None:
    assert properties["SqsManagedSseEnabled"] is True
    of_it = [item for item in policies("AWS::SQS::QueuePolicy") if {"Ref": name} in item["Queues"]]
    [policy] = of_it
    refusal, *others = policy["PolicyDocument"]["Statement"]
    assert refuses_plain_http(refusal, "sqs:*")
    for other in others:  # only a service, and only for what is ours
        statement = other["Fn::If"][1]
        assert set(statement["Principal"]) == {"Service"}
        assert "aws:SourceArn" in statement["Condition"]["ArnEquals"]


def table(_: str, properties: Mapping[str, Any]) -> None:
    assert properties["SSESpecification"] == {"SSEEnabled": True}


def topic(_: str, properties: Mapping[str, Any]) -> None:
    assert properties["KmsMasterKeyId"]


def gateway(_: str, properties: Mapping[str, Any]) -> None:
    limits = properties["DefaultRouteSettings"]
    assert limits["ThrottlingRateLimit"] == {"Ref": "RequestsPerSecond"}
    assert limits["ThrottlingBurstLimit"] == {"Ref": "RequestsBurst"}
    assert not re.search(
        r"query|authorizer|header", properties["AccessLogSettings"]["Format"], re.IGNORECASE
    )


def http_api(name: str, properties: Mapping[str, Any]) -> None:
    gateway(name, properties)
    cors = properties["CorsConfiguration"]
    assert cors["AllowOrigins"] == {"Ref": "AllowedOrigins"}
    assert "AllowCredentials" not in cors  # keys travel in headers, so no page has them by itself


def function(name: str, properties: Mapping[str, Any]) -> None:
    """Its policy is its own. A URL, where no gateway slows anybody down, only streams have."""
    assert "Role" not in properties
    for policy in properties.get("Policies", []):
        assert set(policy) in ({"Statement"}, {"Fn::If"}), policy
    if url := properties.get("FunctionUrlConfig"):
        assert name in {"AnalysisStreamFunction", "LiveEventsFunction"}
        assert url["Cors"]["AllowOrigins"] == {"Ref": "AllowedOrigins"}


def log_group(_: str, properties: Mapping[str, Any]) -> None:
    """CloudWatch encrypts them all; they end."""
    assert properties["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def cluster(_: str, properties: Mapping[str, Any]) -> None:
    assert properties["StorageEncrypted"] is True
    assert properties["MasterUserPassword"]["Fn::Sub"].startswith("{{resolve:secretsmanager:")


def instance(_: str, properties: Mapping[str, Any]) -> None:
    assert properties["PubliclyAccessible"] is False


def security_group(_: str, properties: Mapping[str, Any]) -> None:
    """Nobody is let in by address, but by his own group."""
    for rule in properties.get("SecurityGroupIngress", []):
        assert "SourceSecurityGroupId" in rule


def topic_policy(_: str, properties: Mapping[str, Any]) -> None:
    for statement in properties["PolicyDocument"]["Statement"]:
        assert set(statement["Principal"]) == {"Service"}
        assert "aws:SourceAccount" in statement["Condition"]["StringEquals"]


def secret(_: str, properties: Mapping[str, Any]) -> None:
    assert "SecretString" not in properties
    assert properties["GenerateSecretString"]["PasswordLength"] >= 32


RULES: Mapping[str, Callable[[str, Mapping[str, Any]], None]] = {
    "AWS::DynamoDB::Table": table,
    "AWS::EC2::SecurityGroup": security_group,
    "AWS::Logs::LogGroup": log_group,
    "AWS::RDS::DBCluster": cluster,
    "AWS::RDS::DBInstance": instance,
    "AWS::S3::Bucket": bucket,
    "AWS::SecretsManager::Secret": secret,
    "AWS::Serverless::Function": function,
    "AWS::Serverless::HttpApi": http_api,
    "AWS::Serverless::WebSocketApi": gateway,
    "AWS::SNS::Topic": topic,
    "AWS::SNS::TopicPolicy": topic_policy,
    "AWS::SQS::Queue": queue,
}
NOTHING_TO_SECURE = {
    "AWS::ApiGatewayV2::RouteResponse",
    "AWS::CloudFormation::Stack",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::EC2::EIP",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::Events::Rule",
    "AWS::Logs::QueryDefinition",
    "AWS::RDS::DBSubnetGroup",
    "AWS::S3::BucketPolicy",  # looked at with its bucket
    "AWS::SecretsManager::SecretTargetAttachment",
    "AWS::Serverless::LayerVersion",
    "AWS::SNS::Subscription",
    "AWS::SQS::QueuePolicy",  # looked at with its queues
    "Custom::SchemaMigration",
}


@pytest.mark.parametrize(("name", "kind", "properties"), RESOURCES, ids=[r[0] for r in RESOURCES])
def test_a_resource_is_as_safe_as_its_kind_has_to_be(
    name: str, kind: str, properties: dict[str, Any]
) -> None:
    if kind not in NOTHING_TO_SECURE:
        RULES[kind](name.partition(".")[2], properties)


def variables() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in [
        TEMPLATES["template"]["Globals"]["Function"],
        *policies("AWS::Serverless::Function"),
    ]:
        found |= part.get("Environment", {}).get("Variables", {})
    return found


def test_the_environment_has_secrets_by_their_arn_alone() -> None:
    names = {name for name in variables() if SECRETIVE.search(name)}
    assert names == {"JWT_SECRET_ARN", "DATABASE_SECRET_ARN"}
    text = json.dumps(variables())
    assert "resolve:" not in text


def test_no_parameter_is_a_secret_but_by_its_arn() -> None:
    for source in TEMPLATES.values():
        for name, parameter in source["Parameters"].items():
            assert "NoEcho" not in parameter, f"{name}: it would be in the environment's reach"
    for name in ("JwtSecretArn", "DatabaseUrlSecretArn"):
        pattern = TEMPLATES["template"]["Parameters"][name]["AllowedPattern"]
        assert not re.match(pattern, "a-secret-itself")
        assert not re.match(pattern, "postgresql://user:password@host/db")
        assert re.match(pattern, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:jwt-a1B2c3")


def test_only_who_is_told_the_gateways_address_may_post_to_connections() -> None:
    """The local gateway checks no signature, so this grant is compared here."""
    told, may = set(), set()
    for name, resource in MAIN.items():
        text = json.dumps(resource)
        if resource["Type"] == "AWS::Serverless::Function" and "WEBSOCKET_ENDPOINT" in text:
            told.add(name)
        if "execute-api:ManageConnections" in text:
            may.add(name)
    stream = ("Connect", "Message", "Notify")
    assert told == may == {f"Stream{name}Function" for name in stream}
