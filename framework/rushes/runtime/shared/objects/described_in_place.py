"""One try at an invocation that only describes its clip: the clip stays in its store.

What a container says of itself stands at its start or its end: of 500 GB a few megabytes are fetched, as the
body asks for them. A small clip is fetched whole, in fewer requests; so are a picture, whose headers are most
of what is read of it, and a clip whose headers turn out to be all over it. This module must not know which
store it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rushes.errors import MediaError, PlatformError
from rushes.media.readers.formats import IMAGE_SUFFIXES
from rushes.media.readers.ranged import TOO_SCATTERED, RangedAsset
from rushes.runtime.attempts.attempt import run_attempt
from rushes.runtime.attempts.task import Made, Reporter, Task
from rushes.runtime.shared.objects.marks import is_what_it_was, mark_of
from rushes.stored import Stored

if TYPE_CHECKING:
    from rushes.ports import Store

__all__ = ["WHOLE_BYTES", "described_in_place", "require_same"]

WHOLE_BYTES: Final = 4 * 1024 * 1024
"""What is no larger is fetched whole: its headers would take as many bytes, and more requests."""


def described_in_place(
    task: Task, store: Store, report: Reporter, cancelled: Callable[[], bool]
) -> Made | None:
    """What the body says of its clip, which was read by ranges; None where it has to be fetched whole.

    Args:
        task: its source is a URI of the store.
        store: where that is.
        report: told how far it is.
        cancelled: whether somebody wants it to stop.

    Raises:
        RushesError: as `run_attempt`; and ``source-changed`` where the clip is not what was submitted, or
            does not stay what it is.
    """
    source = task.source
    if task.out is not None or "://" not in source.uri or source.local is not None:
        return None
    if source.suffix in IMAGE_SUFFIXES or not task.function.needs_headers_alone(task.params):
        return None
    found = store.look(source.uri)
    require_same(task, found)
    if found.size_bytes <= WHOLE_BYTES:
        return None
    ranges = store.reader(found.uri, found)
    clip = RangedAsset(source.uri, source.frames, ranges=ranges)
    local = replace(task, source=clip, fingerprint="", settle_s=0.0)
    try:
        with clip.telling():
            made = run_attempt(local, report, lambda _: None, cancelled)
    except PlatformError as error:
        if error.code == TOO_SCATTERED:
            return None
        raise
    made.read = {
        "uri": found.uri,
        "fingerprint": mark_of(found),
        "size_bytes": found.size_bytes,
        "fetched_bytes": ranges.fetched_bytes,
        "requests": ranges.requests,
    }
    return made


def require_same(task: Task, found: Stored) -> None:
    """Go on only where the clip is what was submitted.

    Raises:
        MediaError: it is not (``source-changed``).
    """
    if task.fingerprint and not is_what_it_was(task.fingerprint, found):
        raise MediaError(
            f"{task.source.uri} is not what was submitted.", code="source-changed", fix="Submit it again."
        )
