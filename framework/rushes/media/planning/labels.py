"""What a file says of itself: tags, chapters, reel, start timecode, and the muxer's own words.

Text out of a file is untrusted: it becomes one line of bounded length, and only ever an argument of its own.
Pure; it must not know pictures or sound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rushes.media.describing.schema import MediaInfo
from rushes.media.describing.timecode import TimecodeLabel
from rushes.media.profile import Profile

__all__ = ["UNTIMED", "Reel", "container_args", "metadata", "one_line", "reel", "timecode_args"]

UNTIMED: Final = frozenset({"webm", "ts"})
"""Containers without a place for a start timecode."""
_MUXERS: Final = {"mov": "mov", "mp4": "mp4", "mkv": "matroska", "webm": "webm", "mxf": "mxf", "ts": "mpegts"}
_REPEATABLE: Final = frozenset({"mkv", "webm", "mxf"})
"""Muxers that draw random identifiers unless told to be exact (MXF gets its own afterwards)."""
_TAG_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,79}")
_NOT_OURS: Final = frozenset(
    [
        "encoder",
        "major_brand",
        "minor_version",
        "compatible_brands",
        "timecode",
        "duration",
        "handler_name",
        "vendor_id",
        "company_name",
        "product_name",
        "product_version",
        "product_version_num",
        "product_uid",
        "uid",
        "generation_uid",
        "toolkit_version_num",
        "application_platform",
        "operational_pattern_ul",
        "material_package_umid",
        "file_package_umid",
        "modification_date",
        "reel_name",
        "creation_time",
    ]
)
"""Tags that describe the source's own file or muxer, or that are written from better knowledge."""
_MOST_TAG_BYTES: Final = 4096
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")


def metadata(info: MediaInfo, profile: Profile, *, partial: bool) -> list[str]:
    """Tags are written one by one: copying them all would say that another program made this file."""
    args = ["-map_metadata", "-1"]
    if profile.metadata == "drop":
        return [*args, "-map_chapters", "-1"]
    args += ["-map_chapters", "-1" if partial or not info.chapters else "0"]
    if info.container.created:
        args += ["-metadata", f"creation_time={one_line(info.container.created)}"]
    for name, value in sorted(info.tags.items()):
        if name.lower() not in _NOT_OURS and _TAG_NAME.fullmatch(name):
            args += ["-metadata", f"{name}={one_line(value)}"]
    return args


@dataclass(frozen=True, slots=True)
class Reel:
    """The reel name of the result, and the arguments that write it."""

    name: str | None = None
    args: tuple[str, ...] = ()
    listed: bool = False
    """It goes into the mdta list, which the container has to be told to write."""
    warnings: tuple[str, ...] = ()


def reel(info: MediaInfo, profile: Profile, timecode: TimecodeLabel | None) -> Reel:
    """Where the reel name goes: the timecode track, where editing programs look, else the file's tags."""
    named = {"keep": info.reel, "drop": None}.get(profile.reel, profile.reel)
    if named is None:
        return Reel()
    text = one_line(named)
    if profile.container == "mov" and timecode is not None:
        return Reel(text, ("-metadata:s:v:0", f"reel_name={text}"))
    if profile.container in {"mov", "mp4"}:
        return Reel(text, ("-metadata", f"com.apple.proapps.reel={text}"), listed=True)
    if profile.container == "mkv":
        return Reel(text, ("-metadata", f"reel_name={text}"))
    return Reel(warnings=(f"{profile.container} cannot hold the reel name {text!r}; mov can",))


def timecode_args(timecode: TimecodeLabel | None, profile: Profile) -> list[str]:
    """The start timecode: a track of its own in mov, mp4 and mxf, a tag in Matroska."""
    if timecode is None or profile.container in UNTIMED:
        return []
    if profile.container == "mkv":
        return ["-metadata", f"timecode={timecode}"]
    return ["-timecode", str(timecode)]


def container_args(profile: Profile, info: MediaInfo, tape: Reel) -> list[str]:
    """The muxer and what makes its file repeatable and quick to open."""
    args = ["-fflags", "+bitexact"] if profile.container in _REPEATABLE else []
    if profile.container in {"mov", "mp4"}:
        flags = "+faststart" if profile.faststart else ""
        if tape.listed or (profile.metadata == "keep" and any("." in name for name in info.tags)):
            # QuickTime's reverse-domain keys (camera, lens, place) have a place only in the mdta list.
            flags += "+use_metadata_tags"
        args += ["-movflags", flags] if flags else []
    return [*args, "-f", _MUXERS[profile.container]]


def one_line(text: str) -> str:
    """One line of bounded length: what a player shows, a terminal prints and a muxer stores."""
    flat = _CONTROL.sub(" ", text).strip()
    return flat.encode("utf-8", "replace")[:_MOST_TAG_BYTES].decode("utf-8", "ignore")
