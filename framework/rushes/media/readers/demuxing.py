"""Every packet of an open container, to its end. This module must not judge what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet as AnyPacket

    Packet = AnyPacket[Any]

__all__ = ["packets_of"]


def packets_of(container: InputContainer) -> Iterator[Packet]:
    """The packets of all streams that were there when it was opened.

    Of a stream that begins in the middle (FLV, transport streams) PyAV gives nothing, and says `IndexError`
    when it has given everything else.
    """
    packets = container.demux()
    while True:
        try:
            packet = next(packets)
        except (StopIteration, IndexError):
            return
        yield packet
