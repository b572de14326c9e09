"""What runs took, in the ledger's table: an item a function, tier, week and version, which only grows.

    L#<function>         <tier>#<week>#<version>    a number for each cell; it vanishes after some weeks

Whoever worked adds what a minute brought, with one request for each function; who decides reads all of a
function with one. Who may write which of these items is said by their key, so permissions can tell. This
module must not know what cells mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from rushes.core.learning.run_cells import WEEK_S, Counted
from rushes.shared_ledger.dynamo_items import typed
from rushes.shared_ledger.dynamo_shape import RUNS
from rushes.shared_ledger.dynamo_table import Table

__all__ = ["DynamoRunCounts"]

KEPT_WEEKS: Final = 8
"""What is older counts for less than one in a hundred of what is new."""
MOST_CELLS: Final = 100
"""In one request: its expression may have 4 KB (https://docs.aws.amazon.com/amazondynamodb/latest/
developerguide/Constraints.html)."""


class DynamoRunCounts:
    """A `rushes.ports.RunCounts`.

    Args:
        client: a boto3 client for ``dynamodb``.
        table: the ledger's.
        sleep: as `Table` has it.
    """

    def __init__(self, client: Any, table: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._table = Table(client, table, sleep)

    def add(self, function: str, tier: str, counted: Counted) -> None:
        until = (counted.week + KEPT_WEEKS) * WEEK_S
        for some in _in_parts(counted.counts):
            names = {f"#c{number}": cell for number, cell in enumerate(some)}
            values = {f":c{number}": int(count) for number, count in enumerate(some.values())}
            added = ", ".join(f"{name} :{name[1:]}" for name in names)
            asked = self._table.update(
                _key(function, tier, counted),
                f"SET #ttl=:ttl ADD {added}",
                {**values, ":ttl": until},
                names={**names, "#ttl": "ttl"},
            )
            self._table.send(f"count runs of {function}", asked)

    def counted(self, function: str) -> Mapping[str, Sequence[Counted]]:
        found: dict[str, list[Counted]] = {}
        for item in self._table.query(f"read the runs of {function}", pk=f"{RUNS}{function}"):
            tier, _, rest = str(item["sk"]).partition("#")
            week, _, version = rest.partition("#")
            if week.isdecimal():
                counts = {n: float(v) for n, v in item.items() if n not in _OTHER and isinstance(v, Decimal)}
                found.setdefault(tier, []).append(Counted(version, int(week), counts))
        return found


_OTHER: Final = frozenset({"pk", "sk", "ttl"})


def _key(function: str, tier: str, counted: Counted) -> dict[str, Any]:
    return typed({"pk": f"{RUNS}{function}", "sk": f"{tier}#{counted.week:06}#{counted.version}"})


def _in_parts(counts: Mapping[str, float]) -> Iterator[dict[str, float]]:
    left = iter(counts.items())
    while some := dict(islice(left, MOST_CELLS)):
        yield some
