"""A build is held against the limits of Lambda and CloudFormation before it is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import sizes

if TYPE_CHECKING:
    from pathlib import Path

BUILT = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.13, Handler: app.handler, Layers: [!Ref Core]}
Resources:
  Core: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: Core}}
  Sound: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: Sound}}
  Small: {Type: AWS::Serverless::Function, Properties: {CodeUri: Small}}
  Large:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: Large
      Layers: [!Ref Sound, "arn:aws:lambda:us-east-1:123456789012:layer:theirs:1"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "template.yaml").write_text(BUILT)
    for name, size in {"Core": 1000, "Sound": 500, "Small": 10, "Large": 20}.items():
        (tmp_path / name / "python").mkdir(parents=True)
        (tmp_path / name / "python" / "module.py").write_bytes(bytes(size))
    return tmp_path


def test_a_function_counts_with_all_of_its_layers(folder: Path) -> None:
    build = sizes.measure(folder)
    assert build.functions == {"Small": 1010, "Large": 1520 + sizes.FOREIGN_LAYER}
    assert build.resources == 6  # a role for each function
    assert list(build.excesses()) == []


def test_the_sizes_are_printed_the_largest_first(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sizes.main([str(folder)]) == 0
    first, second, resources = capsys.readouterr().out.splitlines()
    assert first.split() == ["16.0", "MB", "Large"]
    assert second.split() == ["0.0", "MB", "Small"]
    assert resources.split()[:2] == ["6", "resources,"]


def test_what_is_over_a_limit_fails_and_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "UNZIPPED_LIMIT", 1009)
    monkeypatch.setattr(sizes, "RESOURCES_LIMIT", 5)
    monkeypatch.setattr(sizes, "TEMPLATE_LIMIT", 100)
    assert sizes.main([str(folder)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in told] == ["Small", "Large", "The", "The"]
