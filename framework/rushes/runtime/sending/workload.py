"""What an invocation's work is: from its clip's header, its options and its function.

The same before it runs, to say what it will take, and after, to learn what it took. This module must not know
how seconds are learnt.
"""

from __future__ import annotations

import hashlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from rushes.core.learning.work import HERE, WorkTraits, work_to_json
from rushes.joint import members_of

if TYPE_CHECKING:
    from rushes.asset import Asset
    from rushes.declaration import Params
    from rushes.function import Function
    from rushes.media.describing.schema import MediaInfo
    from rushes.runtime.attempts.task import Task

__all__ = ["bare_work", "options_digest", "what_it_was", "work_of"]

# What changes neither a result nor the work that one attempt does.
_NO_WORK: Final = frozenset({"chunks"})


def work_of(function: Function[Any, Any], params: Params, clip: Asset, info: MediaInfo | None) -> WorkTraits:
    """What there is to do.

    Args:
        function: that runs; it may be a joint one.
        params: its options.
        clip: its source, which is on this machine.
        info: its header; None where there is none, or nobody needs it.
    """
    place = clip.uri.rpartition("/")[0]
    bare = bare_work(function, params)._replace(size_bytes=_size(clip), place=place)
    if info is None:
        return bare
    from rushes.media.forecast import encodes_of, frames_of  # noqa: PLC0415 - the media stack is loaded by now

    picture, frames, media_s = info.primary_video, frames_of(info), info.duration_s or 0.0
    if clip.frames is not None and frames:
        part = min(max(clip.frames.stop - clip.frames.start, 1), frames) / frames
        frames, media_s = max(1, round(frames * part)), media_s * part
    makes = [one for _, its in members_of(function, params) for one in encodes_of(its, info, frames)]
    return bare._replace(
        codec=(picture.codec or "") if picture is not None else "",
        width=picture.width if picture is not None else 0,
        height=picture.height if picture is not None else 0,
        frames=frames,
        media_s=media_s,
        sounds=len(info.audio),
        makes=tuple(makes),
    )


def bare_work(function: Function[Any, Any], params: Params) -> WorkTraits:
    """An invocation of which nothing is known but its function and its options."""
    return WorkTraits(function.ref, HERE, options_digest(params))


def what_it_was(task: Task) -> list[Any] | None:
    """The work of an attempt that has ended, JSON-able; of its clip, what the attempt itself has read."""
    described = sys.modules.get("rushes.media.describing.described")  # a body without media has not loaded it
    info = described.recall(task.source.uri) if described is not None else None
    try:
        return work_to_json(work_of(task.function, task.params, task.source, info))
    except Exception:  # noqa: BLE001 - an author's `profile()` may raise anything; what is made stays made
        return None


def options_digest(params: Params) -> str:
    """Options as one short word."""
    text = params.model_dump_json(exclude=set(_NO_WORK))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _size(clip: Asset) -> int:
    """Bytes of the clip; of an image sequence, none that can be told without looking at every image."""
    known = getattr(clip, "size_bytes", None)  # of a clip that is read where it is
    if known is not None:
        return int(known)
    try:
        return os.stat(clip.local or clip.path).st_size  # noqa: PTH116 - often; a Path costs more than the call
    except (OSError, ValueError):
        return 0
