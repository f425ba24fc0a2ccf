"""Reads a SAM template into the local stack's terms: what runs here is what the template says."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import yaml
from samtranslator.yaml_helper import (  # type: ignore[import-untyped]
    intrinsics_multi_constructor,
)

from local.processes.cache import keep, users_cache
from local.template import model, references
from local.template.account import REGION
from local.template.intrinsics import TemplateError, parameter_values, text
from local.template.references import Deployment, LocalResolver

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["Deployment", "TemplateError", "Translation", "load"]

FOLDER_PROPERTIES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
}
KEPT = (references.BUCKET, references.QUEUE, references.TABLE, references.SECRET)
FUNCTION_ARN = re.compile(r"arn:aws:lambda:[^:]+:[^:]+:function:([^:/]+)")
QUEUE_ARN = re.compile(r"arn:aws:sqs:")
RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
TRANSLATIONS = 32  # are kept
SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


def load(path: Path, parameters: Mapping[str, str], deployment: Deployment) -> model.Stack:
    """The stack that `path` describes, as a Translation's `stack`."""
    return Translation(path, parameters).stack(deployment)


class Translation:
    """The template at `path`, with `parameters` over its defaults, as plain CloudFormation; seconds
    of work, after which it can be read for several deployments.
    """

    def __init__(self, path: Path, parameters: Mapping[str, str]) -> None:
        source = read(path)
        self._values = parameter_values(source.get("Parameters", {}), parameters)
        self._folders = detach_folders(source, path.parent)
        self._template = translated(source, self._values, REGION)

    def stack(self, deployment: Deployment) -> model.Stack:
        """Resources that a service keeps always have their name among their properties (BucketName,
        QueueName, TableName, Name). A value that comes from a parameter is a string, a number's
        too, as it is in CloudFormation.
        """
        resolver = LocalResolver(self._template, self._values, deployment)
        return Reader(resolver, self._folders).stack()


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML with CloudFormation's short forms, `!Ref` and its kin. In C, where PyYAML has that, it
    takes a sixth of the time.
    """


Loader.add_multi_constructor("!", intrinsics_multi_constructor)


def read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise TemplateError(f"{path}{line}: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TemplateError(f"{path}: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise TemplateError(f"{path}: not a template, it has no Resources")
    for logical_id, resource in document["Resources"].items():
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise TemplateError(f"{path}: {logical_id} is no resource, it has no Type")
    return document


def detach_folders(source: dict[str, Any], root: Path) -> dict[str, Path]:
    """Each function's and layer's folder by logical id, which takes its place in `source`.

    The translator takes nothing but objects in S3; the key of a made-up one carries the logical id.
    """
    folders = {}
    shared = source.get("Globals", {}).get("Function", {}).pop("CodeUri", None)
    for logical_id, resource in source["Resources"].items():
        uri = FOLDER_PROPERTIES.get(resource["Type"])
        if uri is None:
            continue
        properties = resource.setdefault("Properties", {})
        place = properties.get(uri, shared)
        folder = root / str(place)
        if place is None or not folder.is_dir():
            raise TemplateError(f"{logical_id}: {uri} {place} is no folder in {root}")
        folders[logical_id] = folder.resolve()
        properties[uri] = f"s3://local/{logical_id}"
    return folders


def translated(source: dict[str, Any], values: Mapping[str, Any], region: str) -> dict[str, Any]:
    """As `translate`, which takes two seconds, or from what it once made of the same."""
    given = [source, values, region, version("aws-sam-translator")]
    digest = sha256(json.dumps(given, sort_keys=True, default=str).encode()).hexdigest()
    kept = users_cache() / "translations" / f"{digest}.json"
    with suppress(FileNotFoundError):
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return found
    made = translate(source, values, region)
    keep(kept, json.dumps(made), newest=TRANSLATIONS)
    return made


def translate(source: dict[str, Any], values: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Plain CloudFormation. The session names the region and makes no call."""
    from boto3 import Session  # noqa: PLC0415 - a second, with what follows
    from samtranslator.model.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
        InvalidDocumentException,
    )
    from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]  # noqa: PLC0415
    from samtranslator.translator.translator import (  # type: ignore[import-untyped]  # noqa: PLC0415
        Translator,
    )

    translator = Translator({}, Parser(), boto_session=Session(region_name=region))
    try:
        translated: dict[str, Any] = translator.translate(source, dict(values))
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes)
        raise TemplateError(causes) from error
    finally:
        # To nowhere: unpublished, they would be warned about when they are collected.
        translator.metrics.publish()
    return translated


class Declared:
    """A resource of the translated template. A property is resolved when it is asked for."""

    def __init__(
        self, logical_id: str, resource: Mapping[str, Any], resolver: LocalResolver
    ) -> None:
        self.id = logical_id
        self._properties: Mapping[str, Any] = resource.get("Properties", {})
        self._resolver = resolver

    def get(self, name: str, default: Any = None) -> Any:
        try:
            value = self._resolver.resolve(self._properties.get(name))
        except TemplateError as error:
            raise TemplateError(f"{self.id}: {name}: {error}") from error
        return default if value is None else value

    def all(self) -> dict[str, Any]:
        values = {name: self.get(name) for name in self._properties}
        return {name: value for name, value in values.items() if value is not None}


class Reader:
    """Turns translated resources into the local stack's values."""

    def __init__(self, resolver: LocalResolver, folders: Mapping[str, Path]) -> None:
        self._resolver = resolver
        self._folders = folders
        self._layers = {
            resolver.reference(layer.id): folders[layer.get("Content")["S3Key"]]
            for layer in self._of("AWS::Lambda::LayerVersion")
        }
        self._roles = {
            resolver.attribute(role.id, "Arn"): statements(role)
            for role in self._of(references.ROLE)
        }
        self._functions = {
            item.id: self._function(item) for item in self._of("AWS::Lambda::Function")
        }

    def stack(self) -> model.Stack:
        apis = list(self._of(references.API))
        return model.Stack(
            functions=self._functions,
            http_apis=tuple(self._http_api(api) for api in apis if not is_websocket(api)),
            websocket_apis=tuple(self._websocket_api(api) for api in apis if is_websocket(api)),
            function_urls=tuple(self._function_url(item) for item in self._of(references.URL)),
            queue_sources=tuple(self._queue_sources()),
            schedules=tuple(self._schedules()),
            resources={item.id: self._kept(kind, item) for kind in KEPT for item in self._of(kind)},
        )

    def _of(self, kind: str) -> Iterator[Declared]:
        for logical_id, resource in self._resolver.resources.items():
            if resource["Type"] == kind:
                yield Declared(logical_id, resource, self._resolver)

    def _function(self, item: Declared) -> model.Function:
        key = item.get("Code", {}).get("S3Key")
        if key not in self._folders:
            raise TemplateError(f"{item.id}: its code is in no folder here")
        # A layer that is somebody else's has no folder: what it holds is installed, or missed.
        layers = (self._layers.get(arn) for arn in item.get("Layers", []))
        return model.Function(
            name=item.id,
            code=self._folders[key],
            handler=item.get("Handler"),
            environment=self._environment(item),
            timeout=float(item.get("Timeout", 3)),
            memory=int(item.get("MemorySize", 128)),
            layers=tuple(folder for folder in layers if folder),
            policy=tuple(self._roles.get(item.get("Role"), ())),
            log_level=item.get("LoggingConfig", {}).get("ApplicationLogLevel", "INFO"),
        )

    def _environment(self, item: Declared) -> dict[str, str]:
        variables = item.get("Environment", {}).get("Variables", {})
        return {
            name: self._resolver.local_url(self._plain(item, name, value))
            for name, value in variables.items()
        }

    def _plain(self, item: Declared, name: str, value: Any) -> str:
        if not isinstance(value, str | int | float):
            raise TemplateError(f"{item.id}: environment variable {name} is no string: {value!r}")
        if "{{resolve:" in str(value):
            raise TemplateError(f"{item.id}: {name}: a dynamic reference has no local counterpart")
        return text(value)

    def _http_api(self, api: Declared) -> model.HttpApi:
        body = api.get("Body", {})
        routes = {
            route_key(path, method, operation): self._invoked(
                api, operation.get("x-amazon-apigateway-integration", {}).get("uri")
            )
            for path, operations in body.get("paths", {}).items()
            for method, operation in operations.items()
        }
        return model.HttpApi(api.id, routes, cors(body.get("x-amazon-apigateway-cors")))

    def _function_url(self, item: Declared) -> model.FunctionUrl:
        name = self._named(item, item.get("TargetFunctionArn"))
        if item.get("InvokeMode") != "RESPONSE_STREAM" or not self._functions[name].is_streaming:
            raise TemplateError(
                f"{item.id}: here only functions under the Lambda Web Adapter have a URL, with"
                " InvokeMode RESPONSE_STREAM and AWS_LWA_INVOKE_MODE response_stream"
            )
        return model.FunctionUrl(item.id, name, cors(uncapitalised(item.get("Cors", {}))))

    def _websocket_api(self, api: Declared) -> model.WebSocketApi:
        stages = [item for item in self._of(references.STAGE) if item.get("ApiId") == api.id]
        if not stages:
            raise TemplateError(f"{api.id}: a WebSocket API needs a stage")
        return model.WebSocketApi(
            name=api.id,
            stage=stages[0].get("StageName"),
            selection=api.get("RouteSelectionExpression"),
            routes=self._websocket_routes(api),
        )

    def _websocket_routes(self, api: Declared) -> dict[str, model.WebSocketRoute]:
        targets = {
            f"integrations/{item.id}": self._invoked(item, item.get("IntegrationUri"))
            for item in self._of("AWS::ApiGatewayV2::Integration")
            if item.get("ApiId") == api.id
        }
        responding = {item.get("RouteId") for item in self._of("AWS::ApiGatewayV2::RouteResponse")}
        return {
            item.get("RouteKey"): model.WebSocketRoute(
                targets[item.get("Target")], item.id in responding
            )
            for item in self._of("AWS::ApiGatewayV2::Route")
            if item.get("ApiId") == api.id
        }

    def _queue_sources(self) -> Iterator[model.QueueSource]:
        queues = {
            self._resolver.attribute(queue.id, "Arn"): queue.id
            for queue in self._of(references.QUEUE)
        }
        for item in self._of("AWS::Lambda::EventSourceMapping"):
            if text(item.get("Enabled", True)) == "false":
                continue
            arn = item.get("EventSourceArn")
            if arn not in queues:
                raise TemplateError(f"{item.id}: {arn} is no queue of this template")
            concurrency = item.get("ScalingConfig", {}).get("MaximumConcurrency")
            yield model.QueueSource(
                function=self._invoked(item, item.get("FunctionName")),
                queue=queues[arn],
                batch_size=int(item.get("BatchSize", 10)),
                window=float(item.get("MaximumBatchingWindowInSeconds", 0)),
                partial_failures="ReportBatchItemFailures" in item.get("FunctionResponseTypes", []),
                maximum_concurrency=None if concurrency is None else int(concurrency),
            )

    def _schedules(self) -> Iterator[model.Schedule]:
        for item in self._of("AWS::Scheduler::Schedule"):
            if item.get("State") != "DISABLED":
                yield self._schedule(item, item.get("Target"))
        for item in self._of("AWS::Events::Rule"):
            if item.get("State") != "DISABLED":
                yield from (
                    self._schedule(item, target)
                    for target in item.get("Targets", [])
                    if not QUEUE_ARN.match(str(target["Arn"]))  # no service here sends it events
                )

    def _schedule(self, item: Declared, target: Mapping[str, Any]) -> model.Schedule:
        return model.Schedule(
            name=item.id,
            function=self._invoked(item, target["Arn"]),
            period=period(item),
            input=json.loads(target.get("Input", "{}")),
        )

    def _kept(self, kind: str, item: Declared) -> model.Resource:
        name = {references.NAME_PROPERTIES[kind]: self._resolver.name(item.id)}
        return model.Resource(item.id, kind, item.all() | name)

    def _invoked(self, item: Declared, target: object) -> str:
        """The function that is invoked with an event, which no web server is."""
        name = self._named(item, target)
        if self._functions[name].is_web_server:
            raise TemplateError(f"{item.id}: {name} is a web server: here it has a URL, no events")
        return name

    def _named(self, item: Declared, target: object) -> str:
        """The function that a name, an ARN or an integration's URI means."""
        found = FUNCTION_ARN.search(str(target))
        name = found[1] if found else str(target)
        if name not in self._functions:
            raise TemplateError(f"{item.id}: {target} is no function of this template")
        return name


def statements(role: Declared) -> list[dict[str, Any]]:
    """Those of its own policies; of a managed one, what it allows is not in the template."""
    return [
        statement
        for policy in role.get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def is_websocket(api: Declared) -> bool:
    return bool(api.get("ProtocolType") == "WEBSOCKET")


def route_key(path: str, method: str, operation: Mapping[str, Any]) -> str:
    if operation.get("isDefaultRoute"):
        return "$default"
    return f"{'ANY' if method == 'x-amazon-apigateway-any-method' else method.upper()} {path}"


def cors(declared: Mapping[str, Any] | None) -> model.Cors | None:
    if not declared:
        return None
    return model.Cors(
        origins=strings(declared.get("allowOrigins", ())),
        methods=strings(declared.get("allowMethods", ())),
        headers=strings(declared.get("allowHeaders", ())),
        expose=strings(declared.get("exposeHeaders", ())),
        max_age=None if declared.get("maxAge") is None else int(declared["maxAge"]),
        credentials=text(declared.get("allowCredentials", False)) == "true",
    )


def uncapitalised(declared: Mapping[str, Any]) -> dict[str, Any]:
    """A resource's properties in the letters of an OpenAPI extension."""
    return {name[:1].lower() + name[1:]: value for name, value in declared.items()}


def strings(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def period(item: Declared) -> float:
    """Seconds between two runs of a schedule."""
    expression = item.get("ScheduleExpression")
    found = RATE.fullmatch(str(expression))
    if not found:
        raise TemplateError(f"{item.id}: {expression} can't run here, only rate(...) can")
    return int(found[1]) * SECONDS[found[2]]
