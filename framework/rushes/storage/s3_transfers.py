"""How s3transfer is asked to move a file: parts, threads, and who hears of bytes.

Apart from the store, for it is a third of what a store takes to import, and who reads headers moves no file.
This module must not know what is moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError, S3ValidationError
from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber

from rushes.storage.s3_errors import BrokenOff
from rushes.stored import Stored

__all__ = ["PART_BYTES", "in_parts", "subscribers", "transfers"]

MB: Final = 1024 * 1024
# S3 takes 10,000 parts: 64 MiB ones would end at 640 GB, so large files have larger parts.
PART_BYTES: Final = 16 * MB
MOST_PARTS: Final = 9_000
# Pieces of 256 KiB that wait for the disk. With s3transfer's own 1,000 a file of 256 MiB took two to three
# times as long on two cores.
IN_HAND: Final = 100


@contextmanager
def transfers(client: Any, size_bytes: int, threads: int) -> Iterator[Any]:
    """A manager for one file of a size, which ends what it has begun.

    Raises:
        BrokenOff: a download came to no good end; it says how.
    """
    part = max(PART_BYTES, -(-size_bytes // MOST_PARTS))
    config = TransferConfig(
        multipart_threshold=part,
        multipart_chunksize=part,
        max_request_concurrency=threads,
        max_io_queue_size=IN_HAND,
    )
    try:
        with TransferManager(client, config) as manager:
            yield manager
    except RetriesExceededError as error:
        raise BrokenOff("again") from error
    except S3DownloadFailedError as error:  # of its parts one was another object's
        raise BrokenOff("changed") from error
    except S3ValidationError as error:
        raise BrokenOff("damaged") from error


def in_parts(size_bytes: int) -> bool:
    """Whether a file of a size goes in several requests."""
    return size_bytes >= PART_BYTES


def subscribers(told: Callable[[int], None] | None, found: Stored | None = None) -> list[Any]:
    """Who hears of bytes as they move, and who says what is fetched."""
    heard = [] if told is None else [_Subscriber(told)]
    return heard if found is None else [_Known(found), *heard]


class _Known(BaseSubscriber):  # type: ignore[misc]
    """Saves a request, and pins what is fetched to what was found."""

    def __init__(self, found: Stored) -> None:
        self._found = found

    def on_queued(self, future: Any, **_: Any) -> None:
        future.meta.provide_transfer_size(self._found.size_bytes)
        future.meta.provide_object_etag(self._found.mark)


class _Subscriber(BaseSubscriber):  # type: ignore[misc]
    def __init__(self, told: Callable[[int], None]) -> None:
        self._told = told

    def on_progress(self, future: Any, bytes_transferred: int, **_: Any) -> None:  # noqa: ARG002 - its signature
        self._told(bytes_transferred)
