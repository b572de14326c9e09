"""Clips in a store that may be image sequences: ``s3://cards/plate.[1001-1096].exr`` is 96 objects.

All of them have to be there: which are, is settled before a clip starts, and a frame that is missing later is
an error that names it. What a sequence was follows from what its frames were. This module must not know which
store it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from rushes.asset import Asset
from rushes.errors import CallerError
from rushes.stored import Stored

if TYPE_CHECKING:
    from rushes.ports import Shelf, Store

__all__ = ["clip_of", "fetch_clip", "frames_of", "look_clip"]

AT_ONCE: Final = 16
MOST: Final = 20_000
"""Frames of one sequence: each is a request, and as many again to fetch it."""
T = TypeVar("T")


def frames_of(uri: str) -> list[str] | None:
    """The URIs of all frames of a sequence; None for a clip that is one object.

    Raises:
        CallerError: they are too many.
    """
    sequence = Asset(uri).sequence
    if sequence is None:
        return None
    if len(sequence) > MOST:
        raise CallerError(
            f"{uri} has {len(sequence):,} frames; a sequence in a store has {MOST:,} at most.",
            code="bad-uri",
            fix="Name it in parts.",
        )
    head = uri[: uri.rindex("/") + 1]
    numbers = range(sequence.first, sequence.last + 1)
    return [f"{head}{sequence.prefix}{number:0{sequence.padding}d}{sequence.suffix}" for number in numbers]


def look_clip(store: Shelf, uri: str) -> Stored:
    """What is there, of a sequence all of its frames together.

    Raises:
        CallerError: it, or a frame of it, is not there (``not-found``).
    """
    frames = frames_of(uri)
    return store.look(uri) if frames is None else _together(uri, _each(store.look, frames))


def fetch_clip(store: Store, uri: str, place: Path) -> Stored:
    """Copy a clip to a place; the frames of a sequence lie beside one another there, under their names.

    Raises:
        CallerError: it, or a frame of it, is not there (``not-found``).
    """
    frames = frames_of(uri)
    if frames is None:
        return store.fetch(uri, place)
    there = [place.with_name(one.rpartition("/")[2]) for one in frames]
    return _together(uri, _each(lambda pair: store.fetch(*pair), list(zip(frames, there, strict=True))))


def _each(act: Callable[[T], Stored], all_: Sequence[T]) -> list[Stored]:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(act, all_))


def clip_of(uri: str, there: Mapping[str, Stored]) -> Stored:
    """A sequence of which all frames were seen already, by their URIs.

    Raises:
        CallerError: a frame is not there (``not-found``).
    """
    frames = frames_of(uri) or [uri]
    missing = [one for one in frames if one not in there]
    if missing:
        name = missing[0].rpartition("/")[2]
        more = f", and {len(missing) - 1:,} more frames are missing" if len(missing) > 1 else ""
        raise CallerError(
            f"{uri} has no {name}{more}.",
            code="not-found",
            fix="Bring the frames, or name the parts that are whole.",
        )
    return _together(uri, [there[one] for one in frames])


def _together(uri: str, frames: Sequence[Stored]) -> Stored:
    # Of marks alone: they are the same in a listing, which knows neither digests nor versions.
    marks = "\n".join(one.mark.strip('"') for one in frames)
    return Stored(
        uri,
        sum(one.size_bytes for one in frames),
        hashlib.sha256(marks.encode()).hexdigest(),
        max(one.mtime for one in frames),
        archived=next((one.archived for one in frames if one.archived), ""),
        about=frames[0].about,
    )
