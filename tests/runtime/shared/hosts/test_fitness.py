"""A host that looks at itself before it blames the work."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rushes import CallerError, MediaError, PlatformError
from rushes.core.host_health import FIRST_REST_S, LEAVES_AFTER_S, ROW, Part
from rushes.media.describing import inspection
from rushes.runtime.shared.hosts.fitness import FRESH_S, SAID_S, HostFitness
from rushes.runtime.shared.hosts.looks import looks_of, why_no_disk
from rushes.testing.clock import FakeClock


class Machine:
    """What is wrong with it, part by part; and how often it was looked at."""

    def __init__(self) -> None:
        self.wrong: dict[Part, str] = {}
        self.looked: list[Part] = []
        self.said: list[tuple[str, Mapping[str, Any]]] = []
        self.clock = FakeClock()
        looks: dict[Part, Any] = {part: self._look(part) for part in [*Part] if part is not Part.all}
        groups = {"hosts", "hosts-nvenc"}
        self.fitness = HostFitness(looks, groups, clock=self.clock.now, say=self._say)

    def _say(self, what: str, **more: Any) -> None:
        self.said.append((what, more))

    def _look(self, part: Part) -> Any:
        def look(_group: str, _rests: bool) -> str:  # noqa: FBT001 - as a look is called
            self.looked.append(part)
            return self.wrong.get(part, "")

        return look

    def fails(self, code: str, n: int = 1, function: str = "f", group: str = "hosts") -> str:
        return self.fitness.unfit(PlatformError("no.", code=code), f"k.{n}", function, group)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_a_function_that_is_not_here_is_said_of_a_host_while_work_of_it_comes(machine: Machine) -> None:
    fitness = machine.fitness
    fitness.lacks("proxy", "no function is called 'proxy'.")
    machine.clock.advance(60)
    fitness.lacks("proxy", "no function is called 'proxy'.")
    assert [what for what, _ in machine.said] == ["lacks"]
    assert (fitness.why, fitness.wanting_s) == ("it has not proxy", 60.0)
    assert (fitness.rests_s, fitness.most("hosts") > 1) == (None, True)

    machine.clock.advance(SAID_S)
    fitness.tend()
    assert (fitness.why, fitness.wanting_s) == ("", 0.0)


def test_a_full_disk_is_the_hosts_fault_and_what_fills_a_disk_that_has_room_is_the_works(
    machine: Machine,
) -> None:
    assert machine.fails("disk-full") == ""
    machine.clock.advance(FRESH_S)
    machine.wrong[Part.disk] = "the disk is full"
    assert machine.fails("disk-full") == "the disk is full"
    assert machine.fitness.most("hosts") == 0
    assert machine.said == [("rests", {"reason": "the disk is full"})]


def test_a_host_looks_again_when_its_time_has_come_and_works_once_it_is_well(machine: Machine) -> None:
    machine.wrong[Part.pool] = "no pool"
    machine.fails("no-worker")
    seen = machine.looked.count(Part.pool)
    machine.clock.advance(FIRST_REST_S - 1)
    machine.fitness.tend()
    assert machine.looked.count(Part.pool) == seen
    machine.wrong.clear()
    machine.clock.advance(1)
    machine.fitness.tend()
    assert (machine.fitness.why, machine.fitness.most("hosts") > 1) == ("", True)
    assert machine.said[-1] == ("works again", {})


def test_a_disk_that_fills_rests_a_host_before_it_fails_anything(machine: Machine) -> None:
    machine.wrong[Part.disk] = "the disk is full"
    machine.fitness.tend()
    assert machine.fitness.most("hosts") == 0


def test_those_who_fail_of_the_same_at_once_look_once(machine: Machine) -> None:
    machine.wrong[Part.tools] = "no ffmpeg"
    threads = [threading.Thread(target=machine.fails, args=("no-ffmpeg", n)) for n in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert machine.looked == [Part.tools]


def test_a_callers_error_that_names_the_machine_is_looked_at_and_others_are_not(machine: Machine) -> None:
    machine.wrong[Part.tools] = "no ffmpeg"
    bad = CallerError("it does not run.", code="bad-ffmpeg")
    assert machine.fitness.unfit(bad, "k.1", "f", "hosts") == "no ffmpeg"
    for n in range(20):
        damaged = MediaError("its end is missing.", code="truncated")
        assert machine.fitness.unfit(damaged, f"k.{n}", f"f{n}", "hosts") == ""
    machine.clock.advance(FRESH_S)
    assert machine.looked == [Part.tools]


def test_services_that_do_not_answer_rest_nobody(machine: Machine) -> None:
    assert [machine.fails("service-busy", n, f"f{n}") for n in range(20)] == [""] * 20
    assert machine.fitness.why == ""


def test_what_nobody_can_look_at_shows_by_a_row_of_failures(machine: Machine) -> None:
    for n in range(ROW):
        assert machine.fails("strange", n, f"f{n}") == ""
    assert machine.fitness.most("hosts") == 0
    machine.clock.advance(FIRST_REST_S)
    machine.fitness.tend()
    assert machine.fitness.most("hosts") == 1
    machine.fitness.succeeded()
    assert machine.fitness.why == ""


def test_who_has_rested_wholly_for_long_is_to_leave(machine: Machine) -> None:
    machine.wrong[Part.device] = "no card answers"
    machine.fails("device-sick", group="hosts-nvenc")
    machine.clock.advance(LEAVES_AFTER_S)
    assert not machine.fitness.is_to_leave  # it works on for those who want no card
    machine.wrong[Part.disk] = "the disk is full"
    machine.fitness.tend()
    machine.clock.advance(LEAVES_AFTER_S)
    assert machine.fitness.is_to_leave


def test_a_look_that_fails_itself_says_that_the_part_is_of_no_use(machine: Machine) -> None:
    fitness = HostFitness({Part.disk: lambda *_: str(1 // 0)}, {"hosts"})
    fitness.tend()
    assert "ZeroDivisionError" in fitness.why


# -- looks --------------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_or_full_takes_no_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert why_no_disk(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []
    assert "No such file" in why_no_disk(tmp_path / "gone")
    free = shutil.disk_usage(tmp_path).free
    monkeypatch.setattr("rushes.runtime.shared.hosts.looks.room_wanted", lambda *_, **__: free + 2**40)
    assert "is full" in why_no_disk(tmp_path)


def test_a_disk_that_refuses_a_small_file_takes_no_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_handle: int) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(os, "fsync", refuse)
    assert "Read-only file system" in why_no_disk(tmp_path)


def test_the_pool_and_credentials_are_looked_at_by_asking_them(tmp_path: Path) -> None:
    def silent() -> Mapping[str, Any]:
        raise PlatformError("no worker answers.", code="no-worker")

    def unsigned() -> None:
        raise CallerError("there are no credentials.", code="no-credentials", fix="Sign in.")

    def busy() -> None:
        raise PlatformError("slow down.", code="service-busy")

    bad = looks_of(tmp_path, silent, unsigned)
    assert "no worker answers" in bad[Part.pool]("", False)  # noqa: FBT003 - as a look is called
    assert "no credentials. Sign in." in bad[Part.credentials]("", False)  # noqa: FBT003
    good = looks_of(tmp_path, dict, busy)
    assert good[Part.pool]("", False) == good[Part.credentials]("", False) == ""  # noqa: FBT003
    full = looks_of(tmp_path, lambda: {"low_on_space": True, "worker": {"home": "/var/r"}}, busy)
    assert "the disk of /var/r" in full[Part.pool]("", False)  # noqa: FBT003


def test_ffmpeg_is_looked_at_by_a_picture_that_it_encodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = looks_of(tmp_path, dict, lambda: None)
    assert looks[Part.tools]("", False) == ""  # noqa: FBT003
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("RUSHES_FFMPEG", str(broken))
    assert "ffmpeg cannot be used" in looks[Part.tools]("", False)  # noqa: FBT003


def test_the_reader_is_looked_at_by_a_clip_of_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, of = looks_of(tmp_path, dict, lambda: None), ("hosts", False)
    assert looks[Part.reader](*of) == ""

    def broken(_clip: Path) -> None:
        raise PlatformError("TypeError (open() got an unexpected argument).", code="reader-failed")

    monkeypatch.setattr(inspection, "describe", broken)
    assert "clip of our own cannot be read here: TypeError" in looks[Part.reader](*of)


def test_a_reader_that_reads_nothing_rests_its_host_and_a_bug_that_one_clip_meets_does_not(
    machine: Machine,
) -> None:
    assert machine.fails("reader-failed") == ""
    machine.clock.advance(FRESH_S)
    machine.wrong[Part.reader] = "a clip of our own cannot be read here"
    assert machine.fails("reader-failed") == "a clip of our own cannot be read here"
    assert machine.fitness.most("hosts") == 0


def test_a_host_of_cards_that_sees_none_says_so_and_others_want_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.media.devices.device_nodes.find_devices", lambda _: ())
    looks = looks_of(tmp_path, dict, lambda: None)
    assert "sees no device of nvenc" in looks[Part.device]("hosts-nvenc", False)  # noqa: FBT003
    assert looks[Part.device]("hosts", False) == ""  # noqa: FBT003
