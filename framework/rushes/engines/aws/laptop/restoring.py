"""Clips that are in an archive, asked for several at once. This module must not know environments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from rushes.engines.aws.laptop.sending import LOOKERS
from rushes.stored import Restored

if TYPE_CHECKING:
    from rushes.ports import Store

__all__ = ["restore"]


def restore(store: Store, uris: Sequence[str], *, days: int, speed: str) -> Restored:
    """Ask for what is archived; see `rushes.keepers.Restorer`."""

    def objects() -> Iterator[str]:
        for uri in uris:
            yield from (one.uri for one in store.listing(uri)) if uri.endswith("/") else (uri,)

    with ThreadPoolExecutor(LOOKERS) as threads:
        found = list(threads.map(lambda one: store.restore(one, days=days, speed=speed), objects()))
    return Restored(found.count(False), found.count(True))
