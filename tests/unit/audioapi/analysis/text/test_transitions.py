"""What changes from one utterance to the next."""

from __future__ import annotations

from audioapi.analysis.models import Emotion, Mood, Prosody, Utterance
from audioapi.analysis.text.sentiment import sentiment
from audioapi.analysis.text.transitions import transitions
from tests.unit.audioapi.analysis.talk import conversation

FIVE = "one two three four five"


def felt(utterance: Utterance, mood: Mood) -> Utterance:
    emotion = Emotion(valence=0, label=mood)
    return utterance.model_copy(update={"emotion": emotion, "sentiment": sentiment(utterance.text)})


def paced(utterance: Utterance, words_per_minute: float) -> Utterance:
    prosody = Prosody(words_per_minute=words_per_minute)
    return utterance.model_copy(update={"prosody": prosody})


def test_another_speaker() -> None:
    timeline = conversation("anna: hello", "ben: hello", "ben: how are you")
    [change] = transitions(timeline[:2])
    assert change.model_dump() == {
        "kind": "speaker",
        "from_utterance_id": "u1",
        "to_utterance_id": "u2",
        "t": 1.5,
        "before": "anna",
        "after": "ben",
    }
    assert transitions(timeline) == []
    assert transitions(timeline[:1]) == []
    assert transitions([]) == []


def test_another_feeling_of_the_same_speaker_whoever_spoke_between() -> None:
    happy, between, angry = conversation("anna: wonderful", "ben: i see", "anna: this is terrible")
    timeline = [felt(happy, "excited"), between, felt(angry, "tense")]
    speaker, words, mood = transitions(timeline)
    assert speaker.kind == "speaker"
    assert (words.kind, words.before, words.after) == ("sentiment", "positive", "negative")
    assert (mood.kind, mood.before, mood.after) == ("emotion", "excited", "tense")
    for change in (words, mood):
        assert (change.from_utterance_id, change.to_utterance_id) == ("u1", "u3")
        assert change.speaker == "anna"


def test_a_feeling_that_is_not_known_has_not_changed() -> None:
    happy, angry = conversation("anna: wonderful", "anna: this is terrible")
    assert transitions([felt(happy, "excited"), angry]) == []


def test_half_as_fast_again_is_another_pace() -> None:
    first, second = conversation(f"anna: {FIVE}", f"anna: {FIVE}")
    [change] = transitions([paced(first, 100), paced(second, 150)])
    assert (change.before, change.after) == ("100 words per minute", "150 words per minute")
    assert [it.kind for it in transitions([paced(first, 150), paced(second, 100)])] == ["pace"]
    assert transitions([paced(first, 100), paced(second, 149)]) == []
    assert transitions([first, paced(second, 150)]) == []


def test_a_few_words_have_no_pace() -> None:
    first, second = conversation(f"anna: {FIVE}", "anna: yes of course")
    assert transitions([paced(first, 100), paced(second, 300)]) == []


def test_a_speaker_who_was_silent_for_long_begins_anew() -> None:
    anna, *others = conversation("anna: wonderful", *["ben: i see"] * 20, "anna: terrible")
    timeline = [felt(anna, "excited"), *others[:-1], felt(others[-1], "tense")]
    assert [change.kind for change in transitions(timeline)] == ["speaker"]
    assert [change.kind for change in transitions([timeline[0], *timeline[2:]])] == [
        "speaker",
        "sentiment",
        "emotion",
    ]
