"""How messages travel between a reader and who asks it: what stands before each.

Apart from both, for a reader imports nothing of who starts processes. This module must not know what is said.
"""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["LENGTH"]

LENGTH: Final = struct.Struct("=IB")
"""Before every message: its length, and what it is: 1 for an answer, 0 for an error."""
