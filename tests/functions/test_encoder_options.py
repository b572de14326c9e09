"""Options by which a caller says what may encode: any function that encodes takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standin.fakes import FakeDevice, MakeStandIn, standin

from rushes.errors import CallerError, PlatformError
from rushes.function import Function
from rushes.media.running.builds import VARIABLE
from rushes_functions.ladder import ladder
from rushes_functions.proxy import proxy
from rushes_functions.transcode import transcode

__all__ = ["standin"]

Made = Function[Any, Any]
Options = dict[str, Any]
_EACH = pytest.mark.parametrize(
    ("function", "options"),
    [(transcode, {"width": 320}), (proxy, {"height": 180}), (ladder, {"rungs": "180"})],
    ids=["transcode", "proxy", "ladder"],
)


@pytest.fixture
def clip(media: Callable[[str], Path]) -> str:
    return str(media("h264.mp4"))


@pytest.fixture
def card(standin: MakeStandIn, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_up(**how: Any) -> None:
        monkeypatch.setenv(VARIABLE, standin([FakeDevice("nvenc", **how)]).setting)

    return set_up


def encoder_of(made: Any) -> str:
    found: str = made.encoder if hasattr(made, "encoder") else made.renditions[0].encoder
    return found


@_EACH
def test_the_family_that_a_caller_names_makes_it(
    card: Callable[..., None],
    clip: str,
    tmp_path: Path,
    function: Function[Any, Any],
    options: dict[str, Any],
) -> None:
    card()

    named = function(clip, out=str(tmp_path / "a"), encoder="nvenc", **options)
    other = function(clip, out=str(tmp_path / "b"), encoder="software", **options)

    assert (encoder_of(named), encoder_of(other)) == ("h264_nvenc", "libx264")


@_EACH
def test_a_caller_may_forbid_that_another_steps_in(
    card: Callable[..., None],
    clip: str,
    tmp_path: Path,
    function: Function[Any, Any],
    options: dict[str, Any],
) -> None:
    card(open_error="no-codec")

    with pytest.raises(PlatformError) as failed:
        function(clip, out=str(tmp_path), encoder="nvenc", fallback="forbid", **options)

    assert failed.value.code == "encoder-unsupported"
    assert (
        encoder_of(function(clip, out=str(tmp_path), encoder=["nvenc", "software"], **options)) == "libx264"
    )


@pytest.mark.parametrize(
    ("wish", "words"),
    [({"encoder": "nvidia"}, "no encoder family"), ({"fallback": "maybe"}, "neither allow nor forbid")],
)
@_EACH
def test_what_is_no_family_or_policy_is_refused_before_anything_runs(
    function: Made, options: Options, wish: dict[str, str], words: str
) -> None:
    with pytest.raises(CallerError, match=words):
        function("/absent.mov", **options, **wish)


def test_every_rung_of_a_ladder_is_measured_on_request(clip: str, tmp_path: Path) -> None:
    made = ladder(clip, out=str(tmp_path), rungs="180,90", check_quality=True)

    receipt = (tmp_path / f"{Path(clip).stem}.rushes.json").read_text()
    assert receipt.count('"measured"') == len(made.renditions) == 2
