"""What the command line decides: exit codes, deadlines, pace, and how text is written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
import pytest

from rushes import catalog
from rushes.cli.dispatch import day_note, deadline_of
from rushes.cli.progress import Pace, lines_of
from rushes.cli.seen_ends import FAILURES_SHOWN, SeenEnds, exit_code
from rushes.cli.show import failure_line, fields, one_line, speed, spent_line, summary_line, table
from rushes.cli.sinks import sink_for
from rushes.cli.values import columns_of, csv_of, in_short, table_of
from rushes.core.states import State
from rushes.errors import CallerError
from rushes.invocation import BatchStatus, Counts, Finished, Spent
from rushes.printing import printable


def end(seq: int, state: State, *, code: str = "", kind: str = "media", **more: Any) -> Finished:
    error = {"kind": kind, "code": code, "message": "it broke"} if state is not State.succeeded else None
    return Finished(seq, "b", f"b.{seq}", "/x/a.mov", "f", state, error=error, **more)


@pytest.mark.parametrize(
    ("states", "interrupted", "code"),
    [
        (["succeeded"], False, 0),
        ([], False, 0),
        (["succeeded", "failed"], False, 1),
        (["cancelled"], False, 1),
        (["budget"], False, 3),
        (["budget", "failed"], False, 1),
        (["failed"], True, 130),
        (["budget"], True, 130),
    ],
)
def test_the_worst_code_wins(states: list[str], interrupted: bool, code: int) -> None:  # noqa: FBT001
    ends = SeenEnds()
    for seq, name in enumerate(states, 1):
        if name == "budget":
            ends.add([end(seq, State.failed, kind="policy", code="budget-spent")])
        else:
            ends.add([end(seq, State(name))])

    assert exit_code(ends, interrupted=interrupted) == code


def test_a_tally_counts_all_and_keeps_few() -> None:
    ends = SeenEnds()

    ends.add(end(seq, State.failed) for seq in range(1, 1001))

    assert ends.counts.failed == 1000
    assert [one.seq for one in ends.failures] == list(range(1, FAILURES_SHOWN + 1))


NOON = datetime(2026, 3, 1, 12, 0).astimezone().timestamp()


@pytest.mark.parametrize(
    ("text", "after_s"),
    [
        ("2h", 7200.0),
        ("+15m", 900.0),
        ("12:30", 1800.0),
        ("11:00", 23 * 3600.0),
        ("2026-03-01T13:00", 3600.0),
        ("2026-03-02", 12 * 3600.0),
    ],
)
def test_a_deadline_is_a_time_from_now_on(text: str, after_s: float) -> None:
    assert deadline_of(text, NOON) == pytest.approx(NOON + after_s)


def test_an_hour_that_has_passed_today_says_which_day_is_meant() -> None:
    def note(text: str) -> str:
        return day_note(text, deadline_of(text, NOON), NOON)

    assert note("11:00") == "note: 11:00 has passed today; Monday 02 March, 11:00 is meant."
    assert [note(text) for text in ("12:30", "23h", "2026-03-02")] == ["", "", ""]


@pytest.mark.parametrize("text", ["soon", "25:00", "2026-13-01", "", "2026-02-28"])
def test_what_is_no_deadline_or_has_passed_is_refused(text: str) -> None:
    with pytest.raises(CallerError):
        deadline_of(text, NOON)


def test_pace_follows_the_last_half_minute() -> None:
    pace = Pace()
    for second in range(100):
        pace.add(float(second), 10.0 * min(second, 50), 20.0 * second)

    assert pace.per_second() == pytest.approx(0.0)
    assert pace.realtime() == pytest.approx(20.0)


def test_pace_says_nothing_before_anything_moved() -> None:
    pace = Pace()
    pace.add(1.0, 0, 0.0)

    assert (pace.per_second(), pace.realtime()) == (0.0, 0.0)


def status(counts: Counts, **more: Any) -> BatchStatus:
    return BatchStatus(
        batch="b7",
        title="proxy",
        function="proxy",
        priority="urgent",
        show="dune",
        out="/out",
        counts=counts,
        sealed=True,
        submitted=0.0,
        ended=None,
        seconds=0.0,
        media_s=0.0,
        **more,
    )


def test_the_drawing_says_counts_pace_and_time_left() -> None:
    pace = Pace()
    pace.add(0.0, 0, 0.0)
    pace.add(10.0, 20, 50.0)

    lines = [
        line.plain
        for line in lines_of(status(Counts(queued=78, running=2, succeeded=20, cached=5)), pace, 100)
    ]

    assert lines[0] == "proxy  b7 · urgent · show dune"
    assert "20/100" in lines[1]
    assert " 20%" in lines[1]
    assert lines[2] == (
        "20 done (5 known already), 2 running, 78 waiting · 2.0/s · 40 s left · 5.0× real time"
    )


def test_nothing_is_shown_as_done_before_it_has_ended() -> None:
    row = {"asset": "/x/a.mov", "fraction": 1.0, "note": "", "seconds": 3.0}

    lines = lines_of(status(Counts(running=1, succeeded=1), running=(row,)), _still(), 80)

    assert "1/2  99%" in lines[1].plain


def test_the_drawing_says_why_nothing_starts() -> None:
    lines = lines_of(status(Counts(queued=4), standstill="the pool is paused"), _still(), 100)

    assert lines[-1].plain == "the pool is paused"


def test_the_drawing_keeps_long_names_in_their_line() -> None:
    row = {"asset": "/x/" + "n" * 300 + ".mov", "fraction": 0.25, "note": "2.1×", "seconds": 3.0}

    line = lines_of(status(Counts(running=1), running=(row,)), _still(), 80)[-1].plain

    assert len(line) <= 80
    assert " 25% nnn" in line
    assert line.endswith("2.1×")


def _still() -> Pace:
    pace = Pace()
    pace.add(0.0, 0, 0.0)
    return pace


def test_a_summary_says_what_was_made_how_fast_and_where() -> None:
    counts = Counts(succeeded=12, cached=2, failed=1)

    line = summary_line("proxy", counts, 20.0, 64.0, "/proxies")

    assert "10 made, 2 known already" in line
    assert "in 20 s (30.0/min, 3.2× real time) → /proxies" in line


def test_nothing_is_said_of_a_speed_that_is_not_known() -> None:
    assert speed(0, 3.0, 0.0) == ""
    assert speed(5, 0.0, 0.0) == ""


def test_an_error_of_many_lines_is_one_line() -> None:
    assert one_line("first\nsecond") == "first"
    assert len(one_line("x" * 5000)) == 400
    found = end(1, State.failed)
    assert "\n" not in failure_line(found)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\udce9", "\\xe9"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("ü 日本", "ü 日本"),
    ],
)
def test_what_a_terminal_would_act_upon_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_table_is_as_wide_as_its_cells() -> None:
    text = table(["a", "count"], [["x", 1], ["longer", 20]], right=frozenset({1}))

    assert [line.rstrip() for line in text.splitlines()][1:] == ["x           1", "longer     20"]


def test_a_result_that_lists_tracks_has_a_row_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    tracks = [{"stream": 1, "integrated_lufs": -23.0}, {"stream": 2, "integrated_lufs": None}]
    sink = sink_for(catalog.find("loudness"), as_json=False, chosen=None, terminal=True)

    sink.add([Finished(1, "b", "b.1", "/x/a.mov", "loudness", State.succeeded, result={"tracks": tracks})])
    sink.close()

    printed = click.unstyle(capsys.readouterr().out)
    assert [line.split() for line in printed.splitlines()] == [
        ["clip", "stream", "integrated_lufs"], ["a.mov", "1", "-23.0"], ["a.mov", "2"],
    ]  # fmt: skip


def test_a_number_is_shown_without_the_noise_of_its_last_digits_and_kept_with_it_in_csv() -> None:
    made = end(1, State.succeeded, result={"gain": 0.1 + 0.2, "rate": 29.97, "size": 1e15, "n": 3})

    assert table_of([made, made._replace(seq=2)], first=True).split("\n")[1].split() == [
        "a.mov", "0.3", "29.97", "1e+15", "3",
    ]  # fmt: skip
    assert fields({"gain": 0.1 + 0.2}) == "gain  0.3"
    assert in_short(made) == "gain 0.3, rate 29.97, size 1e+15, n 3"
    assert "0.30000000000000004" in csv_of([made], columns_of(made), head=False)


def test_a_name_in_a_csv_moves_no_cursor_and_is_not_cut() -> None:
    made = end(1, State.succeeded, result={"name": "a\x1b[31mred\n"})._replace(asset="/x/b\x1b[2J.mov")

    assert (
        csv_of([made], columns_of(made), head=False) == "b.1,/x/b\\x1b[2J.mov,succeeded,,a\\x1b[31mred\\n\n"
    )


@pytest.mark.parametrize(
    ("spent", "ended", "line"),
    [
        (Spent(310_000_000), False, "cost so far $0.31"),
        (Spent(310_000_000), True, "cost $0.31"),
        (Spent(310_000_000, 20_000_000, 4210.0), True, "cost $0.31, $0.020 of it wasted; 4,210 J"),
    ],
)
def test_what_a_batch_cost_is_so_far_only_while_it_goes_on(spent: Spent, *, ended: bool, line: str) -> None:
    assert spent_line(spent, ended=ended) == line
