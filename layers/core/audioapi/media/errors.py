"""What bytes can have against becoming sound, in messages that are written for whoever sent them;
and what we can have done wrong with them.
"""

from __future__ import annotations

from audioapi.media.damage import Damage


class MediaError(Exception):
    """The bytes are at fault: trying the same ones again ends the same way."""


class NotAudioError(MediaError):
    """Not one sample can be had from the bytes."""

    @property
    def damage(self) -> Damage:
        return Damage(str(self), lost_seconds=None)


class DamagedError(MediaError):
    """Decoding broke off; the samples before that are good, and were handed out."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage.reason)
        self.damage = damage


class TooLongError(MediaError):
    """More sound comes out of the bytes than the limit allows."""


class TooLargeError(MediaError):
    """More bytes have to be kept at once than there is room for."""


class TooSlowError(MediaError):
    """The decoder stood still, or used up its share of CPU."""


class CommandError(Exception):
    """FFmpeg can't do what we ask it to: an option or a filter that it doesn't know. The bytes are
    not at fault, and nothing is known of them.
    """


class LostSoundError(Exception):
    """What was made is not as long as what was decoded, and nothing in the bytes accounts for it.
    The message has both figures.
    """

    def __init__(self, what: str, *, seconds: float, decoded_seconds: float) -> None:
        super().__init__(f"{decoded_seconds:.3f} s were decoded, but {what} {seconds:.3f} s")

    @classmethod
    def check(cls, what: str, samples: int, *, decoded: int, sample_rate: int) -> None:
        """Raises it if so many samples aren't those that were decoded; `what` has them."""
        if samples != decoded:
            seconds, decoded_seconds = samples / sample_rate, decoded / sample_rate
            raise cls(what, seconds=seconds, decoded_seconds=decoded_seconds)
