"""Which words tell what a conversation is about."""

from __future__ import annotations

import pytest

from audioapi.analysis.text import terms


def test_function_words_and_numbers_tell_nothing() -> None:
    text = "Well I don't know, the customer\u2019s 25 invoices weren't, um, delivered to us"
    assert terms.words(text) == ["customer", "invoices", "delivered"]
    assert terms.stems(text) == ["customer", "invoice", "delivered"]


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("invoices", "invoice"),
        ("deliveries", "delivery"),
        ("refunds", "refund"),
        ("address", "address"),
        ("status", "status"),
        ("shoes", "shoe"),
        ("committees", "committee"),
    ],
)
def test_singular_and_plural_are_one(word: str, stem: str) -> None:
    assert terms.stem(word) == stem
