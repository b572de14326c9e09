"""Which encoder is tried first, what comes behind it, why others are left out: all before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from rushes.errors import CallerError, Cancelled, MediaError, PlatformError, RushesError
from rushes.media.devices.capability import CPU, Capability, Curve, Finding, SeenDevice
from rushes.media.devices.fallback import Tried, really_decoded_by, remaining, warning_of
from rushes.media.devices.tries import KnownHost, Try, plan_tries
from rushes.media.planning.choice import ANY, EncoderChoice, parse_choice
from rushes.media.planning.device_graph import HERE, Spot
from rushes.media.planning.wanted import Wanted

QUADRA = SeenDevice("netint", 0, "/dev/nvme0", "QuadraT1U")
T4 = SeenDevice("nvenc", 0, "", "Tesla T4")
_NAMES = {
    "nvenc": {"h264": "h264_nvenc", "hevc": "hevc_nvenc", "av1": "av1_nvenc"},
    "netint": {"h264": "h264_ni_quadra_enc", "hevc": "h265_ni_quadra_enc", "av1": "av1_ni_quadra_enc"},
    "vaapi": {"h264": "h264_vaapi", "hevc": "hevc_vaapi", "av1": "av1_vaapi"},
}


def finding(device: SeenDevice, codec: str = "h264", depth: int = 8, why: str = "") -> Finding:
    name = _NAMES[device.family][codec]
    return Finding(device.family, device.name, name, codec, depth, works=not why, why=why)


def host(*findings: Finding, devices: Sequence[SeenDevice] = (QUADRA, T4), **more: Any) -> KnownHost:
    found = Capability((), {}, tuple(devices), findings, "key", 0.0)
    return KnownHost(capability=found, **more)


def wanted(height: int = 1080, **changes: Any) -> Wanted:
    facts: dict[str, Any] = {
        "codec": "h264", "container": "mp4", "width": {1080: 1920, 360: 640}[height], "height": height,
        "pix_fmt": "yuv420p", "frames": 1000, "source_codec": "prores", "source_depth": 10,
    }  # fmt: skip
    return Wanted(**{**facts, **changes})


def order(found: Sequence[Try]) -> list[str]:
    return [one.device for one in found]


# -- the choice ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoder", "fallback", "choice"),
    [
        ("any", "allow", ANY),
        ("software", "allow", EncoderChoice(("software",))),
        ("nvenc", "forbid", EncoderChoice(("nvenc",), "forbid")),
        ("netint, nvenc,software", "93", EncoderChoice(("netint", "nvenc", "software"), 93.0)),
        (("netint", "software"), 90.5, EncoderChoice(("netint", "software"), 90.5)),
    ],
)
def test_a_choice_is_read_from_what_people_write(
    encoder: str | tuple[str, ...], fallback: str | float, choice: EncoderChoice
) -> None:
    assert parse_choice(encoder, fallback) == choice


@pytest.mark.parametrize(
    ("encoder", "fallback", "said"),
    [
        ("nvidia", "allow", "'nvidia' is no encoder family"),
        ("", "allow", "names no encoder family"),
        ("any,nvenc", "allow", "any beside one"),
        ("nvenc,nvenc", "allow", "twice"),
        ("any", "maybe", "neither allow nor forbid nor a quality"),
        ("any", 101, "neither allow nor forbid nor a quality"),
    ],
)
def test_what_is_no_choice_is_refused_with_what_would_be_one(
    encoder: str, fallback: str | float, said: str
) -> None:
    with pytest.raises(CallerError, match=said) as refused:
        parse_choice(encoder, fallback)

    assert refused.value.fix


# -- the order -----------------------------------------------------------------------------------------------


def test_a_vpu_goes_first_at_1080p_and_the_processor_at_360p() -> None:
    here = host(finding(QUADRA), devices=[QUADRA])

    assert order(plan_tries(ANY, wanted(1080), here).tries) == ["netint:0", CPU]
    assert order(plan_tries(ANY, wanted(360), here).tries) == [CPU, "netint:0"]


def test_what_was_measured_here_goes_before_what_is_published() -> None:
    slow = Curve("netint", "netint:0", "h264_ni_quadra_enc", "h264", 8, 1e-6, 0.0, ())

    tries = plan_tries(ANY, wanted(1080), host(finding(QUADRA), curves=(slow,))).tries

    assert order(tries) == [CPU, "netint:0"]
    assert [one.basis for one in tries] == ["published", "measured"]
    assert tries[1].seconds == pytest.approx(1e-6 * 1920 * 1080 * 1000)


def test_the_callers_order_of_families_goes_before_any_cost() -> None:
    here = host(finding(QUADRA), finding(T4))

    found = plan_tries(parse_choice("netint,nvenc,software"), wanted(360), here)

    assert order(found.tries) == ["netint:0", "nvenc:0", CPU]
    assert [one.steps_in for one in found.tries] == [False, True, True]


def test_a_device_whose_speed_nobody_knows_stands_before_software() -> None:
    unheard = SeenDevice("nvenc", 0, "", "Some card of next year")

    tries = plan_tries(ANY, wanted(360), host(finding(unheard), devices=[unheard])).tries

    assert order(tries) == ["nvenc:0", CPU]
    assert tries[0].seconds is None


def test_two_devices_of_one_family_are_two_tries_and_neither_steps_in() -> None:
    second = replace(T4, index=1)

    found = plan_tries(
        parse_choice("nvenc"), wanted(), host(finding(T4), finding(second), devices=[T4, second])
    )

    assert order(found.tries) == ["nvenc:0", "nvenc:1", CPU]
    assert [one.steps_in for one in found.tries] == [False, False, True]


def test_the_devices_decoder_is_tried_first_and_softwares_behind_it_where_it_reads_the_source() -> None:
    want = wanted(source_codec="h264", source_depth=8, plain_source=True)

    found = plan_tries(parse_choice("nvenc"), want, host(finding(T4)))

    assert [(one.device, one.spot.decoder) for one in found.tries] == [
        ("nvenc:0", "device"), ("nvenc:0", "software"), (CPU, "software"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        {"source_codec": "prores", "source_depth": 10, "plain_source": False},
        {"source_codec": "h264", "source_depth": 10, "plain_source": True},
        {"source_codec": "h264", "source_depth": 8, "plain_source": False},
    ],
    ids=["a codec that no device decodes", "10-bit H.264", "4:2:2 or interlaced"],
)
def test_what_the_device_cannot_decode_is_decoded_in_software_at_once(source: dict[str, Any]) -> None:
    found = plan_tries(parse_choice("nvenc"), wanted(**source), host(finding(T4)))

    assert [one.spot.decoder for one in found.tries] == ["software", "software"]


# -- what is left out ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("want", "reason"),
    [
        (wanted(container="mxf"), "h264_ni_quadra_enc does not go into mxf"),
        (wanted(pix_fmt="yuv422p10le"), "h264_ni_quadra_enc makes no yuv422p10le"),
        (replace(wanted(), width=16, height=16), "h264_ni_quadra_enc takes no picture below 32x32"),
        (replace(wanted(), width=16384, height=8640), "h264_ni_quadra_enc takes no picture above 8192x8192"),
        (wanted(keeps_fields=True), "h264_ni_quadra_enc cannot keep the fields of an interlaced picture"),
        (wanted(hdr=True), "h264_ni_quadra_enc is not known to write HDR metadata"),
    ],
    ids=["container", "samples", "too small", "too large", "fields", "hdr"],
)  # fmt: skip
def test_an_encoder_that_cannot_make_what_is_wanted_is_left_out_with_one_sentence(
    want: Wanted, reason: str
) -> None:
    found = plan_tries(parse_choice("netint"), want, host(finding(QUADRA)))

    assert order(found.tries) == [CPU]
    assert [one.reason for one in found.left_out] == [reason]


def test_a_device_that_failed_its_probe_is_left_out_with_what_the_probe_says() -> None:
    broken = finding(T4, why="The GPU cannot be reached: CUDA_ERROR_NO_DEVICE.")

    found = plan_tries(ANY, wanted(), host(finding(QUADRA), broken))

    assert order(found.tries) == ["netint:0", CPU]
    assert [one.reason for one in found.left_out if one.device == "nvenc:0"] == [
        "The GPU cannot be reached: CUDA_ERROR_NO_DEVICE"
    ]


def test_a_depth_that_was_not_found_working_is_not_tried() -> None:
    ten_bit = wanted(codec="hevc", pix_fmt="yuv420p10le")
    here = host(finding(T4, "hevc", 8), finding(T4, "hevc", 10, why="10 bit encode not supported."))

    found = plan_tries(parse_choice("nvenc"), ten_bit, here)

    assert order(found.tries) == [CPU]
    assert found.left_out[0].reason == "10 bit encode not supported"


def test_without_a_probe_software_alone_is_tried_and_what_a_build_is_named_for() -> None:
    unknown = plan_tries(ANY, wanted(), KnownHost())
    named = plan_tries(ANY, wanted(), KnownHost(named=frozenset({"nvenc"})))

    assert order(unknown.tries) == [CPU]
    assert {one.family for one in unknown.left_out} == {"nvenc", "netint", "ama", "qsv", "vaapi"}
    assert all("was not probed" in one.reason for one in unknown.left_out)
    assert order(named.tries) == ["nvenc:0", CPU]


def test_codecs_that_no_device_makes_have_one_try_and_nothing_left_out() -> None:
    found = plan_tries(ANY, wanted(codec="prores", container="mov", pix_fmt="yuv422p10le"), host(finding(T4)))

    assert order(found.tries) == [CPU]
    assert found.left_out == ()


# -- the fallback policy -------------------------------------------------------------------------------------


def test_where_falling_back_is_forbidden_one_family_is_tried_alone() -> None:
    here = host(finding(QUADRA), finding(T4))

    named = plan_tries(parse_choice("netint,nvenc", "forbid"), wanted(), here)
    cheapest = plan_tries(parse_choice("any", "forbid"), wanted(360), host(finding(QUADRA)))

    assert order(named.tries) == ["netint:0"]
    assert named.left_out[-1].reason == "falling back to another family is forbidden"
    assert order(cheapest.tries) == [CPU]


def test_a_forbidden_fallback_and_no_device_leave_nothing_to_try() -> None:
    assert plan_tries(parse_choice("nvenc", "forbid"), wanted(), host(devices=[])).tries == ()


@pytest.mark.parametrize(
    ("quality", "tried", "reason"),
    [
        ({"libx264": 94.0}, ["nvenc:0", CPU], None),
        ({"libx264": 92.0}, ["nvenc:0"], "it would reach VMAF 92, and 93 is asked of a fallback"),
        ({}, ["nvenc:0"], "its quality here is not known, and VMAF 93 is asked of a fallback"),
    ],
    ids=["enough", "too little", "unknown"],
)
def test_a_fallback_has_to_reach_the_quality_that_is_asked_of_it(
    quality: dict[str, float], tried: list[str], reason: str | None
) -> None:
    found = plan_tries(parse_choice("nvenc", 93), wanted(), host(finding(T4), quality=quality))

    assert order(found.tries) == tried
    assert [one.reason for one in found.left_out] == ([reason] if reason else [])


def test_a_quality_asked_of_a_fallback_is_asked_of_software_even_if_no_device_is_there() -> None:
    found = plan_tries(parse_choice("nvenc", 93), wanted(), host(devices=[], quality={"libx264": 90.0}))

    assert found.tries == ()


# -- after a failure -----------------------------------------------------------------------------------------

_SW = Try(CPU, "libx264", HERE, steps_in=True)


def _on(device: str, decoder: Any = "software") -> Try:
    family, _, index = device.partition(":")
    return Try(device, _NAMES[family]["h264"], Spot(family, int(index), decoder=decoder))


_GPU, _GPU_DECODES, _SECOND, _VPU = _on("nvenc:0"), _on("nvenc:0", "device"), _on("nvenc:1"), _on("netint:0")


def failure(code: str, action: str | None, kind: type[RushesError] = PlatformError) -> RushesError:
    return kind("it failed", code=code, details={"action": action} if action else {})


@pytest.mark.parametrize(
    ("failed", "rest", "error", "ran", "left"),
    [
        (_GPU, [_SECOND, _VPU, _SW], failure("encoder-busy", "busy"), True, [_SECOND, _VPU, _SW]),
        (_GPU, [_SECOND, _SW], failure("device-sick", "sick"), True, [_SECOND, _SW]),
        (_GPU, [_SECOND, _SW], failure("encoder-unsupported", "fallback"), True, [_SECOND, _SW]),
        (_GPU_DECODES, [_GPU, _SW], failure("no-device", "fallback"), True, [_SW]),
        (_GPU_DECODES, [_GPU, _SW], failure("device-decode", "fallback"), True, [_GPU, _SW]),
        (_GPU_DECODES, [_GPU, _SW], failure("damaged", "fail", MediaError), True, [_GPU, _SW]),
        (_GPU, [_SECOND, _SW], failure("damaged", "fail", MediaError), True, []),
        (_GPU, [_SECOND, _SW], failure("bad-option", "fail", CallerError), True, []),
        (_GPU, [_SECOND, _VPU, _SW], failure("tool-failed", "retry"), True, [_SW]),
        (_GPU, [_SECOND, _SW], failure("crashed", "retry"), True, [_SW]),
        (_GPU, [_SECOND, _SW], failure("bad-output", None), True, [_SW]),
        (_GPU, [_SECOND, _SW], failure("disk-full", "retry"), True, []),
        (_GPU, [_SW], failure("timeout", "retry"), True, []),
        (_GPU_DECODES, [_GPU, _SW], failure("interrupted", "retry"), True, []),
        (_GPU_DECODES, [_GPU, _SW], Cancelled("stopped"), True, []),
        (_GPU, [_SECOND, _VPU, _SW], failure("bad-option", None, CallerError), False, [_VPU, _SW]),
        (_SW, [_GPU], failure("encoder-busy", "busy"), True, []),
    ],
    ids=lambda value: str(value) if isinstance(value, RushesError) else None,
)
def test_what_is_left_after_a_failure_follows_from_what_it_was(
    failed: Try, rest: list[Try], error: RushesError, ran: object, left: list[Try]
) -> None:
    assert list(remaining(rest, failed, error, ran=bool(ran))) == left


def test_a_device_whose_decoder_could_not_be_set_up_did_not_decode() -> None:
    said = "[h264 @ 0x5643c0a0ba40] Failed setup for format cuda: hwaccel initialisation returned error.\n"

    assert really_decoded_by(_GPU_DECODES, said) == "software"
    assert really_decoded_by(_GPU_DECODES, "") == "device"


def test_a_person_is_told_in_one_sentence_that_another_encoder_made_it() -> None:
    missed = Tried("nvenc", "nvenc:0", "h264_nvenc", "failed", "This machine has no NVIDIA driver.")
    made = Tried("software", CPU, "libx264", "made")

    assert warning_of([missed, made]) == (
        "NVIDIA NVENC did not make it (This machine has no NVIDIA driver); libx264 did"
    )
    assert warning_of([made]) is None
    assert warning_of([replace(missed, encoder="x"), replace(made, family="nvenc")]) is None
