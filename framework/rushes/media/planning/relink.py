"""Will an editing program take this file for that clip? Field by field, the way relinking compares them.

Resolve, Premiere and Avid match a proxy to its camera file by name, start timecode, rate, duration in
frames, audio channels and reel; a proxy that differs in one of them relinks wrongly or not at all, and
nobody notices before the conform. Pure; it must not know how the file was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rushes.errors import PlatformError
from rushes.media.describing.schema import MediaInfo, VideoStream
from rushes.media.planning.plan import PlannedOutput

__all__ = ["Check", "compare", "require"]

_ASPECT_TOLERANCE = Fraction(1, 50)
"""A small proxy rounds its width to an even number: 2 pixels of 240."""


@dataclass(frozen=True, slots=True)
class Check:
    """One field: what relinking wants, what the file says."""

    field: str
    wanted: str
    found: str
    ok: bool


def compare(
    source: MediaInfo, result: MediaInfo, expected: PlannedOutput, *, stem: str, name: str
) -> tuple[Check, ...]:
    """Every field that relinking looks at; a field that the clip does not have is left out.

    Args:
        source: the camera file.
        result: the finished proxy, described.
        expected: what the plan promised of it.
        stem: the clip's base name without extension.
        name: the proxy's base name without extension.
    """
    picture = result.primary_video
    found = [_equal("name", stem, name)]
    if expected.timecode is not None:
        label = result.timecode.value if result.timecode else None
        found.append(_equal("timecode", expected.timecode, label))
    if expected.rate is not None:
        found.append(_equal("rate", expected.rate, picture.fps if picture else None))
    declared = picture.frames_declared if picture else None
    if expected.frames is not None and declared is not None and not expected.slack:
        found.append(_equal("frames", expected.frames, declared))
    channels = [a.channels for a in result.audio]
    found.append(_equal("audio", _channels(expected.audio_channels), _channels(channels)))
    if expected.reel is not None:
        found.append(_equal("reel", expected.reel, result.reel))
    original = source.primary_video
    if original is not None and picture is not None:
        found.append(_aspect(original, picture))
    return tuple(found)


def require(checks: Sequence[Check]) -> None:
    """Pass if every field is as wanted.

    Raises:
        PlatformError: one is not; names each with both values.
    """
    wrong = [c for c in checks if not c.ok]
    if wrong:
        said = "; ".join(f"{c.field} is {c.found}, the clip has {c.wanted}" for c in wrong)
        raise PlatformError(
            f"the proxy would not relink: {said}.",
            code="would-not-relink",
            fix="Choose container mov, which carries every field, and report this clip if it does not.",
            details={"checks": [[c.field, c.wanted, c.found, c.ok] for c in checks]},
        )


def _equal(field: str, wanted: object, found: object) -> Check:
    return Check(field, str(wanted), "nothing" if found is None else str(found), wanted == found)


def _channels(tracks: Sequence[int | None]) -> str:
    return "+".join("?" if n is None else str(n) for n in tracks) or "none"


def _aspect(original: VideoStream, picture: VideoStream) -> Check:
    wanted, found = Fraction(*original.display_size), Fraction(*picture.display_size)
    return Check(
        "aspect",
        f"{float(wanted):.3f}",
        f"{float(found):.3f}",
        abs(wanted - found) <= wanted * _ASPECT_TOLERANCE and picture.rotation == 0,
    )
