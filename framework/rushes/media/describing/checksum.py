"""Digests of whole clips, on request: the only part of an inspection that reads all of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Literal

from rushes.asset import Asset
from rushes.errors import CallerError
from rushes.media.describing.schema import Checksum
from rushes.media.running.company import aside, keep_pace

__all__ = ["Algorithm", "digest", "files_of"]

Algorithm = Literal["sha256", "sha1", "md5", "blake2b"]
_KNOWN: Final = ("sha256", "sha1", "md5", "blake2b")
# Large enough that the loop costs nothing, small enough to stay in the second-level cache.
_BLOCK_BYTES: Final = 1 << 20
_TOLD_EVERY_BYTES: Final = 64 << 20


def digest(paths: Iterable[Path], algorithm: str, *, told: Callable[[float], None] | None = None) -> Checksum:
    """The digest of the files' bytes, one after the other.

    Args:
        paths: the files.
        algorithm: one of `Algorithm`.
        told: called now and then with the share that is done, 0..1.

    Raises:
        CallerError: no such algorithm, or a file cannot be read.
    """
    if algorithm not in _KNOWN:
        raise CallerError(
            f"checksum {algorithm!r} is not known.", code="bad-value", fix=f"Use one of {', '.join(_KNOWN)}."
        )
    files = list(paths)
    return aside(lambda: _read(files, algorithm, told))


def files_of(clip: Asset) -> list[Path]:
    """The files of a clip, in order: itself, or the frames of a sequence that are there."""
    if clip.sequence is None or clip.path.exists():
        return [clip.path]
    frames = (clip.sequence.path(number) for number in range(clip.sequence.first, clip.sequence.last + 1))
    return [path for path in frames if path.exists()]


def _read(files: list[Path], algorithm: str, told: Callable[[float], None] | None) -> Checksum:
    # md5 and sha1 are what manifests of the trade name; nothing here relies on them for security.
    digested = hashlib.new(algorithm, usedforsecurity=False)
    buffer = bytearray(_BLOCK_BYTES)
    view = memoryview(buffer)
    done = next_telling = 0
    total = sum(map(_size_of, files))
    for path in files:
        try:
            with path.open("rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    digested.update(view[:count])
                    done += count
                    if done >= next_telling:
                        next_telling = done + _TOLD_EVERY_BYTES
                        if told is not None and total:
                            told(min(1.0, done / total))
                    keep_pace(done, total)
        except OSError as error:
            raise _unreadable(path, error) from error
    return Checksum(algorithm=algorithm, value=digested.hexdigest())


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> CallerError:
    return CallerError(
        f"{path} cannot be read: {error.strerror}.",
        code="not-readable",
        fix="Check the disk and the permissions.",
    )
