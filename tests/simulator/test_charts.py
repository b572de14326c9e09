"""What a chart shows of more samples than it has points."""

from __future__ import annotations

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.simulator.charts import MOST_POINTS, areas

_CORES = 64


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.integers(2, 4))
def test_what_is_in_use_is_never_drawn_above_what_there_is(chance: random.Random, stretch: int) -> None:
    """At each moment both together have all cores: so at each point of the chart."""
    urgent = [chance.randint(0, _CORES) for _ in range(MOST_POINTS * stretch)]
    other = [float(_CORES - one) for one in urgent]
    times = [float(at) for at in range(len(urgent))]

    text = areas(times, {"urgent": [float(one) for one in urgent], "other": other}, [_CORES] * len(times))

    line = _heights(re.search(r'<polyline class="line" points="([^"]+)"', text))
    top = _heights(re.search(r'<polygon class="a[01]" points="([^"]+)"><title>other', text))
    assert top[: len(line)] == line


def test_the_fullest_moment_of_a_stretch_is_shown() -> None:
    values = [0.0] * (MOST_POINTS * 5)
    values[777] = 10.0

    text = areas([float(at) for at in range(len(values))], {"urgent": values})

    heights = _heights(re.search(r'<polygon class="a0" points="([^"]+)"', text))
    assert sum(one < max(heights) for one in heights) == 1


def _heights(found: re.Match[str] | None) -> list[float]:
    """From the top down, as SVG counts."""
    assert found is not None
    return [float(point.split(",")[1]) for point in found[1].split()]
