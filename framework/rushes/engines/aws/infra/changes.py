"""What differs between a template that is deployed and one that is planned. Pure.

This module must not know how either was come by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

__all__ = ["Change", "changes_of"]


class Change(NamedTuple):
    """One difference.

    Args:
        act: what would be done.
        what: ``Resources.QueueSmallUrgent``, and below it the property.
        before, after: its values; None where there is none.
    """

    act: Literal["add", "remove", "change"]
    what: str
    before: Any = None
    after: Any = None


def changes_of(deployed: Mapping[str, Any] | None, planned: Mapping[str, Any]) -> list[Change]:
    """What deploying would change; whole resources that come or go are one change each."""
    before, after = deployed or {}, planned
    return [
        one
        for section in sorted({*before, *after})
        for one in _of(section, before.get(section), after.get(section), depth=0)
    ]


def _of(what: str, before: Any, after: Any, depth: int) -> Iterator[Change]:
    if before == after:
        return
    both = isinstance(before, Mapping) and isinstance(after, Mapping)
    if both or (depth == 0 and _either(before, after)):
        for key in sorted({*(before or {}), *(after or {})}):
            yield from _of(f"{what}.{key}", (before or {}).get(key), (after or {}).get(key), depth + 1)
    elif before is None:
        yield Change("add", what, None, after)
    elif after is None:
        yield Change("remove", what, before, None)
    else:
        yield Change("change", what, before, after)


def _either(before: Any, after: Any) -> bool:
    """A section that one of them lacks, of which each part counts."""
    return isinstance(before or after, Mapping) and (before is None or after is None)
