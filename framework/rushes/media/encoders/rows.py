"""What a row of the encoder catalogue holds: how an encoder spells each wish, and what it can take.

A row is data, so nothing in the plan asks "is this x264?" or "is this a GPU?". What is only in a row: names
of ffmpeg's options and values, ranges, allow-lists. This module must not know sources, files or processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from rushes.media.profile import Container, VideoCodec

__all__ = ["EncoderFamily", "OptionRule", "Quality", "Raster", "Spelling", "Variant", "VideoEncoder"]

EncoderFamily = Literal["software", "nvenc", "netint", "ama", "qsv", "vaapi"]


@dataclass(frozen=True, slots=True)
class Spelling:
    """How one wish is written: words of the command line, and entries of the encoder's own parameter string.

    ``{v}`` stands for the wished value; a cap also fills in ``{buffer}``, its bits of two seconds.
    """

    args: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)

    def written(self, **values: str | float) -> tuple[list[str], dict[str, str]]:
        """The words and the parameters, filled in."""
        return (
            [word.format(**values) for word in self.args],
            {key: value.format(**values) for key, value in self.params.items()},
        )


@dataclass(frozen=True, slots=True)
class Quality:
    """A constant-quality scale: its option, its bounds, and what is used when nothing is asked."""

    option: str
    low: float
    high: float
    default: float
    also: tuple[str, ...] = ()
    """Arguments without which the option has no effect."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Entries of the encoder's own parameter string, where the scale is one of them; `option` is then ""."""


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
        variants: by name; the first is the default for 8 bits, `deep` names the one for more. Their pixel
            formats are those of the frames that the encoder is given.
        family: what it runs on; `families` says how a device of that family is named to ffmpeg.
        quality, bitrate, max_bitrate: the rate controls that it has.
        capped_quality: a cap may stand beside a quality.
        bitrate_as, cap_as, gop_as: how they are written.
        gop_most: most frames between two key frames; None without a limit.
        passes: how it takes two: ``ffmpeg`` (-pass), ``params`` (inside its parameter string), or None.
        speeds: the presets that it takes; `speed` the usual one, or None to say nothing.
        speed_as: how a preset is written, where it is not `speed_option` and its own name.
        keep_format: keep the source's pixel format where a variant takes it (mezzanine codecs), instead of
            the usual delivery format.
        interlaced: arguments for an interlaced encode; None where the codec has none.
        threads: arguments with ``{n}``.
        params_option: option that carries its own parameter string, and the separator ``:``.
        tags: sample entry by container.
        decodes_easily: arguments for a stream that is little work to decode; () where it has none.
        captions: option that keeps (1) or drops (0) A53 captions, since ffmpeg `captions_since`.
        square_in: containers that lose the pixel's shape with this codec.
        min_width, min_height, max_width, max_height: the smallest and the largest picture that it takes.
        hdr: how static HDR metadata is written: ``x265``, ``svt``, or None.
    """

    name: str
    codec: VideoCodec
    containers: tuple[Container, ...]
    variants: Mapping[str, Variant]
    deep: str | None = None
    family: EncoderFamily = "software"
    quality: Quality | None = None
    bitrate: bool = False
    max_bitrate: bool = True
    capped_quality: bool = True
    bitrate_as: Spelling = Spelling(("-b:v", "{v}"))
    cap_as: Spelling = Spelling(("-maxrate", "{v}", "-bufsize", "{buffer}"))
    gop_as: Spelling = Spelling(("-g", "{v}"))
    gop_most: int | None = None
    passes: str | None = None
    speed_option: str = "-preset"
    speeds: tuple[str, ...] = ()
    speed: str | None = None
    speed_as: Mapping[str, Spelling] = field(default_factory=dict)
    inter: bool = True
    keep_format: bool = False
    interlaced: tuple[str, ...] | None = None
    threads: tuple[str, ...] = ("-threads:v", "{n}")
    params_option: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, OptionRule] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    decodes_easily: tuple[str, ...] = ()
    captions: str | None = None
    captions_since: int = 0
    hdr: str | None = None
    square_in: tuple[str, ...] = ()
    min_width: int = 16
    min_height: int = 16
    max_width: int = 65535
    max_height: int = 65535
