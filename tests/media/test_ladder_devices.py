"""Ladders whose rungs are made by different encoders, and by others when one fails. Stand-in devices."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standin.fakes import FakeDevice, StandIn

from rushes.asset import Asset
from rushes.errors import MediaError, PlatformError
from rushes.media.devices.capability import Capability, Curve, Finding, SeenDevice
from rushes.media.devices.tries import KnownHost
from rushes.media.encoders import FAMILIES
from rushes.media.encoding.means import Means
from rushes.media.ladders.ladder import Ladder, LadderPlan, Rung
from rushes.media.ladders.rendition_files import key_frames, refuse_unaligned
from rushes.media.ladders.renditions import MadeLadder, make_renditions, supervised
from rushes.media.ladders.still_branches import Stills
from rushes.media.planning.choice import EncoderChoice, parse_choice
from rushes.media.running.builds import find_build
from rushes.media.running.process import Progress, Supervision
from rushes_functions.ladder import ladder
from rushes_functions.thumbnails import thumbnails

_LADDER = Ladder((Rung(180), Rung(120), Rung(90)), gop_s=0.4)
# A session costs so much for each frame that small ones are the processor's: it crosses between 120 and 90.
_CARD_CURVE = Curve("nvenc", "nvenc:0", "h264_nvenc", "h264", 8, 1e-9, 1e-3, ())
_CPU_CURVE = Curve("software", "cpu", "libx264", "h264", 8, 5e-8, 0.0, ())

Make = Callable[..., MadeLadder]


@pytest.fixture
def make(clip: Callable[[str], Path], tmp_path: Path) -> Make:
    """Makes a ladder of a clip of 75 frames."""

    def run(
        choice: EncoderChoice,
        wish: Ladder = _LADDER,
        host: KnownHost | None = None,
        source: str = "faststart.mp4",
        said: list[float] | None = None,
    ) -> MadeLadder:
        heard = [] if said is None else said

        def listen(progress: Progress) -> None:
            heard.append(progress.share or 0.0)

        return make_renditions(
            Asset.of(clip(source)),
            wish,
            tmp_path / "renditions",
            stills_folder=tmp_path,
            build=find_build(),
            run=supervised(find_build(), Supervision(cwd=tmp_path, on_progress=listen)),
            means=Means(choice, host or KnownHost(named=frozenset({"nvenc", "netint", "ama", "qsv"}))),
            checking=Supervision(cwd=tmp_path),
        )

    return run


def told(made: MadeLadder) -> list[tuple[str, str, str, str]]:
    return [(one.output, one.encoder, one.outcome, one.code) for one in made.tried]


def encoders(made: MadeLadder) -> dict[str, str]:
    return {one.name: one.encoder for one in made.plan.renditions}


def are_whole_and_aligned(made: MadeLadder) -> bool:
    found = [key_frames(made.file(one.name)) for one in made.plan.renditions]
    return {one.frames for one in made.pictures} == {75} and found == [list(range(0, 75, 10))] * len(found)


def probed(*devices: SeenDevice) -> Capability:
    findings = [Finding(one.family, one.name, "h264_nvenc", "h264", 8, works=True) for one in devices]
    return Capability((), {}, devices, tuple(findings), "key", 0.0)


def test_each_rung_goes_where_it_is_cheapest_and_one_command_makes_them_all(
    devices: Callable[..., StandIn], make: Make
) -> None:
    fake = devices(FakeDevice("nvenc"))
    host = KnownHost(probed(SeenDevice("nvenc", 0)), (_CARD_CURVE, _CPU_CURVE))

    made = make(parse_choice("any"), host=host)

    assert encoders(made) == {"180p": "h264_nvenc", "120p": "h264_nvenc", "90p": "libx264"}
    assert len(made.runs) == 1
    (call,) = fake.calls()
    assert call["devices"] == ["nvenc:0", "nvenc:0"]
    assert call["argv"].count("-i") == 1
    assert are_whole_and_aligned(made)
    assert made.warnings == ()
    assert made.quality == {}, "what was meant to make it did"


@pytest.mark.parametrize("family", ["netint", "ama", "qsv"])
def test_each_family_makes_a_ladder_beside_the_processor(
    devices: Callable[..., StandIn], make: Make, family: str
) -> None:
    devices(FakeDevice(family, sessions=4))

    made = make(
        parse_choice(family, "allow"), Ladder((Rung(180), Rung(144)), gop_s=0.4, stills=Stills(every_s=1))
    )

    assert {one.family for one in made.tried if one.outcome == "made"} == {family}
    assert are_whole_and_aligned(made)
    assert (made.thumbnails, len(made.sounds)) == (3, 1)


@pytest.mark.parametrize("family", ["nvenc", "netint", "ama", "qsv"])
def test_the_pictures_of_a_ladder_stay_on_the_card_that_makes_it(
    devices: Callable[..., StandIn], make: Make, family: str
) -> None:
    fake = devices(FakeDevice(family, sessions=4))

    made = make(parse_choice(family, "forbid"), Ladder((Rung(180), Rung(144)), gop_s=0.4))

    (call,) = fake.calls()
    graph = call["argv"][call["argv"].index("-filter_complex") + 1]
    scaler = FAMILIES[family].decode.scale  # type: ignore[union-attr]
    assert f"{scaler}=" in graph
    assert "scale=flags" not in graph, "nothing is scaled by the processor"
    assert "hwdownload" not in graph
    assert {one.decoder for one in made.tried if one.outcome == "made"} == {"device"}
    assert are_whole_and_aligned(made)


@pytest.mark.parametrize(
    "how", [{"open_error": "cuvid", "open_error_times": 1}, {"fault": "strange", "fault_times": 1}]
)
def test_what_a_card_cannot_decode_is_decoded_by_the_processor_for_all_rungs_in_one_command(
    devices: Callable[..., StandIn], make: Make, how: dict[str, Any]
) -> None:
    fake = devices(FakeDevice("nvenc", sessions=4, **how))

    made = make(parse_choice("nvenc", "forbid"))

    assert {one.decoder for one in made.tried if one.outcome == "failed"} == {"device"}
    assert {(one.encoder, one.decoder) for one in made.tried if one.outcome == "made"} == {
        ("h264_nvenc", "software")
    }
    assert len(made.runs) == 1, "none of them alone"
    assert "-hwaccel" not in fake.calls()[-1]["argv"]
    assert are_whole_and_aligned(made)


def test_a_card_without_sessions_for_all_makes_the_rungs_one_after_another(
    devices: Callable[..., StandIn], make: Make
) -> None:
    devices(FakeDevice("nvenc", sessions=2))
    said: list[float] = []

    made = make(parse_choice("nvenc"), said=said)

    assert set(encoders(made).values()) == {"h264_nvenc"}
    assert [row[2:] for row in told(made) if row[0] == "180p"] == [("failed", "encoder-busy"), ("made", "")]
    assert are_whole_and_aligned(made)
    assert len(made.sounds) == 1
    assert said == sorted(said), "a bar never runs backwards"


def test_a_card_that_is_lost_leaves_its_rungs_to_the_processor_and_all_are_measured(
    devices: Callable[..., StandIn], make: Make, tmp_path: Path
) -> None:
    devices(FakeDevice("netint", fault="ni-recovery", after=20))
    wish = Ladder(
        (Rung(180, quality=24), Rung(90, bitrate=200_000)), gop_s=0.4, stills=Stills(columns=2, rows=2)
    )

    made = make(parse_choice("netint"), wish)

    assert set(encoders(made).values()) == {"libx264"}
    assert [row for row in told(made) if row[2] == "failed" and row[0]] != []
    assert {row[3] for row in told(made) if row[2] == "failed"} == {"device-sick"}
    assert are_whole_and_aligned(made)
    assert made.sheet == "contact-sheet.jpg"
    assert made.quality["180p"].promised.vmaf is not None
    assert made.quality["180p"].measured.vmaf is not None
    assert made.quality["90p"].promised.bit_rate == 200_000
    assert any(warning.startswith("180p: NETINT Quadra did not make it") for warning in made.warnings)


def test_one_rung_that_a_device_cannot_make_does_not_lose_it_the_others(
    devices: Callable[..., StandIn], make: Make
) -> None:
    devices(FakeDevice("nvenc", refuses="180p.mp4"))

    made = make(parse_choice("nvenc"))

    assert encoders(made) == {"180p": "libx264", "120p": "h264_nvenc", "90p": "h264_nvenc"}
    assert are_whole_and_aligned(made)


def test_a_rung_below_what_is_asked_of_a_fallback_fails_and_nothing_is_left(
    devices: Callable[..., StandIn], make: Make, tmp_path: Path
) -> None:
    devices(FakeDevice("nvenc", open_error="sessions"))

    with pytest.raises(PlatformError) as missed:
        make(
            parse_choice("nvenc", 60.0), Ladder((Rung(180, quality=18), Rung(90, bitrate=20_000)), gop_s=0.4)
        )

    assert missed.value.code in {"quality-missed", "encoder-busy"}
    assert [one["output"] for one in missed.value.details["tried"] if one["outcome"] == "failed"] != []
    assert not (tmp_path / "renditions").exists()


def test_damage_in_the_source_is_no_device_s_fault(
    devices: Callable[..., StandIn], make: Make, clip: Callable[[str], Path], tmp_path: Path
) -> None:
    devices(FakeDevice("nvenc"))
    broken = tmp_path / "broken.mp4"
    whole = clip("faststart.mp4").read_bytes()
    broken.write_bytes(whole[: len(whole) * 2 // 3])

    with pytest.raises(MediaError):
        make_renditions(
            Asset.of(broken),
            _LADDER,
            tmp_path / "renditions",
            stills_folder=tmp_path,
            build=find_build(),
            run=supervised(find_build(), Supervision(cwd=tmp_path)),
            means=Means(parse_choice("nvenc"), KnownHost(named=frozenset({"nvenc"}))),
        )

    assert not (tmp_path / "renditions").exists()


def test_a_rung_whose_groups_start_elsewhere_is_refused(clip: Callable[[str], Path]) -> None:
    plan = LadderPlan((), (), (), rate=25, frames=75, slack=0, duration_s=3.0, gop_frames=10)  # type: ignore[arg-type]

    with pytest.raises(PlatformError, match="picture 25 is a key frame") as refused:
        refuse_unaligned(clip("faststart.mp4"), plan)

    assert refused.value.code == "bad-output"
    assert key_frames(clip("faststart.mp4")) == [0, 25, 50]


# -- receipts ------------------------------------------------------------------------------------------------


def _receipt(folder: Path, stem: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{stem}.rushes.json").read_text())
    return found


def test_a_ladder_s_receipt_says_what_made_each_rung_and_what_was_checked(
    devices: Callable[..., StandIn],
    clip: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RUSHES_HOME", str(tmp_path / "home"))
    devices(FakeDevice("nvenc", refuses="180p.mp4"))

    made = ladder(
        str(clip("faststart.mp4")), out=str(tmp_path / "out"), rungs="180,120", gop_s=0.4, segment_s=0.8,
        quality=24,
    )  # fmt: skip

    receipt = _receipt(tmp_path / "out", "faststart")
    assert receipt["encoder"] == "libx264, h264_nvenc"
    assert {r.name: r.encoder for r in made.renditions} == {"180p": "libx264", "120p": "h264_nvenc"}
    outcomes = {(one["output"], one["device"], one["outcome"]) for one in receipt["tried"]}
    assert {("180p", "nvenc:0", "failed"), ("180p", "cpu", "made"), ("120p", "nvenc:0", "made")} <= outcomes
    assert set(receipt["verification"]) == {"180p", "120p", "sound-1"}
    assert receipt["verification"]["180p"]["frames"] == 75
    assert receipt["quality"]["180p"]["measured"]["vmaf"] > 0
    assert receipt["box"] == "rlimits"
    assert receipt["ffmpeg"]["version"]
    assert any(warning.startswith("180p: NVIDIA NVENC did not make it") for warning in receipt["warnings"])
    assert any("180p: NVIDIA NVENC" in note for note in made.notes)


def test_the_receipt_of_stills_says_what_wrote_and_what_checked_them(
    clip: Callable[[str], Path], tmp_path: Path
) -> None:
    thumbnails(str(clip("faststart.mp4")), out=str(tmp_path / "out"), every=1, sheet="2x2", height=90)

    receipt = _receipt(tmp_path / "out", "faststart")
    assert receipt["encoder"] == "mjpeg"
    assert [(one["device"], one["outcome"]) for one in receipt["tried"]] == [("cpu", "made")]
    assert receipt["verification"] == {
        "level": "full", "thumbnails": 3, "contact_sheet": True, "width": 160, "height": 90,
    }  # fmt: skip
    assert receipt["box"] != "none"
    assert receipt["ffmpeg"]["version"]
