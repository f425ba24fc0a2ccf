"""What a reference to a resource of the template comes to on one machine."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.template.account import ACCOUNT, REGION
from local.template.intrinsics import Resolver, TemplateError

if TYPE_CHECKING:
    from collections.abc import Mapping

API = "AWS::ApiGatewayV2::Api"
STAGE = "AWS::ApiGatewayV2::Stage"
BUCKET = "AWS::S3::Bucket"
QUEUE = "AWS::SQS::Queue"
ROLE = "AWS::IAM::Role"
TABLE = "AWS::DynamoDB::Table"
URL = "AWS::Lambda::Url"
SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a resource type, no password

NAME_PROPERTIES = {
    BUCKET: "BucketName",
    QUEUE: "QueueName",
    TABLE: "TableName",
    SECRET: "Name",
    STAGE: "StageName",
    "AWS::Logs::LogGroup": "LogGroupName",
    # An alias is its function: a single version lives here.
    "AWS::Lambda::Alias": "FunctionName",
}
REFERENCES = {
    API: "{id}",
    STAGE: "{name}",
    BUCKET: "{name}",
    QUEUE: "{aws_endpoint_url}/{account}/{name}",
    TABLE: "{name}",
    SECRET: "{name}",
    "AWS::ApiGatewayV2::Integration": "{id}",
    "AWS::ApiGatewayV2::Route": "{id}",
    "AWS::Lambda::Alias": "arn:aws:lambda:{region}:{account}:function:{name}",
    "AWS::Lambda::Function": "{id}",
    "AWS::Lambda::LayerVersion": "arn:aws:lambda:{region}:{account}:layer:{id}:1",
    "AWS::Logs::LogGroup": "{name}",
}
ATTRIBUTES = {
    (API, "ApiId"): "{id}",
    (API, "ApiEndpoint"): "{scheme}://{id}.execute-api.{region}.amazonaws.com",
    (BUCKET, "Arn"): "arn:aws:s3:::{name}",
    (QUEUE, "Arn"): "arn:aws:sqs:{region}:{account}:{name}",
    (QUEUE, "QueueName"): "{name}",
    (QUEUE, "QueueUrl"): REFERENCES[QUEUE],
    (TABLE, "Arn"): "arn:aws:dynamodb:{region}:{account}:table/{name}",
    (ROLE, "Arn"): "arn:aws:iam::{account}:role/{name}",
    ("AWS::Lambda::Function", "Arn"): "arn:aws:lambda:{region}:{account}:function:{id}",
    (URL, "FunctionUrl"): "{function_url}",
    ("AWS::Logs::LogGroup", "Arn"): "arn:aws:logs:{region}:{account}:log-group:{name}:*",
}


@dataclass(frozen=True)
class Deployment:
    """Where the stack stands: the gateway that serves its APIs, and the server that plays AWS.

    `function_urls` are by the logical id of the AWS::Lambda::Url.
    """

    gateway_url: str
    aws_endpoint_url: str
    function_urls: Mapping[str, str] = field(default_factory=dict)
    stack_name: str = "audio-local"
    region: str = REGION
    account: str = ACCOUNT

    def function_url(self, logical_id: str) -> str:
        """AWS's form of it for one that has no port yet."""
        aws = f"https://{logical_id}.lambda-url.{self.region}.on.aws/"
        return self.function_urls.get(logical_id, aws)

    def pseudo_parameters(self) -> dict[str, str]:
        return {
            "AWS::AccountId": self.account,
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackName": self.stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        }


class LocalResolver(Resolver):
    """Resolves a translated template's references; `resources` are those whose condition holds."""

    def __init__(
        self, template: Mapping[str, Any], parameters: Mapping[str, Any], deployment: Deployment
    ) -> None:
        super().__init__(template, {**parameters, **deployment.pseudo_parameters()})
        self._deployment = deployment
        self._declared: Mapping[str, Mapping[str, Any]] = template["Resources"]
        self.resources: Mapping[str, Mapping[str, Any]] = {
            logical_id: resource
            for logical_id, resource in self._declared.items()
            if "Condition" not in resource or self.condition(resource["Condition"])
        }
        self._api_address = self._api_addresses()

    def reference(self, name: str) -> str:
        resource = self._resource(name)
        if resource["Type"] not in REFERENCES:
            raise TemplateError(f"Ref {name} ({resource['Type']}) has no local counterpart")
        return self._fill(REFERENCES[resource["Type"]], name)

    def attribute(self, logical_id: str, attribute: str) -> str:
        kind = self._resource(logical_id)["Type"]
        if (kind, attribute) not in ATTRIBUTES:
            raise TemplateError(f"{logical_id}.{attribute} ({kind}) has no local counterpart")
        return self._fill(ATTRIBUTES[kind, attribute], logical_id)

    def name(self, logical_id: str) -> str:
        """The physical name: the one the template gives, or one made from the logical id."""
        resource = self._resource(logical_id)
        properties = resource.get("Properties", {})
        given = self.resolve(properties.get(NAME_PROPERTIES.get(resource["Type"], "")))
        if given:
            return str(given)
        if resource["Type"] == BUCKET:
            return f"{self._deployment.stack_name}-{logical_id}".lower()
        return f"{logical_id}.fifo" if self._is_fifo(properties) else logical_id

    def local_url(self, string: str) -> str:
        """`string` with the addresses of the template's APIs replaced by the gateway's.

        Every API is at the gateway's root, so that a stage's path goes too.
        """
        http = self._deployment.gateway_url
        web_socket = http.replace("http", "ws", 1)
        return self._api_address.sub(
            lambda match: web_socket if match["scheme"] == "wss" else http, string
        )

    def _resource(self, name: str) -> Mapping[str, Any]:
        if name in self.resources:
            return self.resources[name]
        if name in self._declared:
            condition = self._declared[name]["Condition"]
            raise TemplateError(f"{name} is not there, because its condition {condition} is false")
        raise TemplateError(f"There is no parameter or resource {name}")

    def _is_fifo(self, properties: Mapping[str, Any]) -> bool:
        return str(self.resolve(properties.get("FifoQueue"))).lower() == "true"

    def _fill(self, form: str, logical_id: str) -> str:
        protocol = self._resource(logical_id).get("Properties", {}).get("ProtocolType")
        return form.format(
            id=logical_id,
            name=self.name(logical_id),
            scheme="wss" if protocol == "WEBSOCKET" else "https",
            account=self._deployment.account,
            region=self._deployment.region,
            aws_endpoint_url=self._deployment.aws_endpoint_url,
            function_url=self._deployment.function_url(logical_id),
        )

    def _api_addresses(self) -> re.Pattern[str]:
        apis = [name for name, resource in self.resources.items() if resource["Type"] == API]
        hosts = "|".join(self._host_and_stage(api) for api in apis) or r"(?!)"
        return re.compile(rf"(?P<scheme>https|wss)://(?:{hosts})")

    def _host_and_stage(self, api: str) -> str:
        host = re.escape(f"{api}.execute-api.{self._deployment.region}.amazonaws.com")
        stages = "|".join(
            re.escape(self.name(stage))
            for stage, resource in self.resources.items()
            if resource["Type"] == STAGE and self.resolve(resource["Properties"]["ApiId"]) == api
        )
        return rf"{host}(?:/(?:{stages})(?![^/?#]))?"
