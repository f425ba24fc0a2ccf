"""The API's OpenAPI document, from the functions themselves: `python -m tools.openapi`.

Each function's resolver knows its own route, parameters and types; the template knows the rest.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioapi import __version__
from local.template.reader import Deployment, load, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.template.model import Function

ROOT = Path(__file__).parent.parent
TEMPLATE = ROOT / "template.yaml"
NO_SECRET = {"DatabaseUrlSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:none"}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457 Problem Details; families add members of their own.",
    "required": ["type", "title", "status", "detail", "code", "error", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "error": {},
        "request_id": {"type": "string"},
    },
}
POWERTOOLS_OWN = ("HTTPValidationError", "ValidationError", "ResponseValidationError")
DESCRIPTION = (
    "Stream audio in, upload it, process it, analyse conversations, keep a library, play it back. "
    "Every error is a problem (RFC 9457) with a `code`, a `detail` and the `request_id` that the "
    "log has. Streaming itself goes over a WebSocket: see asyncapi.json."
)
CREDENTIALS = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "apiKeyInQuery": {"type": "apiKey", "in": "query", "name": "api_key"},
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}


FILE = {"type": "string", "format": "binary"}
RECORDING: dict[str, dict[str, Any]] = {
    "multipart/form-data": {"file": FILE, "goal": {"type": "string", "maxLength": 1000}},
    "application/json": {"upload_id": {"type": "string"}, "goal": {"type": "string"}},
}
# What functions read from a body by themselves, part by part, unseen by their resolver.
BODIES: dict[str, dict[str, dict[str, Any]]] = {
    "/analyze": RECORDING,
    "/analyze/stream": RECORDING,
    "/analyze/live/{session_id}/chunk": {
        "multipart/form-data": {"chunk": FILE, "chunk_seq": {"type": "integer", "minimum": 0}}
    },
    "/audio-management/upload": {
        "multipart/form-data": {
            "file": FILE,
            "title": {"type": "string"},
            "description": {"type": "string"},
            "tags": {"type": "string", "description": "separated by commas, or a JSON array"},
            "usageType": {"type": "string", "default": "other"},
        }
    },
}
REQUIRED = ("file", "upload_id", "chunk", "chunk_seq")
PUBLIC = ("/health",)
FAMILIES = {
    "/api/audio": "streaming",
    "/memories": "memories",
    "/process_audio_v2": "processing",
    "/get_audio_task": "processing",
    "/recordings": "uploads",
    "/webhooks": "webhooks",
    "/audio-management": "library",
    "/analyze": "analysis",
    "/metrics": "analysis",
    "/health": "about the API",
}


def document() -> dict[str, Any]:
    """OpenAPI 3.1 of every route that a function answers."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Serverless audio",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "Where this document comes from"}],
        "security": [{name: []} for name in CREDENTIALS],
        "paths": {},
        "components": {"schemas": {"Problem": PROBLEM}, "securitySchemes": CREDENTIALS},
    }
    schemas = merged["components"]["schemas"]
    for name, summary, described in parts():
        part = apart(described, schemas, name)
        for path, operations in part["paths"].items():
            for operation in operations.values():
                told(operation, summary)
                operation["tags"] = [next(FAMILIES[it] for it in FAMILIES if path.startswith(it))]
                if path in BODIES and "requestBody" not in operation:
                    operation["requestBody"] = {"required": True, "content": body(path)}
                if path in PUBLIC:
                    operation["security"] = []
            merged["paths"].setdefault(path, {}).update(operations)
        schemas.update(part.get("components", {}).get("schemas", {}))
    for name in POWERTOOLS_OWN:
        schemas.pop(name, None)
    merged["paths"] = dict(sorted(merged["paths"].items()))
    return merged


def body(path: str) -> dict[str, Any]:
    return {
        content_type: {
            "schema": {
                "type": "object",
                "properties": fields,
                "required": [name for name in fields if name in REQUIRED],
            }
        }
        for content_type, fields in BODIES[path].items()
    }


def apart(part: dict[str, Any], known: dict[str, Any], function: str) -> dict[str, Any]:
    """The same document, its schemas renamed where another function's of that name is other."""
    text = json.dumps(part)
    for name, schema in part.get("components", {}).get("schemas", {}).items():
        if known.get(name, schema) != schema:
            own = f"{name}Of{function.removesuffix('Function')}"
            text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{own}"')
            text = text.replace(f'"{name}": {json.dumps(schema)}', f'"{own}": {json.dumps(schema)}')
    renamed: dict[str, Any] = json.loads(text)
    return renamed


def told(operation: dict[str, Any], summary: str) -> None:
    """Says of an operation what all have in common, instead of what Powertools supposes."""
    operation["summary"] = summary
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {
        "description": "A problem",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }


def parts() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each HTTP function's name, its description and its own document."""
    stack = load(TEMPLATE, NO_SECRET, Deployment("http://localhost", "http://localhost"))
    resources = read(TEMPLATE)["Resources"]
    seen = set()
    for name in dict.fromkeys(name for api in stack.http_apis for name in api.routes.values()):
        function = stack.functions[name]
        if function.code not in seen:  # two functions may share one folder
            seen.add(function.code)
            app = imported(function).app
            described = app.get_openapi_json_schema(title="", version="", openapi_version="3.1.0")
            yield name, resources[name]["Properties"]["Description"], json.loads(described)


def imported(function: Function) -> Any:
    """The function's module, as Lambda would import it. For a process that does nothing else."""
    os.environ.update(function.environment)
    sys.path[:0] = [str(layer) for layer in function.layers if str(layer) not in sys.path]
    spec = importlib.util.spec_from_file_location(function.code.name, function.code / "app.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{function.name} has no app.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[function.code.name] = module  # its types are looked up there
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=2) + "\n")
