"""Which clips of a folder may start: those that have been left alone, have what they need, and are new. Pure.

A folder is looked at again and again; each look says what is there and what it is like. A clip is *settled*
once it was like that for so long, seen from here: clocks of file servers are not believed, and a copy that
keeps its old date while it grows is not either. A clip is new until it was given, as it was then; one that
changes later is new again. This module must not know how a folder is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

__all__ = ["FolderWatch", "Look"]


class Look(NamedTuple):
    """What a clip is like: of a sequence, all its frames together."""

    size_bytes: int
    changed_ns: int


class FolderWatch:
    """What was seen of a folder, and what was given of it.

    Args:
        settle_s: a clip that was like this for so long is complete.
        given: clips that were given before, as they were then.
    """

    def __init__(self, settle_s: float, given: Mapping[str, Look] | None = None) -> None:
        self._settle_s = settle_s
        self._given = dict(given or {})
        self._seen: dict[str, tuple[Look, float]] = {}
        self.waits = False
        """Whether something was new at the last look, and not settled: only time is missing."""

    def look(
        self,
        there: Mapping[str, Look],
        now: float,
        needs: Callable[[str], Iterable[str] | None] = lambda _: (),
    ) -> list[str]:
        """The clips that may start now, in the order in which they are named.

        Args:
            there: every clip; `needs` may add what one needs, which is then no clip.
            now: seconds of a clock that only goes forward.
            needs: of a clip, what has to be there and settled with it; None where that is not known yet.
        """
        new = [name for name, one in there.items() if self._given.get(name) != one]
        wanted = {name: needs(name) for name in new}
        for name in [name for name in self._seen if name not in there]:
            del self._seen[name]
        for name, one in there.items():
            if name not in self._seen or self._seen[name][0] != one:
                self._seen[name] = one, now
        known = {name: [name, *others] for name, others in wanted.items() if others is not None}
        found = [name for name, all_ in known.items() if all(self._settled(one, now) for one in all_)]
        self.waits = len(found) < len(known)
        return found

    def give(self, name: str) -> Look:
        """A clip was sent; gives what it was like."""
        self._given[name] = self._seen[name][0]
        return self._given[name]

    def _settled(self, name: str, now: float) -> bool:
        found = self._seen.get(name)
        return found is not None and now - found[1] >= self._settle_s
