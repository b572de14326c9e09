"""Work that was sent for another version of its function than the code here is: pure.

A deployment does not change everything at once: a Lambda's code and its settings are two calls, the hosts of
a fleet go one by one. So who takes a message can be older than it, or newer. It is handed back, untouched and
for free, a few times: by then the code that it was sent for has had its turn, or there is none any more. Then
it is done here, and says so; under a key of its own, for the key that it was sent with says which source
makes its result. This module must not know ledgers, clocks, nor which of two versions is the newer.
"""

from __future__ import annotations

import hashlib
from typing import Final

from rushes.core.retry import backoff_s

__all__ = ["awaited_s", "is_other", "key_of_version"]

FIRST_WAIT_S: Final = 15.0
"""A Lambda changes within seconds."""
LONGEST_WAIT_S: Final = 120.0
MOST_CLAIMS: Final = 5
"""15, 30, 60, 120 and 120 s, less the jitter: a fleet of hosts has changed within them, and what waited for a
version that is gone has lost some minutes."""


def is_other(sent: str, here: str) -> bool:
    """Whether work was sent for another version than is here; what was sent for none is for any."""
    return bool(sent) and sent != here


def awaited_s(claims: int, n: int) -> float | None:
    """For how long the code that it was sent for is awaited; None: it has been long enough.

    Args:
        claims: of the invocation so far, this one included.
        n: its number, for the jitter.
    """
    if claims > MOST_CLAIMS:
        return None
    return backoff_s(claims, n, first_s=FIRST_WAIT_S, longest_s=LONGEST_WAIT_S)


def key_of_version(key: str, version: str) -> str:
    """The key of what another version makes of the same work: none that work is sent with; "" stays so."""
    # As long as the key: that of several functions in one pass is one key after the other.
    return hashlib.shake_256(f"{key}\nmade by version {version}".encode()).hexdigest(len(key))[: len(key)]
