"""The ledger of devices: sessions held by processes, of which any may be killed at any time."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from waiting import until

from rushes.core.devices import CPU, Device, Reading
from rushes.core.turns import Option, Refuse, Take, Wait
from rushes.errors import PlatformError
from rushes.media.devices.ledger import DeviceLedger, Place, open_ledger
from rushes.media.devices.ledger_files import VARIABLE, LedgerFiles, ledger_folder

CARD = Device("nvenc:0", sessions=2)
OPTIONS = [Option(CARD)]

_HOLDER = """
import sys, time
from pathlib import Path
from rushes.core.devices import Device
from rushes.core.turns import Option
from rushes.media.devices.ledger import DeviceLedger
from rushes.media.devices.ledger_files import LedgerFiles
place = DeviceLedger(LedgerFiles(Path(sys.argv[1]))).line_up("somebody")
print(type(place.look([Option(Device("nvenc:0", sessions=2))], waited_s=0)).__name__, flush=True)
time.sleep(600)
"""


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> DeviceLedger:
    folder = tmp_path / "ledger"
    folder.mkdir()
    return DeviceLedger(LedgerFiles(folder), clock)


@pytest.fixture
def started() -> Iterator[Callable[[str, Path], subprocess.Popen[str]]]:
    """Starts a program of its own; what still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def start(program: str, folder: Path, *args: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, str(folder), *args]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def looks(place: Place) -> str:
    return type(place.look(OPTIONS, waited_s=0.0)).__name__


def test_a_session_is_held_until_it_is_given_back(ledger: DeviceLedger) -> None:
    first, second, third = (ledger.line_up() for _ in range(3))

    assert [looks(first), looks(second), looks(third)] == ["Take", "Take", "Wait"]
    first.leave()
    assert looks(third) == "Take"
    assert [one.device for one in ledger.book().held] == ["nvenc:0", "nvenc:0"]


def test_who_is_more_urgent_is_served_before_who_came_first_and_knows_who_holds(ledger: DeviceLedger) -> None:
    holders = [ledger.line_up(name, 3) for name in ("a.1", "b.1")]
    assert [looks(one) for one in holders] == ["Take", "Take"]
    background, urgent = ledger.line_up("c.1", 3), ledger.line_up("d.1", 1)
    assert [looks(background), looks(urgent)] == ["Wait", "Wait"]
    assert urgent.holders == ("a.1", "b.1")

    holders[0].leave()

    assert [looks(background), looks(urgent)] == ["Wait", "Take"]


def test_who_is_made_more_urgent_while_it_waits_is_served_before_who_came_first(ledger: DeviceLedger) -> None:
    holders = [ledger.line_up() for _ in range(2)]
    assert [looks(one) for one in holders] == ["Take", "Take"]
    first, second = ledger.line_up("c.1", 2), ledger.line_up("d.1", 2)
    assert [looks(first), looks(second)] == ["Wait", "Wait"]

    second.ranks(1)
    assert looks(second) == "Wait"
    holders[0].leave()

    assert [looks(first), looks(second)] == ["Wait", "Take"]


def test_what_a_killed_process_held_is_free_at_once_and_nothing_of_it_is_left(
    ledger: DeviceLedger, started: Callable[..., subprocess.Popen[str]]
) -> None:
    holders = [started(_HOLDER, ledger.files.folder) for _ in range(2)]
    assert [heard(one) for one in holders] == ["Take", "Take"]
    mine = ledger.line_up()
    assert looks(mine) == "Wait"

    holders[0].send_signal(signal.SIGKILL)
    holders[0].wait()

    assert looks(mine) == "Take"
    assert len(list(ledger.files.folder.glob("at-*"))) == 2


def test_a_process_that_is_killed_in_line_is_not_waited_for(
    ledger: DeviceLedger, started: Callable[..., subprocess.Popen[str]]
) -> None:
    holders = [ledger.line_up(), ledger.line_up()]
    assert [looks(one) for one in holders] == ["Take", "Take"]
    before = started(_HOLDER, ledger.files.folder)
    assert heard(before) == "Wait"
    mine = ledger.line_up()
    holders[0].leave()
    assert looks(mine) == "Wait", "it is the other's turn"

    before.send_signal(signal.SIGKILL)
    before.wait()

    assert looks(mine) == "Take"


_CROWD = """
import fcntl, os, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
# Opened first: of a killed process they are let go of first, as a card's session is by its driver.
sessions = [os.open(folder.parent / f"session-{n}", os.O_RDWR | os.O_CREAT) for n in range(2)]
from rushes.core.devices import Device
from rushes.core.turns import Option, Take
from rushes.media.devices.ledger import DeviceLedger
from rushes.media.devices.ledger_files import LedgerFiles
ledger = DeviceLedger(LedgerFiles(folder))
for turn in range(int(sys.argv[2])):
    place = ledger.line_up()
    while not isinstance(place.look([Option(Device("nvenc:0", sessions=2))], waited_s=0), Take):
        time.sleep(0.002)
    for session in sessions:
        try:
            fcntl.flock(session, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            continue
    else:
        print("refused", flush=True)
        sys.exit(1)
    time.sleep(0.002)
    fcntl.flock(session, fcntl.LOCK_UN)
    place.leave()
    print("made", flush=True)
"""


def test_no_device_is_given_out_more_often_than_it_has_sessions_while_holders_are_killed(
    ledger: DeviceLedger, started: Callable[..., subprocess.Popen[str]]
) -> None:
    choose = random.Random(7)  # noqa: S311 - which is killed when
    doomed = [started(_CROWD, ledger.files.folder, "1000") for _ in range(3)]
    spared = [started(_CROWD, ledger.files.folder, "15") for _ in range(3)]

    for process in doomed:
        for _ in range(choose.randrange(1, 8)):
            assert heard(process) == "made"
        process.send_signal(signal.SIGKILL)

    assert [process.communicate()[0].split() for process in spared] == [["made"] * 15] * 3
    assert [process.returncode for process in spared] == [0, 0, 0]
    assert ledger.book().members == ()


def test_a_holder_that_forked_gives_back_all_the_same(ledger: DeviceLedger) -> None:
    place = ledger.line_up()
    looks(place)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)  # holds the same open file until the test is done
        os._exit(0)

    place.leave()

    try:
        assert ledger.book().members == ()
    finally:
        os.close(writing)
        os.close(reading)
        os.waitpid(child, 0)


def test_who_has_not_looked_for_a_while_is_stopped_and_nobody_waits_for_it(
    ledger: DeviceLedger, clock: Clock
) -> None:
    holders = [ledger.line_up(), ledger.line_up()]
    stopped, mine = ledger.line_up(), ledger.line_up()
    assert [looks(one) for one in (*holders, stopped, mine)] == ["Take", "Take", "Wait", "Wait"]
    holders[0].leave()
    assert looks(mine) == "Wait"

    clock.now += 11

    assert looks(mine) == "Take"


def test_a_refused_session_teaches_all_processes_the_limit_for_a_while(
    ledger: DeviceLedger, clock: Clock
) -> None:
    holder, refused, other = ledger.line_up(), ledger.line_up(), ledger.line_up()
    assert [looks(holder), looks(refused)] == ["Take", "Take"]

    ledger.refused(CARD, refused)
    refused.leave()

    assert looks(other) == "Wait"
    assert ledger.book().of("nvenc:0").limit == 1
    clock.now += 60
    assert looks(other) == "Take"


def test_three_faults_set_a_device_aside_for_all_until_it_makes_a_picture(
    ledger: DeviceLedger, clock: Clock
) -> None:
    for _ in range(3):
        ledger.failed("nvenc:0", "it gave up", gone=False)
    mine = ledger.line_up()
    assert isinstance(mine.look(OPTIONS, waited_s=0.0), Refuse)
    clock.now += 60
    assert looks(mine) == "Probe"
    assert looks(ledger.line_up()) == "Wait", "one alone tries"

    ledger.tried_again("nvenc:0", "")

    assert looks(mine) == "Take"


def test_what_is_really_drawn_replaces_what_was_expected(ledger: DeviceLedger) -> None:
    card = Device("nvenc:0", pixels_per_s=100.0)
    options = [Option(card, seconds=10.0, pixels=1000.0)]
    first, second = ledger.line_up(), ledger.line_up()
    assert isinstance(first.look(options, waited_s=0.0), Take)
    assert isinstance(second.look(options, waited_s=0.0), Wait)

    first.draws(40.0, ends=None)

    assert isinstance(second.look(options, waited_s=0.0), Take)


def test_one_asker_alone_is_told_to_read_the_monitors(ledger: DeviceLedger, clock: Clock) -> None:
    assert [ledger.to_be_read(["nvenc:0"], 30.0) for _ in range(2)] == [True, False]

    ledger.readings({"nvenc:0": Reading(rate=0.5, sessions=3)})

    assert (ledger.book().of("nvenc:0").rate, ledger.book().of("nvenc:0").foreign) == (0.5, 3)
    clock.now += 30
    assert ledger.to_be_read(["nvenc:0"], 30.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"devices": 3}',
        '{"devices": {"nvenc:0": {}}}',
        '{"devices": {"nvenc:0": {"limit": "x"}}}',
    ],
)
def test_a_file_that_says_nonsense_is_as_good_as_none(ledger: DeviceLedger, text: str) -> None:
    (ledger.files.folder / "host").write_text(text)
    (ledger.files.folder / "at-1").write_text(text)
    (ledger.files.folder / "at-x").mkdir()

    place = ledger.line_up()

    assert looks(place) == "Take"
    assert len(ledger.book().members) == 1


def test_a_ledger_that_stays_locked_says_so(ledger: DeviceLedger) -> None:
    place = ledger.line_up()
    with (ledger.files.folder / "host").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        with (
            pytest.raises(PlatformError, match="stays locked") as failed,
            ledger.files.locked(patience_s=0.0),
        ):
            pass
        place.draws(1.0, None)  # left out, without waiting

    assert failed.value.code == "ledger"


def test_those_who_wait_see_that_something_was_given_back(ledger: DeviceLedger) -> None:
    place = ledger.line_up()
    looks(place)
    before = ledger.files.changed()

    place.leave()

    until(lambda: ledger.files.changed() != before)


def test_the_ledger_is_one_for_all_users_whatever_their_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        ledger = open_ledger({VARIABLE: str(tmp_path / "devices")})
        assert ledger is not None
        place = ledger.line_up()
    finally:
        os.umask(before)

    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in ledger.files.folder.iterdir()}
    assert modes == {"host": 0o666, "at-1": 0o644}
    assert stat.S_IMODE(ledger.files.folder.stat().st_mode) == 0o1777
    place.leave()


def test_a_folder_in_which_others_could_replace_files_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()

    for name in ("open", "link", "file"):
        assert ledger_folder({VARIABLE: str(tmp_path / name)}) is None


def test_software_that_steps_in_is_held_to_so_many_at_once(ledger: DeviceLedger) -> None:
    options = [Option(Device(CPU, sessions=1), rank=1)]
    first, second = ledger.line_up(), ledger.line_up()

    assert isinstance(first.look(options, waited_s=0.0), Take)
    answer = second.look(options, waited_s=0.0)

    assert isinstance(answer, Wait)
    assert answer.reason == "1 of 1 encodes stand in for devices in software already"
