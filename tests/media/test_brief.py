"""A brief look at a file finds what a long one finds, or gives way to it."""

from __future__ import annotations

from pathlib import Path

import pytest

import make_media
from rushes.media.describing import description
from rushes.media.describing.brief import aac_profile
from rushes.media.describing.inspection import describe
from rushes.media.describing.parameter_sets import reorder_is_stated

_ISO = sorted(
    name
    for name, recipe in make_media.RECIPES.items()
    if recipe.facts.get("expect") == "good" and Path(name).suffix in {".mp4", ".mov", ".m4a", ".m4v", ".3gp"}
)


@pytest.mark.parametrize("name", _ISO)
def test_a_brief_look_finds_what_a_long_one_finds(
    media: make_media.Workshop, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = media.get(name)
    brief = describe(path)
    monkeypatch.setattr(description, "may_tell_all", lambda _: False)

    assert brief == describe(path)


def test_real_clips_say_the_same_at_a_brief_look(
    real_clips: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    brief = [describe(clip) for clip in real_clips]
    monkeypatch.setattr(description, "may_tell_all", lambda _: False)

    assert brief == [describe(clip) for clip in real_clips]


class _Written:
    """Bits as a parameter set has them."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, value: int, count: int) -> _Written:
        self.text += format(value, f"0{count}b")
        return self

    def ue(self, *values: int) -> _Written:
        for value in values:
            code = format(value + 1, "b")
            self.text += "0" * (len(code) - 1) + code
        return self

    def unit(self) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        return b"\0\0\0\1\x67" + int(text, 2).to_bytes(len(text) // 8, "big")


def parameters(order_type: int, vui: str) -> bytes:
    """An SPS of Main profile, 352x288, with start code; `vui` are the bits from its flag on."""
    bits = _Written().u(77, 8).u(0, 8).u(30, 8).ue(0, 0, order_type)
    if order_type == 0:
        bits.ue(0)
    bits.ue(2).u(0, 1).ue(21, 17).u(1, 1).u(1, 1).u(0, 1)
    bits.text += vui
    return bits.unit()


_NO_ASPECT_TO_LOCATION = "0000"
_TIMING = "1" + "0" * 65
_HRD = "1" + "1" + "0" * 8 + "1" + "1" + "0" + "0" * 20


@pytest.mark.parametrize(
    ("order_type", "vui", "stated"),
    [
        pytest.param(0, "0", False, id="no VUI"),
        pytest.param(2, "0", True, id="output follows decoding order"),
        pytest.param(0, "1" + _NO_ASPECT_TO_LOCATION + "0" + "00" + "0" + "1", True, id="restricted"),
        pytest.param(0, "1" + _NO_ASPECT_TO_LOCATION + "0" + "00" + "0" + "0", False, id="not restricted"),
        pytest.param(
            0, "1" + _NO_ASPECT_TO_LOCATION + _TIMING + _HRD + "0001", True, id="past timing and HRD"
        ),
        pytest.param(
            0, "1" + _NO_ASPECT_TO_LOCATION + _TIMING + _HRD + _HRD + "0" + "0" + "0", False, id="two HRDs"
        ),
    ],
)  # fmt: skip
def test_reordering_is_stated_by_a_restriction_or_by_the_type_of_order(
    order_type: int,
    vui: str,
    stated: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert reorder_is_stated(parameters(order_type, vui)) is stated


@pytest.mark.parametrize("extradata", [b"", b"\0", b"\0\0\0\1\x67\x4d", bytes(100)])
def test_what_is_no_parameter_set_states_nothing(extradata: bytes) -> None:
    assert not reorder_is_stated(extradata)


def test_only_a_plain_aac_configuration_names_its_profile() -> None:
    assert aac_profile(bytes([0x11, 0x90])) == "LC"
    assert aac_profile(bytes([0x2B, 0x92])) is None  # HE-AAC
    assert aac_profile(b"") is None
    assert aac_profile(None) is None
