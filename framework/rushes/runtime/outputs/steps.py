"""Where tests put a crash: `at` is called before every step of a publication.

Whoever takes a step calls ``steps.at("name")`` through the module, so that a test can replace it.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["at"]


def _go_on(_step: str) -> None:
    return


at: Callable[[str], None] = _go_on
"""Called with the name of the step that comes next."""
