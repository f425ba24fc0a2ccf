"""A page in a real browser, without a window, and what its script reports."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.patience import until
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
OPTIONS = (
    "--headless",
    "--no-sandbox",  # Chromium refuses to run as root with one
    "--disable-dev-shm-usage",  # containers' is small
    "--disable-background-networking",
    "--no-first-run",
)


class Page:
    """What the page told with `report(…)`, in order, and the browser that shows it."""

    def __init__(self, reports: deque[Any], browser: subprocess.Popen[bytes]) -> None:
        self._reports = reports
        self._browser = browser

    def report(self) -> Any:
        """The next one, for which it waits."""
        until(lambda: self._reports, failed=self._ended)
        return self._reports.popleft()

    def _ended(self) -> str | bool:
        return self._browser.poll() is not None and "the browser has ended"


@contextmanager
def opened(script: str, profile: Path, *, base: str) -> Iterator[Page]:
    """A page of another origin than the service's, whose relative addresses are the service's."""
    reports: deque[Any] = deque()
    with _site(reports, script, base) as url, (profile.parent / "browser.log").open("wb") as log:
        browser = subprocess.Popen(
            [_browser(), *OPTIONS, f"--user-data-dir={profile}", url],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Page(reports, browser)
        finally:
            browser.terminate()
            browser.wait()


def _browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, f"A browser is needed: one of {', '.join(BROWSERS)}"
    return found


@contextmanager
def _site(reports: deque[Any], script: str, base: str) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(reports, script, base))
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}/"


def _handler(reports: deque[Any], script: str, base: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            report = """
              let told = Promise.resolve();
              const report = (what) => {
                const body = JSON.stringify(what);
                told = told.then(() => fetch("http://" + location.host, {method: "POST", body}));
              };
            """
            html = f'<!doctype html><base href="{base}/"><script>{report}{script}</script>'
            self._answer(200, html.encode())

        def do_POST(self) -> None:
            reports.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(200, b"")

        def log_message(self, *_: object) -> None:
            """Nothing: the browser's own log is kept."""

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
