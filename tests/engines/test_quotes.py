"""Quotes of real clips on the embedded engine: before anything has run, after it, and beside what it took."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import make_media
from rushes import catalog
from rushes.cli.app import app
from rushes.cli.session import Session
from rushes.core.spending.quote import Quote
from rushes.engines.local import LocalEngine
from rushes.errors import CallerError
from rushes.media.readers import reader
from rushes.runtime.sending.quoting import BatchQuote

PRICES = """
schema = 1
[tiers.desk]
purchase = "owned"
region = "here"
usd_per_hour = 3.6
cpu = 64
memory = "256GiB"
busy_watts = 100
idle_watts = 10
source = "a test"
as_of = "2026-01"
"""

CLASSES = """
[classes.urgent]
reserved_share = 0.25

[classes.background]
max_share = 0.5
"""


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips and one that ends early."""
    shop = make_media.workshop(tmp_path.parent)
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("h264.mp4", "mjpeg.avi"):
        (folder / name).write_bytes(shop.get(name).read_bytes())
    return folder


@pytest.fixture
def rushes(engine: LocalEngine) -> Callable[..., Result]:
    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(app, list(map(str, arguments)), obj=Session(engine), prog_name="rushes")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


def test_a_batch_is_quoted_from_the_catalogue_then_run_then_compared_and_then_known(
    rushes: Callable[..., Result], clips: Path, tmp_path: Path, engine: LocalEngine
) -> None:
    (clips / "torn.mp4").write_bytes((clips / "h264.mp4").read_bytes()[:2000])

    first = rushes("quote", "proxy", clips, "--height", 64, "--json")
    sent = rushes("run", "proxy", clips, "--height", 64, "--out", tmp_path / "out", "--quote", "--json")
    status = rushes("status", "--json")
    shown = rushes("status").stdout
    again = rushes("quote", "proxy", clips, "--height", 64, "--json")
    forced = rushes("quote", "proxy", clips, "--height", 64, "--json", "--force")

    before = json.loads(first.stdout)
    assert (first.exit_code, before["invocations"], before["unreadable"]) == (1, 2, 1)
    assert before["quote"]["basis"] in {"published", "second-hand"}
    assert sent.exit_code == 1
    kept = json.loads(status.stdout)["quote"]
    assert kept["seconds"] == before["quote"]["seconds"]
    assert "quoted " in shown
    assert "took " in shown
    assert (json.loads(again.stdout)["known"], json.loads(again.stdout)["invocations"]) == (2, 0)
    learnt = json.loads(forced.stdout)
    assert (learnt["invocations"], learnt["runs"], learnt["quote"]["basis"]) == (2, 2, "learnt")
    took = [one.seconds for one in engine.results(engine.batches(limit=1)[0].batch) if one.error is None]
    # Two runs weigh little against a catalogue that may be far off for so small a picture.
    assert sum(took) / 5 < learnt["work_s"]["likely"] < sum(took) * 5


def test_a_price_file_gives_it_a_price_and_joules(
    clips: Path, prices: Callable[[str], None], rushes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices(PRICES)
    monkeypatch.setenv("RUSHES_TIER", "desk")

    quoted = catalog.find("proxy").quote(sorted(clips.iterdir()), height=64)

    assert isinstance(quoted.answer, Quote)
    seconds, cost, joules = quoted.work_s.likely, quoted.answer.cost.likely, quoted.answer.joules.likely
    assert cost == pytest.approx(seconds * 1_000_000 * 2 / 64, rel=0.25)  # a dollar in 1000 s
    assert joules == pytest.approx(seconds * 100 * 2 / 64, rel=0.25)


def test_a_wish_that_cannot_be_kept_is_declined_with_what_is_possible(
    rushes: Callable[..., Result], clips: Path
) -> None:
    declined = rushes("quote", "proxy", clips, "--height", 64, "--by", "0.001s")
    kept = rushes("quote", "proxy", clips, "--height", 64, "--by", "5h", "--max-cost", "1")

    assert declined.exit_code == 3
    assert "not within 0.00 s" in declined.stdout
    assert "instead" in declined.stdout
    assert kept.exit_code == 0
    assert "1 slot of here" in kept.stdout


def test_a_deadline_among_its_dispatch_options_is_the_wish_in_python(clips: Path, rushes_home: Path) -> None:
    proxy = catalog.find("proxy")
    sources = sorted(clips.iterdir())

    assert proxy.with_options(deadline=time.time() + 36_000).quote(sources).ok
    assert not proxy.with_options(deadline=time.time() + 0.01).quote(sources).ok


def test_headers_are_read_once_until_the_clip_changes(
    clips: Path, rushes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    real = reader.ask

    def counted(*question: Any) -> Any:
        asked.append(question)
        return real(*question)

    monkeypatch.setattr("rushes.media.readers.reader.ask", counted)
    proxy, sources = catalog.find("proxy"), sorted(clips.iterdir())

    first = proxy.quote(sources)
    read = len(asked)
    second = proxy.quote(sources)
    again = len(asked)
    (clips / "h264.mp4").write_bytes((clips / "h264.mp4").read_bytes() + b"\0")
    proxy.quote(sources)

    assert (read, again, len(asked)) == (2, 2, 3)
    assert first.work_s == second.work_s


def test_a_damaged_store_of_headers_is_made_anew(clips: Path, rushes_home: Path) -> None:
    proxy, sources = catalog.find("proxy"), sorted(clips.iterdir())
    proxy.quote(sources)
    (rushes_home / "headers.sqlite3").write_bytes(b"no database at all" * 500)

    assert proxy.quote(sources).invocations == 2
    assert proxy.quote(sources).invocations == 2


def test_machines_that_are_asked_about_are_in_the_answer_or_it_says_why_not(
    rushes: Callable[..., Result], clips: Path
) -> None:
    asked = ("quote", "proxy", clips, "--height", 64, "--tier", "ec2/c7i.2xlarge=2")

    beside = rushes(*asked)
    data = json.loads(rushes(*asked, "--json").stdout)
    solved = rushes(*asked, "--by", "5h")

    assert "with those machines as well" in beside.stdout
    assert "of ec2/c7i.2xlarge" in beside.stdout
    assert set(data["beside"]["slots"]) == {"here", "ec2/c7i.2xlarge"}
    assert "ec2/c7i.2xlarge is not needed" in solved.stdout


def test_machines_that_its_class_may_not_use_are_left_out(
    clips: Path, tmp_path: Path, rushes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "classes.toml").write_text('[classes.urgent]\npurchase = ["owned", "spot"]\n')
    monkeypatch.setenv("RUSHES_CLASSES", str(tmp_path / "classes.toml"))
    engine, proxy = LocalEngine(), catalog.find("proxy")
    sources = [(proxy.bind(one).source, None) for one in sorted(clips.iterdir())]

    def quoted(priority: str) -> BatchQuote:
        options = proxy.with_options(priority=priority).options
        return engine.quote(
            proxy, options, sources, proxy.params(None, height=64), tiers={"ec2/c7i.2xlarge": 2}
        )

    urgent, standard = quoted("urgent"), quoted("standard")

    why = "ec2/c7i.2xlarge is left out: urgent work may not use on-demand machines"
    assert (urgent.beside, urgent.left_out) == (None, (why,))
    assert (standard.beside is None, standard.left_out) == (False, ())


@pytest.mark.parametrize("tier", ["ec2/g6.xlarge", "=3", "ec2/g6.xlarge=none", "ec2/g6.xlarge=0"])
def test_a_tier_without_a_number_is_refused(rushes: Callable[..., Result], clips: Path, tier: str) -> None:
    refused = rushes("quote", "proxy", clips, "--tier", tier)

    assert refused.exit_code == 2
    assert "NAME=N" in refused.stderr


def test_a_tier_that_no_price_book_knows_is_refused_by_name(clips: Path, rushes_home: Path) -> None:
    engine = LocalEngine()
    proxy = catalog.find("proxy")

    with pytest.raises(CallerError, match="no price for tier 'moon'"):
        engine.quote(
            proxy,
            proxy.options,
            [(proxy.bind(one).source, None) for one in clips.iterdir()],
            proxy.params(),
            tiers={"moon": 1},
        )


def test_a_class_has_no_more_slots_than_its_share_and_none_that_others_keep(
    clips: Path, tmp_path: Path, rushes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_CPU", "8")
    monkeypatch.setenv("RUSHES_MEMORY", "64GiB")
    (tmp_path / "classes.toml").write_text(CLASSES)
    proxy, sources = catalog.find("proxy"), sorted(clips.iterdir())

    def slots(**options: Any) -> int:
        answer = proxy.with_options(**options).quote(sources, height=64).answer
        assert isinstance(answer, Quote)
        return sum(count for _, count in answer.slots)

    assert (slots(), slots(slots=3)) == (4, 3)
    monkeypatch.setenv("RUSHES_CLASSES", str(tmp_path / "classes.toml"))
    assert [slots(priority=name) for name in ("urgent", "standard", "background")] == [4, 3, 2]
