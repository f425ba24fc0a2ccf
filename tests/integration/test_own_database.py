"""The database that a deployment makes for itself is private, encrypted, and outlives its stack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.api import lint  # type: ignore[import-untyped]

from local.template import reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATH = Path("own_database.yaml")
SOURCE = reader.read(PATH)
RESOURCES: Mapping[str, dict[str, Any]] = SOURCE["Resources"]
FUNCTIONS = {"Fn::GetAtt": ["FunctionsSecurityGroup", "GroupId"]}
CLUSTER = {"Fn::GetAtt": ["ClusterSecurityGroup", "GroupId"]}
ANYWHERE = ("0.0.0.0/0", "::/0")
WAY_OUT = (
    "AWS::EC2::InternetGateway",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::EC2::NatGateway",
    "AWS::EC2::EIP",
    "AWS::EC2::Route",
)


def of(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in RESOURCES.items():
        if resource["Type"] == kind:
            yield name, resource


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = RESOURCES[name]["Properties"]
    return found


def rules(direction: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every rule of every security group with its group, written inside the group or beside it."""
    for name, group in of("AWS::EC2::SecurityGroup"):
        for rule in group["Properties"].get(f"SecurityGroup{direction}", []):
            yield {"Fn::GetAtt": [name, "GroupId"]}, rule
    for _, beside in of(f"AWS::EC2::SecurityGroup{direction}"):
        yield beside["Properties"]["GroupId"], beside["Properties"]


def only(name: str) -> dict[str, Any]:
    [(_, resource)] = of(name)
    return resource


def test_cfn_lint_has_nothing_to_say() -> None:
    assert lint(PATH.read_text(), regions=["us-east-1", "eu-central-1"]) == []


def test_every_parameter_and_output_is_described_and_the_parameters_documented() -> None:
    documented = Path("docs/database.md").read_text()
    for name, parameter in SOURCE["Parameters"].items():
        assert parameter["Description"], name
        assert "Default" in parameter, name
        assert f"`{name}`" in documented, name
    assert set(SOURCE["Outputs"]) == {"Cluster", "SecretArn", "SubnetIds", "SecurityGroupId"}
    assert all(output["Description"] for output in SOURCE["Outputs"].values())


def test_the_cluster_is_encrypted_kept_and_backed_up() -> None:
    cluster = only("AWS::RDS::DBCluster")
    assert cluster["DeletionPolicy"] == cluster["UpdateReplacePolicy"] == "Snapshot"
    assert cluster["Properties"]["StorageEncrypted"] is True
    assert cluster["Properties"]["DeletionProtection"] == {"Ref": "DeletionProtection"}
    assert SOURCE["Parameters"]["DeletionProtection"]["Default"] == "true"
    assert cluster["Properties"]["BackupRetentionPeriod"] == {"Ref": "BackupRetentionDays"}
    # Aurora's default parameter group has rds.force_ssl on, so there must be no other.
    assert "DBClusterParameterGroupName" not in cluster["Properties"]


def test_the_cluster_never_pauses() -> None:
    assert SOURCE["Parameters"]["MinCapacity"]["MinValue"] > 0


def test_nothing_of_it_is_public() -> None:
    assert only("AWS::RDS::DBInstance")["Properties"]["PubliclyAccessible"] is False
    private = {"Ref": "PrivateSubnetA"}, {"Ref": "PrivateSubnetB"}
    assert only("AWS::RDS::DBSubnetGroup")["Properties"]["SubnetIds"] == [*private]
    for _, subnet in of("AWS::EC2::Subnet"):
        assert not subnet["Properties"].get("MapPublicIpOnLaunch")


def test_only_functions_reach_the_database_and_only_its_port() -> None:
    [(_, rule)] = [(group, rule) for group, rule in rules("Ingress") if group == CLUSTER]
    assert (rule["FromPort"], rule["ToPort"], rule["IpProtocol"]) == (5432, 5432, "tcp")
    assert rule["SourceSecurityGroupId"] == FUNCTIONS
    assert only("AWS::RDS::DBCluster")["Properties"]["VpcSecurityGroupIds"] == [CLUSTER]


def test_nothing_is_let_in_from_anywhere() -> None:
    for group, rule in rules("Ingress"):
        assert "CidrIp" not in rule, group
        assert "CidrIpv6" not in rule, group
        assert rule["SourceSecurityGroupId"] == FUNCTIONS


def test_functions_get_out_to_the_database_and_to_services_alone() -> None:
    out = [rule for group, rule in rules("Egress") if group == FUNCTIONS]
    assert sorted(rule["ToPort"] for rule in out) == [443, 5432]
    assert all(rule["FromPort"] == rule["ToPort"] for rule in out)
    [database] = [rule for rule in out if rule["ToPort"] == 5432]
    assert database["DestinationSecurityGroupId"] == CLUSTER


def test_the_database_and_the_endpoints_get_nowhere() -> None:
    for group, rule in rules("Egress"):
        if group != FUNCTIONS:
            assert rule["CidrIp"] == "127.0.0.1/32", group


def test_there_is_no_way_out_unless_it_is_asked_for() -> None:
    assert SOURCE["Conditions"]["HasNat"] == {"Fn::Equals": [{"Ref": "Nat"}, "true"]}
    assert SOURCE["Parameters"]["Nat"]["Default"] == "false"
    ways_out = [name for kind in WAY_OUT for name, _ in of(kind)]
    public = [name for name in RESOURCES if name.startswith("Public")]
    assert len(ways_out) == 6
    assert len(public) == 4
    for name in (*ways_out, *public):
        assert RESOURCES[name]["Condition"] == "HasNat", name


@pytest.mark.parametrize("service", ["s3", "dynamodb"])
def test_tables_and_objects_are_reached_for_nothing(service: str) -> None:
    endpoint = endpoints()[service]["Properties"]
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert endpoint["RouteTableIds"] == [{"Ref": "PrivateRoutes"}]


@pytest.mark.parametrize("service", ["secretsmanager", "sqs", "transcribe"])
def test_other_services_have_an_interface_in_both_zones(service: str) -> None:
    endpoint = endpoints()[service]
    assert endpoint["Properties"]["PrivateDnsEnabled"] is True
    assert len(endpoint["Properties"]["SubnetIds"]) == 2
    assert endpoint.get("Condition") == ("HasTranscribe" if service == "transcribe" else None)


def test_endpoints_serve_this_account_alone() -> None:
    """But for CloudFormation's bucket, into which answers can only be put."""
    account = {"Ref": "AWS::AccountId"}
    for service, endpoint in endpoints().items():
        own, *others = endpoint["Properties"]["PolicyDocument"]["Statement"]
        assert account in own["Condition"]["StringEquals"].values(), service
        assert [rule["Action"] for rule in others] == ["s3:PutObject"] * (service == "s3")


def endpoints() -> dict[str, dict[str, Any]]:
    return {
        resource["Properties"]["ServiceName"]["Fn::Sub"].rpartition(".")[2]: resource
        for _, resource in of("AWS::EC2::VPCEndpoint")
    }


def test_the_secret_is_complete_before_anybody_gets_it() -> None:
    """Attached, it has the address too."""
    assert SOURCE["Outputs"]["SecretArn"]["Value"] == {"Ref": "SecretAttachment"}
    assert properties("SecretAttachment")["TargetId"] == {"Ref": "Cluster"}
    for name in ("MasterUsername", "MasterUserPassword"):
        assert "resolve:secretsmanager" in properties("Cluster")[name]["Fn::Sub"]
