"""What the name of a priority class may look like: light, for triggers that are declared at every start.

This module must not know which classes there are.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["CLASS_NAME"]

CLASS_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
"""A word that can be typed as it is."""
