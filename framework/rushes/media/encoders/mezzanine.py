"""Encoders of what is edited, broadcast and archived: ProRes, DNxHR, XDCAM, AVC-Intra, FFV1 and JPEG 2000.

All run on the processor. Data only: names of ffmpeg's options and values, rasters, allow-lists.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from rushes.media.encoders.rows import OptionRule, Quality, Raster, Variant, VideoEncoder

__all__ = ["MEZZANINE"]

_INT: Final = r"\d{1,4}"
_FLAG: Final = "[01]"
_X264_SPEEDS: Final = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip
_FILM_AND_VIDEO: Final = tuple(
    Fraction(n, d) for n, d in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1))
)
_FAST: Final = tuple(Fraction(n, d) for n, d in ((50, 1), (60000, 1001), (60, 1)))
_HD_RASTERS: Final = (Raster(1920, 1080, _FILM_AND_VIDEO), Raster(1280, 720, _FILM_AND_VIDEO + _FAST))
# Class 50 stores a thinner raster and stretches it on playback (SMPTE RP 2027).
_AVCI50_RASTERS: Final = (
    Raster(1440, 1080, _FILM_AND_VIDEO, "4:3"),
    Raster(960, 720, _FILM_AND_VIDEO + _FAST, "4:3"),
)

_PRORES_422: Final = ("yuv422p10le",)
_PRORES_444: Final = ("yuv444p10le", "yuva444p10le")
_PRORES = VideoEncoder(
    name="prores_ks",
    codec="prores",
    containers=("mov", "mkv"),
    variants={
        "422": Variant(("-profile:v", "standard"), _PRORES_422),
        "proxy": Variant(("-profile:v", "proxy"), _PRORES_422),
        "lt": Variant(("-profile:v", "lt"), _PRORES_422),
        "422hq": Variant(("-profile:v", "hq"), _PRORES_422),
        "4444": Variant(("-profile:v", "4444"), _PRORES_444, alpha=True),
        "4444xq": Variant(("-profile:v", "4444xq"), _PRORES_444, alpha=True),
    },
    quality=Quality("-qscale:v", 1, 31, 0),
    inter=False,
    max_bitrate=False,
    interlaced=("-flags:v", "+ildct"),
    # Editing programs look for Apple's vendor code before they take their fast path.
    fixed=("-vendor", "apl0"),
    options={
        "bits_per_mb": OptionRule(_INT),
        "mbs_per_slice": OptionRule("[1248]"),
        "quant_mat": OptionRule("auto|default|proxy|lt|standard|hq"),
        "alpha_bits": OptionRule("0|8|16"),
    },
)

_DNXHR = VideoEncoder(
    name="dnxhd",
    codec="dnxhr",
    containers=("mov", "mxf", "mkv"),
    variants={
        "sq": Variant(("-profile:v", "dnxhr_sq"), ("yuv422p",)),
        "lb": Variant(("-profile:v", "dnxhr_lb"), ("yuv422p",)),
        "hq": Variant(("-profile:v", "dnxhr_hq"), ("yuv422p",)),
        "hqx": Variant(("-profile:v", "dnxhr_hqx"), ("yuv422p10le",)),
        "444": Variant(("-profile:v", "dnxhr_444"), ("yuv444p10le", "gbrp10le")),
    },
    inter=False,
    max_bitrate=False,
    square_in=("mxf",),
    min_width=256,
    min_height=120,
)

_XDCAM = VideoEncoder(
    name="mpeg2video",
    codec="xdcam_hd422",
    containers=("mxf", "mov"),
    variants={
        "50": Variant(
            # SMPTE RDD 9 / Sony XDCAM HD422: 4:2:2 profile at high level, constant 50 Mbit/s.
            ("-profile:v", "0", "-level:v", "2"),
            ("yuv422p",),
            rasters=_HD_RASTERS,
        ),
    },
    inter=True,
    max_bitrate=False,
    interlaced=("-flags:v", "+ildct+ilme", "-alternate_scan", "1"),
    fixed=(
        "-b:v", "50M", "-minrate", "50M", "-maxrate", "50M", "-bufsize", "17825792",
        "-rc_init_occupancy", "17825792", "-bf", "2", "-dc", "2",
        "-non_linear_quant", "1", "-intra_vlc", "1", "-qmin", "1", "-qmax", "12",
        "-sc_threshold", "1000000000", "-seq_disp_ext", "always",
    ),
    tags={"mov": "xd5c"},
    captions="-a53cc",
)  # fmt: skip

_AVCINTRA = VideoEncoder(
    name="libx264",
    codec="avcintra",
    containers=("mxf", "mov"),
    variants={
        "100": Variant(("-avcintra-class", "100"), ("yuv422p10le",), rasters=_HD_RASTERS),
        "50": Variant(("-avcintra-class", "50"), ("yuv420p10le",), rasters=_AVCI50_RASTERS),
        "200": Variant(("-avcintra-class", "200"), ("yuv422p10le",), rasters=_HD_RASTERS),
    },
    inter=False,
    max_bitrate=False,
    interlaced=("-flags:v", "+ildct+ilme"),
    speeds=_X264_SPEEDS,
    speed="medium",
    options={"avcintra-flavor": OptionRule("panasonic|sony", param=True)},
    params_option="-x264-params",
    captions="-a53cc",
)

_ANY_PLANAR: Final = (
    "yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le",
    "yuv422p12le", "yuv444p12le", "yuv420p16le", "yuv422p16le", "yuv444p16le", "gray", "gray16le",
    "gbrp10le", "gbrp12le", "gbrp16le",
)  # fmt: skip
_FFV1 = VideoEncoder(
    name="ffv1",
    codec="ffv1",
    containers=("mkv", "mov"),
    variants={
        # Version 3 with a CRC a slice: what archives ask for (RFC 9043), so rot shows.
        "3": Variant(
            ("-level:v", "3"),
            (*_ANY_PLANAR, "gray10le", "gray12le", "bgr0", "bgra", "yuva420p", "yuva444p",
             "yuva422p10le", "yuva444p10le", "yuva444p16le", "gbrap10le", "gbrap12le", "gbrap16le",
             "rgb48le", "rgba64le"),
            alpha=True,
        ),
    },
    inter=False,
    max_bitrate=False,
    keep_format=True,
    fixed=("-slicecrc", "1", "-g:v", "1", "-slices", "16", "-coder", "1", "-context", "1"),
    interlaced=(),
    options={"slices": OptionRule("4|6|9|12|16|24|30"), "context": OptionRule(_FLAG),
             "coder": OptionRule(_FLAG)},
)  # fmt: skip

_J2K_FORMATS: Final = (
    "yuv422p10le", "yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le", "yuv422p12le",
    "yuv444p12le", "yuv422p16le", "yuv444p16le", "gray", "gray10le", "gray12le", "gray16le", "rgb24",
    "rgb48le", "gbrp10le", "gbrp12le", "gbrp16le",
)  # fmt: skip
_JPEG2000 = VideoEncoder(
    # ffmpeg's own encoder takes 10-bit 4:2:2 since version 7 only; OpenJPEG has for ten years.
    name="libopenjpeg",
    codec="jpeg2000",
    containers=("mxf", "mov", "mkv"),
    variants={
        "lossless": Variant(("-irreversible", "0"), _J2K_FORMATS),
        "lossy": Variant(("-irreversible", "1", "-compression_level", "10"), _J2K_FORMATS),
    },
    inter=False,
    max_bitrate=False,
    keep_format=True,
    square_in=("mxf",),
    fixed=("-format:v", "j2k"),
    options={
        "numresolution": OptionRule("[1-9]"),
        "prog_order": OptionRule("lrcp|rlcp|rpcl|pcrl|cprl"),
        "compression_level": OptionRule(r"\d{1,3}"),
    },
)

MEZZANINE: Final[tuple[VideoEncoder, ...]] = (
    _PRORES, _DNXHR, _XDCAM, _AVCINTRA, _FFV1, _JPEG2000,
)  # fmt: skip
