"""What is kept of a transcript is the transcript."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from audioapi.speech.transcript import Transcript, Utterance, Word

SECONDS = st.floats(0, 100_000, allow_nan=False)
WORDS = st.builds(Word, st.text(min_size=1), SECONDS, SECONDS, st.floats(0, 1))
UTTERANCES = st.builds(Utterance, SECONDS, SECONDS, st.lists(WORDS).map(tuple))
TRANSCRIPTS = st.builds(
    Transcript,
    st.lists(UTTERANCES).map(tuple),
    st.text(),
    st.none() | st.text(),
    st.none() | st.text(),
)


@given(TRANSCRIPTS)
def test_it_is_read_back_as_it_was(transcript: Transcript) -> None:
    kept = transcript.to_json()
    assert Transcript.from_json(kept) == transcript
    assert Transcript.from_json(kept).to_json() == kept


def test_its_json_is_what_people_read() -> None:
    words = (Word("good", 1.2, 1.5, 0.9), Word("day", 1.5, 2.0, 0.75))
    heard = (Utterance(1.0, 2.2, words), Utterance(3.0, 4.0, (Word("señor", 3.1, 3.8, 1.0),)))
    transcript = Transcript(heard, "pocketsphinx", "5.1.1", "en-US")
    assert json.loads(transcript.to_json()) == {
        "text": "good day señor",
        "language": "en-US",
        "recogniser": {"name": "pocketsphinx", "version": "5.1.1"},
        "utterances": [
            {
                "start": 1.0,
                "end": 2.2,
                "text": "good day",
                "words": [
                    {"text": "good", "start": 1.2, "end": 1.5, "confidence": 0.9},
                    {"text": "day", "start": 1.5, "end": 2.0, "confidence": 0.75},
                ],
            },
            {
                "start": 3.0,
                "end": 4.0,
                "text": "señor",
                "words": [{"text": "señor", "start": 3.1, "end": 3.8, "confidence": 1.0}],
            },
        ],
    }
    assert "señor" in transcript.to_json()


def test_silence_is_a_transcript_too() -> None:
    assert Transcript((), "pocketsphinx", "5.1.1", "en-US").text == ""
