"""The software encoders, as rows: how each spells a wish, and what it can take.

A row is data. Another encoder family (a GPU's, a VPU's) is another set of rows with the same fields, so
nothing here or in the plan asks "is this x264?". What is only in a row: names of ffmpeg's options and
values, measured ranges, allow-lists. This module must not know sources, files or processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from rushes.media.profile import Container, VideoCodec

__all__ = ["VIDEO_ENCODERS", "OptionRule", "Quality", "Raster", "Variant", "VideoEncoder"]


@dataclass(frozen=True, slots=True)
class Quality:
    """A constant-quality scale: its option, its bounds, and what is used when nothing is asked."""

    option: str
    low: float
    high: float
    default: float
    also: tuple[str, ...] = ()
    """Arguments without which the option has no effect."""


@dataclass(frozen=True, slots=True)
class OptionRule:
    """One allow-listed option of an encoder: the values it may have, and where it goes.

    `pattern` is matched against the whole value. `param` puts it into the encoder's own parameter string
    (``-x265-params``) instead of the command line.
    """

    pattern: str
    param: bool = False


@dataclass(frozen=True, slots=True)
class Raster:
    """One picture that a broadcast codec exists for."""

    width: int
    height: int
    rates: tuple[Fraction, ...]
    sar: str = "1:1"


@dataclass(frozen=True, slots=True)
class Variant:
    """A profile of a codec: the arguments that select it, and the pixel formats that it takes."""

    args: tuple[str, ...]
    pix_fmts: tuple[str, ...]
    alpha: bool = False
    rasters: tuple[Raster, ...] = ()


@dataclass(frozen=True, slots=True)
class VideoEncoder:
    """A row of the encoder catalogue.

    Args:
        name: what ffmpeg calls it.
        codec: the wish that it fulfils.
        containers: where its result may go, the usual one first.
        variants: by name; the first is the default for 8 bits, `deep` names the one for more.
        quality, bitrate, max_bitrate: the rate controls that it has.
        passes: how it takes two: ``ffmpeg`` (-pass), ``params`` (inside its parameter string), or None.
        keep_format: keep the source's pixel format where a variant takes it (mezzanine codecs), instead of
            the usual delivery format.
        interlaced: arguments for an interlaced encode; None where the codec has none.
        threads: arguments with ``{n}``.
        params_option: option that carries its own parameter string, and the separator ``:``.
        tags: sample entry by container.
        captions: option that keeps (1) or drops (0) A53 captions, since ffmpeg `captions_since`.
        square_in: containers that lose the pixel's shape with this codec.
        min_width, min_height: the smallest picture that it takes.
        hdr: how static HDR metadata is written: ``x265``, ``svt``, or None.
    """

    name: str
    codec: VideoCodec
    containers: tuple[Container, ...]
    variants: Mapping[str, Variant]
    deep: str | None = None
    family: str = "software"
    quality: Quality | None = None
    bitrate: bool = False
    max_bitrate: bool = True
    passes: str | None = None
    speed_option: str = "-preset"
    speeds: tuple[str, ...] = ()
    speed: str | None = None
    inter: bool = True
    keep_format: bool = False
    interlaced: tuple[str, ...] | None = None
    threads: tuple[str, ...] = ("-threads:v", "{n}")
    params_option: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, OptionRule] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    captions: str | None = None
    captions_since: int = 0
    hdr: str | None = None
    square_in: tuple[str, ...] = ()
    min_width: int = 16
    min_height: int = 16


_INT: Final = r"\d{1,4}"
_FLAG: Final = "[01]"
_NUMBER: Final = r"-?\d{1,4}(\.\d{1,3})?"
_X26X_SPEEDS: Final = (
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
    speeds=_X26X_SPEEDS,
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

VIDEO_ENCODERS: Final[tuple[VideoEncoder, ...]] = (
    _H264, _HEVC, _AV1, _VP9, _PRORES, _DNXHR, _XDCAM, _AVCINTRA, _FFV1, _JPEG2000,
)  # fmt: skip
"""In order of preference within a codec."""
