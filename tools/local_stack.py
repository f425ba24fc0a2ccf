"""The running local stack, for tools that reach it or a deployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from local.stack.stack import PARAMETERS, TEMPLATE
from local.stack.state import Address, State
from local.template.reader import Deployment, load

if TYPE_CHECKING:
    from local.template.model import Stack


class NoStackError(RuntimeError):
    """None runs; the message says what would help."""


def add_state(where: Any) -> None:
    """`--state`, beside the option that names a deployment, to a group of an argument parser."""
    where.add_argument(
        "--state",
        type=Path,
        default=Path(".local"),
        metavar="FOLDER",
        help="of the running local stack (default: .local)",
    )


def running(state: Path, *, otherwise: str) -> Address:
    """Raises NoStackError; `otherwise` is what else may be named."""
    try:
        return Address(**json.loads(State(state).record.read_text()))
    except FileNotFoundError:
        raise NoStackError(
            f"No stack runs in {state}: start one with `make run`, or name {otherwise}"
        ) from None


def described(address: Address) -> Stack:
    """What the template says of it. Raises TemplateError."""
    given = {name: str(value) for name, value in yaml.safe_load(PARAMETERS.read_text()).items()}
    return load(TEMPLATE, given, Deployment(address.url, address.aws_endpoint_url))
