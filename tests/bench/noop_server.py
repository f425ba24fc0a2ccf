"""An HTTP server that does nothing, and answers with nothing: the least that a call can take.

`python -m tests.bench.noop_server` prints its port, and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web


async def main() -> None:
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)  # noqa: T201 - for the process that started this one
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


async def _answer(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


if __name__ == "__main__":
    asyncio.run(main())
