"""What shortens the first call of a process on Lambda, whoever's module it is that has the handler.

What is imported stays: looking through it for cycles, if only every few thousand objects, is a tenth of a
first call, which makes some 90,000. And clips are read by a process that takes as long to come up as the SDK
does: it starts before anything else. This module must not know events.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["begin", "handler_of"]

_OBJECTS_OF_IT: Final = 120_000
OBJECTS_BEFORE_COLLECTING: Final = 20_000


def begin(*, reads: bool = True) -> None:
    """Let what takes longest come up, before anything is imported here.

    Args:
        reads: whether a clip is looked into.
    """
    gc.set_threshold(_OBJECTS_OF_IT)
    if reads:
        from rushes.media.readers.reader import begin as begin_reader  # noqa: PLC0415 - where something is read

        begin_reader()  # PyAV is imported there while the SDK is imported here


def handler_of(function: Function[Any, Any]) -> Callable[[Any, Any], Any]:
    """The handler of a function, made at its first event."""
    begin(reads=function.describes)
    from rushes.engines.aws.called.handler import LambdaHandler  # noqa: PLC0415 - as above

    handler = LambdaHandler(function)

    def handle(event: Any, context: Any) -> Any:
        try:
            return handler(event, context)
        finally:
            _over()

    return handle


@cache
def _over() -> None:
    """What there is after the first call is there for good."""
    gc.freeze()
    gc.set_threshold(OBJECTS_BEFORE_COLLECTING)
