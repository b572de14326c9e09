"""One encoder makes all parts of a clip: when its devices fail at one of them, another makes them all.

Cards of one family share the parts out. The devices are a stand-in's; the failures are texts of real drivers
and cards, the files are real.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from standin.fakes import FakeDevice, StandIn

from rushes.asset import Asset
from rushes.core.devices import CPU, Device
from rushes.core.turns import Option
from rushes.errors import PlatformError
from rushes.media.chunking.chunked import encode_chunked
from rushes.media.chunking.cutting import Clip
from rushes.media.chunking.made_again import misfits
from rushes.media.chunking.makers import Makers, SideBySide
from rushes.media.chunking.one_chunk import PartMade
from rushes.media.chunking.part_cards import Cards, teams_of
from rushes.media.chunking.part_order import PartOrder
from rushes.media.chunking.stitch import CheckedPart
from rushes.media.describing.index import read_index
from rushes.media.devices.capability import Capability, Finding, SeenDevice
from rushes.media.devices.device_turns import Devices
from rushes.media.devices.ledger import open_ledger
from rushes.media.devices.tries import KnownHost, Tries, Try
from rushes.media.encoding.encode import Encoded, encode
from rushes.media.encoding.means import Means
from rushes.media.planning.choice import EncoderChoice, parse_choice
from rushes.media.planning.device_graph import Spot
from rushes.media.profile import Profile
from rushes.media.running.process import Supervision

_PROFILE = Profile.model_validate({"video": {"codec": "h264", "speed": "ultrafast"}})

Make = Callable[..., Encoded]


@pytest.fixture
def make(clip: Callable[[str], Path], tmp_path: Path) -> Make:
    """Encodes a clip of 75 frames in three parts, by the families that are chosen."""

    def run(
        choice: EncoderChoice, makers: Makers | None = None, devices: Devices | None = None, **more: Any
    ) -> Encoded:
        return encode_chunked(
            Asset.of(clip("faststart.mp4")),
            tmp_path / "out.mp4",
            _PROFILE,
            chunks=3,
            means=Means(choice, devices=devices),
            makers=makers,
            **more,
        )

    return run


class FirstThen:
    """Makes the first part, calls `between` once, and then makes the others."""

    def __init__(self, between: Callable[[], None]) -> None:
        self._between: Callable[[], None] | None = between
        self.asked: list[tuple[str, int]] = []

    def __call__(self, clip: Clip, orders: Sequence[PartOrder], folder: Path, **named: Any) -> list[PartMade]:
        self.asked += [(clip.whole.encoder, one.number) for one in orders]
        made = SideBySide(1)(clip, orders[:1], folder, **named)
        if self._between is not None:
            self._between()
            self._between = None
        return made + SideBySide(1)(clip, orders[1:], folder, **named | {"heard": None})


def test_a_device_makes_all_parts(devices: Callable[..., StandIn], make: Make) -> None:
    fake = devices(FakeDevice("nvenc"))

    made = make(parse_choice("nvenc", "forbid"))

    assert (made.family, made.encoder, made.frames) == ("nvenc", "h264_nvenc", 75)
    assert [(one["number"], one["encoder"]) for one in made.parts] == [(n, "h264_nvenc") for n in range(3)]
    assert len(fake.calls()) == 3
    assert [(one.device, one.outcome) for one in made.tried] == [("nvenc:0", "made")]
    assert made.warnings == ()


@pytest.mark.parametrize(("fault", "code"), [("gpu-lost", "device-sick"), ("sessions", "encoder-busy")])
def test_a_device_that_fails_at_one_part_makes_none_of_them(
    devices: Callable[..., StandIn], make: Make, tmp_path: Path, fault: str, code: str
) -> None:
    fake = devices(FakeDevice("nvenc"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    makers = FirstThen(lambda: fake.change("nvenc", fault=fault, after=5))

    made = make(parse_choice("nvenc"), makers, supervision=Supervision(cwd=scratch))

    assert (made.family, made.encoder, made.frames) == ("software", "libx264", 75)
    assert [one["encoder"] for one in made.parts] == ["libx264"] * 3
    assert makers.asked == [(name, n) for name in ("h264_nvenc", "libx264") for n in range(3)]
    assert [(one.device, one.outcome, one.code) for one in made.tried] == [
        ("nvenc:0", "failed", code), ("cpu", "made", ""),
    ]  # fmt: skip
    assert "NVIDIA NVENC did not make it" in made.warnings[0]
    assert "1 part by h264_nvenc discarded: one encoder makes all parts" in made.warnings
    assert list(scratch.iterdir()) == []


def test_what_steps_in_makes_the_frames_and_times_of_the_encode_in_one_piece(
    devices: Callable[..., StandIn], make: Make, clip: Callable[[str], Path], tmp_path: Path
) -> None:
    devices(FakeDevice("nvenc", open_error="sessions"))
    whole = encode(Asset.of(clip("faststart.mp4")), tmp_path / "whole.mp4", _PROFILE)

    made = make(parse_choice("nvenc"))

    assert (made.frames, made.duration_s) == (whole.frames, whole.duration_s)
    assert not any("discarded" in warning for warning in made.warnings), "the device had made none"


def test_a_device_that_must_not_be_replaced_leaves_nothing_when_it_fails(
    devices: Callable[..., StandIn], make: Make, tmp_path: Path
) -> None:
    fake = devices(FakeDevice("nvenc"))
    makers = FirstThen(lambda: fake.change("nvenc", fault="gpu-lost", after=5))

    with pytest.raises(PlatformError) as failed:
        make(parse_choice("nvenc", "forbid"), makers)

    assert failed.value.code == "device-sick"
    assert not (tmp_path / "out.mp4").exists()


def test_a_clip_that_cannot_be_cut_is_encoded_whole_by_the_families_that_are_chosen(
    devices: Callable[..., StandIn], clip: Callable[[str], Path], tmp_path: Path
) -> None:
    devices(FakeDevice("nvenc"))
    source = Asset.of(clip("faststart.mp4")).with_frames(10, 40)

    made = encode_chunked(
        source, tmp_path / "out.mp4", _PROFILE, chunks=3, means=Means(parse_choice("nvenc"))
    )

    assert (made.family, made.frames) == ("nvenc", 30)
    assert made.warnings[-1] == "encoded whole: only a range of its frames is wanted"


# -- several cards of one family -----------------------------------------------------------------------------


TWO = (SeenDevice("nvenc", 0), SeenDevice("nvenc", 1))


def host_of(*devices: SeenDevice) -> KnownHost:
    findings = [Finding(one.family, one.name, "h264_nvenc", "h264", 8, works=True) for one in devices]
    return KnownHost(Capability((), {}, devices, tuple(findings), "key", 0.0), named=frozenset({"nvenc"}))


def times_of(path: Path) -> list[int]:
    return list(read_index(Asset.of(path)).pts)


def cards_of(made: Encoded) -> list[str]:
    return [one["device"] for one in made.parts]


@pytest.fixture
def eight(clip: Callable[[str], Path], tmp_path: Path) -> Make:
    """Encodes a clip of 200 frames in eight parts, two at once, on two cards."""

    def run(choice: EncoderChoice, threads: int = 2, devices: Devices | None = None, **more: Any) -> Encoded:
        return encode_chunked(
            Asset.of(clip("long.mp4")),
            tmp_path / "eight.mp4",
            _PROFILE.model_copy(update={"threads": threads}),
            chunks=8,
            means=Means(choice, host_of(*TWO), devices),
            **more,
        )

    return run


@pytest.fixture
def shared() -> Iterator[Devices]:
    """The cards as the ledger of this host shares them."""
    ledger = open_ledger(os.environ)
    assert ledger is not None
    yield Devices(lambda: ledger, wait_s=60.0, cores=2)
    assert ledger.book().members == (), "all was given back"


def test_the_parts_of_one_clip_are_shared_out_over_two_cards_and_the_result_is_exact(
    devices: Callable[..., StandIn], eight: Make, clip: Callable[[str], Path], tmp_path: Path, shared: Devices
) -> None:
    fake = devices(FakeDevice("nvenc"), FakeDevice("nvenc", 1))
    whole = encode(Asset.of(clip("long.mp4")), tmp_path / "whole.mp4", _PROFILE)

    made = eight(parse_choice("nvenc", "forbid"), devices=shared)

    assert len(made.parts) == 8
    assert min(cards_of(made).count(card.name) for card in TWO) >= 2, "none of them idles"
    assert sorted(call["devices"][0] for call in fake.calls()[1:]) == sorted(cards_of(made))
    assert [(one.device, one.outcome) for one in made.tried] == [("nvenc:0, nvenc:1", "made")]
    assert (made.frames, made.duration_s) == (whole.frames, whole.duration_s)
    assert times_of(tmp_path / "eight.mp4") == times_of(tmp_path / "whole.mp4")


def test_without_a_ledger_cards_take_parts_by_turns(devices: Callable[..., StandIn], eight: Make) -> None:
    devices(FakeDevice("nvenc"), FakeDevice("nvenc", 1))

    made = eight(parse_choice("nvenc", "forbid"))

    assert cards_of(made) == ["nvenc:0", "nvenc:1"] * 4


def test_a_part_says_what_its_device_was_waited_for(
    devices: Callable[..., StandIn], eight: Make, shared: Devices
) -> None:
    devices(*(FakeDevice("nvenc", card.index, sessions=1) for card in TWO))
    ledger = shared.ledger()
    assert ledger is not None
    others = []
    for card in TWO:
        others.append(ledger.line_up())
        others[-1].look([Option(Device(card.name))], waited_s=0.0)
        ledger.refused(Device(card.name))  # so it has the one session that somebody else holds

    def leave(_note: str) -> None:
        while others:
            others.pop().leave()

    made = eight(parse_choice("nvenc", "forbid"), threads=4, devices=replace(shared, alive=leave))

    assert made.tried[-1].waited_s > 0, "until a card of the family had room"
    assert made.tried[-1].note.startswith("waited: 1 of 1 sessions of nvenc:0 are in use; 1 of 1 sessions")
    waited = [one for one in made.parts if one["waited_s"]]
    assert waited, "of two sessions for four at once"
    assert all(one["note"].startswith("waited: ") for one in waited)
    assert all(not one["note"] for one in made.parts if not one["waited_s"])
    assert made.warnings == (), "waiting is nothing to be warned of"


def test_a_card_that_is_lost_leaves_the_rest_of_the_parts_to_the_other(
    devices: Callable[..., StandIn], eight: Make, shared: Devices
) -> None:
    fake = devices(FakeDevice("nvenc"), FakeDevice("nvenc", 1, fault="lost", after=5))

    made = eight(parse_choice("nvenc", "forbid"), devices=shared)

    assert set(cards_of(made)) == {"nvenc:0"}
    assert (made.family, made.frames) == ("nvenc", 200)
    again = [one for one in made.parts if one["redone"]]
    assert again, "a part was on it"
    assert all("GPU" in one["reason"] for one in again)
    assert len([warning for warning in made.warnings if "was made again" in warning]) == len(again)
    assert len(fake.calls()) < 16, "a card that is known to be lost is left alone"


def test_a_card_that_has_no_session_for_a_part_has_not_made_it_twice(
    devices: Callable[..., StandIn], make: Make, shared: Devices
) -> None:
    devices(FakeDevice("nvenc", open_error="sessions", open_error_times=1))

    made = make(parse_choice("nvenc", "forbid"), devices=shared)

    assert [one["redone"] for one in made.parts] == [0, 0, 0]
    assert made.warnings == ()


def test_software_that_makes_the_parts_in_a_card_s_place_counts_among_those_that_step_in(
    devices: Callable[..., StandIn], make: Make, shared: Devices
) -> None:
    devices(FakeDevice("nvenc", open_error="gpu-lost"))
    held: dict[str, list[str]] = {}

    def looking(clip: Clip, orders: Sequence[PartOrder], folder: Path, **named: Any) -> list[PartMade]:
        ledger = shared.ledger()
        assert ledger is not None
        held[clip.whole.encoder] = [one.device for one in ledger.book().held]
        return SideBySide(1, Cards(shared))(clip, orders, folder, **named)

    made = make(parse_choice("nvenc"), looking, devices=shared)

    assert made.encoder == "libx264"
    assert held == {"h264_nvenc": [], "libx264": [CPU]}, "a card's parts take turns of their own"


def test_parts_that_do_not_fit_the_most_are_made_again_by_the_cards_of_the_most() -> None:
    def part(*parameters: object) -> CheckedPart:
        return CheckedPart(Path("x.mp4"), parameters, array("q"))

    found = {0: part("a"), 1: part("b"), 2: part("a"), 3: part("a")}

    odd, fit = misfits(found, {0: "nvenc:0", 1: "nvenc:1", 2: "nvenc:0", 3: "nvenc:2"})
    assert (list(odd), fit) == ([1], ("nvenc:0", "nvenc:2"))
    assert odd[1] == "the parameter sets of nvenc:1 are not those of nvenc:0, nvenc:2"
    assert misfits(found, dict.fromkeys(found, "nvenc:0"))[0] == {}, "the same card would do so again"
    assert misfits({0: part("a"), 1: part("a")}, {0: "nvenc:0", 1: "nvenc:1"})[0] == {}


def test_only_tries_whose_parts_fit_together_are_one_team() -> None:
    tries = [
        Try(f"nvenc:{card}", "h264_nvenc", Spot("nvenc", card, decoder=decoder))
        for card in (0, 1)
        for decoder in ("device", "software")
    ]
    software = Try("cpu", "libx264", Spot())

    teams = teams_of(Tries((*tries, software), ()))

    assert list(teams) == [tries[0], tries[1], software], "each by its first, in their order"
    assert [len(team) for team in teams.values()] == [2, 2, 1]
    assert {one.spot.decoder for one in teams[tries[0]]} == {"device"}
