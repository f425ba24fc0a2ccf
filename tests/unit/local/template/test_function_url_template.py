"""A function URL of the template: whose it is, how it is referred to, and what can't run here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.template import model
from local.template.reader import TemplateError, load
from local.template.references import Deployment
from tests.unit.local.template.template_support import FUNCTION, stack_of, with_variable, write

if TYPE_CHECKING:
    from pathlib import Path

STREAMING = """
  Stream:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/other
      Handler: run.sh
      Layers: [!Sub "arn:${AWS::Partition}:lambda:${AWS::Region}:753240598075:layer:Adapter:25"]
      FunctionUrlConfig:
        AuthType: NONE
        InvokeMode: RESPONSE_STREAM
        Cors:
          AllowOrigins: !Ref Origins
          AllowMethods: [GET]
          AllowHeaders: [x-api-key]
          ExposeHeaders: [etag]
          MaxAge: 600
      Environment:
        Variables:
          AWS_LAMBDA_EXEC_WRAPPER: /opt/bootstrap
          AWS_LWA_INVOKE_MODE: response_stream
"""


def test_a_url_is_its_functions_and_answers_preflights(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, FUNCTION + STREAMING)

    assert stack.functions["Stream"].is_web_server
    assert stack.functions["Stream"].layers == ()
    assert not stack.functions["Worker"].is_web_server
    assert stack.function_urls == (
        model.FunctionUrl(
            "StreamUrl",
            "Stream",
            model.Cors(
                origins=("https://a.example", "https://b.example"),
                methods=("GET",),
                headers=("x-api-key",),
                expose=("etag",),
                max_age=600,
            ),
        ),
    )


def test_another_function_knows_its_address(tmp_path: Path) -> None:
    variables = "Environment: {Variables: {URL: !GetAtt StreamUrl.FunctionUrl}}"
    path = write(tmp_path, f"{FUNCTION}      {variables}\n{STREAMING}")
    opened = Deployment(
        "http://localhost:1", "http://localhost:2", {"StreamUrl": "http://localhost:3/"}
    )

    stack = load(path, {}, opened)

    assert stack.functions["Worker"].environment["URL"] == "http://localhost:3/"


def test_one_without_a_port_has_the_form_that_aws_gives_it(tmp_path: Path) -> None:
    value = with_variable(tmp_path, "!GetAtt StreamUrl.FunctionUrl", STREAMING)

    assert value == "https://StreamUrl.lambda-url.us-east-1.on.aws/"


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("InvokeMode: RESPONSE_STREAM", "InvokeMode: BUFFERED"),
        ("AWS_LAMBDA_EXEC_WRAPPER: /opt/bootstrap", "OTHER: 1"),
        ("AWS_LWA_INVOKE_MODE: response_stream", "AWS_LWA_INVOKE_MODE: buffered"),
    ],
)
def test_only_what_streams_has_a_url_here(tmp_path: Path, there: str, instead: str) -> None:
    with pytest.raises(TemplateError, match="StreamUrl: here only functions under the Lambda Web"):
        stack_of(tmp_path, FUNCTION + STREAMING.replace(there, instead))


def test_a_web_server_has_no_events_here(tmp_path: Path) -> None:
    events = """
      Events:
        Often: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 minute)}}
"""
    with pytest.raises(TemplateError, match="Stream is a web server: here it has a URL, no events"):
        stack_of(tmp_path, FUNCTION + STREAMING + events)
