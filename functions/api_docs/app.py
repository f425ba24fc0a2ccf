"""The API's reference: `/openapi.json` and `/asyncapi.json` for machines, `/docs` (Swagger UI) and
`/redoc` for people, with everything that these pages load.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from aws_lambda_powertools.event_handler import Response

from audioapi import http, problems

HERE = Path(__file__).parent
# Scripts come from here alone; Redoc searches in a worker that it makes itself.
SECURITY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src 'self' blob:; frame-ancestors 'none'"
)
SWAGGER = "aws_lambda_powertools.event_handler.openapi.swagger_ui"

app = http.resolver()


@app.get("/openapi.json", include_in_schema=False)
def openapi() -> Response[bytes]:
    return answer(HERE / "openapi.json", "application/json")


@app.get("/asyncapi.json", include_in_schema=False)
def asyncapi() -> Response[bytes]:
    return answer(HERE / "asyncapi.json", "application/json")


@app.get("/docs", include_in_schema=False)
def swagger() -> Response[bytes]:
    return answer(HERE / "pages" / "docs.html", "text/html; charset=utf-8")


@app.get("/redoc", include_in_schema=False)
def redoc() -> Response[bytes]:
    return answer(HERE / "pages" / "redoc.html", "text/html; charset=utf-8")


@app.get("/docs/<asset>", include_in_schema=False)
def asset(asset: str) -> Response[bytes]:
    found = assets().get(asset)
    if found is None:
        raise problems.NotFoundError("Not found")
    kind = "text/css" if asset.endswith(".css") else "text/javascript"
    return answer(found, f"{kind}; charset=utf-8", kept_seconds=86_400)


@cache
def assets() -> dict[str, Path]:
    return {
        "start.js": HERE / "pages" / "start.js",
        "swagger-ui.js": folder(SWAGGER) / "swagger-ui-bundle.min.js",
        "swagger-ui.css": folder(SWAGGER) / "swagger-ui.min.css",
        "redoc.js": folder("flask_openapi3_redoc") / "templates/redoc/js/redoc.standalone.js",
    }


def folder(package: str) -> Path:
    """Where a package's files are, found without running its code."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(package)
    return Path(found.origin).parent


def answer(file: Path, content_type: str, *, kept_seconds: int = 300) -> Response[bytes]:
    return Response(
        200,
        content_type=content_type,
        headers={
            "Cache-Control": f"public, max-age={kept_seconds}",
            "Content-Security-Policy": SECURITY,
            "X-Content-Type-Options": "nosniff",
        },
        body=file.read_bytes(),
    )


lambda_handler = http.handler(app)
