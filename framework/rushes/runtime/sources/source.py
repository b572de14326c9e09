"""Whether a source is still what it was: before it is read, and again before anything is published of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

from rushes.asset import Asset
from rushes.errors import CallerError, MediaError, PlatformError
from rushes.runtime.files import foreign, ours, shown
from rushes.runtime.sources.fingerprint import Fingerprint, fingerprint, frames_on_disk, sha256_file

__all__ = ["fingerprint_of", "recheck_source", "state_of", "wait_settled"]

# A camera card or a render that grows for longer than this is not waited for inside a slot: the attempt
# fails as the platform's, and is tried again later with back-off.
_PATIENCE_S: Final = 600.0


def fingerprint_of(asset: Asset) -> str:
    """The fingerprint of a local asset as text.

    Raises:
        CallerError: it does not exist or cannot be read.
    """
    return str(fingerprint(asset))


def recheck_source(asset: Asset, known: Fingerprint | str) -> None:
    """Refuse to go on with a source that is not what it was.

    Raises:
        MediaError: it has changed, or has gone, since `known` was taken.
    """
    try:
        kind, _, value = str(known).partition(":")
        if kind == "sha256":
            with ours(asset.path, "read"):
                same = sha256_file(asset.path) == value
        else:
            same = str(fingerprint(asset)) == str(known)
    except CallerError as error:
        raise _changed(asset, f"cannot be read any more ({error.message})") from error
    if not same:
        raise _changed(asset, "was changed")


def wait_settled(
    asset: Asset,
    settle_s: float,
    *,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Return once a source has been left alone for `settle_s` seconds.

    A source whose last change is older than that is taken at once.

    Raises:
        CallerError: it does not exist.
        PlatformError: it still grows after minutes; to be tried again later.
    """
    begin = now()
    seen, since = state_of(asset), begin
    # The clock of a file server may differ from ours: only ages of a sane sign are believed.
    if seen[1] / 1e9 <= begin - settle_s:
        return
    while not cancelled():
        if now() - since >= settle_s:
            return
        if now() - begin > max(_PATIENCE_S, 10 * settle_s):
            raise PlatformError(
                f"{shown(asset.uri)} is still being written.",
                code="still-growing",
                fix="It is tried again later; a shorter --settle takes it sooner.",
            )
        sleep(min(settle_s / 4, 1.0))
        latest = state_of(asset)
        if latest != seen:
            seen, since = latest, now()


def state_of(asset: Asset) -> tuple[int, int]:
    """Size and last change; of a sequence, of all its frames together."""
    sequence = asset.sequence
    try:
        if sequence is None:
            found = os.stat(asset.path)  # noqa: PTH116 - a str or a Path alike
            return found.st_size, max(found.st_mtime_ns, found.st_ctime_ns)
        size, newest = 0, 0
        for _, found in frames_on_disk(sequence):
            size += found.st_size
            newest = max(newest, found.st_mtime_ns, found.st_ctime_ns)
    except OSError as error:
        raise foreign(error, asset.path, "read") from error
    return size, newest


def _changed(asset: Asset, how: str) -> MediaError:
    return MediaError(
        f"{shown(asset.uri)} {how} while it was being worked on; nothing was published.",
        code="source-changed",
        fix="Run it again when the source is complete; --settle 30s waits for that.",
    )
