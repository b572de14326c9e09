"""Encodes that share devices: more of them than sessions, cards that are lost, busy or sick, and no stampede.

The devices are a stand-in's, the encodes real ones. Those that run side by side are processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from standin.fakes import FakeDevice, MakeStandIn, StandIn

from rushes.asset import Asset
from rushes.core.devices import CPU, Device
from rushes.core.turns import Option
from rushes.errors import Cancelled, PlatformError
from rushes.media.devices.capability import SeenDevice
from rushes.media.devices.device_faults import held_not_failed
from rushes.media.devices.device_report import standings
from rushes.media.devices.device_turns import Devices
from rushes.media.devices.ledger import DeviceLedger, Place, open_ledger
from rushes.media.encoding.encode import Encoded, encode
from rushes.media.encoding.means import Means
from rushes.media.encoding.verify import Verification
from rushes.media.encoding.verify import verify as verify_result
from rushes.media.planning.choice import parse_choice
from rushes.media.profile import Profile
from rushes.media.running.builds import VARIABLE

_BESIDE = Path(__file__).with_name("encode_beside.py")
_PROFILE = Profile.model_validate(
    {"video": {"codec": "h264", "speed": "ultrafast", "width": 160, "height": 90}, "audio": {"codec": "none"}}
)
Share = Callable[..., StandIn]


class Clock:
    """The time of day, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> DeviceLedger:
    found = open_ledger(os.environ)
    assert found is not None
    found.clock = clock
    return found


@pytest.fixture
def share(standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch) -> Share:
    """`share(FakeDevice(…))`: the stand-in is the build of its devices' families."""

    def set_up(*fakes: FakeDevice) -> StandIn:
        made = standin(fakes)
        monkeypatch.setenv(VARIABLE, made.setting)
        return made

    return set_up


@dataclass(frozen=True)
class Beside:
    """What came of an encode in another process."""

    encoder: str
    frames: int
    warnings: list[str]
    tried: list[dict[str, Any]]


class Crowd:
    """Encodes of one clip, one after another or side by side."""

    def __init__(self, ledger: DeviceLedger, source: Path, folder: Path) -> None:
        self.ledger = ledger
        self.source = source
        self.folder = folder
        self.devices = Devices(lambda: ledger, wait_s=60.0, cores=2)
        self.others: list[Place] = []

    def make(self, number: int = 0, encoder: str = "nvenc", fallback: str = "allow") -> Encoded:
        target = self.folder / f"{number}.mp4"
        choice = parse_choice(encoder, fallback)
        return encode(Asset.of(self.source), target, _PROFILE, means=Means(choice, devices=self.devices))

    def make_all(self, count: int, encoder: str = "nvenc", fallback: str = "allow") -> list[Beside]:
        running = [
            subprocess.Popen(
                [sys.executable, _BESIDE, self.source, self.folder / f"{number}.mp4", encoder, fallback],
                stdout=subprocess.PIPE,
            )
            for number in range(count)
        ]
        said = [one.communicate()[0] for one in running]
        assert [one.returncode for one in running] == [0] * count
        return [Beside(*json.loads(one)) for one in said]

    def teach_limit(self, sessions: int, device: str = "nvenc:0") -> None:
        """It has refused one more than so many."""
        places = [self.ledger.line_up() for _ in range(sessions)]
        for place in places:
            place.look([Option(Device(device))], waited_s=0.0)
        self.ledger.refused(Device(device))
        for place in places:
            place.leave()

    def fill(self, device: str = "nvenc:0") -> Place:
        """Somebody else holds the one session that a device has."""
        other = self.ledger.line_up()
        other.look([Option(Device(device))], waited_s=0.0)
        self.ledger.refused(Device(device))
        self.others.append(other)
        return other


@pytest.fixture
def crowd(ledger: DeviceLedger, clip: Callable[[str], Path], tmp_path: Path) -> Iterator[Crowd]:
    made = Crowd(ledger, clip("faststart.mp4"), tmp_path)
    yield made
    for other in made.others:
        other.leave()


@pytest.fixture
def watched(ledger: DeviceLedger) -> Iterator[dict[str, int]]:
    """The most that was held of each device at any time."""
    most: dict[str, int] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            held = [one.device for one in ledger.book().held]
            for name in set(held):
                most[name] = max(most.get(name, 0), held.count(name))

    thread = threading.Thread(target=watch)
    thread.start()
    yield most
    done.set()
    thread.join()


# -- more encodes than sessions ------------------------------------------------------------------------------


def test_three_times_as_many_encodes_as_sessions_all_finish_on_the_device(
    share: Share, crowd: Crowd, ledger: DeviceLedger
) -> None:
    fake = share(FakeDevice("nvenc", sessions=1, slow=3.0))

    made = crowd.make_all(3, fallback="forbid")

    assert [one.frames for one in made] == [75] * 3
    assert {one.encoder for one in made} == {"h264_nvenc"}
    waited = [one.tried[-1] for one in made if one.tried[-1]["waited_s"]]
    assert waited, "one at once, so others waited"
    assert all("of nvenc:0" in one["note"] for one in waited)
    assert len(fake.calls()) == 3
    refused = [one for each in made for one in each.tried if one["code"] == "encoder-busy"]
    assert len(refused) <= 2, "those that had begun together; then everybody knew the limit"
    assert ledger.book().of("nvenc:0").limit == (1 if refused else None)
    assert ledger.book().members == ()


def test_an_encode_that_waits_shows_that_it_lives_and_can_be_cancelled(share: Share, crowd: Crowd) -> None:
    share(FakeDevice("nvenc", sessions=1))
    other = crowd.fill()

    told: list[str] = []
    crowd.devices = replace(crowd.devices, alive=told.append, cancelled=lambda: len(told) >= 2)

    with pytest.raises(Cancelled):
        crowd.make(fallback="forbid")

    assert told == ["1 of 1 sessions of nvenc:0 are in use"] * 2
    assert [one.number for one in crowd.ledger.book().members] == [other.member.number]


def test_an_encode_that_has_waited_for_too_long_lets_others_have_its_slot(share: Share, crowd: Crowd) -> None:
    share(FakeDevice("nvenc", sessions=1))
    crowd.fill()
    crowd.devices = replace(crowd.devices, wait_s=0.0)

    with pytest.raises(PlatformError, match="no device became free") as failed:
        crowd.make(fallback="forbid")

    assert failed.value.code == "encoder-busy"


def test_another_card_is_taken_while_one_is_full_and_the_receipt_says_so(share: Share, crowd: Crowd) -> None:
    share(FakeDevice("nvenc", sessions=1), FakeDevice("netint"))
    crowd.fill()

    made = crowd.make(encoder="nvenc,netint,software")

    assert made.encoder == "h264_ni_quadra_enc"
    assert [(one.device, one.outcome, one.reason) for one in made.tried[:-1]] == [
        ("nvenc:0", "passed", "1 of 1 sessions of nvenc:0 are in use")
    ]


# -- cards that fail -----------------------------------------------------------------------------------------


def test_a_card_that_is_lost_in_the_middle_is_set_aside_and_all_finish(share: Share, crowd: Crowd) -> None:
    share(FakeDevice("nvenc", sessions=2, fault="lost", after=20, slow=2.0))
    crowd.teach_limit(2)

    made = crowd.make_all(4)

    assert [one.frames for one in made] == [75] * 4
    assert {one.encoder for one in made} == {"libx264"}
    before = [one for each in made for one in each.tried[:-1]]
    assert "encoder-failed" in {one["code"] for one in before}, "the card was lost under some"
    passed = [one["reason"] for one in before if one["outcome"] == "passed"]
    assert passed, "and the others were told before they began"
    assert all(reason.startswith("nvenc:0 is set aside (The GPU's encoder failed") for reason in passed)
    assert crowd.ledger.book().of("nvenc:0").sick
    assert all("nvenc" in each.warnings[0].lower() for each in made), "nothing of this is silent"


def test_at_most_so_many_encodes_in_software_step_in_at_once(
    share: Share, crowd: Crowd, watched: dict[str, int]
) -> None:
    share(FakeDevice("nvenc", open_error="gpu-lost"))

    made = crowd.make_all(4)

    assert {one.encoder for one in made} == {"libx264"}
    assert watched[CPU] == 1, "of two cores"
    assert any("in software already" in one.tried[-1]["note"] for one in made)


def test_a_sick_card_is_tried_again_with_one_picture_and_used_once_it_makes_it(
    share: Share, crowd: Crowd, clock: Clock
) -> None:
    fake = share(FakeDevice("nvenc", open_error="gpu-lost"))
    assert crowd.make(1).encoder == "libx264"
    clock.ahead_s += 60

    again = crowd.make(2)
    fake.change("nvenc", open_error=None)
    early = crowd.make(3)
    clock.ahead_s += 120
    late = crowd.make(4)

    assert [one.encoder for one in (again, early, late)] == ["libx264", "libx264", "h264_nvenc"]
    assert again.tried[0].outcome == "passed"
    assert len(fake.calls()) == 2, "one picture, and the last clip"


def test_what_insists_on_a_sick_card_fails_without_starting_anything(share: Share, crowd: Crowd) -> None:
    fake = share(FakeDevice("nvenc"))
    crowd.ledger.failed("nvenc:0", "The GPU was lost.", gone=True)

    with pytest.raises(PlatformError, match="nvenc:0 is set aside") as failed:
        crowd.make(fallback="forbid")

    assert failed.value.code == "device-sick"
    assert fake.calls() == []


def test_three_crashes_set_a_card_aside(share: Share, crowd: Crowd) -> None:
    share(FakeDevice("nvenc", fault="encode-picture"))

    outcomes = [crowd.make(number).tried[0].outcome for number in range(4)]

    assert outcomes == ["failed", "failed", "failed", "passed"]


def test_a_failure_that_nobody_knows_is_counted_and_shown_and_sets_no_card_aside(
    share: Share, crowd: Crowd
) -> None:
    share(FakeDevice("nvenc", fault="strange"))

    tried = [crowd.make(number).tried[0] for number in range(4)]

    assert {(one.outcome, one.code) for one in tried} == {("failed", "tool-failed")}, "tried each time"
    standing = standings(crowd.ledger, [SeenDevice("nvenc", 0)])["nvenc:0"]
    assert standing["unknown"] >= 4
    assert "in a way that nobody knows" in standing["line"]
    assert "Internal bug" in standing["unknown_last"]


# -- what does not need it -----------------------------------------------------------------------------------


def test_software_that_was_chosen_never_touches_the_ledger(
    share: Share, crowd: Crowd, tmp_path: Path
) -> None:
    share(FakeDevice("nvenc"))

    def nobody_asks() -> DeviceLedger:
        raise AssertionError("the ledger was opened")

    crowd.devices = replace(crowd.devices, ledger=nobody_asks)

    assert crowd.make(encoder="software").encoder == "libx264"


def test_an_encode_in_software_does_not_so_much_as_load_the_ledger() -> None:
    program = "import sys, rushes.media.ladders.renditions, rushes.runtime.attempts.local_context"
    said = f"{program}; print([name for name in sys.modules if 'ledger' in name or 'monitor' in name])"

    done = subprocess.run([sys.executable, "-c", said], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"


def test_without_a_ledger_a_card_is_taken_as_if_alone(share: Share, crowd: Crowd) -> None:
    share(FakeDevice("nvenc"))
    crowd.devices = replace(crowd.devices, ledger=lambda: None)

    assert crowd.make().encoder == "h264_nvenc"


def test_a_ledger_that_breaks_costs_no_encode_and_is_told(share: Share, crowd: Crowd) -> None:
    share(FakeDevice("nvenc"))
    folder = crowd.ledger.files.folder
    (folder / "host").mkdir()

    made = crowd.make()

    assert made.encoder == "h264_nvenc"
    assert "ledger of devices" in made.tried[-1].note


def test_a_session_is_given_back_before_the_result_is_verified(
    share: Share, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    share(FakeDevice("nvenc"))
    held = []

    def verify(*args: Any, **more: Any) -> Verification:
        held.append(len(crowd.ledger.book().held))
        return verify_result(*args, **more)

    monkeypatch.setattr("rushes.media.encoding.encode.verify", verify)

    crowd.make()

    assert held == [0]


@pytest.mark.parametrize(
    ("code", "expected"),
    [("encoder-busy", "no-free-device"), ("device-sick", "no-free-device"), ("crashed", "crashed")],
)
def test_what_a_full_or_sick_device_leaves_undone_is_held_and_not_failed(code: str, expected: str) -> None:
    with pytest.raises(PlatformError) as failed, held_not_failed():
        raise PlatformError("It could not be done.", code=code)

    assert failed.value.code == expected
    assert failed.value.details.get("because", code) == code
