"""boto3 without what takes each test a while and tells it nothing."""

from __future__ import annotations

import os
from functools import wraps
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.useragent import UserAgentString

if TYPE_CHECKING:
    from collections.abc import Callable


def quicken() -> None:
    """From now on, in this process: no call tells at length which software makes it."""
    agent: Any = UserAgentString
    agent.to_string = lambda _: "tests"


def shared(make: Callable[..., Any]) -> Callable[..., Any]:
    """`boto3.client`, whose clients are given to all who want the same in the same environment. To
    make one takes as long as two calls, and a new one finds out again where its services are.
    """
    made: dict[object, Any] = {}

    @wraps(make)
    def client(service: str, **options: Any) -> Any:
        wanted = (
            service,
            [(name, _plain(options[name])) for name in sorted(options)],
            _environment(),
        )
        if (key := repr(wanted)) not in made:
            made[key] = make(service, **options)
        return made[key]

    return client


def _plain(option: Any) -> Any:
    """What a configuration says, of which each is another object."""
    return vars(option)["_user_provided_options"] if isinstance(option, Config) else option


def _environment() -> list[tuple[str, str]]:
    return sorted(item for item in os.environ.items() if item[0].startswith("AWS_"))
