"""Functions of batches that are worked on here, loaded once a batch; and those that are not to be had here.

Hosts of one group need not have the same functions installed: what one cannot find or import is for another,
who may. So that is known before work is claimed, and looked at again after a while: somebody may have
installed it. This module must not know ledgers or queues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rushes.errors import CallerError
from rushes.runtime.attempts.loaded_batch import LoadedBatch, learn

__all__ = ["MISSING_CODES", "KnownBatches"]

KEPT: Final = 64
"""Batches, and functions that are not to be had."""
AGAIN_S: Final = 60.0
MISSING_CODES: Final = frozenset({"unknown-function", "bad-import", "not-a-function", "ambiguous-function"})
"""Said of a name that one machine has and another has not; the input has no part in it."""


@dataclass
class KnownBatches:
    """What was loaded here.

    Args:
        home: a folder, for logs.
        clock: seconds, on a clock that goes forward.
    """

    home: Path
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, LoadedBatch] = field(default_factory=dict, repr=False)
    _missing: dict[str, tuple[float, str]] = field(default_factory=dict, repr=False)

    def of(self, batch: str, spec: Mapping[str, Any]) -> LoadedBatch:
        """A batch's function and options; the author's module may raise anything."""
        found = self._known.get(batch)
        if found is None:
            found = learn({**spec, "id": batch}, self.home)
            if len(self._known) >= KEPT:  # by whichever thread: what is asked is given by hand
                self._known.clear()
            self._known[batch] = found
        return found

    def why_missing(self, batch: str, spec: Mapping[str, Any]) -> str:
        """Why the function of a batch is not to be had here; "" where it is, or something else is wrong."""
        if batch in self._known:
            return ""
        name = str(spec["function"])
        until, why = self._missing.get(name, (0.0, ""))
        if why and self.clock() < until:
            return why
        self._missing.pop(name, None)
        try:
            self.of(batch, spec)
        except CallerError as error:
            if error.code not in MISSING_CODES:
                return ""
            if len(self._missing) >= KEPT:
                self._missing.clear()
            self._missing[name] = self.clock() + AGAIN_S, error.message
            return error.message
        except Exception:  # noqa: BLE001 - whoever claims it says in the ledger what that is
            return ""
        return ""
