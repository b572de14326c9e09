"""What hosts and the scaler tell each other, as small items beside the ledger.

A host says how much it has done, in counts that only grow, so that the scaler learns how long work takes; the
scaler says which tasks are to take no more work. Both cost a host one request a minute, whatever it does. One
that rests, or has not all functions that it is given work of, says so once a minute, and what it said is
forgotten when it says no more. All of it is read in one request.
This module must not know how either is used.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from rushes.shared_ledger.dynamo_items import typed
from rushes.shared_ledger.dynamo_table import Table

__all__ = ["SCALER", "Done", "FleetNotes", "Resting", "Said"]

NOTES: Final = "F#notes"
SCALER: Final = "F#scaler"
"""The document of what the scaler remembers, and what it last decided of each tier, under ``rows``."""
_HOST: Final = "host "
MOST_REASON: Final = 600
KEPT_S: Final = 86_400
"""A drained task that is still there after a day has been told often enough."""


RESTS_S: Final = 180
"""What a host said of itself holds for so long: three of its minutes."""


class Resting(NamedTuple):
    """A host that takes no work, or none of some groups or functions.

    Args:
        host: its name.
        reason: in a sentence.
        since: UTC epoch seconds.
        said: when it said so last.
        whole: it takes none at all.
        task: of ECS, that it is; "" elsewhere.
        lacks: functions that it has not.
    """

    host: str
    reason: str
    since: float
    said: float
    whole: bool = False
    task: str = ""
    lacks: tuple[str, ...] = ()


class Done(NamedTuple):
    """What hosts have done of one class of a group, since ever."""

    ended: int
    seconds: float


class Said(NamedTuple):
    """What hosts have said: what was done, by ``<group>/<class>``, and who rests."""

    done: dict[str, Done]
    resting: list[Resting]


class FleetNotes:
    """Notes of one environment.

    Args:
        client: a boto3 client for ``dynamodb``.
        table: the ledger's.
        clock: UTC epoch seconds.
        sleep: as `Table` has it.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = Table(client, table, sleep)
        self._clock = clock

    def drain(self, tasks: Sequence[str]) -> None:
        """Ask tasks to take no more work."""
        for task in tasks:
            until = round(self._clock() + KEPT_S)
            self._table.attempt(_drained(task), "SET #ttl=:ttl", {":ttl": until}, "", {"#ttl": "ttl"})

    def resume(self, tasks: Sequence[str]) -> None:
        """Ask tasks to take work again."""
        for task in tasks:
            self._table.attempt(_drained(task), "REMOVE #ttl", {}, "", {"#ttl": "ttl"})

    def is_drained(self, task: str) -> bool:
        """Whether a task is to take no more work."""
        item = self._table.item(_drained(task))
        return item is not None and "ttl" in item

    def rest(
        self,
        host: str,
        reason: str,
        since: float,
        *,
        whole: bool = False,
        task: str = "",
        lacks: Sequence[str] = (),
    ) -> None:
        """This host rests, `whole` or in part; said again once a minute while it does."""
        now = self._clock()
        values = {
            ":why": reason[:MOST_REASON], ":since": round(since), ":said": round(now),
            ":ttl": round(now + KEPT_S), ":whole": whole, ":task": task, ":lacks": json.dumps([*lacks]),
        }  # fmt: skip
        change = (
            "SET reason=:why, since=:since, said=:said, #ttl=:ttl, whole=:whole, task=:task, lacks=:lacks"
        )
        self._table.attempt(_key(f"{_HOST}{host}"), change, values, "", {"#ttl": "ttl"})

    def work(self, host: str) -> None:
        """This host works again, or is gone."""
        self._table.attempt(_key(f"{_HOST}{host}"), "SET said=:no", {":no": 0}, "attribute_exists(said)")

    def resting(self) -> list[Resting]:
        """The hosts that rest, by name."""
        return self.said().resting

    def said(self) -> Said:
        """All that hosts have said."""
        notes = {str(one["sk"]): one for one in self._table.query("read what hosts have said", pk=NOTES)}
        hosts = [
            Resting(
                name[len(_HOST) :], str(one["reason"]), float(one["since"]), float(one["said"]),
                bool(one.get("whole")), str(one.get("task", "")),
                tuple(json.loads(str(one.get("lacks", "[]")))),
            )
            for name, one in notes.items()
            if name.startswith(_HOST) and "reason" in one
        ]  # fmt: skip
        now = self._clock()
        return Said(_done(notes.get("done", {})), [one for one in hosts if now - one.said < RESTS_S])

    def add(self, done: Mapping[str, Done]) -> None:
        """Count what has been done, by ``<group>/<class>``."""
        if not any(one.ended for one in done.values()):
            return
        names = {f"#n{number}": f"n {name}" for number, name in enumerate(done)}
        names |= {f"#s{number}": f"s {name}" for number, name in enumerate(done)}
        values: dict[str, Any] = {}
        for number, one in enumerate(done.values()):
            values |= {f":n{number}": one.ended, f":s{number}": round(one.seconds * 1000)}
        change = ", ".join(f"{name} {name.replace('#', ':')}" for name in names)
        self._table.attempt(_key("done"), f"ADD {change}", values, "", names)

    def done(self) -> dict[str, Done]:
        """What has been done, by ``<group>/<class>``."""
        return _done(self._table.item(_key("done")) or {})


def _done(item: Mapping[str, Any]) -> dict[str, Done]:
    return {
        name[2:]: Done(int(item[name]), int(item.get(f"s {name[2:]}", 0)) / 1000)
        for name in item
        if name.startswith("n ")
    }


def _key(name: str) -> dict[str, Any]:
    return typed({"pk": NOTES, "sk": name})


def _drained(task: str) -> dict[str, Any]:
    return _key(f"drain {task.rpartition('/')[2]}")
