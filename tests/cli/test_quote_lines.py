"""What a quote says it rests on, and what has to run before it rests on more."""

from __future__ import annotations

import pytest
from click import unstyle

from rushes.cli.quote import quote_lines
from rushes.core.learning.durations import Interval
from rushes.core.spending.quote import Quote
from rushes.runtime.sending.quoting import BatchQuote

_SECONDS = Interval(1.0, 2.0, 3.0)
_NOTHING = Interval(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("basis", "enough", "runs", "said"),
    [
        ("published", 1, 0, "published figures of encoders; run it once, and it is learnt"),
        ("estimate", 4, 0, "estimates; once 4 clips have run there, and a minute later, it is learnt"),
        ("unknown", 1, 0, "nothing: it has never run here; the bounds are as wide as that"),
        ("unknown", 4, 0, "nothing, so the bounds are wide; once 4 clips have run there, and a minute later"),
        ("learnt", 4, 20, "what it took here before (20 runs)"),
    ],
)
def test_a_quote_says_what_it_rests_on_and_what_would_teach_it(
    basis: str, enough: int, runs: int, said: str
) -> None:
    answer = Quote((("hosts", 1),), _SECONDS, _NOTHING, _NOTHING, basis)
    made = BatchQuote("proxy", 2, 0, 0, (), _SECONDS, runs, answer, enough=enough)
    (line,) = [unstyle(one) for one in quote_lines(made, 0.0) if "rests on" in one]
    assert said in line
