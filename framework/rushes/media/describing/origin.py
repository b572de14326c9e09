"""Where a clip comes from: timecode, reel and camera, out of the tags that containers and vendors use.

Pure functions of tags. A tag is a stranger's text: it is matched, bounded, and never trusted to be valid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from rushes.media.describing.schema import Camera, Timecode

__all__ = ["bounded", "find_camera", "find_reel", "find_timecode"]

_TIMECODE: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)([:;.])(\d{2,3})", re.ASCII)
_MAX_TAGS: Final = 256
_MAX_TAG_CHARACTERS: Final = 4096

_REEL: Final = ("reel_name", "reel", "tape", "tape_name", "com.apple.proapps.reel", "reelname")
_REEL_KEYS: Final = frozenset((*_REEL, *(key.upper() for key in _REEL)))
_MAKE: Final = (
    "com.apple.quicktime.make",
    "com.apple.proapps.manufacturer",
    "com.android.manufacturer",
    "make",
    "manufacturer",
    "camera_manufacturer",
)
_MODEL: Final = (
    "com.apple.quicktime.model",
    "com.apple.proapps.modelname",
    "com.android.model",
    "model",
    "camera_model",
    "camera_model_name",
    "com.arri.camera.cameramodel",
)
_SERIAL: Final = (
    "com.apple.proapps.serialno",
    "com.arri.camera.cameraserialnumber",
    "serial_number",
    "camera_serial_number",
)
_LENS: Final = (
    "com.apple.quicktime.camera.lens_model",
    "com.apple.proapps.cameralens",
    "com.arri.camera.lenstype",
    "lens_model",
    "lens",
    "lens_type",
)
_SOFTWARE: Final = ("com.apple.quicktime.software", "software", "encoder", "encoded_by")
_CAMERA_KEYS: Final = frozenset((*_MAKE, *_MODEL, *_SERIAL, *_LENS))

Tags = Mapping[str, str]


def bounded(tags: Tags) -> dict[str, str]:
    """The tags, at most 256 of them with at most 4,096 characters each: one may hold a megabyte."""
    if len(tags) <= _MAX_TAGS and all(len(v) <= _MAX_TAG_CHARACTERS for v in tags.values()):
        return dict(tags)
    return {k[:256]: v[:_MAX_TAG_CHARACTERS] for k, v in list(tags.items())[:_MAX_TAGS]}


def find_timecode(
    container: Tags,
    streams: Sequence[tuple[int, str, Tags]],
    *,
    family: str,
    rate: str | None,
) -> tuple[Timecode | None, str | None]:
    """The first frame's timecode, and a text that claims to be one and is none.

    Args:
        container: tags of the container.
        streams: index, kind (``tmcd`` for a timecode track) and tags of each stream.
        family: format of the container: decides what its own tag stands for.
        rate: the picture's rate, e.g. ``25/1``.
    """
    if not any("timecode" in t or "TIMECODE" in t for t in (container, *(tags for _, _, tags in streams))):
        return None, None
    own: Literal["mxf", "dv", "tag"] = "mxf" if family == "mxf" else "dv" if family == "dv" else "tag"
    bad = None
    candidates: list[tuple[str | None, Literal["tmcd", "mxf", "dv", "tag"], int | None]] = [
        (tags.get("timecode"), "tmcd", index) for index, kind, tags in streams if kind == "tmcd"
    ]
    candidates.append((_any(container, ("timecode",)), own, None))
    candidates += [
        (_any(tags, ("timecode",)), "mxf" if family == "mxf" else "tag", index)
        for index, kind, tags in streams
        if kind != "tmcd" and tags
    ]
    for text, source, stream in candidates:
        if not text:
            continue
        found = _TIMECODE.fullmatch(text.strip())
        if found is None:
            bad = bad or text[:40]
            continue
        drop = found[4] != ":"
        value = f"{found[1]}:{found[2]}:{found[3]}{';' if drop else ':'}{found[5]}"
        return Timecode(value=value, drop_frame=drop, rate=rate, source=source, stream=stream), bad
    return None, bad


def find_reel(container: Tags, streams: Sequence[tuple[int, str, Tags]]) -> str | None:
    """The reel or tape name: of a timecode track first, then of the container, then of any stream."""
    for _, kind, tags in streams:
        if kind == "tmcd" and tags.get("reel_name"):
            return tags["reel_name"]
    for tags in (container, *(tags for _, _, tags in streams)):
        if not (_REEL_KEYS.isdisjoint(tags) or (found := _any(tags, _REEL)) is None):
            return found
    return None


def find_camera(tags: Tags) -> Camera | None:
    """What recorded the clip, out of the container's tags; None when nothing says so."""
    if _CAMERA_KEYS.isdisjoint(map(str.lower, tags)):
        return None
    low = {key.lower(): value for key, value in tags.items()}
    make, model, serial, lens = (_first(low, keys) for keys in (_MAKE, _MODEL, _SERIAL, _LENS))
    return Camera(make=make, model=model, serial=serial, lens=lens, software=_first(low, _SOFTWARE))


def _any(tags: Tags, keys: Sequence[str]) -> str | None:
    for key in keys:
        # Matroska and AVI write their tags in capitals.
        value = tags.get(key) or tags.get(key.upper())
        if value:
            return value
    return None


def _first(low: Tags, keys: Sequence[str]) -> str | None:
    return next((low[k].strip() for k in keys if low.get(k, "").strip()), None)
