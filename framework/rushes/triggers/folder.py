"""Files that come into a folder of this machine: declared by an author, watched by `rushes watch`. Pure.

This module must not know how a folder is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rushes.errors import CallerError
from rushes.media_kinds import AUDIO_SUFFIXES, VIDEO_SUFFIXES, suffix_of
from rushes.triggers.s3 import IMAGE_KINDS, Kinds, check_priority, ready_of
from rushes.units import parse_duration

__all__ = ["OnFolder", "is_of_kind", "on_folder"]

SETTLE: Final = "10s"
_OF_KIND: Final = {"video": VIDEO_SUFFIXES, "audio": AUDIO_SUFFIXES, "image": IMAGE_KINDS}


@dataclass(frozen=True, slots=True)
class OnFolder:
    """A file that comes into a folder; made by `on_folder`.

    Args:
        place: the folder, with all below it.
        settle_s: it was left alone for so long.
        kinds: by its extension.
        out: where outputs go, or "".
        show: who pays.
        priority: its class.
        sidecar: the extension of a file that has to be beside it, or "".
        manifest: the name of a file that lists what belongs together, or "".
    """

    place: str
    settle_s: float = 10.0
    kinds: Kinds = "any"
    out: str = ""
    show: str = "default"
    priority: str = "standard"
    sidecar: str = ""
    manifest: str = ""


def on_folder(
    place: str,
    *,
    settle: str | float = SETTLE,
    kinds: Kinds = "any",
    out: str = "",
    show: str = "default",
    priority: str = "standard",
    ready: str = "object",
) -> OnFolder:
    """Run the function on every file that comes into a folder, while `rushes watch` runs.

    Args:
        place: a folder, with all below it.
        settle: a file, and each frame of a sequence, was left alone for so long.
        kinds: ``video``, ``audio``, ``image`` or ``any``, by the extension.
        out: where outputs go.
        show: who pays.
        priority: the class.
        ready: as `on_s3` takes it.

    Raises:
        CallerError: one of them cannot be meant.
    """
    if not place or "://" in place:
        raise _bad(place, "names no folder of this machine", "Write a path: /mnt/cards.")
    if kinds not in {"any", *_OF_KIND}:
        raise _bad(place, f"has kinds={kinds!r}", "Expected any, video, audio or image.")
    check_priority(f"on_folder({place!r})", priority)
    settle_s = parse_duration(settle)
    sidecar, manifest = ready_of(f"on_folder({place!r})", ready)
    return OnFolder(place, settle_s, kinds, out, show, priority, sidecar, manifest)


def is_of_kind(name: str, kinds: str) -> bool:
    """Whether a file is of a kind, by its extension."""
    return kinds == "any" or suffix_of(name.rpartition("/")[2]) in _OF_KIND[kinds]


def _bad(place: str, what: str, fix: str) -> CallerError:
    return CallerError(f"on_folder({place!r}) {what}.", code="bad-trigger", fix=fix)
