"""`python -m tools.keys create|list|revoke`: API keys, of the local stack or of a deployment.

A key is shown when it is made, and never again: only its digest is kept.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from local.command_line.console import Screen
from local.services.clients import forget_aws
from local.stack.stack import ROOT, environment
from local.template.reader import TemplateError
from tools import local_stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from audioapi.identity import ApiKey

SCOPES = ("read", "write")
SECONDS_A_DAY = 24 * 3600
SHOWN_DIGITS = 12
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_SLUG = 63


class KeysError(RuntimeError):
    """It can't be done; the message says why, and what would help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status; argparse ends the program by itself, with 2."""
    options = parser().parse_args(arguments)
    if options.table is None:
        forget_aws()
    screen = Screen()
    try:
        run(options, screen)
    except (KeysError, local_stack.NoStackError, TemplateError) as error:
        screen.problem(str(error))
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.keys",
        description="Makes, shows and revokes API keys, here or of a deployment.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser("create", help="make a key, and print it this once")
    new.set_defaults(action=create)
    new.add_argument("--user", required=True, help="who calls with it")
    new.add_argument("--organization", required=True, metavar="SLUG_OR_ID")
    new.add_argument(
        "--create-organization",
        metavar="NAME",
        help="make that organization first, with --organization as its slug",
    )
    new.add_argument("--name", help="what the key is for, to tell it from others")
    new.add_argument("--scopes", type=scopes, default=SCOPES, help="(default: read,write)")
    new.add_argument("--expires", type=days, metavar="DAYS", help="(default: never)")
    new.add_argument(
        "--database-url",
        metavar="URL",
        help="the deployment's, to find or make organizations by slug (locally it is known)",
    )
    every = actions.add_parser("list", help="show who may call, and until when")
    every.set_defaults(action=show)
    old = actions.add_parser("revoke", help="make a key invalid")
    old.set_defaults(action=revoke)
    old.add_argument("digest", type=digits, help="as `list` shows it; its beginning is enough")
    for action in (new, every, old):
        where = action.add_mutually_exclusive_group()
        where.add_argument(
            "--table",
            metavar="NAME",
            help="of a deployment (its output ApiKeysTableName), with the AWS credentials you use",
        )
        local_stack.add_state(where)
    return parser


def scopes(text: str) -> tuple[str, ...]:
    chosen = tuple(scope.strip() for scope in text.split(","))
    if not set(chosen) <= set(SCOPES):
        raise argparse.ArgumentTypeError(f"{text!r} is not one or both of {','.join(SCOPES)}")
    return chosen


def days(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number <= 36_500:  # noqa: PLR2004 - a century
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days")
    return number


def digits(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{4,64}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the beginning of a digest")
    return text


def run(options: argparse.Namespace, screen: Screen) -> None:
    """Raises KeysError for what can't be done."""
    sys.path.insert(0, str(ROOT / "layers" / "core"))  # as Lambda has a layer's code on it
    if options.table is None:
        address = local_stack.running(options.state, otherwise="a deployment's table with --table")
        table = local_stack.described(address).resources["ApiKeysTable"]
        os.environ.update(environment(address.aws_endpoint_url))
        os.environ["API_KEYS_TABLE"] = table.properties["TableName"]
        options.database_url = getattr(options, "database_url", None) or address.database_url
    else:
        os.environ["API_KEYS_TABLE"] = options.table

    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - takes long
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - so does this

    try:
        options.action(options, screen)
    except (BotoCoreError, ClientError, SQLAlchemyError) as error:
        raise KeysError(str(error).partition("\n")[0]) from error


def create(options: argparse.Namespace, screen: Screen) -> None:
    from audioapi import identity  # noqa: PLC0415 - its path and environment are set by now

    principal = identity.Principal(options.user, organization_id(options), options.scopes)
    expires_at = options.expires and int(time.time() + options.expires * SECONDS_A_DAY)
    api_key = secrets.token_urlsafe(32)
    try:
        kept = identity.put_api_key(api_key, principal, name=options.name, expires_at=expires_at)
    except ValueError as error:
        raise KeysError(str(error)) from error
    screen.line(api_key)
    screen.warning(f"Keep it: only its digest, {kept.digest[:SHOWN_DIGITS]}…, is stored")


def show(_options: argparse.Namespace, screen: Screen) -> None:
    from audioapi import identity  # noqa: PLC0415 - as above

    every = sorted(identity.api_keys(), key=lambda key: key.created_at or 0)
    header = ("DIGEST", "USER", "ORGANIZATION", "SCOPES", "CREATED", "EXPIRES", "NAME")
    rows = [header, *(row(key) for key in every)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        screen.line("  ".join(padded).rstrip())


def revoke(options: argparse.Namespace, screen: Screen) -> None:
    from audioapi import identity  # noqa: PLC0415 - as above

    meant = [key for key in identity.api_keys() if key.digest.startswith(options.digest)]
    if len(meant) != 1:
        raise KeysError(
            f"{len(meant) or 'No'} keys' digests begin with {options.digest}"
            + (": give more of it" if meant else "")
        )
    identity.delete_api_key(meant[0])
    screen.line(f"Revoked {meant[0].digest[:SHOWN_DIGITS]} of {meant[0].principal.user_id}")


def row(key: ApiKey) -> tuple[str, ...]:
    caller = key.principal
    return (
        key.digest[:SHOWN_DIGITS],
        caller.user_id,
        caller.organization_id,
        ",".join(caller.scopes),
        moment(key.created_at) or "unknown",
        moment(key.expires_at) or "never",
        key.name or "",
    )


def moment(at: int | None) -> str | None:
    return (
        None if at is None else datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
    )


def organization_id(options: argparse.Namespace) -> str:
    """The id of the organisation that is meant, made if that is wanted."""
    given, new_name = options.organization, options.create_organization
    if options.database_url is None:
        if new_name is None and is_id(given):
            return str(UUID(given))
        raise KeysError("Without --database-url, --organization must be an organization's id")

    from sqlalchemy.orm import Session  # noqa: PLC0415 - as above

    from audioapi import database  # noqa: PLC0415 - as above

    if not database.is_valid(options.database_url):
        raise KeysError("--database-url is no PostgreSQL URL")
    with Session(database.unpooled(options.database_url)) as session, session.begin():
        if new_name is not None:
            return str(made_id(session, given, new_name))
        return str(found_id(session, given))


def found_id(session: Session, given: str) -> UUID:
    from sqlalchemy import select  # noqa: PLC0415 - as above

    from audioapi.organizations import Organization  # noqa: PLC0415 - as above

    meant = Organization.id == UUID(given) if is_id(given) else Organization.slug == given
    found = session.scalar(select(Organization.id).where(meant))
    if found is None:
        raise KeysError(
            f"There is no organization {given}: make it with --create-organization NAME"
        )
    return found


def made_id(session: Session, slug: str, name: str) -> UUID:
    from sqlalchemy import select  # noqa: PLC0415 - as above

    from audioapi.organizations import Organization  # noqa: PLC0415 - as above

    if not _SLUG.fullmatch(slug) or len(slug) > _LONGEST_SLUG or is_id(slug):
        raise KeysError(
            f"--organization {slug} is no slug for a new one: small letters and digits, with single"
            f" hyphens between them, {_LONGEST_SLUG} at most"
        )
    if session.scalar(select(Organization.id).where(Organization.slug == slug)):
        raise KeysError(f"There is an organization {slug} already: leave --create-organization out")
    made = Organization(id=uuid4(), name=name, slug=slug)
    session.add(made)
    return made.id


def is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
