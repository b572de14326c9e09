"""The journal: durable turns, forward migrations, a full disk, pruning and backups."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from rushes import PlatformError
from rushes.engines.local import LocalEngine
from rushes.invocation import BatchSpec
from rushes.journal.ballast import BALLAST_BYTES
from rushes.journal.schema import MIGRATIONS
from rushes.journal.sqlite import SqliteJournal

SPEC = json.dumps({"function": "m:f", "version": "1", "priority": "standard", "show": "dune"})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    made = SqliteJournal(tmp_path / "journal.sqlite3")
    yield made
    made.close()


def row(number: int, *, source: str = "/a.mov", key: bytes | None = None) -> tuple[Any, ...]:
    return (number, 0, 1, 0, 0.0, key, source, None, None, None, None, None, None, None)


def filled(journal: SqliteJournal, count: int) -> int:
    journal.begin()
    number = journal.open_batch("abc", SPEC, 1.0)
    journal.queue("standard", "dune")
    journal.add([row(number << 32 | n) for n in range(1, count + 1)])
    journal.commit()
    return number


def test_what_was_not_committed_is_not_there(tmp_path: Path) -> None:
    first = SqliteJournal(tmp_path / "j")
    filled(first, 3)
    first.begin()
    first.add([row(1 << 32 | 4)])
    first.close()

    again = SqliteJournal(tmp_path / "j")
    assert again.last_n(1) == 3
    again.close()


def test_a_queue_is_leased_in_its_order_and_skips_batches_that_are_left_out(journal: SqliteJournal) -> None:
    filled(journal, 5)

    assert [r[0] & 0xFFFF for r in journal.lease(1, 2, held_back=1)] == [1, 2, 3]
    assert journal.lease(1, 9, 0, without=[1]) == []


def test_rows_that_come_twice_stay_as_they_are(journal: SqliteJournal) -> None:
    number = filled(journal, 2)
    journal.begin()
    journal.ended([(4, 1, 1, number << 32 | 1)], [(number, 1, number << 32 | 1, 4, 0.1, 0, "{}")])
    journal.add([row(number << 32 | 1)])
    journal.commit()

    assert journal.counts(number) == [(0, 1), (4, 1)]


@pytest.fixture
def synced(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether it was the log, each time something else than SQLite waited until a file was on the disk."""
    log = Path(f"{journal.path}-wal")
    found: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda file: found.append(os.fstat(file).st_ino == log.stat().st_ino))
    return found


def waits(journal: SqliteJournal) -> bool:
    """Whether SQLite waits for the disk at a commit."""
    return int(journal.one("PRAGMA synchronous")) == 2


def add(journal: SqliteJournal, n: int, *, began_lent: bool, lent: bool) -> bool:
    """Add an invocation in a turn; whether SQLite waits for the disk as it commits."""
    journal.begin(lent=began_lent)
    journal.add([row(1 << 32 | n)])
    its = waits(journal)
    journal.commit(lent=lent)
    return its


def test_a_lent_turn_does_not_wait_for_the_disk_and_the_next_that_is_not_does(
    journal: SqliteJournal, synced: list[bool]
) -> None:
    filled(journal, 1)
    assert waits(journal)

    assert not add(journal, 2, began_lent=True, lent=True)
    assert not add(journal, 3, began_lent=True, lent=True)
    assert add(journal, 4, began_lent=False, lent=False)
    assert synced == []


def test_a_turn_that_is_no_longer_lent_at_its_end_is_brought_to_the_disk(
    journal: SqliteJournal, synced: list[bool]
) -> None:
    filled(journal, 1)
    add(journal, 2, began_lent=True, lent=True)
    add(journal, 3, began_lent=True, lent=False)
    assert synced == [True]


def test_a_turn_that_writes_nothing_brings_lent_ones_before_it_to_the_disk_once(
    journal: SqliteJournal, synced: list[bool]
) -> None:
    filled(journal, 1)
    add(journal, 2, began_lent=True, lent=True)
    for _ in range(2):
        journal.begin()
        journal.commit()
    assert synced == [True]


def test_a_disk_that_does_not_take_a_lent_turn_is_an_error(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(journal, 1)

    def broken(_file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(PlatformError, match="Input/output error") as caught:
        add(journal, 2, began_lent=True, lent=False)
    assert caught.value.code == "journal-unwritable"


def test_names_that_are_no_utf8_come_back_as_they_were(journal: SqliteJournal) -> None:
    name = os.fsdecode(b"/footage/caf\xe9\n\x01.mov")
    journal.begin()
    number = journal.open_batch("abc", SPEC, 1.0)
    journal.queue("standard", "dune")
    journal.add([row(number << 32 | 1, source=name)])
    journal.commit()

    assert journal.lease(1, 1, 0)[0][4] == name


def test_a_full_disk_costs_the_ballast_first_and_then_waits_with_the_turn_kept(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(journal, 1)
    pages = journal.db.execute("PRAGMA page_count").fetchone()[0]
    journal.db.execute(f"PRAGMA max_page_count={pages + 1}")
    assert journal.ballast.path.stat().st_size == BALLAST_BYTES

    journal.begin()
    with pytest.raises(PlatformError, match="disk of the journal is full"):
        journal.add([row(1 << 32 | n, source="x" * 200) for n in range(2, 200)])
    assert journal.ballast.low
    assert not journal.ballast.path.exists()
    assert journal.last_n(1) == 1

    journal.db.execute("PRAGMA max_page_count=1000000")
    journal.commit()
    assert journal.last_n(1) == 199
    assert journal.look_for_space()
    assert journal.ballast.path.stat().st_size == BALLAST_BYTES


def test_new_work_is_refused_while_there_is_no_room_for_the_ballast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1024))
    journal = SqliteJournal(tmp_path / "j")

    assert not journal.look_for_space()
    assert not journal.ballast.path.exists()
    monkeypatch.undo()
    assert journal.look_for_space()
    journal.close()


def test_on_a_small_disk_little_room_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mib = 1024 * 1024
    usage = shutil.disk_usage(tmp_path)._replace(total=40 * mib, free=12 * mib)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    journal = SqliteJournal(tmp_path / "j")

    assert journal.look_for_space()
    assert journal.ballast.path.stat().st_size == journal.room_bytes / 4 == 2.5 * mib
    journal.close()


def test_a_statement_that_cannot_be_run_is_not_tried_again(journal: SqliteJournal) -> None:
    journal.begin()
    with pytest.raises(sqlite3.ProgrammingError):
        journal.write("INSERT INTO meta(key,value) VALUES(?,?)", [("k", ["no value"])])
    number = journal.open_batch("abc", SPEC, 1.0)
    journal.commit()

    assert journal.batch("abc") is not None
    assert number == 1


def test_an_older_journal_is_brought_forward_and_a_newer_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = SqliteJournal(tmp_path / "j")
    filled(journal, 2)
    journal.close()

    monkeypatch.setattr(
        "rushes.journal.turns.MIGRATIONS", [*MIGRATIONS, ["ALTER TABLE batches ADD COLUMN colour TEXT"]]
    )
    forward = SqliteJournal(tmp_path / "j")
    assert forward.statistics()["schema"] == len(MIGRATIONS) + 1
    assert forward.last_n(1) == 2
    forward.close()

    monkeypatch.undo()
    with pytest.raises(PlatformError, match="written by a newer Rushes"):
        SqliteJournal(tmp_path / "j")


def test_a_file_that_is_no_journal_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"not a database, and long enough to look at" * 100)

    with pytest.raises(PlatformError, match=r"the journal .*/j cannot be used"):
        SqliteJournal(tmp_path / "j")


def test_the_number_of_a_pruned_batch_is_not_given_to_another(journal: SqliteJournal) -> None:
    numbers = []
    for name in ("aaa", "bbb", "ccc"):
        numbers.append(journal.open_batch(name, "{}", 1.0))
        journal.save_batch(numbers[-1], ended=2.0, sealed=True, seq=0, seconds=0.0, media_s=0.0)
        journal.prune(100.0)

    assert len(set(numbers)) == 3


def test_prune_forgets_ended_batches_and_keeps_open_ones(journal: SqliteJournal) -> None:
    ended = filled(journal, 2)
    journal.begin()
    journal.save_batch(ended, ended=2.0, sealed=True, seq=0, seconds=0.0, media_s=0.0)
    journal.open_batch("def", SPEC, 1.0)

    assert journal.prune(100.0, keep=2) == 0
    assert journal.prune(100.0) == 1
    journal.commit()
    assert [r[1] for r in journal.batches(10)] == ["def"]
    assert journal.statistics()["invocations"] == 0


def test_failed_attempts_are_counted_by_their_cause(journal: SqliteJournal) -> None:
    codes = ("damaged", "tool-failed", "damaged")
    journal.begin()
    journal.attempt([(1, number, 2.0, 1.0, code, "{}") for number, code in enumerate(codes)])
    journal.commit()

    assert list(journal.statistics()["failures"].items()) == [("damaged", 2), ("tool-failed", 1)]


def test_a_backup_holds_what_was_committed(journal: SqliteJournal, tmp_path: Path) -> None:
    filled(journal, 7)
    journal.backup(tmp_path / "copy")

    copy = sqlite3.connect(tmp_path / "copy")
    assert copy.execute("SELECT count(*) FROM invocations").fetchone() == (7,)
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()


def test_epochs_only_grow(tmp_path: Path) -> None:
    seen = []
    for _ in range(3):
        journal = SqliteJournal(tmp_path / "j")
        journal.begin()
        seen.append(journal.next_epoch())
        journal.commit()
        journal.close()

    assert seen == sorted(set(seen))


WRITER = """
import sys
from pathlib import Path
from rushes.journal.sqlite import SqliteJournal
journal = SqliteJournal(Path(sys.argv[1]))
journal.begin()
number = journal.open_batch("abc", '{"function":"m:f"}', 1.0)
journal.queue("standard", "dune")
n = 0
while True:
    journal.begin()
    journal.add([(number << 32 | (n + k), 0, 1, 0, 0.0, None, "/a", *[None] * 7) for k in range(1, 51)])
    journal.commit()
    n += 50
    print(n, flush=True)
"""


@pytest.mark.parametrize("kills", [5, pytest.param(200, marks=pytest.mark.soak)])
def test_what_was_acknowledged_survives_a_killed_writer(tmp_path: Path, kills: int) -> None:
    for turn in range(kills):
        path = tmp_path / f"j{turn}"
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(1 + turn % 5)][-1]
        writer.send_signal(signal.SIGKILL)
        later = [int(line) for line in writer.stdout if line.strip()]
        writer.wait()
        writer.stdout.close()

        journal = SqliteJournal(path)
        assert journal.last_n(1) >= max([acknowledged, *later])
        assert journal.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        journal.close()


Find = Callable[[str], Any]


def test_a_disk_too_full_for_a_journal_is_named(
    rushes_home: Path, plain: Find, clip: str, tmpfs: Callable[[Path, str], None]
) -> None:
    tmpfs(rushes_home, "1m")
    (rushes_home / "filler").write_bytes(bytes(900 * 1024))

    with pytest.raises(PlatformError, match=f"the disk of {rushes_home} is full") as caught:
        plain("echo").remote(clip, n=1)

    assert caught.value.code == "disk-full"


def test_the_engine_goes_on_when_space_returns(
    tmp_path: Path, rushes_home: Path, plain: Find, clip: str, tmpfs: Callable[[Path, str], None]
) -> None:
    """A real full disk under the journal: a clear refusal, nothing corrupt, and it goes on by itself."""
    tmpfs(rushes_home, "120m")
    echo = plain("echo")
    assert echo.remote(clip, n=1).n == 1
    filler = rushes_home / "filler"
    free = shutil.disk_usage(rushes_home).free
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - 4 * 1024 * 1024)

    def refused() -> str:
        try:
            echo.remote(clip, n=2)
        except PlatformError as error:
            return error.code
        return ""

    assert until(refused) == "disk-full"
    filler.unlink()

    def works() -> bool:
        try:
            return bool(echo.remote(clip, n=3).n == 3)
        except PlatformError:
            return False

    assert until(works)


def test_a_journal_of_another_user_says_whose_it_is_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chmod", refuse)
    with pytest.raises(PlatformError, match=r"journal\.sqlite3 cannot be written: Operation not") as caught:
        SqliteJournal(tmp_path / "journal.sqlite3")
    assert (caught.value.code, "chown -R" in caught.value.fix) == ("journal-unwritable", True)


def test_a_journal_that_sqlite_finds_read_only_is_not_to_be_moved_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with pytest.raises(PlatformError, match="cannot be written: it is read-only") as caught:
        SqliteJournal(tmp_path / "journal.sqlite3")
    assert caught.value.code == "journal-unwritable"


def test_a_file_of_the_folder_that_cannot_be_written_is_named(
    rushes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rushes_home / "start.lock").mkdir(parents=True)  # for root, too
    engine = LocalEngine()
    with pytest.raises(PlatformError, match=r"start\.lock cannot be written: Is a directory") as caught:
        engine.open(BatchSpec("m:f", "1"))
    assert caught.value.code == "no-home"
    engine.close()
