"""What work costs on a real pool: the ledger adds up, whatever happens, and people see it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from waiting import until

import make_media
from rushes import catalog
from rushes.cli.app import app
from rushes.cli.show import displacement_lines
from rushes.cli.statement import Sheet
from rushes.engines.local import LocalEngine
from rushes.runtime.outputs.receipt import Receipt
from rushes_functions.transcode import transcode

Find = Callable[[str], Any]
HERE = Path(__file__).parent
PRICES = """
schema = 1
[tiers.here]
usd_per_hour = 3.6
idle_watts = 50
busy_watts = 150
usd_per_request = 0.0000002
[energy.here]
usd_per_kwh = 0.31
source = "a contract"
as_of = "2026-01"
"""


@pytest.fixture
def priced(rushes_home: Path, prices: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine costs a tenth of a cent a second."""
    prices(PRICES)
    monkeypatch.setenv("RUSHES_CPU", "2")


@pytest.fixture
def costly(priced: None, engine: LocalEngine) -> Find:
    """A function by its file and name, on a pool that has a price."""
    return lambda name: catalog.find(f"{HERE}/{name}")


def statement(engine: LocalEngine, **asked: Any) -> Sheet:
    """What `rushes cost` would say; it has to add up."""
    found = engine.costs(by=asked.get("by", "function"))
    assert found["ledger"]["off"] == []
    assert found["ledger"]["owed"] == found["ledger"]["lines"]
    return Sheet.of(found, **asked)


def test_the_lines_sum_to_price_and_time_over_short_work_failures_and_kills(
    engine: LocalEngine, costly: Find, clip: str, tmp_path: Path
) -> None:
    list(costly("plain.py:echo").with_options(show="dune").starmap((clip, {"n": n}) for n in range(300)))
    list(costly("plain.py:poison").starmap((clip, {"n": n}) for n in range(8)))
    folder = tmp_path / "marks"
    folder.mkdir()
    again = costly("plain.py:fails_at_first")
    list(again.starmap((clip, {"n": n, "folder": str(folder), "kind": "bug"}) for n in range(3)))
    before = statement(engine)
    gate = tmp_path / "gate"
    lingering = costly("plain.py:linger").starmap((clip, {"n": n, "gate": str(gate)}) for n in range(2))
    until(lambda: len([one for one in lingering.progress.running if one["fraction"] > 0]) == 2)
    statement(engine)  # brings the ledger up to now, with what these two have cost so far
    os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)
    gate.write_text("")
    lingering.wait()

    made = statement(engine)

    assert made.ledger["machines"] == 2  # one worker, and the next
    assert made.rows["dune", "echo"].attempts == 300
    assert made.rows["dune", "echo"].waste.total == 0
    assert made.rows["dune", "echo"].useful.compute > 0
    assert made.rows["default", "poison"].waste.compute > 0
    assert made.rows["default", "poison"].attempts == 7 + 3  # the poisonous one ran three times
    assert made.rows["default", "fails_at_first"].useful.total == 0
    assert made.rows["default", "linger"].attempts == 4  # two were cut off with their worker
    assert made.rows["default", "linger"].waste.compute > 0
    assert made.made.of().useful.requests + made.made.of().waste.requests == 200 * made.made.of().attempts
    assert made.made.idle["here"].compute > 0
    assert made.made.total > before.made.total
    assert lingering.cost.nano == made.rows["default", "linger"].total


def test_where_nothing_has_a_price_nothing_is_counted(engine: LocalEngine, plain: Find, clip: str) -> None:
    batch = plain("echo").starmap((clip, {"n": n}) for n in range(3))
    batch.wait()

    found = engine.costs()

    assert (found["ledger"]["machines"], found["lines"]) == (0, [])
    assert batch.cost.nano == 0
    assert "nothing is counted" in CliRunner().invoke(app, ["cost"]).stdout


def test_the_whole_has_the_costs_of_its_parts_and_waits_for_nothing(
    engine: LocalEngine, costly: Find, clip: str
) -> None:
    batch = costly("fans.py:fan").with_options(show="dune").map([clip], parts=4)
    (outcome,) = batch
    assert outcome.ok

    made = statement(engine)

    assert list(made.rows) == [("dune", "fan")]
    assert made.rows["dune", "fan"].attempts == 5
    assert batch.cost.nano == made.made.of().total
    assert outcome.finished.cost_nano == made.made.of().total
    assert next(iter(statement(engine, by="batch").rows))[0] == batch.id
    parts = next(one for one in engine.batches(parts=True) if one.parent)
    assert 0 < parts.spent.nano < made.made.of().total


def test_what_a_swarm_had_done_again_is_paid_by_the_show_that_swarmed(
    engine: LocalEngine, costly: Find, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_MEMORY", "8GiB")
    aside = costly("aside.py:hold_memory")
    gate = tmp_path / "low.gate"
    low = LocalEngine()
    batch = aside.with_options(priority="background", show="archive").map([clip], gate=str(gate))
    until(lambda: any(slot["seconds"] > 1.1 for slot in low.pool()["slots"] if slot["running"]))
    urgent_gate = tmp_path / "urgent.gate"
    urgent = aside.with_options(priority="urgent", show="dune").map([clip], gate=str(urgent_gate))
    until(lambda: urgent_gate.with_suffix(".starts").exists())
    urgent_gate.touch()
    urgent.wait()
    gate.touch()
    batch.wait()

    made = statement(engine)

    assert made.rows["archive", "hold_memory"].waste.total == 0
    assert made.rows["archive", "hold_memory"].useful.compute > 0
    assert made.rows["dune", "hold_memory"].waste.compute > 0
    assert batch.cost.waste_nano == made.rows["dune", "hold_memory"].waste.total
    (share,) = urgent.progress.displacement
    assert share["redone_nano"] == batch.cost.waste_nano
    assert f"is done again for ${batch.cost.waste_nano / 1e9:.4f}"[:24] in displacement_lines([share])[0]
    assert engine.explain(f"{batch.id}.1")["cost_nano"] == batch.cost.nano


def test_the_clock_of_who_is_paused_stands_still(
    engine: LocalEngine, costly: Find, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_CPU", "1")
    hold = costly("aside.py:hold")
    gates = [tmp_path / "low.gate", tmp_path / "urgent.gate"]
    low = hold.with_options(priority="background", show="archive").map([clip], gate=str(gates[0]))
    until(lambda: any(slot["seconds"] > 1.1 for slot in engine.pool()["slots"] if slot["running"]))
    urgent = hold.with_options(priority="urgent", show="dune").map([clip], gate=str(gates[1]))
    until(lambda: low.progress.counts.paused == 1)
    until(lambda: any(slot["seconds"] > 1.5 for slot in engine.pool()["slots"] if not slot["paused"]))
    gates[1].touch()
    gates[0].touch()
    urgent.wait()
    low.wait()

    made = statement(engine)

    (dune,) = [row.useful.compute for key, row in made.rows.items() if key[0] == "dune"]
    (archive,) = [row.useful.compute for key, row in made.rows.items() if key[0] == "archive"]
    machine = made.ledger["owed"] - sum(one.energy for one in made.made.idle.values())
    assert dune + archive <= machine  # never both at once on the one core
    assert made.made.of().waste.total == 0


def test_a_published_minute_has_its_price_in_table_csv_json_and_receipt(
    engine: LocalEngine, priced: None, media: make_media.Workshop, tmp_path: Path
) -> None:
    clip = media("h264_24p.mp4")
    out = tmp_path / "out"
    batch = transcode.with_options(out=str(out), show="dune").map([str(clip)], height=90)
    (outcome,) = batch
    assert outcome.ok, outcome.error

    made = statement(engine)
    (row,) = made.rows.values()
    said = CliRunner().invoke(app, ["cost"]).stdout
    sheet = CliRunner().invoke(app, ["cost", "--csv"]).stdout.splitlines()
    answer = json.loads(CliRunner().invoke(app, ["cost", "--json"]).stdout)

    seconds = outcome.finished.media_s
    assert row.published_us == round(seconds * 1e6)
    assert row.minute_nano == -(-row.total * 60_000_000 // row.published_us)
    assert f"a published minute cost ${row.minute_nano / 1e9:.2f}"[:26] in said
    assert "it adds up" in said
    assert sheet[0].startswith("show,function,attempts,useful_usd,waste_usd,compute_usd")
    assert sheet[1].startswith("dune,transcode,1,0.")
    assert answer["rows"][0]["published_s"] == pytest.approx(seconds)
    assert answer["ledger"]["adds_up"] is True
    (output,) = outcome.outputs
    receipt = Receipt.read(f"{output}.rushes.json")
    assert 0 < (receipt.cost_usd or 0) <= outcome.finished.cost_nano / 1e9
    assert 0 < (receipt.joules or 0) <= batch.cost.joules


def test_sums_are_left_of_batches_that_are_forgotten(engine: LocalEngine, costly: Find, clip: str) -> None:
    costly("plain.py:echo").starmap((clip, {"n": n}) for n in range(3)).wait()
    before = statement(engine).made.of()

    engine.journal("prune", older_s=0)

    made = statement(engine, by="batch")
    assert made.made.of() == before
    assert list(made.rows) == [("(pruned)", "default", "echo")]


def test_a_price_file_is_found_from_the_folder_in_which_it_was_named(
    priced: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: LocalEngine
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUSHES_PRICES", "prices.toml")

    assert LocalEngine().costs()["ledger"]["machines"] == 1


def test_a_price_file_that_is_wrong_is_said_where_the_worker_is_started(
    rushes_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_TIER", "rack-9")

    said = CliRunner().invoke(app, ["list"])

    assert said.exit_code == 1
    assert "no price for tier 'rack-9'" in said.output


def has_done(batch: Any, least: int) -> bool:
    return bool(batch.progress.counts.succeeded > least)


@pytest.mark.soak
def test_the_ledger_adds_up_through_bursts_and_ten_killed_workers(
    engine: LocalEngine, costly: Find, clip: str
) -> None:
    work, short = costly("plain.py:busy"), costly("plain.py:echo")
    low = work.with_options(priority="background", show="archive").starmap(
        (clip, {"n": n, "seconds": 0.05}) for n in range(400)
    )
    bursts = []
    for kill in range(10):
        bursts.append(
            short.with_options(priority="urgent", show="dune").starmap(
                (clip, {"n": 1000 * kill + n}) for n in range(200)
            )
        )
        until(partial(has_done, low, 30 * kill))
        os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)
    for burst in bursts:
        burst.wait()
    low.wait()

    made = statement(engine)

    assert made.ledger["machines"] == 11
    assert made.rows["dune", "echo"].attempts >= 2000
    assert made.rows["archive", "busy"].attempts >= 400
    assert sum(burst.cost.nano for burst in bursts) == made.rows["dune", "echo"].total
    assert low.cost.nano == made.rows["archive", "busy"].total
