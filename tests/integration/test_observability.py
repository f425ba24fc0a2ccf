"""Every alarm and metric is real, and the runbook says what it means."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from cfnlint.api import lint  # type: ignore[import-untyped]

from audioapi.observe import NAMESPACE, Metric
from local.template import reader

PATH = Path("observability.yaml")
SOURCE = reader.read(PATH)
RESOURCES: dict[str, dict[str, Any]] = SOURCE["Resources"]
MAIN = reader.read(Path("template.yaml"))
RUNBOOK = Path("docs/runbook.md").read_text()
METRICS = set(get_args(Metric))
ALARMS = [name for name, it in RESOURCES.items() if it["Type"] == "AWS::CloudWatch::Alarm"]


def of(kind: str) -> dict[str, dict[str, Any]]:
    return {name: it["Properties"] for name, it in RESOURCES.items() if it["Type"] == kind}


def test_the_template_is_valid() -> None:
    assert [str(found) for found in lint(PATH.read_text())] == []


def test_the_stack_gives_it_what_it_asks_for() -> None:
    given = MAIN["Resources"]["Observability"]["Properties"]["Parameters"]
    assert set(given) == set(SOURCE["Parameters"])


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_calls_somebody_who_finds_what_to_do(name: str) -> None:
    alarm = RESOURCES[name]["Properties"]
    assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["AlarmDescription"]
    assert re.search(rf"^### .*\b{name}\b", RUNBOOK, re.MULTILINE)


def test_the_runbook_knows_no_alarm_that_is_not_there() -> None:
    told = re.findall(r"\w+Alarm\b", "".join(re.findall(r"^### .*", RUNBOOK, re.MULTILINE)))
    everywhere = PATH.read_text() + Path("template.yaml").read_text()
    assert [name for name in told if f"{name}:" not in everywhere] == []


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_a_metric_is_measured_and_documented(metric: str) -> None:
    code = [*Path("layers/core/audioapi").rglob("*.py"), *Path("functions").glob("*/app.py")]
    measured = [path for path in code if f'"{metric}"' in path.read_text()]
    assert {path.name for path in measured} - {"observe.py"}
    assert f"`{metric}`" in RUNBOOK


def test_alarms_and_dashboard_look_at_metrics_that_are_measured() -> None:
    alarmed = {
        alarm["MetricName"]
        for alarm in of("AWS::CloudWatch::Alarm").values()
        if alarm.get("Namespace") == NAMESPACE
    }
    [dashboard] = of("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(dashboard["DashboardBody"]["Fn::Sub"])["widgets"]
    shown = {
        row[1]
        for widget in widgets
        for row in widget["properties"]["metrics"]
        if row[0] == NAMESPACE
    }
    assert alarmed <= METRICS
    assert shown <= METRICS
    assert len(shown) > 10


def test_saved_queries_are_in_the_runbook() -> None:
    for query in of("AWS::Logs::QueryDefinition").values():
        assert f"*{query['Name']['Fn::Sub'].partition('/')[2]}*" in RUNBOOK
