"""A file's way through a running stack: streamed in, made into one WAV, which is fetched and
compared, and played back as a memory.
"""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import wave
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from audio_client import AudioStreamer
from audio_client.wav import read_format

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from audio_client import Progress
    from local.stack.state import Address

FORMATS = ("wav", "mp3", "flac", "aac")
SAMPLE_RATES = (8000, 16000, 22050, 44100, 48000, 96000)
BLOCK = 65536  # frames that are compared at once
TOLERANCE = 0.001  # seconds, as durations are told in milliseconds
POLL_SECONDS = 0.2


class CheckError(Exception):
    """The file that came out isn't the one that should have; the message says how."""


@dataclass(frozen=True)
class Recording:
    """A session that is over, and its file. `duration` is in seconds."""

    session_id: str
    file_path: str
    duration: float
    download_url: str


@dataclass(frozen=True)
class Memory:
    """The first window of a recording, as the memories API plays it back. `duration` is in seconds,
    `windows` how many there are, `transcript` what was said in the whole recording.
    """

    memory_id: str
    duration: float
    windows: int
    presigned_url: str
    transcript: str


@dataclass(frozen=True)
class Checked:
    """A file that is right; `compared` if every sample was, and not the length alone."""

    frames: int
    compared: bool


async def stream(
    file: Path, address: Address, on_progress: Callable[[Progress], None]
) -> Recording:
    """Streams `file` into a session of its own rate and channels, if sessions may have them."""
    streamer = AudioStreamer(f"{address.ws_url}/api", api_key=address.api_key)
    suffix = file.suffix.lower().lstrip(".")
    with file.open("rb") as source:
        header = read_format(source)
        async with streamer:
            session_id = await streamer.create_session(
                sample_rate=header.sample_rate
                if header and header.sample_rate in SAMPLE_RATES
                else 44100,
                channels=min(header.channels, 2) if header else 1,
                format=suffix if suffix in FORMATS else "wav",
            )
            await streamer.stream(source, on_progress=on_progress)
            ready = await streamer.wait_until_ready()
    return Recording(
        session_id, ready["file_path"], ready["duration_seconds"], ready["download_url"]
    )


async def fetch(url: str, target: Path) -> None:
    await asyncio.to_thread(_download, url, target)


async def remembered(recording: Recording, address: Address) -> Memory:
    """The recording's memory once the worker is done with it. Raises CheckError if it failed."""
    while True:
        task = await asyncio.to_thread(_ask, address, f"/get_audio_task/{recording.session_id}")
        if task.get("status") == "SUCCESS":
            break
        if task.get("status") == "FAILURE":
            raise CheckError(f"the recording was not processed: {task['error']}")
        await asyncio.sleep(POLL_SECONDS)
    memory_id = {"memory_id": recording.session_id}
    found = await asyncio.to_thread(_ask, address, "/memories/audio", memory_id)
    if "data" not in found:
        raise CheckError(f"there is no memory: {found.get('detail')}")
    audio = found["data"]
    return Memory(
        recording.session_id,
        audio["duration_seconds"],
        task["result"]["windows"],
        audio["presigned_url"],
        task["result"]["text"] or "",
    )


def _ask(address: Address, path: str, body: Any = None) -> dict[str, Any]:
    """The JSON answer, a problem's too: a task is unknown until the worker has heard of it."""
    request = Request(  # noqa: S310 - the stack's own address
        address.url + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"x-api-key": address.api_key, "content-type": "application/json"},
    )
    try:
        with urlopen(request) as answer:  # noqa: S310 - as above
            found: dict[str, Any] = json.load(answer)
    except HTTPError as error:
        with error:
            found = json.load(error)
    return found


def _download(url: str, target: Path) -> None:
    with urlopen(url) as answer, target.open("wb") as file:  # noqa: S310 - the stack's own address
        shutil.copyfileobj(answer, file)


def check(sent: Path, got: Path, duration: float) -> Checked:
    """Compares `got` with what its session says, and with `sent` where that needed no decoding."""
    with ExitStack() as files:
        result = files.enter_context(wave.open(str(got), "rb"))
        frames = result.getnframes()
        if not frames:
            raise CheckError("the file has no samples")
        lasts = frames / result.getframerate()
        if abs(lasts - duration) > TOLERANCE:
            raise CheckError(f"the file lasts {lasts:.3f} s; its session says {duration:.3f} s")
        source = _plain(files, sent)
        if source is None or _form(source) != _form(result):
            return Checked(frames, compared=False)
        if source.getnframes() != frames:
            raise CheckError(f"{source.getnframes()} samples were sent and {frames} came out")
        for start in range(0, frames, BLOCK):
            if source.readframes(BLOCK) != result.readframes(BLOCK):
                raise CheckError(f"a sample between {start} and {start + BLOCK} is other")
    return Checked(frames, compared=True)


def check_window(recording: Path, window: Path, duration: float, *, windows: int) -> Checked:
    """Compares a memory's WAV with what the API says, and with the recording: it has to be as long
    as the first of so many windows is, and where that is 16 kHz mono too, its first samples.
    """
    with ExitStack() as files:
        played = files.enter_context(wave.open(str(window), "rb"))
        frames = played.getnframes()
        lasts = frames / played.getframerate()
        if abs(lasts - duration) > TOLERANCE:
            raise CheckError(f"the memory lasts {lasts:.3f} s; the API says {duration:.3f} s")
        source = _plain(files, recording)
        if source is None:
            return Checked(frames, compared=False)
        whole = source.getnframes() / source.getframerate()
        if not frames or math.ceil((whole - TOLERANCE) / lasts) != windows:
            raise CheckError(
                f"of {windows} memories the first lasts {lasts:.3f} s, the recording {whole:.3f} s"
            )
        if _form(source) != _form(played):
            return Checked(frames, compared=False)
        if source.readframes(frames) != played.readframes(frames):
            raise CheckError("the memory sounds other than the recording")
    return Checked(frames, compared=True)


def _plain(files: ExitStack, path: Path) -> wave.Wave_read | None:
    """A WAV file of plain PCM; None for any other."""
    try:
        return files.enter_context(wave.open(str(path), "rb"))
    except (wave.Error, EOFError):
        return None


def _form(file: wave.Wave_read) -> tuple[int, int, int]:
    return file.getframerate(), file.getnchannels(), file.getsampwidth()
