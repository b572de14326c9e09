"""Work that was sent for another version than is here; see `rushes.runtime.shared.claims.sent_version`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.runtime.shared.claims.sent_version import (
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    MOST_CLAIMS,
    awaited_s,
    is_other,
    key_of_version,
)

KEYS = st.text("0123456789abcdef", max_size=200)


@pytest.mark.parametrize(
    ("sent", "here", "other"), [("1", "1", False), ("1", "2", True), ("2", "1", True), ("", "1", False)]
)
def test_work_is_anothers_whichever_of_the_two_is_the_newer(sent: str, here: str, *, other: bool) -> None:
    assert is_other(sent, here) is other


@given(st.integers(1, 50), st.integers(1, 2**40))
def test_its_own_code_is_awaited_for_minutes_and_not_for_ever(claims: int, n: int) -> None:
    wait_s = awaited_s(claims, n)
    assert (wait_s is None) == (claims > MOST_CLAIMS)
    assert wait_s is None or FIRST_WAIT_S * 0.75 <= wait_s <= LONGEST_WAIT_S
    assert 180 < sum(awaited_s(one, n) or 0.0 for one in range(1, 50)) < 360


@given(KEYS, KEYS, st.text(max_size=5), st.text(max_size=5))
def test_what_another_version_makes_has_a_key_of_its_own(a: str, b: str, one: str, two: str) -> None:
    own = key_of_version(a, one)
    assert len(own) == len(a)
    assert own == key_of_version(a, one)
    if len(a) >= 32:
        assert own not in {a, b}
        assert (own == key_of_version(b, two)) == ((a, one) == (b, two))


def test_of_several_functions_in_one_pass_each_has_its_own() -> None:
    own = key_of_version("ab" * 16 * 6, "2")
    assert len({own[at : at + 32] for at in range(0, len(own), 32)}) == 6
