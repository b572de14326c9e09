"""Asking a reader about a clip: the file is opened here, by its name, and handed over.

This module must not know what the questions are.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from rushes.asset import Asset
from rushes.errors import CallerError
from rushes.media.readers.guard import check_source
from rushes.media.readers.ranged import RangedAsset

__all__ = ["ask_about", "is_one_file", "open_checked", "place_of"]

Answer = TypeVar("Answer")


def ask_about(
    question: str,
    clip: Asset,
    path: str,
    answer: Callable[[bytes], Answer],
    *,
    arguments: Mapping[str, Any],
    brief: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> Answer:
    """What a reader finds in `clip`, whose file is at `path`, or whose bytes are fetched as it asks.

    Args:
        question: one of `rushes.media.reading`.
        clip: as it is called.
        path: absolute.
        answer: makes the answer of its JSON; `ValueError` says that it is none.
        arguments: of the question, JSON-able.
        brief: only headers are read; the next clips may be asked about ahead.
        cancelled: asked about four times a second; True ends the reader.

    Raises:
        CallerError: the file is missing, unreadable or no regular file.
        MediaError: it is empty, or what the reader says of it.
    """
    from rushes.media.readers.reader import Question, ask  # noqa: PLC0415 - readers import this, and ask nobody

    def message(uri: str, place: str, name: str) -> bytes:
        told = {"uri": uri, "path": place, "name": name, **arguments}
        return json.dumps([question, told]).encode()[1:]

    def alike(path: str) -> tuple[bytes, Callable[[], int | None]]:
        return message(path, path, path.rpartition("/")[2]), partial(_open_quietly, path)

    if isinstance(clip, RangedAsset):
        arguments = {**arguments, "ranged": clip.size_bytes}
        with clip.telling():
            wanted = message(clip.uri, clip.uri, clip.name)
            return ask(Question(wanted, clip.name, clip.serve, answer, brief=brief, cancelled=cancelled))
    name = clip.name
    return ask(
        Question(
            message(clip.uri, path, name),
            name,
            partial(open_checked, clip, path),
            answer,
            brief=brief,
            cancelled=cancelled,
        ),
        alike if brief else None,
    )


def is_one_file(clip: Asset) -> bool:
    """Whether a clip can be handed over: an image sequence is read where its folder is."""
    return clip.sequence is None or clip.path.exists()


def place_of(clip: Asset) -> str:
    """Where its file is, absolute; links are not followed."""
    return os.path.abspath(clip.path)  # noqa: PTH100 - resolve() would follow them


def open_checked(clip: Asset, path: str) -> int:
    """A descriptor of the clip's file, which is regular and not empty.

    The guard's check explains what is wrong with a path; the common good one costs an open that is needed
    anyway.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        check_source(clip)
        raise CallerError(
            f"{path} cannot be opened: {error}.", code="not-readable", fix="Check it."
        ) from error
    if not _is_plain(descriptor):
        os.close(descriptor)
        check_source(clip)
        raise CallerError(f"{path} is no regular file.", code="not-a-file", fix="Name a regular file.")
    return descriptor


def _open_quietly(path: str) -> int | None:
    """As `open_checked`; None where it is not so simple: it will be asked about in its turn."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    if _is_plain(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _is_plain(descriptor: int) -> bool:
    status = os.fstat(descriptor)
    return stat.S_ISREG(status.st_mode) and status.st_size > 0
