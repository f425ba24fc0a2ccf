"""S3, DynamoDB and SQS as the template describes them, for functions that run outside a stack."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from local import clients, ffmpeg, provision, template
from local.aws import Aws
from local.guard import Guard
from local.stack import TEMPLATE
from local.stack import environment as credentials
from tests.bench.bench import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PARAMETERS = {"AllowAnonymousStreaming": "true"}


@contextmanager
def provisioned(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a process that may run any function, while the services are up."""
    folder.mkdir()
    with Guard(folder / "services.json") as guard:
        aws = Aws(folder / "aws.log", guard)
        aws.start()
        try:
            deployment = template.Deployment("http://127.0.0.1:1", aws.url)  # nobody is connected
            stack = template.load(TEMPLATE, _PARAMETERS, deployment)
            provision.provision(stack.resources.values(), clients.connect(aws.url))
            yield {
                **{name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ},
                **credentials(aws.url),
                **{k: v for f in stack.functions.values() for k, v in f.environment.items()},
                "FFMPEG_PATH": str(ffmpeg.find()),
                "POWERTOOLS_LOG_LEVEL": "CRITICAL",  # standard output is for results
                "PYTHONPATH": os.pathsep.join([str(ROOT / "layers" / "core"), str(ROOT)]),
            }
        finally:
            aws.stop()
