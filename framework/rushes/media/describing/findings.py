"""What looks wrong with a clip that can be opened all the same: one `code: sentence` each.

Pure: a description and what was seen while it was made, in; warnings, out. The codes are listed in the
reference of `inspect`, and stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rushes.media.describing.scan import Counted
from rushes.media.describing.schema import MediaInfo, VideoStream
from rushes.media.describing.structure import Structure

__all__ = ["Facts", "findings"]

# Picture and sound of a whole clip end within a frame or an audio packet of each other; encoder delay and
# reordering add a few more. Below half a second nobody notices, above it something was lost.
_LENGTH_TOLERANCE_S = 0.5
_LENGTH_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen beside the description."""

    structure: Structure
    cut: str | None = None
    """How the file shows that its end is missing, as the rest of a sentence."""
    counted: Mapping[int, Counted] | None = None
    bad_timecode: str | None = None


def findings(info: MediaInfo, facts: Facts) -> list[str]:
    """The warnings of one clip, gravest first."""
    found: list[str] = []
    structure = facts.structure
    if facts.cut:
        found.append(f"truncated: the file {facts.cut}")
    if structure.live:
        found.append("incomplete-recording: the file was never closed: still being recorded, or cut off")
    if not structure.has_index and structure.family == "matroska":
        found.append("missing-index: the file has no index (cues): seeking will be slow")
    if info.encryption is not None:
        found.append(f"encrypted: the samples are encrypted ({', '.join(info.encryption.schemes) or 'DRM'})")
    found += [
        f"unknown-codec: no decoder here knows stream {d.index} ({d.codec_tag or d.handler})"
        for d in info.data
        if d.handler in {"video", "audio"}
    ]
    if facts.bad_timecode is not None:
        found.append(f"bad-timecode: {facts.bad_timecode!r} is no timecode")
    for track in info.video:
        if not track.attached_picture:
            found += _picture(track)
    found += _lengths(info)
    if facts.counted:
        found += _counts(info, facts.counted)
    return found


def _picture(track: VideoStream) -> Iterator[str]:
    halved = track.chroma_subsampling in {"4:2:0", "4:2:2", "4:1:1"}
    if halved and (track.width % 2 or (track.height % 2 and track.chroma_subsampling == "4:2:0")):
        yield (
            f"odd-dimensions: {track.width}×{track.height} in {track.chroma_subsampling}: "
            "most encoders need even sizes"
        )
    if not track.width or not track.height:
        yield f"no-dimensions: stream {track.index} does not state its size"


def _lengths(info: MediaInfo) -> Iterator[str]:
    picture = info.primary_video if info.audio and info.video else None
    if picture is None or not picture.duration_s:
        return
    for sound in info.audio:
        if not sound.duration_s:
            continue
        apart = sound.duration_s - picture.duration_s
        if abs(apart) > max(_LENGTH_TOLERANCE_S, _LENGTH_TOLERANCE * picture.duration_s):
            yield (
                f"length-mismatch: audio stream {sound.index} is {abs(apart):.2f} s "
                f"{'longer' if apart > 0 else 'shorter'} than the picture ({picture.duration_s:.2f} s)"
            )


def _counts(info: MediaInfo, counted: Mapping[int, Counted]) -> Iterator[str]:
    for track in info.video:
        if track.attached_picture or track.index not in counted:
            continue
        seen = counted[track.index].packets
        # AVI counts empty chunks, which show the frame before again.
        slack = 2 if info.container.format == "avi" else 0
        if track.frames_declared is not None and abs(seen - track.frames_declared) > slack:
            yield (
                f"frame-count-mismatch: stream {track.index} declares {track.frames_declared} frames "
                f"and holds {seen}"
            )
    for index, track_count in counted.items():
        if track_count.jumps:
            first = track_count.jumps[0]
            more = f", and {len(track_count.jumps) - 1} more" if len(track_count.jumps) > 1 else ""
            yield (
                f"timestamp-jump: timestamps of stream {index} jump by {first.by_s:+.2f} s "
                f"at {first.at_s:.2f} s{more}"
            )
        if track_count.corrupt:
            yield f"corrupt-packets: {track_count.corrupt} packets of stream {index} are marked as damaged"
