"""boto3's clients for the local services."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from local.template.account import REGION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": REGION,
}


@dataclass(frozen=True)
class Clients:
    s3: S3Client
    dynamodb: DynamoDBClient
    sqs: SQSClient
    secrets: SecretsManagerClient


def connect(url: str | None) -> Clients:
    """For the services at `url`, else at AWS; each may be used by many threads at once."""
    session = boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    # No second attempt: a service that is gone is being shut down, and a poller asks again anyway.
    config = Config(max_pool_connections=50, retries={"total_max_attempts": 1})
    return Clients(
        s3=session.client("s3", endpoint_url=url, config=config),
        dynamodb=session.client("dynamodb", endpoint_url=url, config=config),
        sqs=session.client("sqs", endpoint_url=url, config=config),
        secrets=session.client("secretsmanager", endpoint_url=url, config=config),
    )


def forget_aws() -> None:
    """The developer's account, profiles and endpoints are none of the local stack's business."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
