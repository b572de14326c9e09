"""Named transcodes, as data: each preset is a profile, and every option may still be overridden.

A preset says what a delivery asks for, not what an encoder likes; the numbers have their reason beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from rushes import Profile

__all__ = ["EXTENSIONS", "PRESETS", "Chunks", "PresetName", "as_list", "preset_profile"]

PresetName = Literal[
    "streaming-h264", "streaming-hevc", "streaming-av1", "streaming-vp9",
    "prores-proxy", "prores-lt", "prores-422", "prores-422hq", "prores-4444",
    "dnxhr-lb", "dnxhr-sq", "dnxhr-hq", "dnxhr-hqx", "dnxhr-444",
    "xdcam-hd422", "avcintra-50", "avcintra-100", "ffv1", "jpeg2000", "rewrap",
]  # fmt: skip


def _unquoted(value: Any) -> Any:
    """YAML reads a bare ``off`` as False."""
    return "off" if value is False else value


Chunks = Annotated[Annotated[int, Field(ge=2, le=64)] | Literal["auto", "off"], BeforeValidator(_unquoted)]
"""Into how many parts a clip is cut."""

EXTENSIONS: Final[Mapping[str, str]] = {
    "mov": ".mov", "mp4": ".mp4", "mkv": ".mkv", "webm": ".webm", "mxf": ".mxf", "ts": ".ts",
}  # fmt: skip

# Players on phones and televisions take 8-bit 4:2:0 progressive; two seconds between key frames is what
# segmenters cut at.
_STREAM: Final = {"deinterlace": "on", "keyframe_interval_s": 2}
_MASTER: Final = {"subtitles": "auto", "metadata": "keep"}


def _prores(variant: str) -> dict[str, Any]:
    return {"container": "mov", "video": {"codec": "prores", "variant": variant}, **_MASTER}


def _dnxhr(variant: str) -> dict[str, Any]:
    return {"container": "mov", "video": {"codec": "dnxhr", "variant": variant}, **_MASTER}


PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "streaming-h264": {
        "container": "mp4",
        "video": {"codec": "h264", "quality": 20, "speed": "medium", "pix_fmt": "yuv420p", **_STREAM},
        "audio": {"codec": "aac"},
    },
    "streaming-hevc": {
        "container": "mp4",
        "video": {"codec": "hevc", "quality": 23, "speed": "medium", **_STREAM},
        "audio": {"codec": "aac"},
    },
    "streaming-av1": {
        "container": "mp4",
        "video": {"codec": "av1", "quality": 32, "speed": "8", **_STREAM},
        "audio": {"codec": "aac"},
    },
    "streaming-vp9": {
        "container": "webm",
        "video": {"codec": "vp9", "quality": 32, "speed": "4", **_STREAM},
        "audio": {"codec": "opus"},
    },
    "prores-proxy": _prores("proxy"),
    "prores-lt": _prores("lt"),
    "prores-422": _prores("422"),
    "prores-422hq": _prores("422hq"),
    "prores-4444": _prores("4444"),
    "dnxhr-lb": _dnxhr("lb"),
    "dnxhr-sq": _dnxhr("sq"),
    "dnxhr-hq": _dnxhr("hq"),
    "dnxhr-hqx": _dnxhr("hqx"),
    "dnxhr-444": _dnxhr("444"),
    # Broadcast deliveries want every channel on a mono track of its own.
    "xdcam-hd422": {
        "container": "mxf",
        "video": {"codec": "xdcam_hd422"},
        "audio": {"codec": "pcm_s24le", "layout": "split"},
        "subtitles": "drop",
    },
    "avcintra-50": {
        "container": "mxf",
        "video": {"codec": "avcintra", "variant": "50"},
        "audio": {"codec": "pcm_s24le", "layout": "split"},
        "subtitles": "drop",
    },
    "avcintra-100": {
        "container": "mxf",
        "video": {"codec": "avcintra", "variant": "100"},
        "audio": {"codec": "pcm_s24le", "layout": "split"},
        "subtitles": "drop",
    },
    # Archives: lossless, a checksum a slice, sound as it is.
    "ffv1": {"container": "mkv", "video": {"codec": "ffv1"}, "audio": {"codec": "flac"}, **_MASTER},
    "jpeg2000": {
        "container": "mxf",
        "video": {"codec": "jpeg2000"},
        "audio": {"codec": "pcm_s24le"},
        "subtitles": "drop",
    },
    "rewrap": {"container": "mov", "video": {"codec": "copy"}, "audio": {"codec": "copy"}},
}

_RATE_CONTROLS: Final = ("quality", "bitrate", "target_size")


def preset_profile(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> Profile:
    """The profile of a preset with some options overridden.

    Args:
        base: a preset, or what a preset file holds, in the shape of `Profile`.
        overrides: options by their dotted place in a profile: ``video.codec``, ``container``.

    Raises:
        pydantic.ValidationError: the outcome contradicts itself.
    """
    merged: dict[str, Any] = {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in base.items()
    }
    if any(place.rpartition(".")[2] in _RATE_CONTROLS for place in overrides):
        # They exclude each other: the caller's replaces the preset's.
        for name in _RATE_CONTROLS:
            merged.pop(name, None)
            merged.get("video", {}).pop(name, None)
    if overrides.get("video.codec", merged.get("video", {}).get("codec")) != merged.get("video", {}).get(
        "codec"
    ):
        # Another codec: what the preset said of the old one means nothing for it.
        for name in ("variant", "quality", "speed", "pix_fmt", "encoder_options"):
            merged["video"].pop(name, None)
        if overrides["video.codec"] in {"copy", "none"}:
            merged["video"] = {}
    for place, value in overrides.items():
        section, _, name = place.rpartition(".")
        (merged.setdefault(section, {}) if section else merged)[name] = value
    return Profile.model_validate(merged)


def as_list(value: Any) -> Any:
    """``a,b`` as a command line has it, split; anything else as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value
