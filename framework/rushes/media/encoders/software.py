"""Encoders that run on the processor, for delivery: x264, x265, SVT-AV1 and VP9.

Data only: names of ffmpeg's options and values, measured ranges, allow-lists.
"""

from __future__ import annotations

from typing import Final

from rushes.media.encoders.mezzanine import MEZZANINE
from rushes.media.encoders.rows import OptionRule, Quality, Variant, VideoEncoder

__all__ = ["SOFTWARE"]

_INT: Final = r"\d{1,4}"
_FLAG: Final = "[01]"
_NUMBER: Final = r"-?\d{1,4}(\.\d{1,3})?"
_X26X_SPEEDS: Final = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip
_H264 = VideoEncoder(
    name="libx264",
    codec="h264",
    containers=("mp4", "mov", "mkv", "ts", "mxf"),
    variants={
        "high": Variant(("-profile:v", "high"), ("yuv420p",)),
        "main": Variant(("-profile:v", "main"), ("yuv420p",)),
        "baseline": Variant(("-profile:v", "baseline"), ("yuv420p",)),
        "high10": Variant(("-profile:v", "high10"), ("yuv420p10le",)),
        "high422": Variant(("-profile:v", "high422"), ("yuv422p10le", "yuv422p")),
        "high444": Variant(("-profile:v", "high444"), ("yuv444p", "yuv444p10le")),
    },
    quality=Quality("-crf", 0, 51, 20),
    bitrate=True,
    passes="ffmpeg",
    speeds=_X26X_SPEEDS,
    speed="medium",
    # Bit reproducibility: lookahead threads otherwise follow the machine's cores.
    interlaced=("-flags:v", "+ildct+ilme"),
    params_option="-x264-params",
    options={
        "tune": OptionRule("film|animation|grain|stillimage|fastdecode|zerolatency|psnr|ssim"),
        "level": OptionRule(r"[1-6](\.[0-3])?"),
        "bf": OptionRule(_INT),
        "refs": OptionRule(_INT),
        "sc_threshold": OptionRule(_INT),
        "rc-lookahead": OptionRule(_INT),
        "aq-mode": OptionRule("[0-3]"),
        "aq-strength": OptionRule(_NUMBER),
        "weightp": OptionRule("[0-2]"),
        "b-pyramid": OptionRule("none|strict|normal"),
        "nal-hrd": OptionRule("none|vbr|cbr"),
        "aud": OptionRule(_FLAG),
        "open-gop": OptionRule(_FLAG, param=True),
        "deblock": OptionRule(r"-?\d,-?\d", param=True),
        "keyint-min": OptionRule(_INT),
        "bluray-compat": OptionRule(_FLAG),
    },
    tags={"mp4": "avc1", "mov": "avc1"},
    decodes_easily=("-tune", "fastdecode"),
    captions="-a53cc",
)

_HEVC = VideoEncoder(
    name="libx265",
    codec="hevc",
    containers=("mp4", "mov", "mkv", "ts"),
    variants={
        "main": Variant(("-profile:v", "main"), ("yuv420p",)),
        "main10": Variant(("-profile:v", "main10"), ("yuv420p10le",)),
        "main12": Variant(("-profile:v", "main12"), ("yuv420p12le",)),
        "main422-10": Variant(("-profile:v", "main422-10"), ("yuv422p10le", "yuv422p")),
        "main444-10": Variant(("-profile:v", "main444-10"), ("yuv444p10le", "yuv444p")),
    },
    deep="main10",
    quality=Quality("-crf", 0, 51, 23),
    bitrate=True,
    passes="params",
    speeds=_X26X_SPEEDS,
    speed="medium",
    # frame-threads and the pool follow the machine's cores unless named, and change the bits.
    params_option="-x265-params",
    params={"log-level": "error", "pools": "{n}", "frame-threads": "1"},
    options={
        "tune": OptionRule("psnr|ssim|grain|fastdecode|zerolatency|animation"),
        "level-idc": OptionRule(r"[1-8](\.[0-2])?", param=True),
        "bframes": OptionRule(_INT, param=True),
        "ref": OptionRule(_INT, param=True),
        "rc-lookahead": OptionRule(_INT, param=True),
        "aq-mode": OptionRule("[0-4]", param=True),
        "aq-strength": OptionRule(_NUMBER, param=True),
        "open-gop": OptionRule(_FLAG, param=True),
        "sao": OptionRule(_FLAG, param=True),
        "repeat-headers": OptionRule(_FLAG, param=True),
        "hrd": OptionRule(_FLAG, param=True),
        "psy-rd": OptionRule(_NUMBER, param=True),
        "no-strong-intra-smoothing": OptionRule(_FLAG, param=True),
    },
    tags={"mp4": "hvc1", "mov": "hvc1"},
    decodes_easily=("-tune", "fastdecode"),
    captions="-a53cc",
    captions_since=7,
    hdr="x265",
)

_AV1 = VideoEncoder(
    name="libsvtav1",
    codec="av1",
    containers=("mp4", "mkv", "webm"),
    variants={"main": Variant((), ("yuv420p",)), "main10": Variant((), ("yuv420p10le",))},
    deep="main10",
    quality=Quality("-crf", 1, 63, 35),
    bitrate=True,
    speeds=tuple(str(n) for n in range(14)),
    speed="8",
    params_option="-svtav1-params",
    params={"lp": "{n}"},
    threads=(),
    options={
        "tune": OptionRule("[0-3]", param=True),
        "film-grain": OptionRule(_INT, param=True),
        "enable-overlays": OptionRule(_FLAG, param=True),
        "scd": OptionRule(_FLAG, param=True),
        "tile-columns": OptionRule("[0-4]", param=True),
        "tile-rows": OptionRule("[0-6]", param=True),
        "fast-decode": OptionRule("[0-2]", param=True),
    },
    hdr="svt",
    min_width=64,
    min_height=64,
)

_VP9 = VideoEncoder(
    name="libvpx-vp9",
    codec="vp9",
    containers=("webm", "mp4", "mkv"),
    variants={
        "0": Variant(("-profile:v", "0"), ("yuv420p",)),
        "2": Variant(("-profile:v", "2"), ("yuv420p10le",)),
    },
    deep="2",
    # Without a zero bit rate libvpx takes -crf as a mere ceiling.
    quality=Quality("-crf", 0, 63, 32, also=("-b:v", "0")),
    bitrate=True,
    passes="ffmpeg",
    speed_option="-cpu-used",
    speeds=tuple(str(n) for n in range(9)),
    speed="2",
    fixed=("-deadline", "good", "-row-mt", "1"),
    options={
        "tile-columns": OptionRule("[0-6]"),
        "auto-alt-ref": OptionRule("[0-6]"),
        "lag-in-frames": OptionRule(_INT),
        "aq-mode": OptionRule("[0-4]"),
        "tune-content": OptionRule("default|screen|film"),
    },
)

SOFTWARE: Final[tuple[VideoEncoder, ...]] = (_H264, _HEVC, _AV1, _VP9, *MEZZANINE)
"""In order of preference within a codec."""
