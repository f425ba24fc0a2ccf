"""One host for everything: what CloudFront is told, and the code that it runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint  # type: ignore[import-untyped]

from local.template import reader

PATH = Path("front_door.yaml")
SOURCE = reader.read(PATH)
RESOURCES: dict[str, dict[str, Any]] = SOURCE["Resources"]
DISTRIBUTION = RESOURCES["Distribution"]["Properties"]["DistributionConfig"]
BEHAVIOURS = {it["PathPattern"]: it for it in DISTRIBUTION["CacheBehaviors"]}
MAIN = reader.read(Path("template.yaml"))
CASES = json.loads(Path("tests/data/websocket_paths.json").read_text())

# Calls the function as CloudFront does, and puts the query together again as CloudFront does.
CLOUDFRONT = """
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const parsed = (query) =>
  Object.fromEntries(query.split('&').filter(Boolean).map((pair) => {
    const [name, value] = pair.split('=');
    return [name, { value }];
  }));
const joined = (query) =>
  Object.entries(query).map(([name, it]) => name + '=' + it.value).join('&');
const called = ({ path, query }) => {
  const request = { method: 'GET', uri: path, querystring: parsed(query), headers: {} };
  const result = handler({ version: '1.0', context: {}, viewer: {}, request });
  return result.statusCode ? result : { uri: result.uri, query: joined(result.querystring) };
};
console.log(JSON.stringify(cases.map(called)));
"""


def rewritten(*cases: dict[str, str]) -> list[dict[str, Any]]:
    code = RESOURCES["WebSocketPath"]["Properties"]["FunctionCode"]
    done = subprocess.run(
        ["node", "--eval", code + CLOUDFRONT],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def test_the_template_is_valid_and_gets_what_it_asks_for() -> None:
    assert [str(found) for found in lint(PATH.read_text(), regions=["us-east-1"])] == []
    given = MAIN["Resources"]["FrontDoorHost"]["Properties"]["Parameters"]
    assert set(given) == set(SOURCE["Parameters"])


def test_paths_are_rewritten_as_the_local_gateway_does() -> None:
    for case, answer in zip(CASES, rewritten(*CASES), strict=True):
        if case["rewritten"] is None:
            assert answer == {"statusCode": 403, "statusDescription": "Forbidden"}, case
        else:
            assert answer == {"uri": "/live", "query": case["rewritten"]}, case


def test_a_session_that_is_badly_encoded_is_taken_literally() -> None:
    [answer] = rewritten({"path": "/api/ws/audio/100%", "query": ""})
    assert answer == {"uri": "/live", "query": "session_id=100%25"}


def test_the_stage_is_the_websocket_apis() -> None:
    assert MAIN["Resources"]["StreamApi"]["Properties"]["StageName"] == "live"


def test_every_path_reaches_what_serves_it() -> None:
    assert {path: it["TargetOriginId"] for path, it in BEHAVIOURS.items()} == {
        "/api/ws/audio*": "websocket",
        "/analyze/stream": "analyses",
        "/analyze/live/*/events": "live-events",
    }
    assert DISTRIBUTION["DefaultCacheBehavior"]["TargetOriginId"] == "http"


@pytest.mark.parametrize("path", ["", *BEHAVIOURS])
def test_nothing_is_cached_compressed_or_sent_in_the_clear(path: str) -> None:
    behaviour = BEHAVIOURS.get(path, DISTRIBUTION["DefaultCacheBehavior"])
    assert behaviour["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert behaviour["Compress"] is False
    assert behaviour["ViewerProtocolPolicy"] == "https-only"


def test_only_tls_12_and_newer_goes_to_where_requests_are_served() -> None:
    for origin in DISTRIBUTION["Origins"]:
        assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
        assert origin["CustomOriginConfig"]["OriginSSLProtocols"] == ["TLSv1.2"]
