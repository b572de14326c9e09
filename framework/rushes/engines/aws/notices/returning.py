"""What waits for hosts that tried a version which went back: handed to the hosts of the old one.

Who is told of it there finds that it was sent for another version, waits for that a few times, and then does
it, saying so. What such a host works on ends there, and what is for the version of another function stays.
Several may do so at the same time: the ledger absorbs what is told twice. This module must not know who
decides about versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from rushes.core.capacity.beside import usual
from rushes.engines.aws.infra.host_tiers import PLAIN
from rushes.invocation import function_name
from rushes.notices import Notice
from rushes.ports import Queue

__all__ = ["hand_back"]

MOST_ROUNDS: Final = 50
"""Of ten messages each: what is left comes a minute later."""


class Specs(Protocol):
    """What is asked of a ledger."""

    def spec(self, batch: str) -> Mapping[str, object] | None:
        """What a batch was opened with."""
        ...


def hand_back(queues: Mapping[str, Queue], ledger: Specs, went_back: Callable[[str], bool]) -> int:
    """Hand on what waits in the queues of hosts that try versions; gives how much.

    Args:
        queues: of these hosts by ``<group>/<class>``, and of those beside them.
        ledger: knows of which function something is.
        went_back: whether the version of a function that was tried went back.

    Raises:
        PlatformError: a service does not answer; said again, it goes on.
    """
    handed = 0
    for name, queue in queues.items():
        group, _, priority = name.rpartition("/")
        to = queues.get(f"{usual(group)}/{priority}")
        # A function's own queues may be called so as well.
        if usual(group) != group and group.partition("-")[0] == PLAIN and to is not None:
            handed += _emptied(queue, to, ledger, went_back)
    return handed


def _emptied(queue: Queue, to: Queue, ledger: Specs, went_back: Callable[[str], bool]) -> int:
    handed = 0
    for _ in range(MOST_ROUNDS):
        found = queue.receive(10, 0)
        back, stays = list[Notice](), list[Notice]()
        for message in found:
            spec = ledger.spec(message.notice.invocation.rpartition(".")[0])
            # What nobody knows is for nobody's version: the others end it, or it is set aside there.
            its = spec is None or went_back(function_name(str(spec["function"])))
            (back if its else stays).append(message.notice)
        if back:
            to.send(back)
        if stays:  # as if it had never been taken: a queue counts how often it gives a message
            queue.send(stays)
        queue.done(found)
        handed += len(back)
        if not back:
            break
    return handed
