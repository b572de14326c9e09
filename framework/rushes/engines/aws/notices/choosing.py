"""Who an invocation is for, a Lambda or hosts: what is known of its function's runs, asked now and then.

The decision is `rushes.core.capacity.placing`'s; here its parts come together. Nothing is asked for a single
invocation. This module must not know who sends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rushes.core.capacity.placing import place
from rushes.engines.aws.infra.choices import Choices, routable
from rushes.ledger import Routed

if TYPE_CHECKING:
    from rushes.function import Function
    from rushes.runtime.shared.runs.book import RunBook

__all__ = ["Chooser"]


class Chooser:
    """Says of work which tier of an environment it is for.

    Args:
        choices: what the environment has.
        runs: what runs took.
    """

    def __init__(self, choices: Choices, runs: RunBook) -> None:
        self._choices = choices
        self._runs = runs

    def placing(
        self, function: Function[Any, Any], version: str, priority: str, group: str
    ) -> Callable[[int], Routed | None]:
        """Of a function that a Lambda and hosts may do: where work on a clip of so many bytes goes.

        Args:
            function: whose Lambda has a queue for the class.
            version: of it, that does the work.
            priority: the class.
            group: of the hosts that have a queue for it, too.
        """
        tiers = self._choices.tiers_of(function, group)
        if tiers is None:
            return lambda _: None
        runs = self._runs.of(function.name, version)

        def placed(size_bytes: int) -> Routed:
            tier, reason, expected, limit_s = place(routable(function, priority, size_bytes), tiers, runs)
            likely_s, late_s = (expected.likely_s, expected.late_s) if expected is not None else (None, None)
            return Routed(tier, reason, likely_s, late_s, limit_s)

        return placed
