"""Serves a function's `app` to the Lambda Web Adapter: what the function's run.sh starts."""

from __future__ import annotations

import os

import uvicorn

if __name__ == "__main__":
    uvicorn.run(
        "app:app",
        port=int(os.environ["AWS_LWA_PORT"]),
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        log_level="error",
        timeout_graceful_shutdown=1,
    )
