"""One line for each difference between what is deployed and what would be.

Pure: it must not know commands.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from rushes.printing import printable

if TYPE_CHECKING:
    from rushes.engines.aws.infra.changes import Change

__all__ = ["change_line"]

_SIGNS: Final = {"add": "+", "remove": "-", "change": "~"}
LONGEST: Final = 60
"""Characters of a value: two of them and a name stand in two lines or three of a terminal."""
_BEFORE: Final = 12
"""So much of what both begin with says where it is that they part."""


def change_line(change: Change) -> str:
    """A change as people read it. Values that are long are cut to where they differ."""
    line = f"{_SIGNS[change.act]} {change.what}"
    whole = change.after or change.before
    if change.what.startswith("Resources.") and isinstance(whole, dict) and "Type" in whole:
        line = f"{line:<44} {whole['Type']}"
    if change.act == "change":
        before, after = _text(change.before), _text(change.after)
        begins = 0
        if max(len(before), len(after)) > LONGEST:  # statements of a role begin alike for hundreds of letters
            begins = max(_alike(before, after) - _BEFORE, 0)
        line += f": {_cut(before, begins)} → {_cut(after, begins)}"
    return printable(line)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (mine, its) in pairs if mine != its), min(len(one), len(other)))


def _cut(text: str, begins: int) -> str:
    rest = f"…{text[begins:]}" if begins else text
    return rest if len(rest) <= LONGEST else f"{rest[: LONGEST - 3]}…"
