"""When each frame of the result is shown: which frames, at what rate, under which timecode.

Frames are never made up or lost unnoticed. A variable rate passes through; a constant one is written with
its exact rational; only a wished conversion repeats or drops frames, and never without bound. Pure; it must
not know codecs or files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from rushes.asset import FrameRange
from rushes.errors import CallerError, MediaError
from rushes.media.describing.schema import MediaInfo, VideoStream
from rushes.media.describing.timecode import TimecodeLabel, drops_frames, nominal_rate
from rushes.media.planning.filters import Step, step
from rushes.media.profile import Profile

__all__ = ["Timing", "is_interlaced", "plan_timing", "shows_top_first", "start_timecode"]

_STANDARD_RATES: Final = tuple(
    Fraction(n, d)
    for n, d in (
        (24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48000, 1001), (48, 1), (50, 1),
        (60000, 1001), (60, 1), (100, 1), (120000, 1001), (120, 1),
    )
)  # fmt: skip
_CFR_CONTAINERS: Final = frozenset({"mxf"})
"""MXF counts edit units: it has no place for a frame's own time."""
_SEEKABLE: Final = frozenset({"mov", "mp4", "matroska", "webm"})
"""Indexed so well that a seek lands on the frame that was meant (MPEG-TS was measured not to be)."""
_SEEK_FROM_S: Final = 5.0
"""Below this, decoding from the start is as quick as a seek, and cannot be wrong."""
_MOST_REPEATS: Final = 10
"""A conversion that shows the average frame more often than this has met a gap in the timestamps."""
_WHOLE_FRAME: Final = 0.75
"""Millisecond ticks and a last frame without a duration move an end by less than this many frames."""
_GAPS: Final = "the timestamps have gaps: every frame keeps its own time (cfr=true fills them)"


@dataclass(frozen=True, slots=True)
class Timing:
    """The time line of the result.

    Args:
        rate: constant frames per second, or None for a variable rate.
        frames: how many frames the result has, as far as that is known beforehand.
        slack: by how many it may differ: 0, except after a rate conversion.
        seek: arguments before ``-i``.
        select: steps that pick the wished frames; `sound`, the same for audio.
        convert: steps that make the rate constant.
        args: output arguments.
        timecode: label of the first frame.
    """

    rate: Fraction | None
    frames: int | None
    slack: int
    duration_s: float | None
    seek: tuple[str, ...] = ()
    select: tuple[Step, ...] = ()
    sound: tuple[Step, ...] = ()
    convert: tuple[Step, ...] = ()
    args: tuple[str, ...] = ()
    timecode: TimecodeLabel | None = None
    source_rate: Fraction | None = None
    warnings: tuple[str, ...] = field(default=())


def is_interlaced(stream: VideoStream) -> bool:
    """Whether the source says that it has two fields a frame."""
    return stream.field_order in {"tt", "bb", "tb", "bt"}


def shows_top_first(stream: VideoStream) -> bool:
    """Whether the top field of an interlaced picture is the earlier one.

    The second letter is not asked: ffmpeg, and ProRes files from editing programs, write ``tb`` for
    interleaved fields of which the top one comes first.
    """
    return stream.field_order.startswith("t")


def plan_timing(
    info: MediaInfo,
    stream: VideoStream,
    profile: Profile,
    *,
    frames: FrameRange | None,
    present: int | None,
    present_s: float | None = None,
    build_major: int,
) -> Timing:
    """The time line that `profile` asks of `stream`.

    Args:
        info: the source.
        stream: its picture.
        profile: the wish.
        build_major: of ffmpeg, for how it spells the source's ticks.
        frames: the wished frames of the source; None for all.
        present: frames that the source really holds, counted by packets; None when unknown.
        present_s: how long they last by their own times.

    Raises:
        CallerError: the range leaves the clip, or the container cannot hold the rate.
        MediaError: the timestamps jump so far that a constant rate would be mostly repeats.
    """
    source_rate = stream.fps
    count = present if present is not None else stream.frames_declared
    gaps = _has_gaps(stream, present, present_s)
    varies = stream.rate_mode == "vfr" or gaps
    rate = _output_rate(stream, profile, varies=varies)
    select, sound, seek = _selection(info, stream, frames, count)
    duration = _duration(info, stream, frames, source_rate)
    kept = count if frames is None else len(frames)
    if profile.video.codec == "copy":
        return Timing(
            source_rate, kept, 0, duration,
            timecode=start_timecode(info, stream, profile, frames, source_rate), source_rate=source_rate,
        )  # fmt: skip
    converts = rate is not None and (rate != source_rate or varies)
    regular = rate is not None and not converts and not _is_exact(stream)
    convert: tuple[Step, ...] = ()
    args = ["-fps_mode:v", "passthrough"]
    slack = 0
    if rate is not None and (converts or regular):
        convert = (step("fps", fps=str(rate), round="near"),)
        if converts:
            kept, slack = _converted(stream, rate, duration, kept)
        if kept is not None:
            # The bound on what a jump of the clock can make; verification tells when it was reached.
            args += ["-frames:v", str(math.ceil(kept * 1.02) + 2)]
    elif rate is None:
        # The source's own ticks: a variable rate survives to the microsecond. 5.1 spells it -1.
        args += ["-enc_time_base:v", "demux" if build_major >= 7 else "-1"]
    return Timing(
        rate=rate,
        frames=kept,
        slack=slack,
        duration_s=duration,
        seek=seek,
        select=select,
        sound=sound,
        convert=convert,
        args=tuple(args),
        timecode=start_timecode(info, stream, profile, frames, rate or source_rate),
        source_rate=source_rate,
        warnings=(_GAPS,) if gaps and rate is None else (),
    )


def start_timecode(
    info: MediaInfo,
    stream: VideoStream,
    profile: Profile,
    frames: FrameRange | None,
    rate: Fraction | None,
) -> TimecodeLabel | None:
    """The label of the result's first frame: the source's, moved by the range and kept over a rate change.

    Raises:
        CallerError: the profile's own timecode does not exist at the result's rate.
    """
    if profile.timecode == "drop" or rate is None:
        return None
    first = frames.start if frames is not None else 0
    if profile.timecode != "keep":
        return TimecodeLabel.parse(profile.timecode, rate)
    if info.timecode is None:
        return None
    source_rate = stream.fps or rate
    counted_at = Fraction(info.timecode.rate) if info.timecode.rate else source_rate
    try:
        label = TimecodeLabel.parse(info.timecode.value, counted_at, drop=info.timecode.drop_frame)
        at_source = _at_rate(label, source_rate) + first
        return _at_rate(at_source, rate)
    except CallerError:
        # A label that does not exist at its own rate is the file's mistake; `inspect` warns of it.
        return None


def _at_rate(label: TimecodeLabel, rate: Fraction) -> TimecodeLabel:
    """The same hours, minutes and seconds at another rate; the frame is the one shown at that moment."""
    if label.rate == rate:
        return label
    text = str(label)
    separator = max(text.rfind(":"), text.rfind(";"))
    frame = int(text[separator + 1 :]) * nominal_rate(rate) // nominal_rate(label.rate)
    drop = label.drop and drops_frames(rate)
    if drop and frame < nominal_rate(rate) // 15 and text[:separator].endswith(":00"):
        # That label may be one of those left out; the first that exists is the same moment.
        minutes = int(text[3:5])
        frame = frame if minutes % 10 == 0 else nominal_rate(rate) // 15
    return TimecodeLabel.parse(f"{text[:separator]}:{frame:02d}", rate, drop=drop)


def _has_gaps(stream: VideoStream, present: int | None, present_s: float | None) -> bool:
    """Whether a header's constant rate is contradicted by the packets: Matroska and AVI state an average."""
    if stream.rate_mode == "vfr" or stream.fps is None or present is None or present_s is None:
        return False
    return not _is_exact(stream) and abs(present_s * stream.fps - present) > _WHOLE_FRAME


def _output_rate(stream: VideoStream, profile: Profile, *, varies: bool) -> Fraction | None:
    wish = profile.video
    if wish.frame_rate is not None:
        return Fraction(wish.frame_rate)
    if varies:
        if wish.cfr:
            return _nearest_standard(stream)
        if profile.container in _CFR_CONTAINERS:
            raise CallerError(
                f"{profile.container} holds a constant frame rate only, and the source's varies.",
                code="bad-option",
                fix="Set cfr=true or frame_rate, or choose mov or mkv.",
            )
        return None
    return stream.fps


def _nearest_standard(stream: VideoStream) -> Fraction:
    """The rate that a variable clip was meant to have: its ticks', or the usual one nearest its average."""
    if stream.nominal_rate and Fraction(stream.nominal_rate) in _STANDARD_RATES:
        return Fraction(stream.nominal_rate)
    text = stream.average_rate or stream.frame_rate
    if not text:
        raise CallerError(
            "the source does not state a frame rate.", code="bad-option", fix="Set frame_rate, e.g. 25."
        )
    average = Fraction(text)
    nearest = min(_STANDARD_RATES, key=lambda rate: abs(rate - average))
    return nearest if abs(nearest - average) <= average / 20 else average.limit_denominator(1001)


def _is_exact(stream: VideoStream) -> bool:
    """Whether the container's ticks say the rate exactly; Matroska's milliseconds do not."""
    return stream.rate_decided_by in {"sample-table", "edit-rate", "sequence"}


def _duration(
    info: MediaInfo, stream: VideoStream, frames: FrameRange | None, rate: Fraction | None
) -> float | None:
    if frames is not None and rate:
        return float(len(frames) / rate)
    return stream.duration_s or info.duration_s


def _converted(
    stream: VideoStream, rate: Fraction, duration: float | None, kept: int | None
) -> tuple[int | None, int]:
    if duration is None:
        raise CallerError(
            "the source does not state its duration, so a constant rate cannot be bounded.",
            code="bad-option",
            fix="Leave cfr and frame_rate out, or rewrap the source first.",
        )
    made = round(duration * rate)
    if kept is not None and made > kept * _MOST_REPEATS * max(1.0, float(rate / (stream.fps or rate))) + 250:
        raise MediaError(
            f"the timestamps jump: {kept} frames are spread over {duration:.0f} s.",
            code="timestamps",
            fix="Transcode without cfr and frame_rate, which keeps every frame's own time.",
        )
    # The container's duration ends with its longest track, and rounding may fall either way.
    return made, max(2, math.ceil(made * 0.01))


def _selection(
    info: MediaInfo, stream: VideoStream, frames: FrameRange | None, count: int | None
) -> tuple[tuple[Step, ...], tuple[Step, ...], tuple[str, ...]]:
    if frames is None:
        return (), (), ()
    if count is not None and frames.stop > count:
        raise CallerError(
            f"frames {frames.start}-{frames.stop} leave the clip, which has {count}.",
            code="bad-range",
            fix=f"STOP may be {count} at most; ranges are half-open.",
        )
    rate = stream.fps
    if rate is None or stream.rate_mode == "vfr":
        # Without a constant rate only counting finds a frame; sound has no such count to follow.
        if info.audio:
            raise CallerError(
                "a frame range of a variable-rate clip has no exact place in its sound.",
                code="bad-range",
                fix="Use a range without audio (audio=none), or make the clip constant first (cfr=true).",
            )
        return _picked(frames.start, frames.stop), (), ()
    offset = Fraction(str(stream.start_s or 0)) - Fraction(str(info.container.start_s or 0))
    lead = max(Fraction(0), offset)
    seek_s = (frames.start - Fraction(1, 2)) / rate
    if _is_exact(stream) and info.container.format in _SEEKABLE and seek_s > _SEEK_FROM_S:
        # Half a frame early: rounding in the demuxer can then not lose the first frame.
        half = Fraction(1, 2) / rate
        seek = ("-ss", f"{float(seek_s + lead):.6f}")
        sound = _heard(half, half + Fraction(len(frames)) / rate)
        return _picked(0, len(frames)), sound, seek
    begin = lead + frames.start / rate
    return _picked(frames.start, frames.stop), _heard(begin, begin + Fraction(len(frames)) / rate), ()


def _picked(start: int, stop: int) -> tuple[Step, ...]:
    return (step("trim", start_frame=start, end_frame=stop), step("setpts", "PTS-STARTPTS"))


def _heard(start: Fraction, stop: Fraction) -> tuple[Step, ...]:
    return (
        step("atrim", start=f"{float(start):.6f}", end=f"{float(stop):.6f}"),
        step("asetpts", "PTS-STARTPTS"),
    )
