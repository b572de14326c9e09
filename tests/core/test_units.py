"""Figures for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.units import format_digits


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (0.0786, 2, "0.079"), (5.62, 2, "5.6"), (229_700.0, 2, "230,000"), (2_249.6, 3, "2,250"),
        (0.0, 2, "0"), (0.0000123, 2, "0.000012"), (99.6, 2, "100"),
    ],
)  # fmt: skip
def test_a_figure_has_the_digits_that_count(value: float, digits: int, shown: str) -> None:
    assert format_digits(value, digits) == shown


@given(st.floats(0, 1e15), st.integers(1, 6))
def test_a_figure_has_no_exponent_and_is_as_near_as_its_digits(value: float, digits: int) -> None:
    shown = format_digits(value, digits)

    assert "e" not in shown.lower()
    assert float(shown.replace(",", "")) == pytest.approx(value, rel=10.0 ** (1 - digits))
