"""NETINT's Quadra video processing units: H.264, HEVC and AV1.

They need NETINT's own ffmpeg (https://github.com/NETINT-Technologies/netint_ffmpeg, libavcodec/nienc*.c). It
reads ``-b:v``, but neither ``-g`` nor ``-maxrate`` nor ``-bufsize``: those go into ``-xcoder-params`` under
the names of libxcoder's ni_device_api.h. Not yet run on a card: names and ranges are those of the sources,
and a real run decides. Data only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rushes.media.encoders.rows import OptionRule, Quality, Spelling, Variant, VideoEncoder

__all__ = ["NETINT"]

_INT: Final = r"\d{1,4}"
_FLAG: Final = "[01]"
_EIGHT: Final = ("yuv420p",)
_TEN: Final = ("yuv420p10le",)

# The card's own default is a fixed quantiser; a bit rate takes effect with RcEnable alone, CRF without it.
_CRF: Final = {"RcEnable": "0", "crf": "{v}"}
_RATE: Final = Spelling(("-b:v", "{v}"), {"RcEnable": "1"})
# The buffer is in milliseconds at the target rate; two seconds, as everywhere else.
_CAP: Final = Spelling(params={"vbvBufferSize": "2000", "vbvMaxRate": "{v}"})
_GOP: Final = Spelling(params={"intraPeriod": "{v}"})

# The cards have no presets by name in every release. What costs speed is look-ahead and rate-distortion
# optimised quantisation: the settings of the vendor's capacity report stand for "slow" and what is above it.
_PLAIN: Final = Spelling()
_CAREFUL: Final = Spelling(params={"lookAheadDepth": "16", "EnableRdoQuant": "1"})
_SPEEDS: Final = {
    **dict.fromkeys(("ultrafast", "superfast", "veryfast", "faster", "fast", "medium"), _PLAIN),
    **dict.fromkeys(("slow", "slower", "veryslow", "placebo"), _CAREFUL),
}
_NUMBERS: Final = {str(n): _CAREFUL if n < 6 else _PLAIN for n in range(14)}

_OPTIONS: Final = {
    "gopPresetIdx": OptionRule("-1|[0-9]", param=True),
    "lookAheadDepth": OptionRule("0|[4-9]|[1-3][0-9]|40", param=True),
    "EnableRdoQuant": OptionRule(_FLAG, param=True),
    "rdoLevel": OptionRule("[1-3]", param=True),
    "hvsQPEnable": OptionRule(_FLAG, param=True),
    "cuLevelRCEnable": OptionRule(_FLAG, param=True),
    "intraQpDelta": OptionRule(r"-?\d{1,2}", param=True),
    "enableAUD": OptionRule(_FLAG, param=True),
    "fillerEnable": OptionRule(_FLAG, param=True),
    "repeatHeaders": OptionRule(_FLAG, param=True),
    "minQp": OptionRule(_INT, param=True),
    "maxQp": OptionRule(_INT, param=True),
    "level": OptionRule(r"[1-6](\.[0-3])?", param=True),
}

_H264 = VideoEncoder(
    name="h264_ni_quadra_enc",
    codec="h264",
    family="netint",
    containers=("mp4", "mov", "mkv", "ts"),
    variants={"high": Variant((), _EIGHT), "high10": Variant((), _TEN)},
    quality=Quality("", 0, 51, 21, params=_CRF),
    bitrate=True,
    bitrate_as=_RATE,
    cap_as=_CAP,
    capped_quality=False,
    gop_as=_GOP,
    gop_most=1024,
    speeds=tuple(_SPEEDS),
    speed_as=_SPEEDS,
    threads=(),
    params_option="-xcoder-params",
    options=_OPTIONS,
    tags={"mp4": "avc1", "mov": "avc1"},
    min_width=32,
    min_height=32,
    max_width=8192,
    max_height=8192,
)

# The rest is as of H.264.
_HEVC = replace(
    _H264,
    name="h265_ni_quadra_enc",
    codec="hevc",
    variants={"main": Variant((), _EIGHT), "main10": Variant((), _TEN)},
    deep="main10",
    quality=Quality("", 0, 51, 24, params=_CRF),
    tags={"mp4": "hvc1", "mov": "hvc1"},
)

_AV1 = replace(
    _HEVC,
    name="av1_ni_quadra_enc",
    codec="av1",
    containers=("mp4", "mkv", "webm"),
    quality=Quality("", 0, 51, 26, params=_CRF),
    speeds=(*_NUMBERS, *_SPEEDS),
    speed_as=_NUMBERS | _SPEEDS,
    tags={},
    # NI_PARAM_AV1_MIN_* and NI_PARAM_AV1_MAX_* of ni_device_api.h.
    min_width=144,
    min_height=128,
    max_width=4096,
    max_height=4352,
)

NETINT: Final[tuple[VideoEncoder, ...]] = (_H264, _HEVC, _AV1)
