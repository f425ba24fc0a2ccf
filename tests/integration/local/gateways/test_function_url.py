"""Function URLs, before a real process, as Lambda and its web adapter have it."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

import aiohttp
import pytest
from yarl import URL

from tests.integration.local.gateways.web_function import (
    CORS,
    RUN,
    RUN_AS_A_WHOLE,
    SITE,
    serving,
    web_function,
)
from tests.patience import until_async
from tests.unit.local.runtime.runtime_support import gone, logged, reports

if TYPE_CHECKING:
    from pathlib import Path

MB = 1024 * 1024


@pytest.mark.parametrize("run", [RUN, RUN_AS_A_WHOLE])
async def test_a_response_arrives_piece_by_piece(tmp_path: Path, run: str) -> None:
    worker = web_function(tmp_path, run=run)
    async with serving(worker) as site, site.http.get("/pieces") as response:
        assert response.headers["Content-Type"] == "text/event-stream", "before there is a body"
        site.note("one")
        assert await response.content.readany() == b"one"
        site.note("two")
        assert await response.content.read() == b"two"


async def test_the_server_gets_the_request_as_the_adapter_passes_it_on(tmp_path: Path) -> None:
    async with serving(web_function(tmp_path)) as site:
        port = site.url.port
        async with site.http.post(
            URL("/a%2Fb%20c?q=1&q=%C3%A9+2", encoded=True),
            data=b"body",
            headers={"Cookie": "a=1; b=2", "X-Tag": "1", "TE": "trailers", "User-Agent": "test"},
        ) as response:
            seen = await response.json()

    assert (seen["method"], seen["size"]) == ("POST", 4)
    assert seen["target"] == "/a%2Fb%20c?q=1&q=%C3%A9+2"
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert headers["host"] == f"localhost:{port}"
    assert headers["cookie"] == "a=1; b=2"
    assert (headers["x-tag"], headers["user-agent"]) == ("1", "test")
    assert "te" not in headers
    assert headers["x-forwarded-for"] in ("127.0.0.1", "::1")
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("http", str(port))
    assert headers["x-amzn-trace-id"].startswith("Root=1-")
    request, function = (
        json.loads(headers[f"x-amzn-{which}-context"]) for which in ("request", "lambda")
    )
    assert (request["http"]["method"], request["http"]["path"]) == ("POST", "/a%2Fb%20c")
    assert (request["accountId"], request["apiId"]) == ("anonymous", "WorkerUrl")
    assert request["requestId"] == function["request_id"] == response.headers["x-amzn-RequestId"]
    assert function["invoked_function_arn"].endswith(":function:Worker")
    assert function["env_config"]["memory"] == 256
    assert [report["requestId"] for report in reports(tmp_path)] == [request["requestId"]]


async def test_the_deadline_is_the_functions(tmp_path: Path) -> None:
    async with serving(web_function(tmp_path, timeout=7)) as site:
        headers = dict((await site.echo())["headers"])
        at = int(json.loads(headers["x-amzn-request-context"])["timeEpoch"])

    context = json.loads(headers["x-amzn-lambda-context"])
    assert context["deadline"] >= at + 7000


async def test_an_answer_passes_as_it_is_without_what_is_hop_by_hop(tmp_path: Path) -> None:
    async with (
        serving(web_function(tmp_path)) as site,
        site.http.get("/elsewhere", allow_redirects=False) as response,
    ):
        assert (response.status, response.headers["Location"]) == (307, "/echo")
        assert len(response.headers.getall("Set-Cookie")) == 2
        assert "Keep-Alive" not in response.headers


async def test_a_process_has_one_request_at_a_time(tmp_path: Path) -> None:
    async with serving(web_function(tmp_path)) as site:
        first = (await site.echo())["pid"]
        assert (await site.echo())["pid"] == first, "one that is free is used again"
        async with site.http.get("/pieces") as response:
            second = (await site.echo())["pid"]
            assert sorted(site.pids()) == sorted([first, second])
            assert first != second
            site.note("one")
            site.note("two")
            assert await response.read() == b"onetwo"


async def test_a_function_that_runs_out_of_time_is_killed_and_its_stream_cut(
    tmp_path: Path,
) -> None:
    async with serving(web_function(tmp_path, timeout=2)) as site:
        async with site.http.get("/pieces") as response:
            (pid,) = site.pids()
            site.note("one")
            with pytest.raises(aiohttp.ClientError):
                await response.read()
        await gone(pid)
        assert (await site.echo())["pid"] != pid

    report = reports(tmp_path)[0]
    assert (report["status"], report["errorType"]) == ("timeout", "Timeout")
    assert report["errorMessage"].endswith("Task timed out after 2.00 seconds")


async def test_a_crash_is_a_502_and_the_next_request_has_a_new_process(tmp_path: Path) -> None:
    async with serving(web_function(tmp_path), cors=CORS) as site:
        async with site.http.get("/die", headers={"Origin": SITE}) as response:
            assert (response.status, await response.text()) == (502, "Internal Server Error")
            assert response.headers["Access-Control-Allow-Origin"] == SITE
        assert (await site.echo())["size"] == 0

    crash = reports(tmp_path)[0]
    assert crash["errorType"] == "Exit"
    assert crash["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert "farewell" in [line.get("message") for line in logged(tmp_path)]


async def test_a_crash_in_the_midst_of_an_answer_cuts_it(tmp_path: Path) -> None:
    async with (
        serving(web_function(tmp_path)) as site,
        site.http.get("/die-halfway") as response,
    ):
        assert await response.content.readany() == b"half"
        site.note("read")
        with pytest.raises(aiohttp.ClientError):
            await response.read()


@pytest.mark.parametrize(("run", "mode"), [("#!/bin/sh\nexit 1\n", 0o755), (RUN, 0o644)])
async def test_a_server_that_does_not_come_up_is_a_502(
    tmp_path: Path, run: str, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving(web_function(tmp_path, run=run, mode=mode)) as site,
        site.http.get("/") as response,
    ):
        assert response.status == 502

    failures = reports(tmp_path) if mode == 0o755 else caplog.messages
    assert len(failures) == 1
    assert ("exit status 1" if mode == 0o755 else "Permission denied") in str(failures[0])


@pytest.mark.parametrize(
    ("size", "kind", "status"),
    [
        (5 * MB, "text/plain", 200),
        (6 * MB + 1, "text/plain", 413),
        (4 * MB, "audio/wav", 200),
        (5 * MB, "audio/wav", 413),  # in base64 it is more
    ],
)
async def test_an_event_has_6_mb_at_most(tmp_path: Path, size: int, kind: str, status: int) -> None:
    async with (
        serving(web_function(tmp_path)) as site,
        site.http.post("/", data=BytesIO(b"a" * size), headers={"Content-Type": kind}) as response,
    ):
        assert response.status == status
        assert bool(site.pids()) == (status == 200)
        if status == 200:
            assert (await response.json())["size"] == size


async def test_cors_is_the_urls_own(tmp_path: Path) -> None:
    preflight = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    async with serving(web_function(tmp_path), cors=CORS) as site:
        async with site.http.options("/", headers=preflight) as response:
            assert response.headers["Access-Control-Allow-Methods"] == "GET,POST"
            assert response.headers["Access-Control-Allow-Headers"] == "x-api-key"
            assert response.headers["Access-Control-Max-Age"] == "300"
            assert site.pids() == [], "the function isn't asked"
        async with site.http.get("/", headers={"Origin": SITE}) as response:
            assert response.headers["Access-Control-Allow-Origin"] == SITE
            assert response.headers["Access-Control-Expose-Headers"] == "x-total"
        async with site.http.get("/", headers={"Origin": "https://else.example"}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
        async with site.http.options("/") as response:
            assert (await response.json())["method"] == "OPTIONS", "no preflight, as any other"


async def test_a_client_that_goes_away_ends_its_stream(tmp_path: Path) -> None:
    async with serving(web_function(tmp_path)) as site:
        async with site.http.get("/pieces") as response:
            (pid,) = site.pids()
            response.close()
        await until_async(lambda: site.noted("gone"))
        assert (await site.echo())["pid"] == pid, "its process goes on"


async def test_strictly_a_function_is_not_told_of_it(tmp_path: Path) -> None:
    async with serving(web_function(tmp_path), strict=True) as site:
        async with site.http.get("/pieces") as response:
            (pid,) = site.pids()
            response.close()
        assert (await site.echo())["pid"] != pid, "it is still busy"
        site.note("one")
        site.note("two")
        await until_async(lambda: site.noted("done"))
        assert not site.noted("gone")


async def test_the_end_does_not_wait_for_a_stream(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        async with serving(web_function(tmp_path, timeout=900)) as site:
            response = await http.get(site.url / "pieces")
        with pytest.raises(aiohttp.ClientError):
            await response.read()


async def test_a_change_is_in_effect_at_the_next_request(tmp_path: Path) -> None:
    worker = web_function(tmp_path)
    async with serving(worker) as site:
        first = (await site.echo())["pid"]
        (worker.code / "run.sh").write_text(RUN + "# changed\n")
        assert (await site.echo())["pid"] != first
        await gone(first)
