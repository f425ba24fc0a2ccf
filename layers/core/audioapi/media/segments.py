"""Takes a stream of chunks apart into the files, or the raw samples, that it consists of.

Chunks are pieces of a stream cut anywhere, so where one begins means little: another segment begins
only if a file surely begins there too (`sniff.starts_file`), and where a WAV said that it ends.
What was sent as one file is one segment, whatever is in it (`whole`).
Memory is constant: a look ahead of a few KB, up to 1 MB for a WAV whose header is as long.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from audioapi.media import flac, matroska, mpeg, ogg, wav
from audioapi.media.damage import Damage, Promise
from audioapi.media.errors import NotAudioError
from audioapi.media.sniff import (
    HEAD_BYTES,
    START_BYTES,
    Container,
    not_audio,
    sniff,
    starts_file,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from audioapi.media.damage import Warn

_LONGEST_HEADER = 1024 * 1024
_HEADS = START_BYTES, 256, 1024, 4096
_HIGHEST_RATE = 2**31 - 1  # that FFmpeg takes
_SHORTFALL_SECONDS = 0.05  # less than that may be lost in rounding and resampling

_ENCODINGS = {
    (wav.PCM, 1): "u8",
    (wav.PCM, 2): "s16le",
    (wav.PCM, 3): "s24le",
    (wav.PCM, 4): "s32le",
    (wav.IEEE_FLOAT, 4): "f32le",
    (wav.IEEE_FLOAT, 8): "f64le",
    (wav.A_LAW, 1): "alaw",
    (wav.MU_LAW, 1): "mulaw",
}
"""FFmpeg's names of what a WAV can hold uncompressed, by format tag and bytes of a sample."""
_SAMPLE_BYTES = {encoding: size for (_, size), encoding in _ENCODINGS.items()}


@dataclass(frozen=True)
class Pcm:
    """Uncompressed interleaved samples. `encoding` is FFmpeg's name, `sample_rate` in Hz."""

    encoding: str
    sample_rate: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """The size of one sample of every channel."""
        return _SAMPLE_BYTES[self.encoding] * self.channels


@dataclass(frozen=True)
class Segment:
    """One file or one run of samples. `data` has to be read before the next segment is asked for.

    Of a WAV with plain samples it's these alone, without header, in whole frames. Neighbours whose
    `lineage` is the same, and not None, may be decoded as one.
    """

    kind: Container | Pcm
    data: Iterator[bytes]
    promise: Promise = field(default_factory=Promise)
    lineage: Hashable = None

    @property
    def name(self) -> str:
        return self.kind.name if isinstance(self.kind, Container) else "Samples"

    def judged(self, damage: Damage | None, seconds: float) -> Damage | None:
        """All that is wrong with a file of which so much came, and `damage` is known."""
        promised = self.promise.seconds
        if promised is None:
            return damage
        missing = max(promised - seconds, 0.0)
        reasons = [damage.reason] if damage else []
        if missing >= _SHORTFALL_SECONDS and self.promise.binding:
            reasons.append(f"it promises {promised:.2f} s, {seconds:.2f} s came")
        return Damage("; ".join(reasons), missing) if reasons else None


class Lookahead:
    """A stream of chunks that can be looked into, and knows where chunks begin, unless they are
    `blocks` of one file, cut anywhere; `position` counts the bytes that were taken from it.
    """

    def __init__(self, chunks: Iterable[bytes], *, blocks: bool = False) -> None:
        self._chunks = iter(chunks)
        self._blocks = blocks
        self._ahead: deque[bytes] = deque()
        self._size = 0
        self.at_chunk = True
        self.position = 0

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, which stay; fewer at the end of the stream."""
        while self._size < count and (chunk := next(self._chunks, None)) is not None:
            if chunk:
                self._ahead.append(chunk)
                self._size += len(chunk)
        found = bytearray()
        for chunk in self._ahead:
            if len(found) >= count:
                break
            found += chunk[: count - len(found)]
        return bytes(found)

    def take(self, limit: int | None) -> bytes:
        """What is left of this chunk, up to `limit` bytes; empty at the end of the stream."""
        if not self.peek(1):
            return b""
        chunk = self._ahead.popleft()
        taken = chunk[:limit]
        self.at_chunk = len(taken) == len(chunk) and not self._blocks
        if len(taken) < len(chunk):
            self._ahead.appendleft(chunk[len(taken) :])
        self._size -= len(taken)
        self.position += len(taken)
        return taken

    def run(self, limit: int | None = None, *, sure: int = 1) -> Iterator[bytes]:
        """Bytes until `limit`, or until a chunk begins with a new file.

        The first `sure` bytes belong to this one, whatever they look like.
        """
        passed = 0
        while limit is None or passed < limit:
            if passed >= sure and self.at_chunk and starts_file(self.peek(START_BYTES)):
                return
            piece = self.take(None if limit is None else limit - passed)
            if not piece:
                return
            passed += len(piece)
            yield piece


def split(chunks: Iterable[bytes], *, declared: Container | Pcm, warn: Warn) -> Iterator[Segment]:
    """The segments of a stream, in order.

    `declared` is what bytes are taken for that don't tell. Raises NotAudioError if the stream
    begins with something well known that is no audio; later on such bytes are left out. `warn`
    is told of this and of what is missing, and at which byte of the stream.
    """
    source = Lookahead(chunks)

    def told(text: str, lost_seconds: float | None = 0.0, /) -> None:
        warn(f"At byte {source.position}: {text}", lost_seconds)

    first = True
    while source.peek(1):
        tagged = _skip_tags(source)
        head = source.peek(HEAD_BYTES)
        kind = sniff(head)
        other = None if kind else not_audio(head)
        if other and first:
            raise NotAudioError(f"The stream is no audio: it starts with {other}")
        if kind or tagged or (source.at_chunk and not other):
            fallback = Container.MP3 if tagged and isinstance(declared, Pcm) else declared
            segment = _segment(source, head, kind or fallback, told)
            yield segment
            _discard(segment.data)
        else:
            left_out = _discard(source.run())
            told(f"{left_out} bytes were left out: {other or 'no audio, behind the end of a WAV'}")
        first = False


def whole(blocks: Iterable[bytes], *, warn: Warn) -> Segment:
    """The one segment that a file is, cut into blocks anywhere, whatever begins in its middle.

    Raises NotAudioError if it's empty or begins with nothing that is known as audio. `warn` is told
    what `split` tells.
    """
    source = Lookahead(blocks, blocks=True)
    if not source.peek(1):
        raise NotAudioError("It is empty")
    tagged = _skip_tags(source)
    head = _head(source)
    kind = sniff(head)
    if kind is None and (other := not_audio(head)):
        raise NotAudioError(f"It is no audio: it starts with {other}")
    if kind is None and not tagged:
        raise NotAudioError("It is no kind of audio that is known here")

    def told(text: str, lost_seconds: float | None = 0.0, /) -> None:
        warn(f"At byte {source.position}: {text}", lost_seconds)

    segment = _segment(source, head, kind or Container.MP3, told)
    return replace(segment, data=_to_the_end(segment.data, source, told))


def _head(source: Lookahead) -> bytes:
    """As much as says what a file is: one that grows has no more yet."""
    for size in _HEADS:
        head = source.peek(size)
        # Whether an MP4 is in fragments may stand behind what came.
        if sniff(head) not in (None, Container.MP4):
            return head
    return source.peek(HEAD_BYTES)


def _to_the_end(data: Iterator[bytes], source: Lookahead, warn: Warn) -> Iterator[bytes]:
    yield from data
    if left_out := _discard(source.run()):
        warn(f"{left_out} bytes behind the end of the WAV were left out")


def _skip_tags(source: Lookahead) -> bool:
    """Passes over the ID3 tags that a file begins with, which are no sound and may be long."""
    tagged = False
    while tag_bytes := mpeg.id3_bytes(source.peek(START_BYTES)):
        _discard(source.run(tag_bytes, sure=tag_bytes))
        tagged = True
    return tagged


def _segment(source: Lookahead, head: bytes, kind: Container | Pcm, warn: Warn) -> Segment:
    if kind is Container.WAV:
        return _wav(source, warn)
    if isinstance(kind, Pcm):
        return _samples(kind, source.run(), warn)
    data, promise = source.run(sure=START_BYTES), Promise(_promised_seconds(kind, head))
    if kind is Container.MP3:
        data = _mp3(source)
    elif kind is Container.MATROSKA:
        data = matroska.with_one_delay(data)
    elif kind is Container.OGG:
        data = ogg.checked(data, promise, warn)
    lineage = mpeg.lineage(head) if kind in (Container.MP3, Container.ADTS) else None
    return Segment(kind, data, promise, lineage)


def _promised_seconds(kind: Container, head: bytes) -> float | None:
    if kind is Container.MP3:
        return mpeg.promised_seconds(head)
    return flac.promised_seconds(head) if kind is Container.FLAC else None


def _samples(kind: Pcm, data: Iterable[bytes], warn: Warn) -> Segment:
    frames = whole_frames(data, kind.frame_bytes, kind.sample_rate, warn)
    return Segment(kind, frames, lineage=kind)


def _mp3(source: Lookahead) -> Iterator[bytes]:
    yield mpeg.for_a_pipe(b"".join(source.run(START_BYTES, sure=START_BYTES)))
    yield from source.run(sure=0)


def _wav(source: Lookahead, warn: Warn) -> Segment:
    """A WAV of plain samples in one or two channels needs no demuxer once its header is read."""
    described = _wav_format(source)
    if described is None:
        return Segment(Container.WAV, source.run())
    pcm = _plain(described)
    if pcm is None:
        return Segment(Container.WAV, _wav_bytes(source, described, warn, header=True))
    return _samples(pcm, _wav_bytes(source, described, warn, header=False), warn)


def _wav_format(source: Lookahead) -> wav.WavFormat | None:
    size = START_BYTES
    while True:
        head = source.peek(size)
        described = wav.parse(head)
        if described or len(head) < size or size >= _LONGEST_HEADER:
            return described
        size *= 4


def _plain(described: wav.WavFormat) -> Pcm | None:
    """The samples' format, if they are uncompressed and their channels need no layout."""
    channels, rate = described.channels, described.sample_rate
    if channels not in (1, 2) or described.frame_bytes % channels or not 0 < rate <= _HIGHEST_RATE:
        return None
    encoding = _ENCODINGS.get((described.encoding, described.frame_bytes // channels))
    return Pcm(encoding, rate, channels) if encoding else None


def _wav_bytes(
    source: Lookahead, described: wav.WavFormat, warn: Warn, *, header: bool
) -> Iterator[bytes]:
    """The WAV's samples, after its header if wanted; what its writer appended is passed over."""
    for piece in source.run(described.data_offset, sure=described.data_offset):
        if header:
            yield piece
    size, passed = described.data_bytes, 0
    for piece in source.run(size, sure=0):
        passed += len(piece)
        yield piece
    if size is None:
        return
    if passed < size:
        reason = f"A WAV ends early: its header promises {size} bytes of samples, {passed} came"
        warn(reason, described.seconds(size - passed))
    else:
        _skip_appended(source, described.appended_bytes, odd=bool(size % 2))


def _skip_appended(source: Lookahead, count: int, *, odd: bool) -> None:
    """Passes over the chunks behind the samples, such as LIST, as far as the header counts them."""
    if odd and source.peek(1) == b"\0":
        source.take(1)
    while not starts_file(head := source.peek(START_BYTES)):
        size = wav.chunk_bytes(head)
        if not 0 < size <= count:
            return
        count -= _discard(source.run(size, sure=size))


def whole_frames(
    pieces: Iterable[bytes], frame_bytes: int, sample_rate: int, warn: Warn
) -> Iterator[bytes]:
    """The same bytes in whole sample frames, so that what comes after them isn't out of step."""
    rest = b""
    for piece in pieces:
        whole = rest + piece
        cut = len(whole) - len(whole) % frame_bytes
        rest = whole[cut:]
        if cut:
            yield whole[:cut]
    if rest:
        reason = f"The last sample is cut off: {len(rest)} of its {frame_bytes} bytes came"
        warn(reason, 1 / sample_rate)


def _discard(pieces: Iterable[bytes]) -> int:
    return sum(map(len, pieces))
