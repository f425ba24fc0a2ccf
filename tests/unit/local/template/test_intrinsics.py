"""Parameters, intrinsic functions and references come to what they mean on one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.template.reader import TemplateError
from tests.unit.local.template.template_support import (
    FUNCTION,
    stack_of,
    with_properties,
    with_variable,
)

if TYPE_CHECKING:
    from pathlib import Path


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
def test_intrinsics_and_references(tmp_path: Path, expression: str, value: str) -> None:
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

    assert with_variable(tmp_path, expression, resources) == value


def test_a_variable_without_value_is_no_variable(tmp_path: Path) -> None:
    properties = "Environment: {Variables: {VALUE: !If [Verbose, x, !Ref AWS::NoValue]}}"

    assert "VALUE" not in with_properties(tmp_path, properties).functions["Worker"].environment


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
def test_addresses_of_apis_become_the_gateways(tmp_path: Path, expression: str, value: str) -> None:
    resources = """
    Http: {Type: AWS::Serverless::HttpApi}
    Talk:
      Type: AWS::Serverless::WebSocketApi
      Properties:
        StageName: live
        RouteSelectionExpression: $request.body.action
        Routes: {$default: {FunctionArn: !GetAtt Worker.Arn}}
    """

    assert with_variable(tmp_path, expression, resources) == value


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
    tmp_path: Path, parameters: dict[str, str], complaint: str
) -> None:
    with pytest.raises(TemplateError, match=complaint):
        stack_of(tmp_path, FUNCTION, **parameters)


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
    tmp_path: Path, declaration: str, value: str | None, complaint: str
) -> None:
    template = f"Parameters: {{P: {declaration}}}\nResources: {{}}\n"
    overrides = {} if value is None else {"P": value}

    with pytest.raises(TemplateError, match=complaint):
        stack_of(tmp_path, template, **overrides)


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
def test_what_has_no_counterpart_is_named(tmp_path: Path, expression: str, complaint: str) -> None:
    resources = """
    Gone: {Type: AWS::S3::Bucket, Condition: Verbose}
    Topic: {Type: AWS::SNS::Topic}
    """

    with pytest.raises(TemplateError, match=complaint):
        with_variable(tmp_path, expression, resources)
