"""A small SAM template, to which each test adds what it is about."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import TYPE_CHECKING

from local.template.reader import Deployment, load

if TYPE_CHECKING:
    from pathlib import Path

    from local.template import model

LOCAL = Deployment("http://127.0.0.1:8000", "http://127.0.0.1:5000", account="111122223333")

FUNCTION = """
Parameters:
  Level: {Type: String, Default: INFO, AllowedValues: [DEBUG, INFO]}
  Origins: {Type: CommaDelimitedList, Default: "https://a.example, https://b.example"}
  Seconds: {Type: Number, Default: 20, MinValue: 1, MaxValue: 900}
  Key: {Type: String, Default: "", AllowedPattern: "^$|k-[0-9]+", NoEcho: true}
Mappings:
  Sizes:
    DEBUG: {memory: 256}
    INFO: {memory: 512}
Conditions:
  Verbose: !Equals [!Ref Level, DEBUG]
  Quiet: !Not [Condition: Verbose]
  HasKey: !And [!Not [!Equals [!Ref Key, ""]], !Or [Condition: Verbose, Condition: Quiet]]
Globals:
  Function:
    Runtime: python3.13
    Handler: app.handler
    Environment: {Variables: {LEVEL: !Ref Level, SHARED: globals}}
Resources:
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/worker
"""


def folders(root: Path) -> None:
    for folder in ("functions/worker", "functions/other", "layers/core"):
        (root / folder).mkdir(parents=True, exist_ok=True)


def write(root: Path, template: str) -> Path:
    folders(root)
    path = root / "template.yaml"
    path.write_text(f"Transform: AWS::Serverless-2016-10-31\n{template}")
    return path


def stack_of(root: Path, template: str, **parameters: str) -> model.Stack:
    return load(write(root, template), parameters, LOCAL)


def with_properties(root: Path, properties: str, **parameters: str) -> model.Stack:
    """The stack of FUNCTION with more properties for its Worker."""
    return stack_of(root, FUNCTION + indent(dedent(properties), " " * 6), **parameters)


def with_resources(root: Path, resources: str, **parameters: str) -> model.Stack:
    """The stack of FUNCTION with more resources."""
    return stack_of(root, FUNCTION + indent(dedent(resources), " " * 2), **parameters)


def with_variable(root: Path, expression: str, resources: str = "", **parameters: str) -> str:
    """What `expression` comes to as an environment variable."""
    properties = f"Environment: {{Variables: {{VALUE: {expression}}}}}"
    template = FUNCTION + f"      {properties}\n" + indent(dedent(resources), " " * 2)
    return stack_of(root, template, **parameters).functions["Worker"].environment["VALUE"]
