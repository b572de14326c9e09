"""What is wanted of one output, as far as it decides which encoder makes it: size, samples, length, source.

Pure, and rough where roughness is enough: the length is for comparing devices, the plan counts for itself.
This module must not know devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from rushes.asset import FrameRange
from rushes.media.describing.schema import MediaInfo, VideoStream
from rushes.media.encoders import rows_of
from rushes.media.planning import colour, geometry, timing
from rushes.media.planning.variants import result_format
from rushes.media.profile import Profile

__all__ = ["Wanted", "wanted_of"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output.

    Args:
        pix_fmt: of the result, as a software encoder would make it.
        frames: about how many.
        keeps_fields: the result stays interlaced, where the encoder can.
        hdr: static HDR metadata is to be written.
        plain_source: progressive 4:2:0 video in a file, which a device's decoder may read.
    """

    codec: str
    container: str
    width: int
    height: int
    pix_fmt: str
    frames: int
    source_codec: str = ""
    source_depth: int = 8
    keeps_fields: bool = False
    hdr: bool = False
    plain_source: bool = False

    @property
    def depth(self) -> int:
        """Bits a sample of the result."""
        return colour.depth_of(self.pix_fmt)


def wanted_of(info: MediaInfo, profile: Profile, frames: FrameRange | None) -> Wanted | None:
    """What `profile` wants of the clip; None where no picture is encoded.

    Raises:
        CallerError: the wished size or pixel format cannot be had.
    """
    wish, stream = profile.video, info.primary_video
    if wish.codec in {"none", "copy"} or stream is None or not stream.width or not stream.height:
        return None
    pix_fmt = result_format(stream, profile)
    size = geometry.plan_geometry(stream, wish, even=colour.even_of(pix_fmt))
    interlaced = timing.is_interlaced(stream)
    software = rows_of(wish.codec, "software")
    return Wanted(
        codec=wish.codec,
        container=profile.container,
        width=size.width,
        height=size.height,
        pix_fmt=pix_fmt,
        frames=_frames(stream, profile, frames, info.duration_s),
        source_codec=stream.codec or "",
        source_depth=stream.bit_depth or 8,
        keeps_fields=interlaced
        and wish.deinterlace != "on"
        and any(row.interlaced is not None for row in software),
        hdr=_has_static_hdr(stream, profile) and any(row.hdr is not None for row in software),
        plain_source=not interlaced and not info.is_sequence and "420" in (stream.pix_fmt or ""),
    )


def _frames(
    stream: VideoStream, profile: Profile, frames: FrameRange | None, duration_s: float | None
) -> int:
    wished = profile.video.frame_rate
    if frames is not None:
        count = float(frames.stop - frames.start)
    else:
        rate = Fraction(stream.frame_rate) if stream.frame_rate else Fraction(25)
        count = stream.frames_declared or float(rate) * (stream.duration_s or duration_s or 1.0)
    if wished is not None and stream.frame_rate:
        count *= float(Fraction(wished) / Fraction(stream.frame_rate))
    return max(1, round(count))


def _has_static_hdr(stream: VideoStream, profile: Profile) -> bool:
    hdr = stream.hdr
    if hdr is None or profile.video.tone_map != "off":
        return False
    return hdr.mastering is not None or hdr.content_light is not None
