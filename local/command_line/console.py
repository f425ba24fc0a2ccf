"""What whoever starts the stack sees: colours and a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TextIO

    from audio_client import Progress as Sent
    from local.command_line.sample import Checked, Memory, Recording
    from local.stack.state import Address


class Screen:
    """Results on standard output, problems on standard error."""

    def __init__(self) -> None:
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False)

    def line(self, text: str, style: str = "") -> None:
        self._out.print(Text(text, style), soft_wrap=True)

    def problem(self, text: str) -> None:
        self._err.print(Text(text, "bold red"), soft_wrap=True)

    def warning(self, text: str) -> None:
        self._err.print(Text(text, "yellow"), soft_wrap=True)

    def table(self, title: str, rows: dict[str, str]) -> None:
        self._out.print(Text(f"\n{title}", "bold"))
        width = max(map(len, rows))
        for name, value in rows.items():
            label = Text(f"  {name:<{width}}  ", "cyan")
            self._out.print(label.append(value, "default"), soft_wrap=True)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """A moving sign in a terminal, a line elsewhere."""
        if self._out.is_terminal:
            with self._out.status(text):
                yield
        else:
            self.line(text)
            yield

    @contextmanager
    def progress(self, file: Path) -> Iterator[Callable[[Sent], None]]:
        """A bar that moves with what the stack has acknowledged."""
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[chunks]} chunks acknowledged"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._out, disable=not self._out.is_terminal) as bar:
            row = bar.add_task(file.name, total=file.stat().st_size, chunks=0)

            def show(sent: Sent) -> None:
                bar.update(row, completed=sent.bytes_acked, chunks=sent.chunks_acked)

            yield show

    def log_lines(self) -> TextIO:
        """A stream for log lines, which go above a bar that is on the screen, and never wrap."""
        return cast("TextIO", LogLines(self._out))


class LogLines(io.TextIOBase):
    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        self._console.print(Text(text, "dim"), end="", soft_wrap=True)
        return len(text)


class LogHandler(logging.Handler):
    """The stack's own warnings, among the functions' lines."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.warning(f"{record.levelname.lower()}: {self.format(record)}")


def addresses(address: Address, state: Path) -> dict[str, str]:
    return {
        "HTTP API": address.url,
        "WebSocket": f"{address.ws_url}/api/ws/audio",
        **address.function_urls,
        "API key": address.api_key,
        "AWS endpoint": address.aws_endpoint_url,
        "Bucket": address.bucket,
        "Database": address.database_url,
        "Logs": str(state / "logs"),
        "For tools": str(state / "stack.json"),
    }


def session(recording: Recording, address: Address) -> dict[str, str]:
    return {
        "Session": recording.session_id,
        "Duration": f"{recording.duration:.2f} s",
        "File": f"s3://{address.bucket}/{recording.file_path}",
    }


def session_links(recording: Recording, address: Address) -> dict[str, str]:
    """What a stack that goes on can be asked for."""
    key = f"-H 'x-api-key: {address.api_key}'"
    return {
        "Download": recording.download_url,
        "Ask for it": f"curl {key} {address.url}/api/audio/sessions/{recording.session_id}",
        "Its results": f"curl {key} {address.url}/get_audio_task/{recording.session_id}",
        "As memories": f"curl {key} {address.url}/memories",
    }


def memory(played: Memory) -> dict[str, str]:
    return {
        "Memory": played.memory_id,
        "First window": f"{played.duration:.2f} s",
        "Transcript": played.transcript or "(no speech was found)",
    }


def verdict(file: Checked, window: Checked, name: str) -> str:
    return f"Passed. File: {_compared(file, name)}. Memory: {_compared(window, 'the file')}."


def _compared(checked: Checked, other: str) -> str:
    frames = f"{checked.frames:,} samples"
    return (
        f"{frames}, each equal to {other}'s" if checked.compared else f"{frames}, as long as told"
    )
