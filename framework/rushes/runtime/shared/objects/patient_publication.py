"""Publication that outlasts a service that does not answer: what an attempt has made is not made again.

Hours of an encode lie in scratch when the first byte goes up. Where the store is busy, the network away or a
session at its end, they are kept and only the publication is said again, from its gate: so whether the claim
still holds is asked each time, and what is up already is found and left. This module must not know which
store it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Final

from rushes.core.retry import HOST_CODES, SERVICE_CODES, backoff_s
from rushes.errors import RushesError
from rushes.runtime.attempts.task import Made
from rushes.runtime.shared.objects.publication import Target, publish_made

__all__ = ["PATIENCE_S", "Patience", "publish_patiently"]

PATIENCE_S: Final = 900.0
"""For services: as long as an attempt waits for them that has nothing to lose, by `retry`."""
SIGN_IN_S: Final = 3600.0
"""For credentials: a person has to be fetched."""
LONGEST_REST_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what is made is kept for services to answer again.

    Args:
        clock: seconds.
        sleep: waits.
        service_s, sign_in_s: for how long without a success.
    """

    clock: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep
    service_s: float = PATIENCE_S
    sign_in_s: float = SIGN_IN_S

    def lasts(self, failure: RushesError, since: float) -> bool:
        """Whether it is worth to wait after such a failure, the first of which was so long ago."""
        waited_s = self.clock() - since
        if failure.code in HOST_CODES:
            return waited_s < self.sign_in_s
        return failure.code in SERVICE_CODES and waited_s < self.service_s


def publish_patiently(
    made: Made,
    target: Target,
    gate: Callable[[str], None],
    cancelled: Callable[[], bool],
    patience: Patience,
) -> Made:
    """Publish as `publish_made` does, again and again where services do not answer.

    Args:
        made: what the attempt leaves.
        target: where it is to be.
        gate: asked before each try.
        cancelled: whether somebody wants it to stop: then the last failure stands.
        patience: how long.

    Raises:
        RushesError: as `publish_made`.
    """
    since: float | None = None
    for failures in count(1):
        try:
            return publish_made(made, target, gate)
        except RushesError as failure:
            since = patience.clock() if since is None else since
            if cancelled() or not patience.lasts(failure, since):
                raise
            _rest(backoff_s(failures, failures, longest_s=LONGEST_REST_S), cancelled, patience)
            if cancelled():
                raise
    raise AssertionError("unreachable: a count has no end")


def _rest(seconds: float, cancelled: Callable[[], bool], patience: Patience) -> None:
    """Wait, a second at a time: who is told to stop meanwhile is not waited for."""
    left = seconds
    while left > 0 and not cancelled():
        patience.sleep(min(left, 1.0))
        left -= 1.0
