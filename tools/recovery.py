"""`python -m tools.recovery`: has tried again what an outage or a fault left undone, in the local
stack or in a deployment.

Everything it does may be done twice. With --dry-run it says what it would do, and does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.command_line.console import Screen
from local.services.clients import forget_aws
from local.stack.stack import ROOT, environment
from local.template.reader import TemplateError
from tools import local_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_sqs import SQSClient

_FUNCTIONS = ("JobsWorkerFunction", "WebhookDeliverFunction")
"""Whose environments name all tables and queues that are needed here."""
_BATCH = 10


class RecoveryError(RuntimeError):
    """It can't be done; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status; argparse ends the program by itself, with 2."""
    options = parser().parse_args(arguments)
    screen = Screen()
    try:
        run(options, screen)
    except (RecoveryError, local_stack.NoStackError, TemplateError) as error:
        screen.problem(str(error))
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.recovery",
        description="Has tried again what an outage or a fault left undone.",
    )
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    sessions = _kind(kinds, "sessions", "stream sessions")
    _action(sessions, "reopen", reopen, "try a file again that was given up").add_argument(
        "session", nargs="+", metavar="SESSION_ID"
    )
    _action(sessions, "rebuild", rebuild, "make a file anew of the chunks there are").add_argument(
        "session", nargs="+", metavar="SESSION_ID"
    )
    tasks = _kind(kinds, "tasks", "recordings' tasks")
    _action(tasks, "retry", retry, "process a recording again that failed").add_argument(
        "task", nargs="+", metavar="TASK_ID"
    )
    deliveries = _kind(kinds, "deliveries", "webhooks' deliveries")
    again = _action(deliveries, "replay", replay, "send one again, with all its attempts")
    again.add_argument("webhook", metavar="WEBHOOK_ID")
    again.add_argument("delivery", metavar="DELIVERY_ID")
    again.add_argument("--organization", required=True, metavar="ID", help="the webhook's owner's")
    again.add_argument("--user", required=True, help="the webhook's owner")
    letters = _kind(kinds, "dead-letters", "messages that failed too often")
    _action(letters, "list", show, "how many there are in which queue")
    back = _action(letters, "redrive", redrive, "send those of a queue back to where they were")
    back.add_argument("queue", metavar="QUEUE", help="as `list` shows it")
    return parser


def _kind(kinds: Any, name: str, what: str) -> Any:
    kind = kinds.add_parser(name, help=what)
    return kind.add_subparsers(required=True, metavar="ACTION")


def _action(
    kind: Any, name: str, do: Callable[[argparse.Namespace, Screen], None], what: str
) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = kind.add_parser(name, help=what)
    action.set_defaults(action=do)
    action.add_argument("--dry-run", action="store_true", help="say what would be done")
    where = action.add_mutually_exclusive_group()
    where.add_argument(
        "--deployment",
        metavar="STACK",
        help="the CloudFormation stack's name, with the AWS credentials you use",
    )
    local_stack.add_state(where)
    return action


def run(options: argparse.Namespace, screen: Screen) -> None:
    """Raises RecoveryError for what can't be done."""
    sys.path.insert(0, str(ROOT / "layers" / "core"))  # as Lambda has a layer's code on it
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - takes long

    try:
        os.environ.update(variables(options))
        options.action(options, screen)
    except (BotoCoreError, ClientError) as error:
        raise RecoveryError(str(error).partition("\n")[0]) from error


def variables(options: argparse.Namespace) -> dict[str, str]:
    """Where tables and queues are, as functions are told."""
    if options.deployment:
        return deployed(options.deployment)
    forget_aws()
    address = local_stack.running(options.state, otherwise="a deployment with --deployment")
    stack = local_stack.described(address)
    told = environment(address.aws_endpoint_url)
    for name in _FUNCTIONS:
        told |= stack.functions[name].environment
    return told


def deployed(stack: str) -> dict[str, str]:
    """What the stack's functions are told.
    https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html
    """
    import boto3  # noqa: PLC0415 - takes long

    cloudformation, functions = boto3.client("cloudformation"), boto3.client("lambda")
    told: dict[str, str] = {}
    for name in _FUNCTIONS:
        found = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=name)
        physical = found["StackResourceDetail"]["PhysicalResourceId"]
        configuration = functions.get_function_configuration(FunctionName=physical)
        told |= configuration["Environment"]["Variables"]
    return told


# ---- Sessions, tasks, deliveries -----------------------------------------------------------------


def reopen(options: argparse.Namespace, screen: Screen) -> None:
    from audioapi.streaming import service  # noqa: PLC0415 - its environment is set by now

    for session_id in options.session:
        session = _session(session_id)
        if not session.gave_up:
            raise RecoveryError(f"{session_id}: nobody gave up on it, it is {session.status}")
        if _says(options, screen, f"{session_id}: its file, which was given up, is tried again"):
            service.reopen(session_id)


def rebuild(options: argparse.Namespace, screen: Screen) -> None:
    from audioapi.streaming import chunks, service  # noqa: PLC0415 - as above

    for session_id in options.session:
        session = _session(session_id)
        if not session.status.finished:
            raise RecoveryError(f"{session_id}: it hasn't ended, it is {session.status}")
        if chunks.listed(session).empty:
            raise RecoveryError(f"{session_id}: its chunks are gone; they are kept for some days")
        if _says(options, screen, f"{session_id}: its file is made anew of its chunks"):
            service.rebuild(session_id)


def _session(session_id: str) -> Any:
    from audioapi.streaming import store  # noqa: PLC0415 - as above

    session = store.session(session_id)
    if session is None:
        raise RecoveryError(f"{session_id}: there is no such session")
    return session


def retry(options: argparse.Namespace, screen: Screen) -> None:
    from audioapi.processing import service, store  # noqa: PLC0415 - as above
    from audioapi.processing.models import Status  # noqa: PLC0415 - as above

    for task_id in options.task:
        task = store.task(task_id)
        if task is None:
            raise RecoveryError(f"{task_id}: there is no such task")
        if task.status is not Status.FAILURE:
            raise RecoveryError(f"{task_id}: it hasn't failed, it is {task.status}")
        if _says(options, screen, f"{task_id}: {task.key} is processed again"):
            service.retry(task_id)


def replay(options: argparse.Namespace, screen: Screen) -> None:
    from audioapi.identity import Principal  # noqa: PLC0415 - as above
    from audioapi.problems import AudioApiError  # noqa: PLC0415 - as above
    from audioapi.webhooks import service  # noqa: PLC0415 - as above

    if _says(options, screen, f"{options.delivery}: sent to {options.webhook} again"):
        owner = Principal(options.user, options.organization)
        try:
            service.replay(owner, options.webhook, options.delivery)
        except AudioApiError as error:
            raise RecoveryError(f"{options.delivery}: {error.detail}") from error


def _says(options: argparse.Namespace, screen: Screen, what: str) -> bool:
    """Whether it is to be done, too."""
    screen.line(f"{what}{' (not done: --dry-run)' if options.dry_run else ''}")
    return not options.dry_run


# ---- Dead letters --------------------------------------------------------------------------------


@dataclass(frozen=True)
class DeadLetters:
    """A queue of them, and the queue that they come from."""

    name: str
    url: str
    source_url: str
    messages: int


def show(options: argparse.Namespace, screen: Screen) -> None:
    for queue in dead_letters(options.deployment):
        screen.line(f"{queue.messages:6}  {queue.name}")


def redrive(options: argparse.Namespace, screen: Screen) -> None:
    """Each message is sent before it is deleted: a crash in between has it twice."""
    known = {queue.name: queue for queue in dead_letters(options.deployment)}
    queue = known.get(options.queue)
    if queue is None:
        raise RecoveryError(f"{options.queue} is none of {', '.join(sorted(known))}")
    to = queue.source_url.rpartition("/")[2]
    if _says(options, screen, f"{queue.messages} messages go back to {to}"):
        moved = sum(1 for _ in _moved(queue))
        screen.line(f"{moved} were sent")


def dead_letters(deployment: str | None) -> list[DeadLetters]:
    """Of a deployment, or of the local stack."""
    from audioapi import queues  # noqa: PLC0415 - as above

    sqs = queues.client()
    wanted: Any = ["QueueArn", "RedrivePolicy", "ApproximateNumberOfMessages"]
    told = {
        url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
        for url in _queues(sqs, deployment)
    }
    by_arn = {each["QueueArn"]: url for url, each in told.items()}
    found = []
    for url, each in told.items():
        policy = json.loads(each.get("RedrivePolicy", "{}"))
        if dead := by_arn.get(policy.get("deadLetterTargetArn", "")):
            count = int(told[dead]["ApproximateNumberOfMessages"])
            found.append(DeadLetters(dead.rpartition("/")[2], dead, url, count))
    return sorted(found, key=lambda queue: queue.name)


def _queues(sqs: SQSClient, deployment: str | None) -> list[str]:
    """The deployment's own; locally there are no others."""
    if deployment is None:
        return sqs.list_queues().get("QueueUrls", [])
    import boto3  # noqa: PLC0415 - as above

    pages = boto3.client("cloudformation").get_paginator("list_stack_resources")
    resources = (
        each
        for page in pages.paginate(StackName=deployment)
        for each in page["StackResourceSummaries"]
    )
    return [
        each["PhysicalResourceId"]
        for each in resources
        if each["ResourceType"] == "AWS::SQS::Queue"
    ]


def _moved(queue: DeadLetters) -> Iterator[str]:
    """Ids of messages, as they are sent back."""
    from audioapi import queues  # noqa: PLC0415 - as above

    sqs = queues.client()
    while batch := _received(sqs, queue.url):
        for message in batch:
            in_order: Any = {}
            if group := message.get("Attributes", {}).get("MessageGroupId"):
                in_order = {
                    "MessageGroupId": group,
                    "MessageDeduplicationId": f"redriven-{message['MessageId']}",
                }
            sqs.send_message(
                QueueUrl=queue.source_url,
                MessageBody=message["Body"],
                MessageAttributes=message.get("MessageAttributes", {}),
                **in_order,
            )
            sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
            yield message["MessageId"]


def _received(sqs: SQSClient, url: str) -> list[Any]:
    every: Any = ["All"]
    return list(
        sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=_BATCH,
            MessageAttributeNames=every,
            MessageSystemAttributeNames=every,
        ).get("Messages", ())
    )


if __name__ == "__main__":
    sys.exit(main())
