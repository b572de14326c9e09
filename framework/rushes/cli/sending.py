"""A batch is sent by a thread of its own while its results are already followed.

This module must not know what is followed, nor what is drawn.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rushes.errors import CallerError
from rushes.keepers import PatientSender

if TYPE_CHECKING:
    from rushes.invocation import Invocation
    from rushes.ports import Engine

__all__ = ["Sending"]


class Sending(threading.Thread):
    """Submits and seals a batch while its results are already followed."""

    def __init__(self, engine: Engine, batch: str, invocations: Iterable[Invocation]) -> None:
        super().__init__(name="rushes-submit", daemon=True)
        self._engine, self._batch, self._invocations = engine, batch, invocations
        self._failed: BaseException | None = None
        self._refused = False
        self.total: int | None = None
        """How many were sent; None until all have been, and the batch is sealed."""

    def run(self) -> None:
        """Submit everything, then seal."""
        try:
            total = self._engine.submit(self._batch, self._invocations)
            self._engine.seal(self._batch)
            self.total = total
        except CallerError as error:
            # Somebody cancelled the batch from another terminal: it has ended, and its results say so.
            self._refused = error.code == "not-open"
            self._failed = None if self._refused else error
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread by `check`
            self._failed = error

    @property
    def waits(self) -> str:
        """Why it does not go on at the moment; "" where it does."""
        engine: object = self._engine
        return engine.waits if isinstance(engine, PatientSender) and self.is_alive() else ""

    def check(self) -> None:
        """Raise what went wrong while sending, if anything did."""
        if self._failed is not None:
            raise self._failed
