"""What a source is, cheaply: enough to know it again, and to notice that it has changed.

A fingerprint reads at most 32 KiB of a file, whatever its size. This module must not know what it is used
for.
"""

# ruff: noqa: PTH116, PTH123, PTH208 - a Path costs more than the system call, and this runs a million times

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rushes.asset import Asset, ImageSequence
from rushes.errors import CallerError
from rushes.runtime.files import ours, shown

__all__ = [
    "Content",
    "Fingerprint",
    "content_of",
    "fingerprint",
    "frames_on_disk",
    "sha256_file",
    "sha256_tree",
]

# 16 KiB hold every container's header and the start of its last index; SHA-256 of 32 KiB takes 18 µs with
# the processor's own instructions, which is less than BLAKE2b needs (26 µs).
_SAMPLE: Final = 16 * 1024
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO would otherwise block the open
# Above so many numbers a listing of the folder is cheaper than asking for each of them.
_MANY_FRAMES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a source was; equal values mean: the same, as far as `kind` can tell.

    Args:
        kind: ``sampled``: of the size, the time of the last change and the first and last 16 KiB;
            ``sha256``: of all bytes.
        value: hex digest.
        size: bytes; of a sequence, of all its frames.
        mtime_ns: last change, of a sequence the newest frame's.
    """

    kind: Literal["sampled", "sha256"]
    value: str
    size: int
    mtime_ns: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


def fingerprint(asset: Asset) -> Fingerprint:
    """The sampled fingerprint of a local asset.

    Raises:
        CallerError: it does not exist, cannot be read, or is no regular file.
        PlatformError: reading it failed.
    """
    sequence = asset.sequence
    if sequence is not None:
        with ours(asset.path, "read"):
            return _of_sequence(sequence, asset)
    path = os.fspath(asset.path)
    with ours(path, "read"):
        digest = hashlib.sha256()
        found = _sample(path, digest.update)
    digest.update(b"%d %d" % (found.st_size, found.st_mtime_ns))
    return Fingerprint("sampled", digest.hexdigest()[:32], found.st_size, found.st_mtime_ns)


def sha256_file(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, hex, read in pieces.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_tree(folder: Path) -> tuple[str, int]:
    """The SHA-256 over the names and the SHA-256s of a folder's files, and their bytes together.

    Raises:
        OSError: something in it cannot be read.
        CallerError: it holds something else than files and folders.
    """
    digest, size = hashlib.sha256(), 0
    for name, path in _tree(folder, ""):
        size += path.stat().st_size
        digest.update(os.fsencode(name) + b"\0" + sha256_file(path).encode() + b"\n")
    return digest.hexdigest(), size


@dataclass(frozen=True, slots=True)
class Content:
    """All bytes of a file or a folder: their SHA-256, their number, and the last change."""

    sha256: str
    size_bytes: int
    mtime_ns: int
    folder: bool


def content_of(path: Path) -> Content:
    """The content of a file or folder; a link is not followed.

    Raises:
        OSError: it does not exist or cannot be read.
        CallerError: it is, or holds, something else than files and folders.
    """
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode):
        return Content(*sha256_tree(path), found.st_mtime_ns, folder=True)
    if not stat.S_ISREG(found.st_mode):
        raise CallerError(
            f"{shown(path)} is neither a file nor a folder.",
            code="bad-output",
            fix="Write an ordinary file or folder there.",
        )
    return Content(sha256_file(path), found.st_size, found.st_mtime_ns, folder=False)


def _tree(folder: Path, below: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda e: os.fsencode(e.name))
    for entry in entries:
        name = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _tree(Path(entry.path), f"{name}/")
        elif entry.is_file(follow_symlinks=False):
            yield name, Path(entry.path)
        else:
            raise CallerError(
                f"{shown(entry.path)} is neither a file nor a folder.",
                code="bad-output",
                fix="A folder that is published holds files and folders only, no links.",
            )


def _sample(path: str, update: Callable[[bytes], object]) -> os.stat_result:
    handle = os.open(path, _READ)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise CallerError(
                f"{shown(path)} is no regular file.",
                code="not-a-file",
                fix="Name a media file; a folder is expanded by `rushes run`.",
            )
        size = found.st_size
        update(os.pread(handle, _SAMPLE, 0))
        if size > _SAMPLE:
            update(os.pread(handle, _SAMPLE, max(_SAMPLE, size - _SAMPLE)))
    finally:
        os.close(handle)
    return found


def _of_sequence(sequence: ImageSequence, asset: Asset) -> Fingerprint:
    digest, size, newest = hashlib.sha256(), 0, 0
    first, last = -1, -1
    for number, found in frames_on_disk(sequence):
        digest.update(b"%d %d %d\n" % (number, found.st_size, found.st_mtime_ns))
        size += found.st_size
        newest = max(newest, found.st_mtime_ns)
        first, last = number if first < 0 else first, number
    if first < 0:
        raise CallerError(
            f"no frame of {shown(asset.uri)} exists.", code="not-found", fix="Check the path and the range."
        )
    for number in dict.fromkeys((first, last)):
        _sample(os.fspath(sequence.path(number)), digest.update)
    return Fingerprint("sampled", digest.hexdigest()[:32], size, newest)


def frames_on_disk(sequence: ImageSequence) -> Iterator[tuple[int, os.stat_result]]:
    """The frames that exist, in order of their numbers."""
    numbers: list[int] | range = range(sequence.first, sequence.last + 1)
    if len(sequence) > _MANY_FRAMES:
        numbers = sorted(_listed(sequence))
    for number in numbers:
        try:
            yield number, os.stat(sequence.path(number))
        except FileNotFoundError:
            continue


def _listed(sequence: ImageSequence) -> Iterator[int]:
    head, tail = len(sequence.prefix), len(sequence.suffix)
    for name in os.listdir(sequence.directory):
        digits = name[head : len(name) - tail]
        if not (digits.isascii() and digits.isdigit() and len(digits) >= sequence.padding):
            continue
        number = int(digits)
        if sequence.first <= number <= sequence.last and sequence.path(number).name == name:
            yield number
