"""How figures become ratios, and what happens to a method that fails."""

# ruff: noqa: PLC0415 - a fixture puts benchmarks/ on the path, for these tests alone

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_a_ratio_is_taken_within_each_round() -> None:
    import measure

    fast, slow = measure.Series((10.0, 30.0, 20.0)), measure.Series((1.0, 2.0, 4.0))

    found = measure.ratios(fast, slow)

    assert found.values == (10.0, 15.0, 5.0)
    assert found.median == 10.0


def test_ratios_of_unequal_rounds_are_refused() -> None:
    import measure

    with pytest.raises(ValueError, match="shorter"):
        measure.ratios(measure.Series((1.0, 2.0)), measure.Series((1.0,)))


def test_methods_take_turns_and_none_always_follows_the_same_other() -> None:
    import measure

    order: list[str] = []

    def told(name: str) -> float:
        order.append(name)
        return 1.0

    measure.interleave({n: lambda n=n: told(n) for n in "abc"}, 3, say=lambda _: None)  # type: ignore[misc]

    assert order == list("abcbcacab")


def test_a_method_that_fails_once_has_no_figure_at_all() -> None:
    import measure

    rounds = iter([1.0, None])

    def sometimes() -> float:
        value = next(rounds)
        if value is None:
            raise measure.Failed("it broke")
        return value

    series, left_out = measure.interleave({"it": sometimes, "other": lambda: 2.0}, 3, say=lambda _: None)

    assert set(series) == {"other"}
    assert left_out == {"it": "it broke"}


def test_a_script_that_ends_badly_is_no_measurement(tmp_path: Path) -> None:
    import measure

    script = tmp_path / "bad.py"
    script.write_text("print('{\"seconds\": 0.001}')\nraise SystemExit(3)\n")

    with pytest.raises(measure.Failed, match="ended with 3"):
        measure.script(str(script))


def test_the_cost_of_a_stretch_includes_what_was_started_in_it() -> None:
    import os
    import subprocess

    import measure

    with measure.cost_of([os.getpid()]) as cost:
        subprocess.run([sys.executable, "-c", "sum(i * i for i in range(3_000_000))"], check=True)

    assert cost.cpu_s > 0.05
    assert cost.wall_s > 0


def test_the_page_says_what_was_left_out_and_which_goals_were_missed(tmp_path: Path) -> None:
    import measure
    import report

    ratio = measure.Series((3.0, 2.0, 4.0))
    section = report.Section("Dispatch", "no-ops", left_out={"Ray": "it is not installed"})
    section.rows = [
        report.Row("near", ratio, report.Goal(report.AT_LEAST, 2.5), ratio, ratio, "inv/s"),
        report.Row("far", ratio, report.Goal(report.AT_MOST, 2.5), ratio, ratio, "s"),
    ]

    text = report.shown(section)

    assert "| near | 3 [2–4] | ≥ 2.5 | met |" in text
    assert "| far | 3 [2–4] | ≤ 2.5 | **missed** |" in text
    assert "Left out: Ray: it is not installed" in text


def test_a_row_that_was_measured_again_takes_its_own_place_and_leaves_the_others() -> None:
    import report

    first = {"dispatch": "## A\n\nold\n", "scale": "## B\n\nkept\n"}

    found = report.blocks_of(report.page(first))

    assert found == first
    again = report.blocks_of(report.page({**found, "dispatch": "## A\n\nnew\n"}))
    assert again == {"dispatch": "## A\n\nnew\n", "scale": "## B\n\nkept\n"}
