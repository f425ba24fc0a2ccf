"""A SAM template becomes the local stack, whole, and what can't run here says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.template import model
from local.template.reader import TemplateError, load
from tests.unit.local.template.template_support import (
    FUNCTION,
    LOCAL,
    stack_of,
    with_properties,
    with_resources,
    with_variable,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_function_has_what_it_says_and_what_globals_say(tmp_path: Path) -> None:
    stack = stack_of(
        tmp_path,
        FUNCTION
        + """
      Timeout: !Ref Seconds
      MemorySize: !FindInMap [Sizes, !Ref Level, memory]
      Layers: [!Ref Core, "arn:aws:lambda:us-east-1:999:layer:Elsewhere:3"]
      Environment: {Variables: {OWN: 5, FLAG: true}}
  Core:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/core, CompatibleRuntimes: [python3.13]}
""",
        Seconds="60",
    )

    assert stack.functions["Worker"] == model.Function(
        name="Worker",
        code=tmp_path / "functions/worker",
        handler="app.handler",
        environment={"LEVEL": "INFO", "SHARED": "globals", "OWN": "5", "FLAG": "true"},
        timeout=60,
        memory=512,
        layers=(tmp_path / "layers/core",),
    )


def test_a_function_that_says_nothing_has_the_defaults_of_lambda(tmp_path: Path) -> None:
    function = stack_of(tmp_path, FUNCTION).functions["Worker"]

    assert (function.timeout, function.memory, function.layers) == (3, 128, ())


def test_http_routes_and_cors(tmp_path: Path) -> None:
    stack = stack_of(
        tmp_path,
        FUNCTION
        + """
      Events:
        Get: {Type: HttpApi, Properties: {ApiId: !Ref Http, Path: "/a/{id}", Method: get}}
        Any: {Type: HttpApi, Properties: {ApiId: !Ref Http, Path: /b, Method: ANY}}
        Rest: {Type: HttpApi, Properties: {ApiId: !Ref Http}}
  Http:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration:
        AllowOrigins: !Ref Origins
        AllowMethods: [GET]
        AllowHeaders: [x-api-key]
        ExposeHeaders: [etag]
        MaxAge: 600
        AllowCredentials: true
""",
    )

    assert stack.http_apis == (
        model.HttpApi(
            "Http",
            {"GET /a/{id}": "Worker", "ANY /b": "Worker", "$default": "Worker"},
            model.Cors(
                origins=("https://a.example", "https://b.example"),
                methods=("GET",),
                headers=("x-api-key",),
                expose=("etag",),
                max_age=600,
                credentials=True,
            ),
        ),
    )


def test_web_socket_routes_and_who_answers(tmp_path: Path) -> None:
    stack = with_resources(
        tmp_path,
        """
        Talk:
          Type: AWS::Serverless::WebSocketApi
          Properties:
            StageName: live
            RouteSelectionExpression: $request.body.action
            Routes:
              $connect: {FunctionArn: !GetAtt Worker.Arn}
              $default: {FunctionArn: !GetAtt Worker.Arn}
        Answer:
          Type: AWS::ApiGatewayV2::RouteResponse
          Properties:
            ApiId: !Ref Talk
            RouteId: !Ref TalkDefaultRoute
            RouteResponseKey: $default
        """,
    )

    assert stack.websocket_apis == (
        model.WebSocketApi(
            name="Talk",
            stage="live",
            selection="$request.body.action",
            routes={
                "$connect": model.WebSocketRoute("Worker", responds=False),
                "$default": model.WebSocketRoute("Worker", responds=True),
            },
        ),
    )


def test_events_come_by_queue_and_by_schedule_also_through_an_alias(tmp_path: Path) -> None:
    stack = stack_of(
        tmp_path,
        FUNCTION
        + """
      AutoPublishAlias: live
      Events:
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            BatchSize: 1
            MaximumBatchingWindowInSeconds: 2
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 5}
        Stopped: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn, Enabled: false}}
        Often: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(5 minutes)}}
        Daily: {Type: Schedule, Properties: {Schedule: rate(1 day), Input: '{"full": true}'}}
        Never: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour), State: DISABLED}}
  Jobs: {Type: AWS::SQS::Queue}
""",
    )

    assert stack.queue_sources == (
        model.QueueSource("Worker", "Jobs", 1, 2, partial_failures=True, maximum_concurrency=5),
    )
    assert stack.schedules == (
        model.Schedule("WorkerOften", "Worker", 300),
        model.Schedule("WorkerDaily", "Worker", 86400, {"full": True}),
    )


def test_what_services_keep_has_its_resolved_properties_and_its_name(tmp_path: Path) -> None:
    stack = with_resources(
        tmp_path,
        """
        Jobs:
          Type: AWS::SQS::Queue
          Properties:
            VisibilityTimeout: !Ref Seconds
            DelaySeconds: !If [Verbose, 5, !Ref AWS::NoValue]
            RedrivePolicy: {deadLetterTargetArn: !GetAtt Failed.Arn, maxReceiveCount: 3}
        Failed: {Type: AWS::SQS::Queue}
        Extra: {Type: AWS::S3::Bucket, Condition: Verbose}
        Alarm: {Type: AWS::CloudWatch::Alarm, Properties: {AlarmActions: [!Ref Unknown]}}
        """,
    )

    arn = "arn:aws:sqs:us-east-1:111122223333:Failed"
    assert stack.resources == {
        "Jobs": model.Resource(
            "Jobs",
            "AWS::SQS::Queue",
            {
                "VisibilityTimeout": "20",
                "RedrivePolicy": {"deadLetterTargetArn": arn, "maxReceiveCount": 3},
                "QueueName": "Jobs",
            },
        ),
        "Failed": model.Resource("Failed", "AWS::SQS::Queue", {"QueueName": "Failed"}),
    }


def test_a_condition_decides_whether_a_function_and_its_route_exist(tmp_path: Path) -> None:
    template = (
        FUNCTION
        + """
  Other:
    Type: AWS::Serverless::Function
    Condition: Verbose
    Properties:
      CodeUri: functions/other
      Events:
        Get: {Type: HttpApi, Properties: {ApiId: !Ref Http, Path: /other, Method: GET}}
  Http: {Type: AWS::Serverless::HttpApi}
"""
    )
    quiet, verbose = stack_of(tmp_path, template), stack_of(tmp_path, template, Level="DEBUG")

    assert set(quiet.functions) == {"Worker"}
    assert quiet.http_apis[0].routes == {}
    assert set(verbose.functions) == {"Worker", "Other"}
    assert verbose.http_apis[0].routes == {"GET /other": "Other"}


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        (
            "{Type: ScheduleV2, Properties: {ScheduleExpression: 'cron(0 3 * * ? *)'}}",
            r"WorkerE: cron\(0 3 \* \* \? \*\) can't run here, only rate\(...\) can",
        ),
        (
            "{Type: SQS, Properties: {Queue: arn:aws:sqs:us-east-1:1:Other}}",
            "WorkerE: arn:aws:sqs:us-east-1:1:Other is no queue of this template",
        ),
        (
            "{Type: EventBridgeRule, Properties: {Pattern: {source: [aws.s3]}}}",
            "WorkerE: None can't run here",
        ),
    ],
)
def test_events_that_cannot_come_are_named(tmp_path: Path, events: str, complaint: str) -> None:
    with pytest.raises(TemplateError, match=complaint):
        with_properties(tmp_path, f"Events: {{E: {events}}}")


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("Resources:\n  A: [1\n  B: 2\n", r"template.yaml, line 4: "),
        ("Description: nothing\n", "not a template, it has no Resources"),
        ("Resources: {A: text}\n", "A is no resource, it has no Type"),
        ("Resources: {A: {Type: AWS::Serverless::Function}}", "A: CodeUri None is no folder in"),
        (FUNCTION.replace("/worker", "/wroker"), "CodeUri functions/wroker is no folder in"),
        (FUNCTION + "      Colour: red\n", "Colour"),
        (
            "Resources: {A: {Type: AWS::Lambda::Function, Properties: {Code: {S3Key: k}}}}\n",
            "A: its code is in no folder here",
        ),
    ],
)
def test_a_broken_template_is_one_clear_error(
    tmp_path: Path, template: str, complaint: str
) -> None:
    with pytest.raises(TemplateError, match=complaint):
        stack_of(tmp_path, template)


def test_a_missing_template_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"nowhere.yaml"):
        load(tmp_path / "nowhere.yaml", {}, LOCAL)


def test_reading_a_template_needs_no_region_and_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    assert with_variable(tmp_path, "!Ref AWS::Region") == "us-east-1"
