"""Whether headers and one packet tell all of a file, so that nothing more of it has to be read or decoded.

libavformat reads on, and decodes, until it has seen what a header might have left open: how far pictures are
reordered, the profile of a sound. Where the header says it, that takes time for nothing: ten times that of
everything else for a long-GOP clip. Files of the ISO family only: the others state less. This module must not
open anything.
"""

from __future__ import annotations

from typing import Any, Final

from rushes.media.describing.parameter_sets import reorder_is_stated
from rushes.media.describing.structure import Structure

__all__ = ["aac_profile", "may_tell_all", "tells_all"]

# What their own headers describe whole.
_PLAIN_PICTURES: Final = frozenset(("prores", "dnxhd", "hevc", "libdav1d", "cfhd", "mjpeg", "png"))
# Object types of ISO 14496-3. Below this rate a plain one may hide a second, finer layer (SBR) inside.
_AAC_LC: Final = 2
_HIDES_NOTHING_HZ: Final = 24_000
_AAC_CONFIG_BYTES: Final = 2


def may_tell_all(structure: Structure) -> bool:
    """Whether it is worth asking for a brief look: an index that is whole, and states its times."""
    return structure.family == "iso" and structure.has_index and not structure.fragmented


def tells_all(structure: Structure, streams: Any) -> bool:
    """Whether streams that were looked at briefly have everything that a longer look would find."""
    in_order = not any(track.reordered for track in structure.tracks)
    return all(_told(stream, in_order=in_order) for stream in streams)


def aac_profile(extradata: bytes | None) -> str | None:
    """The profile that an AudioSpecificConfig names, where it cannot be another: ``LC``."""
    if not extradata or len(extradata) < _AAC_CONFIG_BYTES or extradata[0] >> 3 != _AAC_LC:
        return None
    return "LC"


def _told(stream: Any, *, in_order: bool) -> bool:
    context = stream.codec_context
    if stream.start_time and context is not None:
        return False  # an index can be wrong about a late start: the packets tell
    if stream.type == "video":
        return context is not None and _picture_told(context, in_order=in_order)
    if stream.type == "audio":
        return context is not None and _sound_told(context)
    return True


def _picture_told(context: Any, *, in_order: bool) -> bool:
    if context.pix_fmt is None or not context.width:
        return False
    if context.name == "h264":
        return in_order or reorder_is_stated(context.extradata or b"")
    return context.name in _PLAIN_PICTURES


def _sound_told(context: Any) -> bool:
    if context.name.startswith("pcm_"):
        return True
    return (
        context.name == "aac"
        and context.sample_rate > _HIDES_NOTHING_HZ
        and context.layout.nb_channels > 0
        and aac_profile(context.extradata) is not None
    )
