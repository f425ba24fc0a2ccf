"""Secrets, which Secrets Manager keeps: a function's environment has their ARNs alone."""

from __future__ import annotations

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from audioapi.problems import UnavailableError
from audioapi.settings import SettingsError

_PERMANENT = {
    "AccessDeniedException",
    "DecryptionFailure",
    "InvalidParameterException",
    "InvalidRequestException",
    "ResourceNotFoundException",
    "ValidationException",
}


def read(arn: str, *, variable: str) -> str:
    """The text of a secret, whose ARN that environment variable holds.

    Raises SettingsError, which names the variable, for what is no secret of text or may not be
    read, and UnavailableError if Secrets Manager doesn't answer.
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
    """
    limits = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2})
    client = boto3.client("secretsmanager", config=limits)
    try:
        found = client.get_secret_value(SecretId=arn)
    except (BotoCoreError, ClientError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code in _PERMANENT:
            raise SettingsError(f"{variable}: the secret can't be read: {code}") from error
        raise UnavailableError(f"{variable}: the secret can't be read now") from error
    if "SecretString" not in found:
        raise SettingsError(f"{variable}: the secret holds bytes, where text is needed")
    return found["SecretString"]
