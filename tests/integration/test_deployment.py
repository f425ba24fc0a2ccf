"""What a deployment does: versions that traffic moves to, what outlives a stack, which settings."""

from __future__ import annotations

import tomllib
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from samcli.commands.build.command import cli as sam_build  # type: ignore[import-untyped]
from samcli.commands.deploy.command import cli as sam_deploy  # type: ignore[import-untyped]

from local.template import reader
from local.template.intrinsics import parameter_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAIN = Path("template.yaml")
SOURCE = reader.read(MAIN)


def translated(change: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """The resources that CloudFormation gets, with `change` in the source's CoreLayer."""
    source = deepcopy(SOURCE)
    reader.detach_folders(source, MAIN.parent)
    source["Resources"]["CoreLayer"]["Properties"].update(change or {})
    found: dict[str, dict[str, Any]] = reader.translate(source, {}, "us-east-1")["Resources"]
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
    alarm = reader.read(Path("observability.yaml"))["Resources"]["DeploymentFailuresAlarm"]
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


def test_no_new_code_meets_an_old_schema(resources: dict[str, dict[str, Any]]) -> None:
    """Whatever is in the database's network waits for the migrations, but what makes them."""
    for name, function in of("AWS::Lambda::Function", resources).items():
        if "VpcConfig" in function and name != "MigrateFunction":
            assert resources[name]["DependsOn"] == "Schema", name


STATEFUL = (
    "AWS::DynamoDB::Table",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
)
KEPT = {"ApiKeysTable", "AudioBucket", "Cluster", "StreamsTable", "WebhooksTable"}


@pytest.mark.parametrize("path", sorted(Path().glob("[!.]*.yaml")), ids=str)
def test_whatever_holds_something_says_what_becomes_of_it(path: Path) -> None:
    for name, resource in reader.read(path)["Resources"].items():
        if resource["Type"] in STATEFUL:
            policies = {resource["DeletionPolicy"], resource["UpdateReplacePolicy"]}
            assert policies <= ({"Retain", "Snapshot"} if name in KEPT else {"Delete"}), name


def test_tables_that_are_kept_go_back_in_time_and_are_not_deleted_by_accident() -> None:
    tables = {name for name in KEPT if name.endswith("Table")}
    assert len(tables) == 3
    for name in tables:
        table = SOURCE["Resources"][name]["Properties"]
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["DeletionProtectionEnabled"] == {"Ref": "DatabaseDeletionProtection"}


def test_no_sound_expires_but_chunks_and_what_can_be_made_again() -> None:
    rules = SOURCE["Resources"]["AudioBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"] for rule in rules if "ExpirationInDays" in rule}
    assert expiring == {"artifacts/", "chunks/", "live/", "processing/"}


CONFIGURATION = tomllib.loads(Path("samconfig.toml").read_text())
ENVIRONMENTS = sorted(set(CONFIGURATION) - {"version"})


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_has_what_a_deployment_takes(environment: str) -> None:
    commands = CONFIGURATION[environment]
    for command, made in (("build", sam_build), ("deploy", sam_deploy)):
        known = {option.name for option in made.params}
        assert set(commands[command]["parameters"]) <= known, command
    assert commands["global"]["parameters"]["stack_name"].startswith("audio")
    assert commands["deploy"]["parameters"]["resolve_s3"] is True


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environments_parameters_are_the_templates(environment: str) -> None:
    chosen = CONFIGURATION[environment]["deploy"]["parameters"].get("parameter_overrides", [])
    assert parameter_values(SOURCE["Parameters"], dict(item.split("=", 1) for item in chosen))


def test_production_moves_traffic_step_by_step() -> None:
    chosen = CONFIGURATION["prod"]["deploy"]["parameters"]["parameter_overrides"]
    [kind] = [item for item in chosen if item.startswith("DeploymentType=")]
    assert not kind.endswith("AllAtOnce")
