"""One cold start, in a process that has imported nothing yet: its seconds on standard output.

    python cold.py app|floor '{"path": ["layers/core"], "kind": "http", "services": ["s3"], …}'

It is run as a file: a module would bring its package with it.
"""

import json
import sys
import time

what, needs = sys.argv[1], json.loads(sys.argv[2])
sys.path[0:1] = needs["path"]
began = time.perf_counter()

import boto3  # noqa: E402

if what == "app":
    import app  # type: ignore[import-not-found]  # noqa: F401
else:
    import pydantic  # noqa: F401
    from aws_lambda_powertools import Logger

    Logger()
    if needs["kind"] == "http":
        from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

        APIGatewayHttpResolver(enable_validation=True)
    elif needs["kind"] == "web server":
        import uvicorn  # noqa: F401
        from starlette.applications import Starlette

        Starlette()
    if needs["database"]:
        from sqlalchemy import create_engine

        create_engine("postgresql+psycopg2://nobody@nowhere/nothing")
for service in needs["services"]:
    boto3.client(service)
print(time.perf_counter() - began)  # noqa: T201
