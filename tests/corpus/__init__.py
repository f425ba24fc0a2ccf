"""Audio as clients send it, bytes that only claim to be audio, and what each must give.

Made by this script when it's needed and kept nowhere: what a case holds is what its lines say, and
no binary can drift from them. Making all of it takes two seconds; the encoder is pinned with the
other requirements. `python -m tests.corpus FOLDER` writes the corpus down, with a manifest.
"""

from tests.corpus.case import Case, Sound
from tests.corpus.hostile import HOSTILE
from tests.corpus.recordings import RECORDINGS

__all__ = ["HOSTILE", "RECORDINGS", "Case", "Sound"]
