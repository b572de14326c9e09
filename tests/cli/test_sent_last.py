"""`last` where work was sent to this machine and to environments on AWS."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rushes import CallerError
from rushes.cli.app import app
from rushes.cli.session import Session
from rushes.invocation import BatchStatus, Counts
from rushes.options import Options
from rushes.ports import Engine
from rushes.runtime.sending.sent_last import recall_sent, remember_sent
from rushes.testing import StubEngine


class Elsewhere(StubEngine):
    """An environment: its batches bear its name, and its newest one is somebody else's."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    def status(self, batch: str) -> BatchStatus:
        return status_of(batch)

    def cancel(self, batch: str) -> None:
        raise AssertionError(batch)


def status_of(batch: str) -> BatchStatus:
    counts = Counts(succeeded=1)
    return BatchStatus(
        batch, "size", "size", "standard", "default", None, counts,
        sealed=True, submitted=1.0, ended=2.0, seconds=0.0, media_s=0.0,
    )  # fmt: skip


class Both(Session):
    """A session with a pool here and environments elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def engine(self, name: str = "local") -> Engine:
        self.asked.append(name)
        return Elsewhere(name)


@pytest.fixture
def session() -> Both:
    return Both()


def run(session: Session, *argv: str) -> Result:
    return CliRunner().invoke(app, list(argv), obj=session)


def test_what_was_sent_last_is_last_wherever_it_was_sent(session: Both, rushes_home: Path) -> None:
    session.sent("k7m2qx@dev")
    made = run(session, "status", "last")
    assert "k7m2qx@dev ·" in made.stdout
    assert session.asked == ["aws:dev"]
    assert "the newest batch, k7m2qx@dev:" in run(session, "status").stderr


@pytest.mark.parametrize("command", [["why", "last.1"], ["logs", "last.1"], ["receipt", "last.1"]])
def test_a_number_behind_last_is_of_what_was_sent_last(
    session: Both, rushes_home: Path, command: list[str]
) -> None:
    session.sent("k7m2qx@dev")
    assert "no batch 'k7m2qx@dev'" in run(session, *command).stderr


def test_what_was_sent_to_this_machine_since_is_last(session: Both, rushes_home: Path) -> None:
    session.sent("k7m2qx@dev")
    session.sent("t3z8rw")
    run(session, "status", "last")
    assert session.asked == ["local"]
    assert "k7m2qx@dev ·" in run(session, "status", "last", "--engine", "aws:dev").stdout


def test_last_of_an_environment_is_what_was_sent_there(
    session: Both, rushes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.sent("k7m2qx@dev")
    session.sent("t3z8rw@prod")
    assert "k7m2qx@dev ·" in run(session, "status", "last", "--engine", "aws:dev").stdout
    assert "t3z8rw@prod ·" in run(session, "status", "last").stdout
    monkeypatch.setenv("RUSHES_AWS_ENV", "dev")
    assert "k7m2qx@dev ·" in run(session, "status", "last", "--engine", "aws").stdout


@pytest.mark.parametrize("command", [["cancel"], ["retry"], ["set", "--priority", "urgent"]])
def test_nobody_acts_on_the_newest_batch_of_somebody_else(
    session: Both, rushes_home: Path, command: list[str]
) -> None:
    made = run(session, *command, "last", "--engine", "aws:dev")
    assert made.exit_code == 2
    assert "somebody else's" in made.stderr


def test_what_cannot_be_read_is_not_remembered_and_nothing_fails(tmp_path: Path) -> None:
    assert recall_sent(tmp_path) == recall_sent(tmp_path, "dev") == ""
    remember_sent(tmp_path, "t3z8rw")
    assert not list(tmp_path.iterdir())  # the ledger of this machine knows
    remember_sent(tmp_path, "k7m2qx@dev")
    assert (recall_sent(tmp_path), recall_sent(tmp_path, "prod")) == ("k7m2qx@dev", "")
    remember_sent(tmp_path / "nowhere", "k7m2qx@dev")
    for text in ("", "[]", '{"": 1, "dev": 2}', "\x00"):
        (tmp_path / "sent.json").write_text(text)
        assert recall_sent(tmp_path) == recall_sent(tmp_path, "dev") == ""


def test_only_so_many_environments_are_remembered(tmp_path: Path) -> None:
    for number in range(150):
        remember_sent(tmp_path, f"k7m2qx@e{number}")
    assert recall_sent(tmp_path, "e1") == ""
    assert recall_sent(tmp_path) == recall_sent(tmp_path, "e149") == "k7m2qx@e149"


def test_a_class_that_this_machine_does_not_know_may_be_one_of_an_environment() -> None:
    assert Options(priority="dailies", engine="aws:dev").priority == "dailies"
    with pytest.raises(CallerError, match="'dailies' is no class"):
        Options(priority="dailies")


def test_where_nothing_can_be_remembered_nothing_is_and_what_was_sent_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RUSHES_HOME", str(tmp_path / "file" / "home"))
    session = Session()
    session.sent("k7m2qx@dev")
    assert session.sent_last("aws:dev") == ""
    assert session.sent_last() == ""
