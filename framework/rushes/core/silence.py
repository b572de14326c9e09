"""How long who sends or follows work puts up with services that do not answer. Pure.

Work that was sent goes on whether anybody looks or not, so a network that is away for minutes, or a session
that has ended and is begun again, is no reason to give a batch up. What has never answered may be misspelt,
and nobody waits for it. This module must not know what is asked, nor clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rushes.core.retry import HOST_CODES, SERVICE_CODES, backoff_s

__all__ = ["BORNE_S", "Silence"]

BORNE_S: Final = 3600.0
"""An hour: a person has to be fetched, or a region comes back."""
LONGEST_REST_S: Final = 10.0
_CODES: Final = (SERVICE_CODES - {"target-taken"}) | HOST_CODES


@dataclass(slots=True)
class Silence:
    """What one of several services, or all of them, have answered last.

    Args:
        heard: something has been answered already.
        since: when the first of what failed in a row did, seconds on any clock; None: the last one answered.
    """

    heard: bool = False
    since: float | None = None
    _failures: int = 0

    def answered(self) -> bool:
        """Something was answered; gives whether this ends a silence."""
        ended, self.heard, self.since, self._failures = self.since is not None, True, None, 0
        return ended

    def failed(self, code: str, now: float) -> float | None:
        """Something was not answered, by an error of this code: seconds to rest, or None to give up."""
        if not self.heard or code not in _CODES:
            return None
        self.since = now if self.since is None else self.since
        if now - self.since >= BORNE_S:
            return None
        self._failures += 1
        return backoff_s(self._failures, self._failures, longest_s=LONGEST_REST_S)
