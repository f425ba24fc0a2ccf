"""Serves a function's `app` to the Lambda Web Adapter: what the function's run.sh starts."""

from __future__ import annotations

import os

# The server and its first request would import the first three by name: a snapshot has them.
import anyio._backends._asyncio  # noqa: F401
import uvicorn.lifespan.off
import uvicorn.loops.asyncio
from uvicorn.protocols.http.h11_impl import H11Protocol

if __name__ == "__main__":
    uvicorn.run(
        "app:app",
        port=int(os.environ["AWS_LWA_PORT"]),
        http=H11Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        log_level="error",
        timeout_graceful_shutdown=1,
    )
