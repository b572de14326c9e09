"""A statement of costs for people, spreadsheets and programs; pure, from an engine's answer."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rushes.cli.app import app
from rushes.cli.cost import since_of
from rushes.cli.statement import Sheet
from rushes.errors import CallerError
from rushes.runtime.records.cost_records import SpentRow

LEDGER = {"machines": 1, "seconds": 60.0, "owed": 1_000_000_000, "lines": 1_000_000_000, "off": []}
MINUTE = 60_000_000
USD = 1_000_000_000


def _line(show: str, function: str, compute: int, *, waste: int = 0, **more: Any) -> SpentRow:
    figures = {"requests": 0, "transfer": 0, "energy": 0, "millijoules": 0, "published_us": 0, **more}
    return SpentRow("", show, function, "here", waste, 1, compute, **figures)


def _found(*lines: SpentRow, idle: int = 0, running: int = 0, **ledger: Any) -> dict[str, Any]:
    return {
        "since": 0.0,
        "lines": [list(line) for line in lines],  # as they come over the socket
        "idle": [["here", idle, 0, 0]] if idle else [],
        "running": [running, 0, 0, 0],
        "ledger": {**LEDGER, **ledger},
    }


TURNOVER = _found(
    _line("dune", "proxy", 3 * USD, published_us=2 * MINUTE),
    _line("dune", "proxy", USD, waste=1),
    _line("vfx", "inspect", USD // 2),
    idle=USD,
    running=USD // 4,
)


def test_a_row_has_what_was_kept_what_was_wasted_and_a_minute_of_both() -> None:
    made = Sheet.of(TURNOVER)

    row = made.rows["dune", "proxy"]
    assert (row.useful.total, row.waste.total, row.minute_nano) == (3 * USD, USD, 2 * USD)
    assert made.made.total == 5_750_000_000
    text = made.to_text().splitlines()
    assert text[1].split() == ["dune", "proxy", "2", "$3.00", "$1.00", "$4.00", "2", "m", "00", "s", "$2.00"]
    assert "running now" in text[4]
    assert text[5].split() == ["idle", "here", "$1.00"]
    assert max(map(len, text[1:7])) <= 80
    assert text[-2] == "a published minute cost $2.25, waste included; $2.88 with idleness"
    assert text[-1].startswith("it adds up: price × time, 1 m 00 s of 1 worker, is $1.000000000")


def test_the_idleness_is_nobodys_where_only_a_show_is_asked_for() -> None:
    made = Sheet.of(TURNOVER, show="dune")

    assert list(made.rows) == [("dune", "proxy")]
    assert made.made.total == 4 * USD
    assert "idle" not in made.to_text()


def test_a_ledger_that_does_not_add_up_says_where() -> None:
    text = Sheet.of(_found(off=[3], lines=999_999_999)).to_text()

    assert "IT DOES NOT ADD UP" in text
    assert "off in worker 3" in text


def test_hosts_without_a_price_are_said_to_be_missing_from_what_a_minute_cost() -> None:
    shared = {"batches": 1, "cut": False, "owed": 2, "lines": 2, "off": []}
    free = _line("dune", "proxy", 0, requests=2, published_us=MINUTE)
    paid = _line("dune", "proxy", USD, requests=2, published_us=MINUTE)

    def text(*lines: SpentRow) -> str:
        return Sheet.of({**_found(*lines), "idle": None, "running": None, "ledger": shared}).to_text()

    assert "no machine's time is in it" in text(free)
    assert "no machine's time is in it" not in text(free, paid)
    assert "no machine's time is in it" not in Sheet.of(TURNOVER).to_text()


def test_nothing_that_was_counted_says_how_it_would_be() -> None:
    assert "RUSHES_PRICES" in Sheet.of(_found(machines=0)).to_text()


def test_a_spreadsheet_gets_dollars_to_the_last_digit_and_no_formulas() -> None:
    found = _found(_line("=cmd|' /C calc'!A0", 'a "name", with', 1), idle=2)

    rows = list(csv.DictReader(io.StringIO(Sheet.of(found).to_csv())))

    assert rows[0]["show"] == "'=cmd|' /C calc'!A0"
    assert rows[0]["function"] == 'a "name", with'
    assert rows[0]["total_usd"] == "0.000000001"
    assert rows[1]["show"] == "(idle) here"


@given(st.lists(st.integers(0, 10**12), max_size=8), st.integers(0, 10**12))
def test_a_spreadsheet_that_sums_its_column_has_the_total(amounts: list[int], idle: int) -> None:
    lines = [_line(f"show {n % 3}", f"f{n}", one, waste=n % 2) for n, one in enumerate(amounts)]
    made = Sheet.of(_found(*lines, idle=idle))

    rows = csv.DictReader(io.StringIO(made.to_csv()))

    assert sum(int(row["total_usd"].replace(".", "")) for row in rows) == made.made.total


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2h", "2026-03-05T10:00"),
        ("2026-03-01", "2026-03-01T00:00"),
        ("2026-03-01T18:30", "2026-03-01T18:30"),
        ("09:30", "2026-03-05T09:30"),
        ("18:30", "2026-03-04T18:30"),
    ],
)
def test_since_is_how_long_ago_a_date_or_the_last_such_time(text: str, at: str) -> None:
    now = datetime(2026, 3, 5, 12, 0).astimezone().timestamp()

    assert since_of(text, now) == datetime.fromisoformat(at).astimezone().timestamp()


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(CallerError, match="'soon' is no time"):
        since_of("soon", 0.0)


def test_a_number_without_a_unit_is_no_time() -> None:
    with pytest.raises(CallerError, match="'7' is no time") as caught:
        since_of("7", 1e9)
    assert "7d" in caught.value.fix


def test_who_spent_nothing_is_said_in_words() -> None:
    text = Sheet.of(TURNOVER, show="nobody").to_text().splitlines()

    assert text[0] == "nothing was spent there"
    assert text[1].startswith("it adds up")


def test_the_doctor_says_what_this_machine_costs(
    rushes_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text("schema = 1\n[tiers.here]\nusd_per_hour = 0.11\nidle_watts = 95\nbusy_watts = 310\n")
    monkeypatch.setenv("RUSHES_PRICES", str(prices))

    said = CliRunner().invoke(app, ["doctor"]).stdout

    assert "this machine is tier here: $0.11 an hour, 95 to 310 W" in said
