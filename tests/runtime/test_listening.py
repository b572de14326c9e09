"""The folder of workers' sockets: a dead one goes, one on which somebody listens stays."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from rushes.runtime.worker.listening import SUFFIX, listen


@pytest.fixture
def folder(rushes_home: Path) -> Path:
    """A folder with a short name."""
    return rushes_home


def age(folder: Path) -> None:
    for one in folder.iterdir():
        os.utime(one, (time.time() - 3600,) * 2)


def test_the_socket_of_a_killed_worker_goes_with_the_next_start_of_any(folder: Path) -> None:
    with listen(folder / f"dead{SUFFIX}"):
        pass
    (folder / f"no-socket{SUFFIX}").write_text("x")
    age(folder)

    with listen(folder / f"mine{SUFFIX}"):
        assert sorted(one.name for one in folder.iterdir()) == [f"mine{SUFFIX}", f"no-socket{SUFFIX}"]


def test_a_socket_on_which_somebody_listens_stays_also_while_nobody_is_let_in(folder: Path) -> None:
    calls = []
    with listen(folder / f"busy{SUFFIX}") as busy, listen(folder / f"idle{SUFFIX}"):
        busy.listen(0)
        for _ in range(2):  # as many as wait: the next is told to come again
            calls.append(socket.socket(socket.AF_UNIX))
            calls[-1].settimeout(0.0)
            calls[-1].connect_ex(str(folder / f"busy{SUFFIX}"))
        age(folder)
        with listen(folder / f"mine{SUFFIX}"):
            assert len(list(folder.iterdir())) == 3
    for one in calls:
        one.close()


def test_one_that_was_made_just_now_is_let_alone(folder: Path) -> None:
    with listen(folder / f"young{SUFFIX}"):
        pass
    with listen(folder / f"mine{SUFFIX}"):
        assert (folder / f"young{SUFFIX}").exists()


def test_only_this_user_may_speak_to_it(folder: Path) -> None:
    with listen(folder / f"mine{SUFFIX}"):
        assert (folder / f"mine{SUFFIX}").stat().st_mode & 0o177 == 0
