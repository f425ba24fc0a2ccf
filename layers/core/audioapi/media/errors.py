"""What bytes can have against becoming sound. Their messages are written for whoever sent them."""

from __future__ import annotations


class MediaError(Exception):
    """The bytes are at fault: trying the same ones again ends the same way."""


class NotAudioError(MediaError):
    """Not one sample can be had from the bytes."""


class DamagedError(MediaError):
    """Decoding broke off; the `samples` per channel before that are good, and were handed out."""

    def __init__(self, reason: str, *, samples: int) -> None:
        super().__init__(reason)
        self.samples = samples


class TooLongError(MediaError):
    """More sound comes out of the bytes than the limit allows."""


class TooLargeError(MediaError):
    """More bytes have to be kept at once than there is room for."""


class TooSlowError(MediaError):
    """The decoder stood still, or used up its share of CPU."""
