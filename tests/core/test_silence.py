"""Whether who follows or sends work waits for services that do not answer, and how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.silence import BORNE_S, LONGEST_REST_S, Silence


@pytest.mark.parametrize(
    ("code", "is_borne"),
    [
        ("service-unreachable", True),
        ("service-busy", True),
        ("clock-skewed", True),
        ("no-credentials", True),
        ("not-permitted", False),
        ("not-found", False),
        ("service-refused", False),
        ("target-taken", False),
    ],
)
def test_what_passes_by_itself_is_borne_and_nothing_else(code: str, *, is_borne: bool) -> None:
    silence = Silence(heard=True)
    assert (silence.failed(code, 10.0) is not None) is is_borne
    assert (silence.since is not None) is is_borne


def test_what_never_answered_is_not_waited_for() -> None:
    silence = Silence()
    assert silence.failed("service-unreachable", 0.0) is None
    assert not silence.answered()
    assert silence.failed("service-unreachable", 0.0) is not None
    assert silence.answered()


@given(st.lists(st.floats(0.01, 600.0), min_size=1, max_size=80))
def test_an_hour_of_silence_is_borne_with_rests_that_grow_and_no_more(gaps: list[float]) -> None:
    silence, now = Silence(heard=True), 0.0
    for gap in gaps:
        rest_s = silence.failed("service-unreachable", now)
        assert (rest_s is None) is (now >= BORNE_S)
        assert rest_s is None or 0.0 < rest_s <= LONGEST_REST_S
        now += gap
    silence.answered()
    assert silence.failed("service-unreachable", now) is not None
