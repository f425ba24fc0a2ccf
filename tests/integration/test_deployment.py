"""What a deployment does: versions that traffic moves to, and what outlives a stack."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local import template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAIN = Path("template.yaml")
SOURCE = template.read(MAIN)


def translated(change: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """The resources that CloudFormation gets, with `change` in the source's CoreLayer."""
    source = deepcopy(SOURCE)
    template.detach_folders(source, MAIN.parent)
    source["Resources"]["CoreLayer"]["Properties"].update(change or {})
    found: dict[str, dict[str, Any]] = template.translate(source, {}, "us-east-1")["Resources"]
    return found


@pytest.fixture(scope="module")
def resources() -> dict[str, dict[str, Any]]:
    return translated()


def of(kind: str, resources: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: it["Properties"] for name, it in resources.items() if it["Type"] == kind}


def references(value: object) -> Iterator[str]:
    """The logical ids that are named anywhere in `value`, as Ref, GetAtt or in a Sub."""
    if isinstance(value, dict):
        if isinstance(value.get("Ref"), str):
            yield value["Ref"]
        if "Fn::GetAtt" in value:
            yield value["Fn::GetAtt"][0]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_whatever_calls_a_function_calls_the_version_that_is_live(
    resources: dict[str, dict[str, Any]],
) -> None:
    functions = set(of("AWS::Lambda::Function", resources))
    callers = (
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Integration",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Url",
        "AWS::Scheduler::Schedule",
    )
    for kind in callers:
        for name, caller in of(kind, resources).items():
            assert functions.isdisjoint(references(caller)), name


def test_a_changed_layer_is_a_new_version_of_every_function(
    resources: dict[str, dict[str, Any]],
) -> None:
    changed = translated({"ContentUri": "s3://bucket/another"})
    versions = set(of("AWS::Lambda::Version", resources))
    assert len(versions) == len(of("AWS::Lambda::Function", resources))
    assert versions.isdisjoint(changed)
    assert versions == set(of("AWS::Lambda::Version", translated()))


def test_traffic_moves_under_the_alarms_eyes(resources: dict[str, dict[str, Any]]) -> None:
    alarm = template.read(Path("observability.yaml"))["Resources"]["DeploymentFailuresAlarm"]
    name = alarm["Properties"]["AlarmName"]["Fn::Sub"].replace("Name", "AWS::StackName")
    groups = of("AWS::CodeDeploy::DeploymentGroup", resources)
    assert len(groups) == len(of("AWS::Lambda::Function", resources)) - 1  # not the migrations'
    for group in groups.values():
        condition, watched, _ = group["AlarmConfiguration"]["Fn::If"]
        assert condition == "ShiftsTraffic"
        assert watched["Alarms"] == [{"Name": {"Fn::Sub": name}}]
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]


def test_no_snapshot_is_asked_of_a_function_that_can_have_none(
    resources: dict[str, dict[str, Any]],
) -> None:
    """With more than 512 MB of disk, or under the Lambda Web Adapter."""
    for name, function in of("AWS::Lambda::Function", resources).items():
        adapter = "AWS_LAMBDA_EXEC_WRAPPER" in function["Environment"]["Variables"]
        if "EphemeralStorage" in function or adapter:
            assert function["SnapStart"] == {"ApplyOn": "None"}, name
