"""The template is whole: each function imports, answers its sample event, may do what it needs and
nothing wide, keeps its logs for a while, and is reached by the routes that the documents list.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from audioapi import database, identity, migrations
from audioapi.identity import Principal
from audioapi.memories.windows import Recording
from audioapi.organizations import Organization
from audioapi.streaming import store
from audioapi.webhooks import store as webhook_store
from audioapi.webhooks.models import Delivery, EventType, Webhook
from local.template import reader
from tests.integration.audioapi import library_calls
from tests.integration.audioapi.memory_calls import remember
from tests.unit.audioapi.context import Context
from tests.unit.audioapi.test_session_states import session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.template.model import Stack

SOURCE = reader.read(Path("template.yaml"))
FUNCTIONS = [
    name
    for name, resource in SOURCE["Resources"].items()
    if resource["Type"] == "AWS::Serverless::Function"
]
CONTRACT = {
    "GET /api/audio/sessions",
    "GET /api/audio/sessions/{session_id}",
    "POST /api/audio/sessions/{session_id}/close",
    "POST /memories/audio",
    "POST /memories/audio-metadata",
    "GET /memories",
    "DELETE /memories/{memory_id}",
    "POST /process_audio_v2/{user_id}",
    "GET /get_audio_task/{task_id}",
    "POST /recordings/uploads",
    "GET /recordings/uploads/{upload_id}",
    "DELETE /recordings/uploads/{upload_id}",
    "POST /recordings/uploads/{upload_id}/parts",
    "POST /recordings/uploads/{upload_id}/complete",
    "POST /webhooks",
    "GET /webhooks",
    "DELETE /webhooks/{webhook_id}",
    "GET /webhooks/{webhook_id}/deliveries",
    "POST /webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
    "POST /audio-management/upload",
    "GET /audio-management/audios",
    "GET /audio-management/audios/usage/{usageType}",
    "GET /audio-management/audio/{id}",
    "HEAD /audio-management/audio/{id}",
    "PUT /audio-management/audio/{id}",
    "DELETE /audio-management/audio/{id}",
    "GET /audio-management/audio/{id}/stream",
    "HEAD /audio-management/audio/{id}/stream",
    "GET /audio-management/audio/{id}/metadata",
    "GET /audio-management/audio/{id}/details",
    "GET /audio-management/audio/{id}/playback-url",
    "GET /audio-management/audio/{id}/waveform",
    "POST /audio-management/uploads",
    "GET /audio-management/uploads/{uploadId}",
    "DELETE /audio-management/uploads/{uploadId}",
    "POST /audio-management/uploads/{uploadId}/parts",
    "POST /audio-management/uploads/{uploadId}/complete",
    "POST /analyze",
    "POST /analyze/stream",
    "POST /analyze/segmentation",
    "POST /analyze/live/start",
    "POST /analyze/live/{session_id}/chunk",
    "GET /analyze/live/{session_id}/events",
    "POST /analyze/live/{session_id}/control",
    "GET /metrics",
    "GET /health",
    "GET /openapi.json",
    "GET /asyncapi.json",
    "GET /docs",
    "GET /redoc",
    "GET /docs/{asset}",
}
SESSION_ID = "3f2b8c1e-6d4a-4b0f-9c57-2e8a1d0f7b36"
CONNECTION_ID = "Ck3nXeYdoAMCJ1Q="
WEB_SERVERS = {"AnalysisStreamFunction", "LiveEventsFunction"}  # no events reach them
ORGANIZATION_ID = "0ac3e000-0000-4000-8000-000000000001"

# What each function gives back for its sample event, told by a part of it.
ANSWERS = {
    "StreamConnectFunction": '"statusCode": 200',
    "StreamMessageFunction": "Chunk processed successfully",
    "StreamDisconnectFunction": '"statusCode": 200',
    "StreamNotifyFunction": '"batchItemFailures": []',
    "StreamSweepFunction": "null",
    "SessionListFunction": '"statusCode": 200',
    "SessionGetFunction": '"statusCode": 200',
    "SessionCloseFunction": '"statusCode": 200',
    "MemoriesAudioFunction": '"statusCode": 200',
    "MemoriesAudioMetadataFunction": '"statusCode": 200',
    "MemoryListFunction": '"statusCode": 200',
    "MemoryDeleteFunction": '"statusCode": 200',
    "ProcessAudioFunction": '"statusCode": 200',
    "AudioTaskFunction": '"statusCode": 404',
    "UploadCreateFunction": '"statusCode": 201',
    "UploadPartsFunction": '"statusCode": 404',
    "UploadGetFunction": '"statusCode": 404',
    "UploadCompleteFunction": '"statusCode": 404',
    "UploadAbortFunction": '"statusCode": 404',
    "WebhookCreateFunction": '"statusCode": 201',
    "WebhookListFunction": '"statusCode": 200',
    "WebhookDeleteFunction": '"statusCode": 200',
    "WebhookDeliveriesFunction": '"statusCode": 200',
    "WebhookReplayFunction": '"statusCode": 202',
    "WebhookDeliverFunction": '"batchItemFailures": []',
    "MigrateFunction": migrations.head(),
    "LibraryUploadFunction": '"statusCode": 201',
    "LibraryStreamFunction": '"statusCode": 206',
    "LibraryUploadsCreateFunction": '"statusCode": 201',
    "LibraryUploadsPartsFunction": '"statusCode": 404',
    "LibraryUploadsGetFunction": '"statusCode": 404',
    "LibraryUploadsCompleteFunction": '"statusCode": 404',
    "LibraryUploadsAbortFunction": '"statusCode": 404',
    "LibraryListFunction": '"statusCode": 200',
    "LibraryUsageFunction": '"statusCode": 200',
    "LibraryMetadataFunction": '"statusCode": 200',
    "LibraryDetailsFunction": '"statusCode": 200',
    "LibraryUpdateFunction": '"statusCode": 200',
    "LibraryPlaybackUrlFunction": '"statusCode": 200',
    "LibraryWaveformFunction": '"statusCode": 200',
    "LibraryDeleteFunction": '"statusCode": 200',
    "AnalyzeFunction": '"statusCode": 404',
    "AnalyzeSegmentationFunction": '"statusCode": 200',
    "AnalysisRedirectFunction": '"statusCode": 307',
    "AnalysisMetricsFunction": '"statusCode": 200',
    "LiveStartFunction": '"statusCode": 200',
    "LiveChunkFunction": '"statusCode": 404',
    "LiveControlFunction": '"statusCode": 404',
    "LiveWorkerFunction": '"batchItemFailures": []',
    "LiveFailedFunction": '"batchItemFailures": []',
    "HealthFunction": '"statusCode": 200',
    "ApiDocsFunction": '"statusCode": 200',
    "FallbackFunction": '"statusCode": 405',
    "JobsWorkerFunction": '"batchItemFailures": []',
    "JobsFailedFunction": '"batchItemFailures": []',
}


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = SOURCE["Resources"][name]["Properties"]
    return found


def folder(name: str) -> Path:
    return Path(properties(name)["CodeUri"])


def statements(name: str) -> Iterator[dict[str, Any]]:
    """The function's policy, the branches of its conditions included."""
    for policy in properties(name).get("Policies", []):
        for statement in policy.get("Statement", []):
            branches = statement.get("Fn::If", [None, statement])[1:]
            yield from (branch for branch in branches if "Effect" in branch)


def test_a_deployment_brings_the_newest_revision() -> None:
    """CloudFormation calls the function that does for a changed property alone."""
    assert properties("Schema")["Revision"] == migrations.head()


@pytest.fixture
def known(stack: Stack, database_secret: None) -> None:
    """The key, the session and the connection that the sample events speak of."""
    identity.put_api_key("dev-key", Principal("dev-user", ORGANIZATION_ID))
    kept = session(
        session_id=SESSION_ID,
        user_id="dev-user",
        organization_id=ORGANIZATION_ID,
        last_activity=1795251600000,
        expires_at=1895251600000,
    )
    store.add_session(kept, CONNECTION_ID)
    remember(Recording(SESSION_ID, ORGANIZATION_ID, "dev-user", 1795251600000, 0))
    hook = Webhook(
        id="wh_009f1c2b7ad0e34f5566778899",
        organization_id=ORGANIZATION_ID,
        user_id="dev-user",
        url="https://127.0.0.1:8443/",
        events=list(EventType),
        description="",
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        created_at=0,
    )
    acme = Organization(id=UUID(ORGANIZATION_ID), name="Acme Corporation", slug="acme-corp")
    database.transaction(lambda session: session.merge(acme))
    library_calls.add(UUID(ORGANIZATION_ID), id=UUID(library_calls.SAMPLE_ID))
    webhook_store._put_new(webhook_store._webhook_item(hook))
    webhook_store.add_delivery(
        Delivery(
            id="dlv_01a0017a2b80d24c1e7f90ab35c8e6f1",
            webhook_id=hook.id,
            event_id="evt_1",
            type="recording.completed",
            body="{}",
            next_attempt_at=1795251600000,
        )
    )


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in WEB_SERVERS])
def test_a_function_answers_its_sample_event(
    stack: Stack, known: None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location(f"{name}_app", folder(name) / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, module.__name__, module)  # its types are looked up there
    spec.loader.exec_module(module)
    event = json.loads(Path("events", f"{folder(name).name}.json").read_text())
    assert ANSWERS[name] in json.dumps(module.lambda_handler(event, Context()))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_policy_names_actions_and_resources(name: str) -> None:
    for statement in statements(name):
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", action), action
        assert "*" not in (statement["Resource"], *_list(statement["Resource"]))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_logs_end(name: str) -> None:
    group = properties(name)["LoggingConfig"]["LogGroup"]["Ref"]
    assert properties(group)["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert properties(group)["LogGroupName"]["Fn::Sub"].endswith(name)


def test_every_folder_is_a_function_and_has_an_event() -> None:
    folders = {path.name for path in Path("functions").iterdir() if (path / "app.py").exists()}
    assert folders == {folder(name).name for name in FUNCTIONS}
    assert folders == {path.stem for path in Path("events").glob("*.json")}


def test_the_contracts_routes_are_there(stack: Stack) -> None:
    [api] = stack.http_apis
    assert set(api.routes) == {*CONTRACT, "$default"}
    [sockets] = stack.websocket_apis
    assert set(sockets.routes) == {"$connect", "$default", "$disconnect"}
    assert sockets.routes["$default"].responds


def test_the_fallback_knows_the_routes(stack: Stack) -> None:
    [api] = stack.http_apis
    listed = stack.functions["FallbackFunction"].environment["ROUTES"]
    assert sorted(listed.split(", ")) == sorted(set(api.routes) - {"$default"})


def test_every_parameter_is_described_used_and_documented() -> None:
    used = json.dumps({k: v for k, v in SOURCE.items() if k != "Parameters"})
    readme = Path("README.md").read_text()
    for name, parameter in SOURCE["Parameters"].items():
        assert parameter.get("Description"), name
        assert f'"{name}"' in used or f"${{{name}}}" in used, name
        assert f"`{name}`" in readme, name


@pytest.mark.parametrize("name", SOURCE["Parameters"])
def test_a_malformed_parameter_fails_at_deploy_by_name(name: str) -> None:
    """CloudFormation looks at what a parameter declares before it makes anything; so do we."""
    nowhere = reader.Deployment("http://localhost", "http://localhost")
    with pytest.raises(reader.TemplateError, match=f"Parameter {name} is "):
        reader.load(Path("template.yaml"), {name: "no such, thing "}, nowhere)


def test_every_route_and_error_code_is_documented() -> None:
    text = "\n".join(path.read_text() for path in Path("docs").glob("*.md"))
    for route in CONTRACT:
        method, path = route.split()
        assert re.search(rf"{method} {re.escape(path)}", text), route
    codes = re.findall(r'code(?:: ClassVar\[str\])? = "([A-Z_]+)"', _problems())
    assert len(codes) > 5
    for code in codes:
        assert f"`{code}`" in text, code


def _problems() -> str:
    return Path("layers/core/audioapi/problems.py").read_text()
