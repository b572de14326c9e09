"""Which rungs share a command, and what a failure leaves to try of each. Pure."""

from __future__ import annotations

import pytest

from rushes.errors import Cancelled, MediaError, PlatformError, RushesError
from rushes.media.devices.tries import Try
from rushes.media.ladders.rung_tries import Group, PendingRung, after_failure, next_group, one_on
from rushes.media.planning.device_graph import Spot

_CARD = Try("nvenc:0", "h264_nvenc", Spot("nvenc"))
_DECODING = Try("nvenc:0", "h264_nvenc", Spot("nvenc", decoder="device"))
_OTHER = Try("nvenc:1", "h264_nvenc", Spot("nvenc", 1))
_VPU = Try("netint:0", "h264_ni_quadra_enc", Spot("netint"))
_CPU = Try("cpu", "libx264", Spot())
_ALL = frozenset({"nvenc", "netint"})


def rung(name: str, *tries: Try, apart: bool = False) -> PendingRung:
    return PendingRung(name, tries, apart)


def failed(code: str, action: str = "") -> PlatformError:
    return PlatformError("It failed.", code=code, fix="Try.", details={"action": action})


def names(pending: list[PendingRung], shares: frozenset[str] = _ALL) -> list[tuple[str, ...]]:
    """The groups of all commands, were each to succeed."""
    found = []
    while pending:
        group = next_group(pending, shares)
        found.append(group.names)
        pending = [one for one in pending if one.name not in group.names]
    return found


def left(pending: list[PendingRung], group: Group, error: RushesError) -> list[tuple[str, str, bool]] | None:
    after = after_failure(pending, group, error)
    return None if after is None else [(one.name, one.next.device, one.apart) for one in after]


# -- which go together --------------------------------------------------------------------------------------


def test_rungs_of_a_card_and_of_the_processor_are_made_by_one_command() -> None:
    pending = [rung("1080p", _CARD, _CPU), rung("720p", _CARD, _CPU), rung("360p", _CPU)]

    assert names(pending) == [("1080p", "720p", "360p")]
    assert next_group(pending, _ALL).lead == _CARD


def test_the_processor_s_rungs_go_along_also_when_they_are_the_larger_ones() -> None:
    pending = [rung("1080p", _CPU), rung("360p", _VPU, _CPU)]

    assert names(pending) == [("1080p", "360p")]
    assert next_group(pending, _ALL).lead == _VPU


def test_an_ffmpeg_without_the_software_encoders_makes_its_own_rungs_alone() -> None:
    pending = [rung("1080p", _VPU, _CPU), rung("720p", _CPU), rung("360p", _CPU)]

    assert names(pending, frozenset()) == [("1080p",), ("720p", "360p")]


def test_two_devices_never_share_a_command_and_the_processor_s_rungs_go_along_with_the_first() -> None:
    pending = [rung("1080p", _CARD), rung("720p", _OTHER), rung("480p", _VPU), rung("360p", _CPU)]

    assert names(pending) == [("1080p", "360p"), ("720p",), ("480p",)]


def test_a_rung_that_is_set_apart_is_made_by_a_command_of_its_own() -> None:
    pending = [rung("1080p", _CARD, apart=True), rung("720p", _CARD, apart=True), rung("360p", _CPU)]

    assert names(pending) == [("1080p",), ("720p",), ("360p",)]


def test_rungs_whose_decoders_differ_do_not_share_a_command() -> None:
    pending = [rung("1080p", _DECODING, _CARD), rung("720p", _CARD)]

    assert names(pending) == [("1080p",), ("720p",)]


# -- what a failure leaves -----------------------------------------------------------------------------------

_BOTH = Group(("1080p", "720p", "360p"), _CARD)


@pytest.mark.parametrize(
    "code", ["encoder-busy", "encoder-unsupported", "tool-failed", "crashed", "bad-output"]
)
def test_what_may_be_one_rung_s_fault_or_too_much_at_once_is_tried_apart_first(code: str) -> None:
    pending = [rung("1080p", _CARD, _CPU), rung("720p", _CARD, _CPU), rung("360p", _CPU)]

    assert left(pending, _BOTH, failed(code)) == [
        ("1080p", "nvenc:0", True),
        ("720p", "nvenc:0", True),
        ("360p", "cpu", False),
    ]


@pytest.mark.parametrize("code", ["device-sick", "no-device", "driver-mismatch"])
def test_a_device_that_is_gone_is_left_by_all_of_its_rungs_at_once(code: str) -> None:
    pending = [rung("1080p", _CARD, _VPU, _CPU), rung("720p", _CARD, _CPU), rung("360p", _CPU)]

    assert left(pending, _BOTH, failed(code)) == [
        ("1080p", "netint:0", False),
        ("720p", "cpu", False),
        ("360p", "cpu", False),
    ]


def test_a_rung_that_is_alone_on_its_device_goes_to_its_next_try() -> None:
    pending = [rung("1080p", _CARD, _OTHER, _CPU), rung("360p", _CPU)]

    assert left(pending, Group(("1080p", "360p"), _CARD), failed("encoder-busy")) == [
        ("1080p", "nvenc:1", False),
        ("360p", "cpu", False),
    ]


def test_what_a_device_s_decoder_says_is_looked_at_again_by_the_processor_s_for_all_its_rungs() -> None:
    pending = [rung("1080p", _DECODING, _CARD, _CPU), rung("720p", _DECODING, _CARD, _CPU)]
    damaged = MediaError("It is damaged.", code="damaged", fix="Copy it again.")

    after = after_failure(pending, Group(("1080p", "720p"), _DECODING), damaged)

    assert after is not None
    assert [one.next for one in after] == [_CARD, _CARD]


def test_a_rung_that_was_apart_joins_the_others_once_it_is_the_processor_s() -> None:
    moved = one_on(rung("720p", _CARD, _CPU, apart=True), failed("encoder-busy"))

    assert moved == rung("720p", _CPU)


@pytest.mark.parametrize(
    "error",
    [
        Cancelled(),
        failed("disk-full"),
        MediaError("It is damaged.", code="damaged", fix="Copy it again."),
    ],
    ids=["cancelled", "disk-full", "damaged"],
)
def test_what_no_other_encoder_would_change_stands(error: RushesError) -> None:
    pending = [rung("1080p", _CARD, _CPU), rung("360p", _CPU)]

    assert left(pending, Group(("1080p", "360p"), _CARD), error) is None


def test_a_failure_of_software_alone_stands() -> None:
    pending = [rung("1080p", _CARD, _CPU), rung("360p", _CPU)]

    assert left(pending, Group(("360p",), _CPU), failed("tool-failed")) is None


def test_where_nothing_may_step_in_the_device_s_error_stands() -> None:
    pending = [rung("1080p", _CARD), rung("360p", _CPU)]

    assert left(pending, Group(("1080p", "360p"), _CARD), failed("device-sick")) is None
