"""What a function's code can come to ask of AWS: which operations, and of which table, queue or
bucket, told by the setting that names it.

Read, not run: from the function's `app.py` on, whatever a definition mentions may be called. That
is more than is called, so what isn't among it is asked of nobody.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CORE = Path("layers/core")
HELPERS = (
    "audioapi.tables",
    "audioapi.objects",
    "audioapi.queues",
    "audioapi.jobs",
    "audioapi.secrets",
)
"""They know no table, bucket or secret: what they do is done by the module that calls them."""

OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "abort_multipart_upload": ("s3:AbortMultipartUpload",),
    "batch_get_item": ("dynamodb:BatchGetItem",),
    "change_message_visibility": ("sqs:ChangeMessageVisibility",),
    "complete_multipart_upload": ("s3:PutObject",),
    "converse": ("bedrock:InvokeModel",),
    "create_multipart_upload": ("s3:PutObject",),
    "delete_connection": ("execute-api:ManageConnections",),
    "delete_item": ("dynamodb:DeleteItem",),
    "delete_objects": ("s3:DeleteObject",),
    "get_connection": ("execute-api:ManageConnections",),
    "get_item": ("dynamodb:GetItem",),
    # Who may list is told of a missing object that it is missing.
    "get_object": ("s3:GetObject", "s3:ListBucket"),
    "get_queue_attributes": ("sqs:GetQueueAttributes",),
    "get_secret_value": ("secretsmanager:GetSecretValue",),
    "get_transcription_job": ("transcribe:GetTranscriptionJob",),
    "head_bucket": ("s3:ListBucket",),
    "head_object": ("s3:GetObject", "s3:ListBucket"),
    "list_objects_v2": ("s3:ListBucket",),
    "list_parts": ("s3:ListMultipartUploadParts",),
    "post_to_connection": ("execute-api:ManageConnections",),
    "put_item": ("dynamodb:PutItem",),
    "put_object": ("s3:PutObject",),
    "query": ("dynamodb:Query",),
    "scan": ("dynamodb:Scan",),
    "send_message": ("sqs:SendMessage",),
    "start_transcription_job": ("transcribe:StartTranscriptionJob",),
    "update_item": ("dynamodb:UpdateItem",),
    "upload_part": ("s3:PutObject",),
    # The members of a transaction.
    "Delete": ("dynamodb:DeleteItem",),
    "Put": ("dynamodb:PutItem",),
    "Update": ("dynamodb:UpdateItem",),
    # What Powertools does to keep an answer.
    "DynamoDBPersistenceLayer": (
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    ),
}


@dataclass(frozen=True)
class Definition:
    """A name at the top of a module."""

    module: str
    name: str


@dataclass(frozen=True)
class Module:
    """`names` are its own definitions, `imported` what others' are here: (module, name or "")."""

    names: Mapping[str, tuple[ast.AST, ...]]
    imported: Mapping[str, tuple[str, str]]


def asked(app: Path) -> dict[str, set[str]]:
    """By each setting that the code mentions, which actions the same module may ask for."""
    found: dict[str, set[str]] = defaultdict(set)
    words: dict[str, set[str]] = defaultdict(set)
    for definition in reached(app):
        words[definition.module] |= mentioned(definition)
    for module, said in words.items():
        if module not in HELPERS:
            actions = {action for word in said for action in OPERATIONS.get(word, ())}
            for word in said:
                found[word] |= actions
    return found


def mentioned(definition: Definition) -> set[str]:
    """The words of a definition, and of what it may call of the helpers."""
    words: set[str] = set()
    for one in walk([definition], through=HELPERS):
        for node in nodes(one):
            if isinstance(node, ast.Attribute):
                words.add(node.attr)
            elif isinstance(node, ast.Name):
                words.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.add(node.value)
    return words


def reached(app: Path) -> Iterator[Definition]:
    module = str(app)
    return walk([Definition(module, name) for name in parsed(module).names])


def walk(start: list[Definition], through: tuple[str, ...] = ()) -> Iterator[Definition]:
    """Definitions that may be called from some; only those of `through`, if any are named."""
    seen, waiting = set(start), list(start)
    while waiting:
        one = waiting.pop()
        yield one
        new = {
            other
            for other in references(one)
            if other not in seen and (not through or other.module in through)
        }
        seen |= new
        waiting += new


@cache
def references(definition: Definition) -> frozenset[Definition]:
    module = parsed(definition.module)
    found = set()
    for node in nodes(definition):
        if isinstance(node, ast.Name) and node.id in module.names:
            found.add(Definition(definition.module, node.id))
        elif isinstance(node, ast.Name) and node.id in module.imported:
            found.add(Definition(*module.imported[node.id]))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            other, name = module.imported.get(node.value.id, ("", "-"))
            if not name:
                found.add(Definition(other, node.attr))
    return frozenset(one for one in found if one.name in parsed(one.module).names)


def nodes(definition: Definition) -> Iterator[ast.AST]:
    for node in parsed(definition.module).names[definition.name]:
        yield from ast.walk(node)


@cache
def parsed(module: str) -> Module:
    tree = ast.parse(source(module).read_text(encoding="utf-8"))
    names: dict[str, tuple[ast.AST, ...]] = defaultdict(tuple)
    for node in tree.body:
        for name in defined(node):
            names[name] += (node,)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return Module(names, {k: v for node in imports for k, v in imported(node)})


def defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def imported(node: ast.ImportFrom) -> Iterator[tuple[str, tuple[str, str]]]:
    """What `from … import …` of our own package makes known: modules, or names of one."""
    if node.module and node.module.split(".")[0] == "audioapi":
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            target = (whole, "") if source(whole).exists() else (node.module, alias.name)
            if target[0] != "audioapi.settings" and source(target[0]).exists():
                yield alias.asname or alias.name, target


def source(module: str) -> Path:
    if module.endswith(".py"):
        return Path(module)
    path = CORE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
