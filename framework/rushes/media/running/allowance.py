"""How much memory the attempt that runs in this process declared, for what is started on its behalf.

Told by whoever runs the attempt. This module must not know what a function is.
"""

from __future__ import annotations

from typing import Final

__all__ = ["allow", "allowed_bytes"]

# Of work that no attempt declares anything for: the command line, a script, a test.
_DEFAULT_BYTES: Final = 2 * 1024**3
_declared: dict[str, int] = {}


def allow(memory_bytes: int) -> None:
    """From here on the work of this process may take so much."""
    _declared["memory_bytes"] = memory_bytes


def allowed_bytes() -> int:
    """What its processes may take together."""
    return _declared.get("memory_bytes", _DEFAULT_BYTES)
