"""What a template declares is there afterwards, as it declares it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.services.provision import provision
from local.template.model import Resource

if TYPE_CHECKING:
    from local.services.clients import Clients


def create(clients: Clients, kind: str, **properties: Any) -> None:
    provision([Resource("Thing", kind, properties)], clients)


def test_a_table_has_its_keys_indexes_and_time_to_live(clients: Clients, name: str) -> None:
    create(
        clients,
        "AWS::DynamoDB::Table",
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "owner", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "owners",
                "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": True},
        SSESpecification={"SSEEnabled": True},
    )
    clients.dynamodb.put_item(TableName=name, Item={"pk": {"S": "1"}, "owner": {"S": "me"}})
    found = clients.dynamodb.query(
        TableName=name,
        IndexName="owners",
        KeyConditionExpression="#owner = :me",
        ExpressionAttributeNames={"#owner": "owner"},
        ExpressionAttributeValues={":me": {"S": "me"}},
    )
    assert found["Count"] == 1
    time_to_live = clients.dynamodb.describe_time_to_live(TableName=name)
    assert time_to_live["TimeToLiveDescription"]["AttributeName"] == "ttl"


def test_a_queue_may_stand_before_the_dead_letter_queue_that_it_names(
    clients: Clients, name: str
) -> None:
    arn = f"arn:aws:sqs:us-east-1:123456789012:{name}-failed"
    redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": "3"}
    provision(
        [
            Resource(
                "Jobs",
                "AWS::SQS::Queue",
                {"QueueName": name, "RedrivePolicy": redrive, "VisibilityTimeout": "30"},
            ),
            Resource("Failed", "AWS::SQS::Queue", {"QueueName": f"{name}-failed"}),
        ],
        clients,
    )
    url = clients.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    attributes = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
        "Attributes"
    ]
    assert attributes["VisibilityTimeout"] == "30"
    assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"] == arn


def test_a_bucket_keeps_versions_if_it_should(clients: Clients, name: str) -> None:
    versioning = {"Status": "Enabled"}
    create(clients, "AWS::S3::Bucket", BucketName=name, VersioningConfiguration=versioning)
    assert clients.s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"


def test_a_secret_is_the_given_or_a_generated_one(clients: Clients, name: str) -> None:
    kind = "AWS::SecretsManager::Secret"
    create(clients, kind, Name=f"{name}-given", SecretString="hush")
    create(clients, kind, Name=f"{name}-generated", GenerateSecretString={"PasswordLength": 40})
    create(
        clients,
        kind,
        Name=f"{name}-object",
        GenerateSecretString={
            "SecretStringTemplate": '{"username": "audio"}',
            "GenerateStringKey": "password",
            "ExcludePunctuation": True,
        },
    )

    def secret(of: str) -> str:
        return clients.secrets.get_secret_value(SecretId=f"{name}-{of}")["SecretString"]

    assert secret("given") == "hush"
    assert len(secret("generated")) == 40
    login = json.loads(secret("object"))
    assert login["username"] == "audio"
    assert login["password"].isalnum()
