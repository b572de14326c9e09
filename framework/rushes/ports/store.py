"""Where bytes live that are not on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from rushes.range_reader import RangeReader
from rushes.stored import Stored

__all__ = ["Shelf", "Store"]


class Shelf(Protocol):
    """What of a store can be looked at, and is not read."""

    def look(self, uri: str) -> Stored:
        """What is there."""
        ...

    def listing(self, prefix: str, *, after: str = "") -> Iterator[Stored]:
        """What is below a prefix, in the order of its keys; with `after`, what comes behind that object."""
        ...


@runtime_checkable
class Store(Protocol):
    """Where the bytes of assets and outputs live when that is not this machine's file system.

    Every verb may raise `PlatformError` where the store or the way to it is at fault, and `CallerError` where
    something is not there (``not-found``) or not permitted (``not-permitted``).
    """

    def look(self, uri: str) -> Stored:
        """What is there, without reading it."""
        ...

    def listing(self, prefix: str, *, after: str = "") -> Iterator[Stored]:
        """What is below a prefix, in the order of its keys; with `after`, what comes behind that object."""
        ...

    def fetch(self, uri: str, target: Path, told: Callable[[int], None] | None = None) -> Stored:
        """Copy an object into a file that appears whole, and checked; `told` hears of bytes as they come.

        Raises:
            CallerError: it is in an archive (``archived``).
            MediaError: it changed meanwhile (``source-changed``).
        """
        ...

    def reader(self, uri: str, known: Stored | None = None) -> RangeReader:
        """The object as a read-only file that is fetched by ranges; what changed meanwhile is never mixed.

        Args:
            uri: the object.
            known: what `look` found there, to read that and nothing later; None looks now.
        """
        ...

    def publish(
        self,
        source: Path,
        uri: str,
        sha256: str,
        *,
        over: Stored | None = None,
        about: Mapping[str, str] | None = None,
        told: Callable[[int], None] | None = None,
    ) -> Stored:
        """Make a file visible under `uri`, whole and at once, or not at all.

        Where an object with that SHA-256 is there already, that is what is returned: whoever put it there did
        this work.

        Args:
            source: the file.
            uri: where it is to be seen.
            sha256: of its content, hex.
            over: an object of ours that this one may replace; nothing else is ever replaced.
            about: names and values that are kept beside it.
            told: hears of bytes as they go.

        Raises:
            CallerError: something else is there (``target-exists``).
        """
        ...

    def restore(self, uri: str, *, days: int, speed: str = "Standard") -> bool:
        """Ask for an archived object for so many days; True once it can be read. Asked twice it comes once.

        Args:
            uri: the object.
            days: that it stays readable.
            speed: ``Bulk``, ``Standard`` or ``Expedited``: slower is cheaper.
        """
        ...

    def abandon(self, uri: str) -> int:
        """End whatever is on its way to `uri` and not yet visible; gives how much there was.

        Args:
            uri: an object; or, with a ``/`` at its end, everything below it.
        """
        ...
