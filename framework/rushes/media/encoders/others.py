"""Encoders that work where a probe says so: AMD's Alveo MA35D, Intel Quick Sync, and VA-API.

Names and ranges: the AMA SDK's own pages for ffmpeg (https://amd.github.io/ama-sdk/latest/using_ffmpeg.html),
and ``ffmpeg -h encoder=h264_qsv`` and ``=h264_vaapi`` of 5.1 and 9.0. None of them was run on a device. Data
only.
"""

from __future__ import annotations

from typing import Final

from rushes.media.encoders.rows import OptionRule, Quality, Spelling, Variant, VideoEncoder
from rushes.media.profile import Container, VideoCodec

__all__ = ["AMA", "QSV", "VAAPI"]

_INT: Final = r"\d{1,4}"
_FLAG: Final = "[01]"
_EIGHT: Final = ("nv12",)
_TEN: Final = ("p010le",)
_MAIN: Final = {"main": Variant(("-profile:v", "main"), _EIGHT)}
_H264: Final = {
    "high": Variant(("-profile:v", "high"), _EIGHT),
    "main": Variant(("-profile:v", "main"), _EIGHT),
}
_HEVC: Final = {**_MAIN, "main10": Variant(("-profile:v", "main10"), _TEN)}
_AV1: Final = {**_MAIN, "main10": Variant(("-profile:v", "main"), _TEN)}
_IN: Final[dict[str, tuple[Container, ...]]] = {
    "h264": ("mp4", "mov", "mkv", "ts"),
    "hevc": ("mp4", "mov", "mkv", "ts"),
    "av1": ("mp4", "mkv", "webm"),
}
_TAGS: Final = {
    "h264": {"mp4": "avc1", "mov": "avc1"},
    "hevc": {"mp4": "hvc1", "mov": "hvc1"},
    "av1": {},
}
_NAMES: Final = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower",
                 "veryslow", "placebo")  # fmt: skip


def _preset(*levels: str) -> dict[str, Spelling]:
    """x264's ten names, each with the preset of this encoder that is nearest."""
    return {name: Spelling(("-preset", level)) for name, level in zip(_NAMES, levels, strict=True)}


def _numbered(by_name: dict[str, Spelling]) -> dict[str, Spelling]:
    """SVT-AV1's numbers (0 best, 13 quickest) and x264's names."""
    turned = ("veryslow", "veryslow", "slower", "slower", "slow", "slow", "slow", "medium", "medium", "fast",
              "fast", "faster", "veryfast", "ultrafast")  # fmt: skip
    return {str(n): by_name[name] for n, name in enumerate(turned)} | by_name


# -- AMD Alveo MA35D -----------------------------------------------------------------------------------------

_AMA_SPEEDS: Final = _preset(*("fast",) * 5, "medium", *("slow",) * 4)
_AMA_OPTIONS: Final = {
    "bf": OptionRule("-1|[0-7]"),
    "lookahead_depth": OptionRule(r"-1|\d{1,2}"),
    "spatial_aq": OptionRule("-1|[01]"),
    "temporal_aq": OptionRule("-1|[01]"),
    "qp_mode": OptionRule("auto|relative_load|uniform"),
    "dynamic_gop": OptionRule("-1|[01]"),
    "min_qp": OptionRule(_INT),
    "max_qp": OptionRule(_INT),
    "tune_metrics": OptionRule("[1-4]"),
    "level": OptionRule(r"auto|[1-6](\.[0-3])?"),
    "tier": OptionRule("-1|[01]"),
}


def _ama(name: str, codec: VideoCodec, variants: dict[str, Variant], default: float) -> VideoEncoder:
    by_number = codec == "av1"
    speeds = _numbered(_AMA_SPEEDS) if by_number else _AMA_SPEEDS
    return VideoEncoder(
        name=name,
        codec=codec,
        family="ama",
        containers=_IN[codec],
        variants=variants,
        deep="main10" if "main10" in variants else None,
        quality=Quality("-crf", 0, 63, default),
        bitrate=True,
        # `-bufsize` is a switch of the low-latency mode here, not a buffer; a cap is `-max_bitrate`.
        cap_as=Spelling(("-max_bitrate", "{v}")),
        speeds=tuple(speeds),
        speed_as=speeds,
        threads=(),
        options=_AMA_OPTIONS | ({"type": OptionRule("[12]")} if by_number else {}),
        tags=_TAGS[codec],
        # The smallest of the AV1 cores; the others name none.
        min_width=176,
        min_height=144,
        max_width=7680,
        max_height=4320,
    )


AMA: Final[tuple[VideoEncoder, ...]] = (
    _ama("h264_ama", "h264", _H264, 22),
    # This encoder writes the profile with a hyphen.
    _ama("hevc_ama", "hevc", {**_MAIN, "main10": Variant(("-profile:v", "main-10"), _TEN)}, 25),
    _ama("av1_ama", "av1", _AV1, 32),
)

# -- Intel Quick Sync ----------------------------------------------------------------------------------------

_QSV_SPEEDS: Final = _preset("veryfast", "veryfast", "veryfast", "faster", "fast", "medium", "slow", "slower",
                             "veryslow", "veryslow")  # fmt: skip
_QSV_OPTIONS: Final = {
    "bf": OptionRule(_INT),
    "refs": OptionRule(_INT),
    "look_ahead_depth": OptionRule(r"\d{1,2}|100"),
    "extbrc": OptionRule("-1|[01]"),
    "low_power": OptionRule(_FLAG),
    "async_depth": OptionRule(_INT),
    "adaptive_i": OptionRule("-1|[01]"),
    "adaptive_b": OptionRule("-1|[01]"),
    "b_strategy": OptionRule("-1|[01]"),
}


def _qsv(name: str, codec: VideoCodec, variants: dict[str, Variant], default: float) -> VideoEncoder:
    speeds = _numbered(_QSV_SPEEDS) if codec == "av1" else _QSV_SPEEDS
    return VideoEncoder(
        name=name,
        codec=codec,
        family="qsv",
        containers=_IN[codec],
        variants=variants,
        deep="main10" if "main10" in variants else None,
        # A global quality alone selects ICQ, Intel's constant quality; a rate beside it another mode.
        quality=Quality("-global_quality:v", 1, 51, default),
        bitrate=True,
        capped_quality=False,
        speeds=tuple(speeds),
        speed="medium",
        speed_as=speeds,
        threads=(),
        fixed=("-forced_idr", "1"),
        options=_QSV_OPTIONS,
        tags=_TAGS[codec],
        captions="-a53cc" if codec == "h264" else None,
        min_width=128,
        min_height=128,
        max_width=4096 if codec == "h264" else 8192,
        max_height=4096 if codec == "h264" else 8192,
    )


QSV: Final[tuple[VideoEncoder, ...]] = (
    _qsv("h264_qsv", "h264", _H264, 22),
    _qsv("hevc_qsv", "hevc", _HEVC, 25),
    _qsv("av1_qsv", "av1", _AV1, 30),
)

# -- VA-API --------------------------------------------------------------------------------------------------

_VAAPI_OPTIONS: Final = {
    "bf": OptionRule(_INT),
    "refs": OptionRule(_INT),
    "b_depth": OptionRule("[1-7]"),
    "async_depth": OptionRule(r"[1-9]|[1-5]\d|6[0-4]"),
    "low_power": OptionRule(_FLAG),
    "idr_interval": OptionRule(_INT),
}


def _vaapi(name: str, codec: VideoCodec, variants: dict[str, Variant], default: float) -> VideoEncoder:
    return VideoEncoder(
        name=name,
        codec=codec,
        family="vaapi",
        containers=_IN[codec],
        variants=variants,
        deep="main10" if "main10" in variants else None,
        # Every driver has the constant quantiser; ICQ and QVBR only some.
        quality=Quality("-global_quality:v", 1, 255 if codec == "av1" else 51,
                        default, also=("-rc_mode:v", "CQP")),
        bitrate=True,
        bitrate_as=Spelling(("-rc_mode:v", "VBR", "-b:v", "{v}")),
        capped_quality=False,
        threads=(),
        options=_VAAPI_OPTIONS,
        tags=_TAGS[codec],
        min_width=128,
        min_height=128,
        max_width=4096 if codec == "h264" else 8192,
        max_height=4096 if codec == "h264" else 8192,
    )  # fmt: skip


VAAPI: Final[tuple[VideoEncoder, ...]] = (
    _vaapi("h264_vaapi", "h264", _H264, 22),
    _vaapi("hevc_vaapi", "hevc", _HEVC, 25),
    _vaapi("av1_vaapi", "av1", _AV1, 110),
)
