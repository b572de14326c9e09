"""What the majors of PyAV say differently is heard one way; see `rushes.media.readers.dialect`."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import av
import pytest

from rushes.media.readers.dialect import ratio, text_options, texts


class Rational(NamedTuple):
    """As PyAV 19 tells a ratio; false where there is none."""

    numerator: int
    denominator: int

    def __bool__(self) -> bool:
        return self.numerator != 0 and self.denominator != 0


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        (None, None),
        (Fraction(1, 90_000), Fraction(1, 90_000)),
        (Rational(24_000, 1_001), Fraction(24_000, 1_001)),
        (Rational(0, 1), None),
        (Rational(0, 0), None),
        (Rational(1, 0), None),
    ],
)
def test_a_ratio_is_an_exact_fraction_or_none(told: object, heard: Fraction | None) -> None:
    found = ratio(told)
    assert found == heard
    assert found is None or type(found) is Fraction


def test_what_is_no_text_gets_a_mark_that_json_takes() -> None:
    told = {"title": b"Caf\xe9 \xff".decode("utf-8", "surrogateescape"), "reel": "A001", "lieu": "Köln"}
    assert texts(told) == {"title": "Caf� �", "reel": "A001", "lieu": "Köln"}


def test_pyav_is_told_to_mark_what_is_no_text_where_it_can_be_told() -> None:
    is_told = int(av.__version__.split(".", maxsplit=1)[0]) < 19
    assert text_options() == ({"metadata_errors": "replace"} if is_told else {})
