"""Two tenants are never one text, whatever their ids hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi import tenants

IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
ODD = st.one_of(IDS, st.text('#/%[]",ab', min_size=1, max_size=6))


@given(st.tuples(ODD, ODD), st.tuples(ODD, ODD))
def test_no_two_tenants_are_one_text(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (tenants.key(*one) == tenants.key(*other)) == (one == other)
    assert (tenants.folder(*one) == tenants.folder(*other)) == (one == other)


@given(ODD, ODD)
def test_a_folder_is_two_deep(organization_id: str, user_id: str) -> None:
    assert tenants.folder(organization_id, user_id).count("/") == 1


@given(IDS.filter(lambda text: len(text.encode()) <= tenants.MOST_BYTES))
def test_ids_that_people_use_are_taken(value: str) -> None:
    tenants.check("user_id", value)


@pytest.mark.parametrize(
    "value", ["", "a\0", "\x1b[31m", "\x85", "\ud800", "é" * 128, "a" * 10_000]
)
def test_ids_that_can_not_be_kept_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="user_id must be 1 to 255 bytes of UTF-8, no control"):
        tenants.check("user_id", value)


@pytest.mark.parametrize("value", ["acme#eu", "acme/../globex", "\u202eacme", "a" * 255])
def test_ids_that_look_odd_are_kept_apart_and_not_refused(value: str) -> None:
    tenants.check("organization_id", value)
