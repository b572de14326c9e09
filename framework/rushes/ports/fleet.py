"""Who rents machines, whoever they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rushes.core.hosts import Host, Refusal

__all__ = ["Fleet"]


@runtime_checkable
class Fleet(Protocol):
    """Who gives hosts and takes them back: a cloud, a rental of GPUs, this machine with its own slots.

    It obeys `rushes.core.capacity.scaling` and has no opinion on how many hosts there should be.
    """

    def hosts(self) -> Sequence[Host]:
        """Every host that is ordered, is there, or still costs.

        Raises:
            PlatformError: the provider does not answer.
        """
        ...

    def order(self, tier: str, count: int, token: str) -> Sequence[str]:
        """Order hosts, and return the names of those that are on their way.

        They are among `hosts` from now on. Fewer than `count` where there are no more to be had: `refusals`
        then says so. The same token once more is the same order, whatever became of its answer.

        Raises:
            CallerError: it has no such tier (``unknown-tier``).
            PlatformError: the provider does not answer; ask again with the same token.
        """
        ...

    def release(self, hosts: Sequence[str]) -> Sequence[str]:
        """Let hosts go, and return the names of those that do.

        A host that has become busy is left alone; one that is gone already, or never was, is passed over.

        Raises:
            PlatformError: the provider does not answer; asking again does no harm.
        """
        ...

    def drain(self, hosts: Sequence[str]) -> Sequence[str]:
        """Let hosts take no more work, and go once they have done what they have; return their names.

        They are `leaving` from now on. An idle one goes like one that is released; one that is gone already,
        or never was, is passed over.

        Raises:
            PlatformError: the provider does not answer; asking again does no harm.
        """
        ...

    def refusals(self) -> Sequence[Refusal]:
        """The latest refusal of each tier that was ever refused."""
        ...
