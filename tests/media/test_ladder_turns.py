"""Ladders that share a card: a session for each rung, and no more than there are. Stand-in devices."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standin.fakes import FakeDevice, MakeStandIn, StandIn

from rushes.asset import Asset
from rushes.core.devices import CPU
from rushes.media.devices.device_turns import Devices
from rushes.media.devices.ledger import DeviceLedger, open_ledger
from rushes.media.devices.tries import KnownHost
from rushes.media.encoding.means import Means
from rushes.media.ladders.ladder import Ladder, Rung
from rushes.media.ladders.renditions import MadeLadder, make_renditions, supervised
from rushes.media.planning.choice import parse_choice
from rushes.media.running.builds import VARIABLE, find_build
from rushes.media.running.process import Supervision, ToolRun

_LADDER = Ladder((Rung(180), Rung(120), Rung(90)), gop_s=0.4)


@pytest.fixture
def cards(standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StandIn]:
    """`cards(FakeDevice(…))` makes a stand-in the build of its devices' families."""

    def set_up(*fakes: FakeDevice) -> StandIn:
        made = standin(fakes)
        monkeypatch.setenv(VARIABLE, made.setting)
        return made

    return set_up


class Shared:
    """Ladders on a host whose devices are shared."""

    def __init__(self, ledger: DeviceLedger, source: Path, folder: Path) -> None:
        self.ledger = ledger
        self.source = source
        self.folder = folder
        self.held: list[list[tuple[str, int]]] = []

    def make(self, encoder: str, fallback: str = "allow") -> MadeLadder:
        real = supervised(find_build(), Supervision(cwd=self.folder))

        def run(*args: Any, **more: Any) -> ToolRun:
            self.held.append([(one.device, one.sessions) for one in self.ledger.book().held])
            return real(*args, **more)

        return make_renditions(
            Asset.of(self.source),
            _LADDER,
            self.folder / "renditions",
            stills_folder=self.folder,
            build=find_build(),
            run=run,
            means=Means(
                parse_choice(encoder, fallback),
                KnownHost(named=frozenset({"nvenc"})),
                Devices(lambda: self.ledger, wait_s=30.0, cores=2),
            ),
        )


@pytest.fixture
def shared(clip: Callable[[str], Path], tmp_path: Path) -> Shared:
    ledger = open_ledger(os.environ)
    assert ledger is not None
    return Shared(ledger, clip("faststart.mp4"), tmp_path)


def encoders(made: MadeLadder) -> set[str]:
    return {one.encoder for one in made.plan.renditions}


def test_a_ladder_takes_a_session_for_each_rung_and_gives_all_of_them_back(
    cards: Callable[..., StandIn], shared: Shared
) -> None:
    cards(FakeDevice(sessions=3))

    made = shared.make("nvenc", "forbid")

    assert encoders(made) == {"h264_nvenc"}
    assert shared.held == [[("nvenc:0", 3)]]
    assert shared.ledger.book().members == ()


def test_rungs_for_which_a_card_has_too_few_sessions_are_made_one_after_another(
    cards: Callable[..., StandIn], shared: Shared
) -> None:
    cards(FakeDevice(sessions=2))

    made = shared.make("nvenc", "forbid")

    assert encoders(made) == {"h264_nvenc"}
    assert shared.held == [[("nvenc:0", 3)], *[[("nvenc:0", 1)]] * 3]
    assert shared.ledger.book().of("nvenc:0").limit == 2


def test_rungs_that_a_sick_card_should_have_made_take_turns_in_software(
    cards: Callable[..., StandIn], shared: Shared
) -> None:
    fake = cards(FakeDevice())
    shared.ledger.failed("nvenc:0", "The GPU was lost.", gone=True)

    made = shared.make("nvenc")

    assert encoders(made) == {"libx264"}
    assert shared.held == [[(CPU, 1)]], "one command of the one that may stand in at once on two cores"
    assert fake.calls() == []
    missed = [one for one in made.tried if one.family == "nvenc"]
    assert {one.code for one in missed} == {"device-sick"}
    assert all("nvenc:0 is set aside (The GPU was lost)" in one.reason for one in missed)


def test_a_ladder_in_software_never_asks_the_ledger(cards: Callable[..., StandIn], shared: Shared) -> None:
    cards(FakeDevice())

    made = shared.make("software")

    assert encoders(made) == {"libx264"}
    assert shared.held == [[]]
