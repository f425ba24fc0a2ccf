"""The API's reference is what the functions are, and its pages load from their own origin alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.integration.audioapi.functions import app
from tests.integration.test_template import CONTRACT
from tests.unit.audioapi.context import Context

EVENT = json.loads(Path("events/api_docs.json").read_text())
COMMITTED = json.loads(Path("docs/openapi.json").read_text())
ABOUT_ITSELF = {"/openapi.json", "/asyncapi.json", "/docs", "/redoc", "/docs/{asset}"}


def asked(path: str) -> tuple[int, dict[str, str], str]:
    event = json.loads(json.dumps(EVENT).replace("/redoc", path))
    answer = app("api_docs").lambda_handler(event, Context())
    return answer["statusCode"], answer["headers"], answer["body"]


def test_the_committed_document_is_what_the_functions_say() -> None:
    """Otherwise: make openapi."""
    printed = subprocess.run(
        [sys.executable, "-m", "tools.openapi"], capture_output=True, check=True, text=True
    )
    assert printed.stdout == Path("docs/openapi.json").read_text()


def test_it_has_every_route_but_those_to_itself() -> None:
    described = {
        f"{method.upper()} {re.sub(r'{.*?}', '{}', path)}"
        for path, operations in COMMITTED["paths"].items()
        for method in operations
    }
    routes = {re.sub(r"{.*?}", "{}", it) for it in CONTRACT if it.split()[1] not in ABOUT_ITSELF}
    assert {it for it in routes if not it.startswith("HEAD")} <= described


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
def test_the_documents_are_served(name: str) -> None:
    status, headers, body = asked(f"/{name}")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == json.loads(Path("docs", name).read_text())


class Loaded(HTMLParser):
    """What a page makes its browser load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, _: str, attributes: list[tuple[str, str | None]]) -> None:
        given: dict[str, Any] = dict(attributes)
        self.found += [given[name] for name in ("src", "href", "spec-url") if name in given]


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_a_page_loads_what_is_served_beside_it(page: str) -> None:
    status, headers, body = asked(page)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    found = Loaded(body).found
    assert len(found) >= 2
    for reference in found:
        assert asked(f"/{reference}")[0] == 200, reference


@pytest.mark.parametrize("asset", ["app.py", "..%2fapp.py", "openapi.json", ""])
def test_nothing_else_is_served(asset: str) -> None:
    assert asked(f"/docs/{asset}")[0] == 404
