"""NVIDIA's encoder, NVENC: H.264, HEVC and AV1.

Option names and ranges are those that ``ffmpeg -h encoder=h264_nvenc`` prints in 5.1 and 9.0; sizes are those
that the driver reports from Turing on (NVIDIA Video Codec SDK, NVENC application note and programming guide,
https://docs.nvidia.com/video-technologies/video-codec-sdk/). Not yet run on a device with NVENC: what stands
here was held against the option tables of both builds, and a real run decides. Data only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rushes.media.encoders.rows import OptionRule, Quality, Spelling, Variant, VideoEncoder

__all__ = ["NVENC"]

_INT: Final = r"\d{1,4}"
_FLAG: Final = "[01]"
_EIGHT: Final = ("yuv420p",)
_TEN: Final = ("p010le",)

# p1 is the quickest, p7 the best; x264's names are what people write, and a wish may meet several encoders.
_PRESETS: Final = ("p1", "p2", "p3", "p4", "p5", "p6", "p7")
_BY_NAME: Final = {
    "ultrafast": "p1", "superfast": "p1", "veryfast": "p2", "faster": "p3", "fast": "p3", "medium": "p4",
    "slow": "p5", "slower": "p6", "veryslow": "p7", "placebo": "p7",
}  # fmt: skip
# SVT-AV1's numbers run the other way: 0 is the best, 13 the quickest.
_BY_NUMBER: Final = {
    "0": "p7", "1": "p7", "2": "p7", "3": "p6", "4": "p6", "5": "p5", "6": "p5", "7": "p4", "8": "p4",
    "9": "p3", "10": "p3", "11": "p2", "12": "p1", "13": "p1",
}  # fmt: skip


def _speeds(names: dict[str, str]) -> dict[str, Spelling]:
    return {name: Spelling(("-preset", preset)) for name, preset in names.items()}


_OPTIONS: Final = {
    "tune": OptionRule("hq|ll|ull|lossless"),
    "bf": OptionRule("[0-7]"),
    "refs": OptionRule(_INT),
    "rc-lookahead": OptionRule(_INT),
    "spatial-aq": OptionRule(_FLAG),
    "temporal-aq": OptionRule(_FLAG),
    "aq-strength": OptionRule("[1-9]|1[0-5]"),
    "b_ref_mode": OptionRule("disabled|each|middle"),
    "weighted_pred": OptionRule(_FLAG),
    "multipass": OptionRule("disabled|qres|fullres"),
    "no-scenecut": OptionRule(_FLAG),
    "strict_gop": OptionRule(_FLAG),
    "aud": OptionRule(_FLAG),
    "tier": OptionRule("main|high|[01]"),
}
_LEVELS: Final = OptionRule(r"auto|[1-6](\.[0-3])?")


def _options(*names: str, **more: OptionRule) -> dict[str, OptionRule]:
    return {name: _OPTIONS[name] for name in names} | more


_COMMON: Final = ("tune", "bf", "refs", "rc-lookahead", "spatial-aq", "temporal-aq", "aq-strength",
                  "b_ref_mode", "weighted_pred", "multipass", "no-scenecut", "strict_gop")  # fmt: skip

# `-cq` works in variable-rate mode only, and a bit rate above 0 would be its ceiling.
_CONSTANT: Final = ("-rc:v", "vbr", "-b:v", "0")
_VARIABLE: Final = Spelling(("-rc:v", "vbr", "-b:v", "{v}"))
# A forced key frame is a plain I frame otherwise, at which no segment and no chunk may start.
_IDR: Final = ("-forced-idr", "1")

_H264 = VideoEncoder(
    name="h264_nvenc",
    codec="h264",
    family="nvenc",
    containers=("mp4", "mov", "mkv", "ts", "mxf"),
    variants={
        "high": Variant(("-profile:v", "high"), _EIGHT),
        "main": Variant(("-profile:v", "main"), _EIGHT),
        "baseline": Variant(("-profile:v", "baseline", "-bf", "0"), _EIGHT),
    },
    quality=Quality("-cq:v", 1, 51, 21, also=_CONSTANT),
    bitrate=True,
    bitrate_as=_VARIABLE,
    speeds=(*_BY_NAME, *_PRESETS),
    speed="p4",
    speed_as=_speeds(_BY_NAME),
    threads=(),
    fixed=_IDR,
    options=_options(*_COMMON, "aud", level=_LEVELS),
    tags={"mp4": "avc1", "mov": "avc1"},
    captions="-a53cc",
    min_width=146,
    min_height=50,
    max_width=4096,
    max_height=4096,
)

# The rest is as of H.264.
_HEVC = replace(
    _H264,
    name="hevc_nvenc",
    codec="hevc",
    containers=("mp4", "mov", "mkv", "ts"),
    variants={
        "main": Variant(("-profile:v", "main"), _EIGHT),
        "main10": Variant(("-profile:v", "main10"), _TEN),
    },
    deep="main10",
    quality=Quality("-cq:v", 1, 51, 25, also=_CONSTANT),
    options=_options(*_COMMON, "aud", "tier", level=_LEVELS),
    tags={"mp4": "hvc1", "mov": "hvc1"},
    min_width=130,
    min_height=34,
    max_width=8192,
    max_height=8192,
)

_AV1 = replace(
    _HEVC,
    name="av1_nvenc",
    codec="av1",
    containers=("mp4", "mkv", "webm"),
    variants={"main": Variant((), _EIGHT), "main10": Variant((), _TEN)},
    quality=Quality("-cq:v", 1, 63, 34, also=_CONSTANT),
    speeds=(*_BY_NUMBER, *_BY_NAME, *_PRESETS),
    speed_as=_speeds(_BY_NUMBER | _BY_NAME),
    options=_options("tune", "bf", "rc-lookahead", "spatial-aq", "temporal-aq", "aq-strength", "multipass",
                     "tier", **{"tile-rows": OptionRule("[1-9]"), "tile-columns": OptionRule("[1-9]")}),
    tags={},
    captions=None,
    min_width=192,
    min_height=128,
)  # fmt: skip

NVENC: Final[tuple[VideoEncoder, ...]] = (_H264, _HEVC, _AV1)
