"""What has run on the pool is learnt from its ledger: by the clip, by the batch, once, and for good."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from waiting import until

import make_media
from rushes import catalog
from rushes.core.learning.work import HERE, WorkTraits
from rushes.engines.local import LocalEngine
from rushes.errors import PlatformError
from rushes.journal import estimates
from rushes.journal.estimates import MOST_OF_A_KIND, SqliteLearntRuns
from rushes.media.describing.inspection import describe
from rushes.runtime.sending.workload import work_of

PLAIN = Path(__file__).with_name("plain.py")


@pytest.fixture
def kept(engine: LocalEngine) -> SqliteLearntRuns:
    return SqliteLearntRuns(engine.settings.estimates, engine.settings.journal)


@pytest.fixture
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_media.workshop(tmp_path_factory.getbasetemp()).get("h264.mp4")


def test_an_encode_is_learnt_with_what_its_header_and_its_options_say(
    engine: LocalEngine, kept: SqliteLearntRuns, bars: Path, tmp_path: Path
) -> None:
    proxy = catalog.find("proxy").with_options(out=tmp_path / "out")
    batch = proxy.map([bars], height=64)
    (outcome,) = batch
    assert outcome.ok, outcome.error

    kept.refresh()
    kept.refresh()

    (run,) = kept.runs_of(proxy.ref)
    params = proxy.params(None, height=64)
    assert run.work == work_of(proxy, params, proxy.bind(bars).source, describe(bars))
    assert run.work.makes[0][:3] == ("h264", 114, 64)
    assert run.seconds == pytest.approx(outcome.finished.seconds)
    median, late = engine.estimator().seconds(proxy.ref, run.work)
    assert run.seconds / 5 < median < run.seconds * 5
    assert late > median


def test_many_short_ones_are_learnt_as_their_mean_once_their_batch_has_ended(
    engine: LocalEngine, kept: SqliteLearntRuns, plain: Any, clip: str
) -> None:
    echo = plain("echo")
    echo.starmap([(clip, {"n": n}) for n in range(40)]).wait()

    kept.refresh()

    (run,) = kept.runs_of(echo.ref)
    assert run.work == WorkTraits(echo.ref, HERE)
    assert run.runs == 40
    assert run.seconds < 0.05
    p50, p99 = engine.estimator().seconds(echo.ref)
    assert p50 <= p99 < 0.1


def test_what_was_known_already_teaches_nothing(
    engine: LocalEngine, kept: SqliteLearntRuns, bars: Path, tmp_path: Path
) -> None:
    proxy = catalog.find("proxy").with_options(out=tmp_path / "out")
    for _ in range(2):
        proxy.map([bars], height=64).wait()

    kept.refresh()

    assert len(list(kept.runs_of(proxy.ref))) == 1


def test_what_is_pruned_from_the_journal_stays_learnt_and_later_batches_are_still_read(
    engine: LocalEngine, kept: SqliteLearntRuns, plain: Any, clip: str
) -> None:
    echo = plain("echo")
    echo.starmap([(clip, {"n": n}) for n in range(3)]).wait()
    kept.refresh()
    engine.journal("prune", older_s=0.0, keep=0)
    kept.refresh()
    echo.starmap([(clip, {"n": n}) for n in range(3)]).wait()

    kept.refresh()

    assert len(list(kept.runs_of(echo.ref))) == 2


def test_of_one_kind_only_the_newest_runs_are_kept(
    engine: LocalEngine, kept: SqliteLearntRuns, plain: Any, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.journal.estimates.MOST_OF_A_KIND", 2)
    echo = plain("echo")
    for batch in range(4):
        echo.starmap([(clip, {"n": 10 * batch + n}) for n in range(batch + 1)]).wait()
        kept.refresh()

    assert MOST_OF_A_KIND > 2
    assert [run.runs for run in kept.runs_of(echo.ref)] == [3, 4]


def test_a_database_that_is_none_is_named_with_what_to_do(
    engine: LocalEngine, kept: SqliteLearntRuns, plain: Any, clip: str
) -> None:
    plain("echo").map([clip]).wait()
    kept.path.write_bytes(b"this is no database, however long one looks at it" * 40)

    with pytest.raises(PlatformError, match="cannot be used") as refused:
        kept.refresh()

    assert str(kept.path) in refused.value.fix
    kept.forget()
    kept.refresh()
    assert not list(kept.runs_of("nobody"))


def test_without_any_journal_nothing_is_known(rushes_home: Path) -> None:
    engine = LocalEngine()

    p50, p99 = engine.estimator().seconds("nobody:never")

    assert p99 > 10 * p50
    assert not engine.settings.estimates.exists()


def test_the_next_worker_knows_what_this_one_has_run(
    engine: LocalEngine, kept: SqliteLearntRuns, plain: Any, clip: str
) -> None:
    echo = plain("echo")
    echo.starmap([(clip, {"n": n}) for n in range(50)]).wait()
    assert not kept.path.exists()

    engine.control("stop")

    until(lambda: not engine.running() and kept.before())
    assert 0 < kept.before()[echo.ref].late_s < 0.05
    assert echo.starmap([(clip, {"n": 100 + n}) for n in range(50)]).wait().counts.succeeded == 50


def test_what_one_process_has_learnt_another_that_opens_it_first_does_not_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "estimates.db"
    path.touch()
    kept = SqliteLearntRuns(path, tmp_path / "journal.db")
    looked = estimates._version
    rows = "INSERT INTO runs(function,kind,work,seconds,runs) VALUES('mine:f','','[]',1.0,1.0)"

    def late(db: sqlite3.Connection) -> int:
        """Between our first look and our own transaction another process is there, and learns."""
        monkeypatch.setattr(estimates, "_version", looked)
        found = looked(db)
        with SqliteLearntRuns(path, tmp_path / "journal.db")._open() as other:
            other.execute(rows)
        return found

    monkeypatch.setattr(estimates, "_version", late)

    assert kept.before()["mine:f"].runs == 1.0


def test_an_encode_in_chunks_is_learnt_with_what_its_parts_took(
    engine: LocalEngine, kept: SqliteLearntRuns, bars: Path, tmp_path: Path
) -> None:
    transcode = catalog.find("transcode").with_options(out=tmp_path / "out")
    (outcome,) = transcode.map([bars], chunks=2)
    assert outcome.ok, outcome.error
    parts = [one for one in engine.batches(parts=True) if one.parent]

    kept.refresh()

    (run,) = kept.runs_of(transcode.ref)
    assert run.seconds == pytest.approx(outcome.finished.seconds + sum(one.seconds for one in parts))
    assert run.seconds > 1.5 * outcome.finished.seconds
