"""The first packets of a picture, where headers leave a question open: a dozen at most, one megabyte.

Matroska states a rate whether or not its writer kept to it; many HDR streams carry their mastering data in
the first frame only. Nothing is decoded.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from rushes.media.describing.hdr_messages import StaticHdr, hdr_of_frame
from rushes.media.describing.pacing import is_constant
from rushes.media.describing.schema import VideoStream
from rushes.media.readers.dialect import ratio

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["after_first_packets", "leaves_questions"]

# Half a second of film: a telephone's rate wavers within that, and most of it was read to open the file.
_MAX_PACKETS: Final = 12
_MAX_BYTES: Final = 1 << 20
# Fewer timestamps than this, rounded to milliseconds, say nothing of a pace; above, they are right to 5 %.
_ENOUGH: Final = 5
_OTHER_PACE: Final = 0.05
_WITH_MESSAGES: Final = frozenset(("h264", "hevc"))


def leaves_questions(track: VideoStream, family: str) -> bool:
    """True if the first packets can tell what the headers of `track` did not."""
    if track.attached_picture or track.encrypted:
        return False
    return _asks_hdr(track) or (family in {"matroska", "iso"} and _asks_rate(track))


def _asks_hdr(track: VideoStream) -> bool:
    return track.hdr is not None and track.hdr.format == "pq" and track.codec in _WITH_MESSAGES


def _asks_rate(track: VideoStream) -> bool:
    return track.rate_decided_by in {"average-equals-nominal", "undecided"}


def after_first_packets(container: InputContainer, track: VideoStream) -> VideoStream:
    """The description, with what the first packets of the track tell."""
    stream = container.streams[track.index]
    wants_rate = _asks_rate(track)
    update: dict[str, Any] = {}
    stamps: list[int] = []
    shown_until = None
    size = 0
    for count, packet in enumerate(container.demux(stream)):
        if not packet.size:
            break
        if count == 0 and _asks_hdr(track):
            extradata = stream.codec_context.extradata or b""
            update |= _with_messages(track, hdr_of_frame(track.codec or "", bytes(packet), extradata))
        if not wants_rate:
            break
        if packet.pts is not None:
            stamps.append(packet.pts)
        shown_until = packet.dts
        size += packet.size
        if count >= _MAX_PACKETS or size > _MAX_BYTES:
            break
    # Frames come in decoding order: what is shown after the last one decoded may still have gaps.
    if shown_until is not None and _varies(
        sorted(t for t in stamps if t <= shown_until), ratio(stream.time_base), track.nominal_rate
    ):
        update |= {"rate_mode": "vfr", "rate_decided_by": "first-packets"}
    return track.model_copy(update=update) if update else track


def _varies(stamps: list[int], base: Fraction | None, nominal: str | None) -> bool:
    """True if the first frames do not keep one pace, or keep another one than the headers state."""
    if not is_constant(stamps):
        return True
    if base is None or nominal is None or len(stamps) < _ENOUGH:
        return False
    pace = (stamps[-1] - stamps[0]) * base / (len(stamps) - 1) * Fraction(nominal)
    return abs(pace - 1) > _OTHER_PACE


def _with_messages(track: VideoStream, found: StaticHdr) -> dict[str, Any]:
    hdr = track.hdr
    if hdr is None or not (found.mastering or found.light or found.hdr10_plus):
        return {}
    update = {
        "format": "hdr10+" if found.hdr10_plus else "hdr10",
        "mastering": found.mastering,
        "content_light": found.light,
        "dynamic_metadata": found.hdr10_plus,
    }
    return {"hdr": hdr.model_copy(update=update)}
