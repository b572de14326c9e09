"""Avid Log Exchange: descriptions as a bin that Media Composer and Resolve import.

A heading of global facts, a row of column names, a row a clip, all tab-separated (Avid Log Exchange
specification). One file has one frame rate: that of most clips; each clip's own stands in its FPS column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from rushes.errors import CallerError
from rushes.media.describing.report import frame_count
from rushes.media.describing.schema import MediaInfo
from rushes.media.describing.timecode import TimecodeLabel
from rushes.printing import printable

__all__ = ["COLUMNS", "as_ale"]

COLUMNS: Final = (
    "Name", "Tracks", "Start", "End", "Duration", "Tape", "Source File", "FPS", "Drop", "Image Size",
    "Video", "Audio SR", "Audio Bit Depth", "Camera", "Creation Date", "Comments",
)  # fmt: skip
_VIDEO_FORMATS: Final = {1080: "1080", 720: "720", 576: "PAL", 486: "NTSC", 480: "NTSC"}
_DEFAULT_RATE: Final = Fraction(24)


def as_ale(infos: Sequence[MediaInfo], *, header: bool = True) -> str:
    """The log of some clips; without the header, further rows of one that was begun before."""
    rows = ["\t".join(_row(info)) for info in infos]
    if not header:
        return "".join(f"{row}\n" for row in rows)
    heading = (
        ("FIELD_DELIM", "TABS"),
        ("VIDEO_FORMAT", _video_format(infos)),
        ("AUDIO_FORMAT", _audio_format(infos)),
        ("FPS", _rate_text(_common_rate(infos))),
    )
    lines = ["Heading", *("\t".join(pair) for pair in heading), "", "Column", "\t".join(COLUMNS), "", "Data"]
    return "".join(f"{line}\n" for line in [*lines, *rows])


def _row(info: MediaInfo) -> list[str]:
    picture = info.primary_video
    rate = (picture.fps if picture else None) or _DEFAULT_RATE
    frames = frame_count(info)
    if frames is None:
        frames = round((info.duration_s or 0) * rate)
    start = _start(info, rate)
    stem, _, _ = info.name.rpartition(".")
    sound = info.audio[0] if info.audio else None
    camera = info.camera
    values = (
        stem or info.name,
        _tracks(info),
        str(start),
        str(start + frames),
        str(TimecodeLabel(frames, start.rate, start.drop)),
        info.reel or stem or info.name,
        info.name,
        _rate_text(rate),
        "DF" if start.drop else "NDF",
        f"{picture.width}x{picture.height}" if picture else "",
        (picture.codec or "") if picture else "",
        str(sound.sample_rate or "") if sound else "",
        str(sound.bit_depth or "") if sound else "",
        " ".join(filter(None, (camera.make, camera.model))) if camera else "",
        info.container.created or "",
        "; ".join(info.warnings),
    )
    return [printable(value.replace("\t", " ").replace("\n", " ").replace("\r", " ")) for value in values]


def _start(info: MediaInfo, rate: Fraction) -> TimecodeLabel:
    """The clip's start; midnight where it has none, or one that does not exist at its rate."""
    known = info.timecode
    if known is not None:
        try:
            counted = Fraction(known.rate) if known.rate else rate
            return TimecodeLabel.parse(known.value, counted, drop=known.drop_frame)
        except CallerError:
            return TimecodeLabel(0, rate)
    return TimecodeLabel(0, rate)


def _tracks(info: MediaInfo) -> str:
    """``VA1A2``: one letter for the picture, a number for each channel of sound."""
    channels = sum(track.channels or 0 for track in info.audio)
    sound = "".join(f"A{n}" for n in range(1, min(channels, 24) + 1))
    return ("V" if info.primary_video else "") + sound


def _rate_text(rate: Fraction) -> str:
    return f"{float(rate):.3f}".rstrip("0").rstrip(".")


def _common_rate(infos: Sequence[MediaInfo]) -> Fraction:
    rates = Counter(v.fps for i in infos if (v := i.primary_video) is not None and v.fps)
    found = rates.most_common(1)
    return found[0][0] or _DEFAULT_RATE if found else _DEFAULT_RATE


def _video_format(infos: Sequence[MediaInfo]) -> str:
    heights = {v.height for i in infos if (v := i.primary_video) is not None}
    return _VIDEO_FORMATS.get(heights.pop(), "CUSTOM") if len(heights) == 1 else "CUSTOM"


def _audio_format(infos: Sequence[MediaInfo]) -> str:
    rates = Counter(i.audio[0].sample_rate for i in infos if i.audio and i.audio[0].sample_rate)
    found = rates.most_common(1)
    rate = found[0][0] if found else 48000
    return f"{(rate or 48000) // 1000}khz"
