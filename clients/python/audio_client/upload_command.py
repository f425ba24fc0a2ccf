"""Uploads a recording in parts and, if it is asked to, has it processed. Run again after whatever
ended it, it sends only what is missing.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_client.errors import AudioClientError, ProcessingFailedError
from audio_client.terminal import Exit, Target, Terminal, UsageError
from audio_client.uploads import Uploaded, upload

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.progress import Progress, TaskID

HELP = "upload a recording of any size, and go on where it stopped"

_EXAMPLE = """\
example:
  python -m audio_client upload talk.m4a --url http://localhost:8000 --api-key dev-key --process
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("file", metavar="FILE", help="an m4a, mp3, wav, flac, aac, ogg, opus or webm file")
    add("--file-id", metavar="ID", help="the recording's id (default: one is made up)")
    add("--process", action="store_true", help="have it processed, wait, and print the results")


def run(options: argparse.Namespace, terminal: Terminal) -> Exit:
    target = Target.of(options)
    with terminal.bar() as bar:
        row = _Row(bar, Path(options.file))
        try:
            uploaded = _uploaded(target, options, row)
        except KeyboardInterrupt:
            terminal.failure("interrupted")
            _advise(terminal, options, row)
            return Exit.INTERRUPTED
        except AudioClientError as error:
            terminal.failure(str(error), **row.task)
            if not isinstance(error, ProcessingFailedError):
                _advise(terminal, options, row)
            return Exit.FAILED
    terminal.result(asdict(uploaded) if terminal.as_json else dict(_lines(uploaded)))
    return Exit.OK


class _Row:
    """The bar's row, there as soon as it is known how much has arrived before."""

    def __init__(self, bar: Progress, file: Path) -> None:
        self._bar = bar
        self._file = file
        self._id: TaskID | None = None
        self.task: dict[str, Any] = {}

    @property
    def is_begun(self) -> bool:
        return self._id is not None

    def show_progress(self, done: int) -> None:
        if self._id is None:
            size = self._file.stat().st_size
            self._id = self._bar.add_task(self._file.name, total=size, completed=done)
        self._bar.update(self._id, completed=done)

    def show_task(self, task: Mapping[str, Any]) -> None:
        self.task = {name: task[name] for name in ("task_id", "file_id")}
        if self._id is not None:
            doing = task.get("progress", {}).get("phase", task["status"].lower())
            self._bar.update(self._id, description=f"{self._file.name}: {doing}")


def _uploaded(target: Target, options: argparse.Namespace, row: _Row) -> Uploaded:
    try:
        return upload(
            options.file,
            url=target.http_url or target.url,
            api_key=target.api_key,
            file_id=options.file_id,
            process=options.process,
            on_progress=row.show_progress,
            on_status=row.show_task,
        )
    except AudioClientError:
        raise  # some are OSErrors too
    except OSError as error:
        raise UsageError(f"{options.file}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(str(error)) from error


def _lines(uploaded: Uploaded) -> Iterator[tuple[str, object]]:
    told = asdict(uploaded)
    task = told.pop("task")
    yield from told.items()
    if task is not None:
        yield "task_id", task["task_id"]
        yield from _flat(task["result"])


def _flat(values: Mapping[str, Any], *names: str) -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, *names, name)
        else:
            yield "_".join((*names, name)), value


def _advise(terminal: Terminal, options: argparse.Namespace, row: _Row) -> None:
    """How to go on with an upload that was begun. Repeats no key."""
    if not row.is_begun:
        return
    command = ["python", "-m", "audio_client", "upload", options.file]
    for option in ("url", "http_url", "file_id"):
        if value := getattr(options, option):
            command += [f"--{option.replace('_', '-')}", value]
    command += ["--process"] if options.process else []
    key = " --api-key …" if options.api_key else ""
    terminal.say(f"What has arrived is kept for a day; go on with: {shlex.join(command)}{key}")
