"""Creates in the local services what the template keeps there, before a function asks for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

    from local.services.clients import Clients
    from local.template.model import Resource

TABLE_PROPERTIES = (
    "TableName",
    "KeySchema",
    "AttributeDefinitions",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "BillingMode",
)
QUEUE_PROPERTIES = (
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
)


def provision(resources: Iterable[Resource], clients: Clients) -> None:
    create: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
        "AWS::S3::Bucket": lambda properties: bucket(clients.s3, properties),
        "AWS::DynamoDB::Table": lambda properties: table(clients.dynamodb, properties),
        "AWS::SQS::Queue": lambda properties: queue(clients.sqs, properties),
        "AWS::SecretsManager::Secret": lambda properties: secret(clients.secrets, properties),
    }
    for resource in sorted(resources, key=has_dead_letter_queue):
        create[resource.type](resource.properties)


def has_dead_letter_queue(resource: Resource) -> bool:
    """A dead-letter queue has none itself, and must exist before the queues that name it."""
    return "RedrivePolicy" in resource.properties


def bucket(s3: S3Client, properties: Mapping[str, Any]) -> None:
    """Browsers' CORS needs no configuration here: moto answers any origin."""
    s3.create_bucket(Bucket=properties["BucketName"])
    if versioning := properties.get("VersioningConfiguration"):
        s3.put_bucket_versioning(
            Bucket=properties["BucketName"], VersioningConfiguration=versioning
        )


def table(dynamodb: DynamoDBClient, properties: Mapping[str, Any]) -> None:
    dynamodb.create_table(**cast("Any", select(properties, TABLE_PROPERTIES)))
    if time_to_live := properties.get("TimeToLiveSpecification"):
        dynamodb.update_time_to_live(
            TableName=properties["TableName"], TimeToLiveSpecification=time_to_live
        )


def queue(sqs: SQSClient, properties: Mapping[str, Any]) -> None:
    attributes = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in select(properties, QUEUE_PROPERTIES).items()
    }
    if redrive := properties.get("RedrivePolicy"):
        attributes["RedrivePolicy"] = json.dumps(redrive)
    sqs.create_queue(QueueName=properties["QueueName"], Attributes=cast("Any", attributes))


def secret(secrets: SecretsManagerClient, properties: Mapping[str, Any]) -> None:
    value = properties.get("SecretString") or generated(
        secrets, properties.get("GenerateSecretString", {})
    )
    secrets.create_secret(Name=properties["Name"], SecretString=value)


def generated(secrets: SecretsManagerClient, wish: Mapping[str, Any]) -> str:
    """A random password, or the JSON object `SecretStringTemplate` with one in it."""
    options = {
        name: value
        for name, value in wish.items()
        if name not in ("SecretStringTemplate", "GenerateStringKey")
    }
    password = secrets.get_random_password(**cast("Any", options))["RandomPassword"]
    if "GenerateStringKey" not in wish:
        return password
    return json.dumps(
        json.loads(wish["SecretStringTemplate"]) | {wish["GenerateStringKey"]: password}
    )


def select(properties: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: properties[name] for name in names if name in properties}
