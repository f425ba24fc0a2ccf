"""A SAM template becomes the local stack, whole, and what can't run here says so."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import TYPE_CHECKING

import pytest

from local import model
from local.template import Deployment, TemplateError, load

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("functions/worker", "functions/other", "layers/core"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def write(root: Path, template: str) -> Path:
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


def test_a_function_has_what_it_says_and_what_globals_say(root: Path) -> None:
    stack = stack_of(
        root,
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
        code=root / "functions/worker",
        handler="app.handler",
        environment={"LEVEL": "INFO", "SHARED": "globals", "OWN": "5", "FLAG": "true"},
        timeout=60,
        memory=512,
        layers=(root / "layers/core",),
    )


def test_a_function_that_says_nothing_has_the_defaults_of_lambda(root: Path) -> None:
    function = stack_of(root, FUNCTION).functions["Worker"]

    assert (function.timeout, function.memory, function.layers) == (3, 128, ())


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("!Ref Level", "INFO"),
        ('!Sub "${AWS::StackName}-${Level}-${!Level}"', "audio-local-INFO-${Level}"),
        ('!Sub ["${Who}/${Level}", {Who: !Ref AWS::AccountId}]', "111122223333/INFO"),
        ('!Join ["+", !Ref Origins]', "https://a.example+https://b.example"),
        ("!Select [1, !Ref Origins]", "https://b.example"),
        ('!Select ["2", !Split [",", "a,b,c"]]', "c"),
        ("!If [Quiet, calm, loud]", "calm"),
        ("!If [HasKey, yes, !Join ['', [a, !If [Verbose, x, !Ref AWS::NoValue], b]]]", "ab"),
        ("!FindInMap [Sizes, !Ref Level, memory]", "512"),
        ("!Ref Worker", "Worker"),
        ("!GetAtt Worker.Arn", "arn:aws:lambda:us-east-1:111122223333:function:Worker"),
        ("!Ref Jobs", "http://127.0.0.1:5000/111122223333/Jobs"),
        ("!GetAtt Jobs.Arn", "arn:aws:sqs:us-east-1:111122223333:Jobs"),
        ("!GetAtt Live.QueueName", "Live.fifo"),
        ("!Ref AudioBucket", "audio-local-audiobucket"),
        ("!GetAtt AudioBucket.Arn", "arn:aws:s3:::audio-local-audiobucket"),
        ("!Ref Named", "my-bucket-INFO"),
        ("!Ref Streams", "Streams"),
        ("!GetAtt Streams.Arn", "arn:aws:dynamodb:us-east-1:111122223333:table/Streams"),
        ("!Ref Secret", "database"),
        ("!Ref Logs", "/aws/lambda/audio-local-Worker"),
        ("!Ref Http", "Http"),
    ],
)
def test_intrinsics_and_references(root: Path, expression: str, value: str) -> None:
    resources = """
    Jobs: {Type: AWS::SQS::Queue}
    Live: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
    AudioBucket: {Type: AWS::S3::Bucket}
    Named: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub "my-bucket-${Level}"}}
    Streams: {Type: AWS::DynamoDB::Table}
    Secret: {Type: AWS::SecretsManager::Secret, Properties: {Name: database}}
    Logs:
      Type: AWS::Logs::LogGroup
      Properties: {LogGroupName: !Sub "/aws/lambda/${AWS::StackName}-Worker"}
    Http: {Type: AWS::Serverless::HttpApi}
    """

    assert with_variable(root, expression, resources) == value


def test_a_variable_without_value_is_no_variable(root: Path) -> None:
    properties = "Environment: {Variables: {VALUE: !If [Verbose, x, !Ref AWS::NoValue]}}"

    assert "VALUE" not in with_properties(root, properties).functions["Worker"].environment


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('!Sub "https://${Talk}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live"', "http://127.0.0.1:8000"),
        ('!Sub "wss://${Talk}.execute-api.${AWS::Region}.amazonaws.com/live?a=b"', "ws://127.0.0.1:8000?a=b"),
        ('!Sub "${Talk.ApiEndpoint}/live"', "ws://127.0.0.1:8000"),
        ('!Sub "${Http.ApiEndpoint}/live/x"', "http://127.0.0.1:8000/live/x"),
        ("!GetAtt Http.ApiEndpoint", "http://127.0.0.1:8000"),
        ("https://other.execute-api.us-east-1.amazonaws.com/live", "https://other.execute-api.us-east-1.amazonaws.com/live"),
    ],
)  # fmt: skip
def test_addresses_of_apis_become_the_gateways(root: Path, expression: str, value: str) -> None:
    resources = """
    Http: {Type: AWS::Serverless::HttpApi}
    Talk:
      Type: AWS::Serverless::WebSocketApi
      Properties:
        StageName: live
        RouteSelectionExpression: $request.body.action
        Routes: {$default: {FunctionArn: !GetAtt Worker.Arn}}
    """

    assert with_variable(root, expression, resources) == value


def test_http_routes_and_cors(root: Path) -> None:
    stack = stack_of(
        root,
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


def test_web_socket_routes_and_who_answers(root: Path) -> None:
    stack = with_resources(
        root,
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


def test_events_come_by_queue_and_by_schedule_also_through_an_alias(root: Path) -> None:
    stack = stack_of(
        root,
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


def test_what_services_keep_has_its_resolved_properties_and_its_name(root: Path) -> None:
    stack = with_resources(
        root,
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


def test_a_condition_decides_whether_a_function_and_its_route_exist(root: Path) -> None:
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
    quiet, verbose = stack_of(root, template), stack_of(root, template, Level="DEBUG")

    assert set(quiet.functions) == {"Worker"}
    assert quiet.http_apis[0].routes == {}
    assert set(verbose.functions) == {"Worker", "Other"}
    assert verbose.http_apis[0].routes == {"GET /other": "Other"}


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"Levle": "INFO"}, "There is no parameter Levle: the template has Level, Origins, Sec"),
        ({"Level": "LOUD"}, "Parameter Level is 'LOUD': allowed values are DEBUG, INFO"),
        ({"Seconds": "0"}, "Parameter Seconds is '0': it must be 1 to 900"),
        ({"Seconds": "soon"}, "Parameter Seconds is 'soon': it must be a number"),
        ({"Key": "secret"}, r"Parameter Key is \*\*\*\*: it must match \^\$|k-\[0-9\]\+"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_it_may_be(
    root: Path, parameters: dict[str, str], complaint: str
) -> None:
    with pytest.raises(TemplateError, match=complaint):
        stack_of(root, FUNCTION, **parameters)


@pytest.mark.parametrize(
    ("declaration", "value", "complaint"),
    [
        ("{Type: String}", None, "Parameter P has no default and needs a value"),
        ("{Type: String, MinLength: 2}", "x", "it must have at least 2 characters"),
        ("{Type: String, MaxLength: 2}", "xxx", "it must have at most 2 characters"),
        ("{Type: Number, MinValue: 3}", "2", "it must be at least 3"),
        ("{Type: List<Number>}", "1, x", "Parameter P is 'x': it must be a number"),
        (
            "{Type: String, AllowedPattern: a+, ConstraintDescription: it is all a}",
            "ab",
            "Parameter P is 'ab': it is all a",
        ),
    ],
)
def test_parameters_are_checked_as_they_are_declared(
    root: Path, declaration: str, value: str | None, complaint: str
) -> None:
    template = f"Parameters: {{P: {declaration}}}\nResources: {{}}\n"
    overrides = {} if value is None else {"P": value}

    with pytest.raises(TemplateError, match=complaint):
        stack_of(root, template, **overrides)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("!Ref Missing", "Worker: Environment: There is no parameter or resource Missing"),
        ("!Ref Gone", "Gone is not there, because its condition Verbose is false"),
        ("!Ref Topic", r"Ref Topic \(AWS::SNS::Topic\) has no local counterpart"),
        ("!GetAtt Gone.Arn", "Gone is not there"),
        ("!GetAtt Worker.Colour", r"Worker.Colour \(AWS::Lambda::Function\) has no local"),
        ("!ImportValue Network", "Fn::ImportValue has no local counterpart: 'Network'"),
        ("!FindInMap [Sizes, LOUD, memory]", "Fn::FindInMap finds no LOUD in Sizes.LOUD.memory"),
        ("!Select [7, !Ref Origins]", "Fn::Select has no item 7"),
        ("!If [Nobody, a, b]", "There is no condition Nobody"),
        ("!Ref Origins", "environment variable VALUE is no string"),
        ("'{{resolve:ssm:/a}}'", "VALUE: a dynamic reference has no local counterpart"),
    ],
)
def test_what_has_no_counterpart_is_named(root: Path, expression: str, complaint: str) -> None:
    resources = """
    Gone: {Type: AWS::S3::Bucket, Condition: Verbose}
    Topic: {Type: AWS::SNS::Topic}
    """

    with pytest.raises(TemplateError, match=complaint):
        with_variable(root, expression, resources)


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
def test_events_that_cannot_come_are_named(root: Path, events: str, complaint: str) -> None:
    with pytest.raises(TemplateError, match=complaint):
        with_properties(root, f"Events: {{E: {events}}}")


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
def test_a_broken_template_is_one_clear_error(root: Path, template: str, complaint: str) -> None:
    with pytest.raises(TemplateError, match=complaint):
        stack_of(root, template)


def test_a_missing_template_is_one_clear_error(root: Path) -> None:
    with pytest.raises(TemplateError, match=r"nowhere.yaml"):
        load(root / "nowhere.yaml", {}, LOCAL)


def test_reading_a_template_needs_no_region_and_no_credentials(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(root / "none"))

    assert with_variable(root, "!Ref AWS::Region") == "us-east-1"
