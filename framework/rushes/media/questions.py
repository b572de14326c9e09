"""Asking a reader about a clip: the file is opened here, by its name, and handed over.

What is asked of the same clip in the reader itself is answered there and then. This module must not know
what the questions are.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rushes.asset import Asset
from rushes.errors import CallerError
from rushes.media.guard import check_source
from rushes.media.reader import ask

__all__ = ["ask_about", "open_checked"]

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
    """What a reader finds in `clip`, whose file is at `path`; see `reader.ask`.

    Raises:
        CallerError: the file is missing, unreadable or no regular file.
        MediaError: it is empty, or what the reader says of it.
    """
    name = clip.name
    told = {"uri": clip.uri, "path": path, "name": name, **arguments}
    descriptor = open_checked(clip, path)
    try:
        return ask(question, descriptor, told, answer, name=name, brief=brief, cancelled=cancelled)
    finally:
        os.close(descriptor)


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
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        os.close(descriptor)
        check_source(clip)
        raise CallerError(f"{path} is no regular file.", code="not-a-file", fix="Name a regular file.")
    return descriptor
