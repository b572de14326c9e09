"""What was logged in an environment, read from CloudWatch: of an invocation, or of a part that works for all.

Each time it is asked it gives what came since. Records come seconds late, and not in order, so what was asked
for is asked for again with some overlap, and each record given once. The text of a pattern is looked for in
all records of a time, so a long time of a busy log takes a while: it is read page by page, and no further
than `PAGES`. This module must not know how records are written (`log_records`), nor who reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any, Final

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, code_of, sent
from rushes.engines.aws.laptop.log_records import Asked, asked_of, attempt_line, lambda_line, part_line
from rushes.errors import CallerError
from rushes.logged import LogLine

__all__ = ["InvocationLog", "PartLog"]

PAGES: Final = 500
"""Of up to 1 MB each (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/
API_FilterLogEvents.html); a page may be empty, and others come."""
LATE_S: Final = 30.0
"""So much later than it was written a record may be found."""
SKEWED_S: Final = 300.0
"""AWS takes no request of a clock that is further off: what is older was seen, when all of a log was read."""
SETTLED_S: Final = 10.0
"""After an end, words are still waited for so long by who follows."""


class _Group:
    """One log, of which each record is given once.

    Args:
        client: of boto3, for ``logs``.
        clock: UTC epoch seconds, nearly as AWS has them.
    """

    def __init__(self, client: Any, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._given: set[tuple[Any, ...]] = set()
        self._from: dict[tuple[str, str], float] = {}
        self.cut = False
        """There was more than was read."""

    def new(self, name: str, pattern: str, begins: float, ends: float | None) -> Iterator[dict[str, Any]]:
        """The records since the last time.

        Raises:
            LookupError: there is no such log.
        """
        looked = name, pattern
        begins = max(begins, self._from.get(looked, 0.0) - LATE_S, 0.0)
        until = min(self._clock() - SKEWED_S, inf if ends is None else ends)
        asked: dict[str, Any] = {"logGroupName": name, "startTime": int(begins * 1000)}
        if ends is not None:
            asked["endTime"] = int(ends * 1000)
        if pattern:
            asked["filterPattern"] = f'"{pattern}"'
        for _ in range(PAGES):
            page = self._page(asked)
            for one in page.get("events", ()):
                mark = (
                    name,
                    one.get("logStreamName"),
                    one.get("eventId") or one["message"],
                    one["timestamp"],
                )
                if mark in self._given:
                    continue
                self._given.add(mark)
                self._from[looked] = max(self._from.get(looked, 0.0), one["timestamp"] / 1000)
                yield one
            token = page.get("nextToken")
            if not token:  # of hours in which others alone logged, all would be looked through each time
                self._from[looked] = max(self._from.get(looked, 0.0), until)
                return
            asked["nextToken"] = token
        self.cut = True

    def _page(self, asked: dict[str, Any]) -> dict[str, Any]:
        act = f"read the log {asked['logGroupName']}"
        try:
            with sent(act):
                found: dict[str, Any] = self._client.filter_log_events(**asked)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                raise LookupError(asked["logGroupName"]) from error
            raise answer_error(error, act) from error
        return found


class InvocationLog:
    """What the attempts of an invocation logged.

    Args:
        client: of boto3, for ``logs``.
        explain: asks what is known of it.
        inner: its id in the ledger.
        lambdas: the logs of Lambdas that may work on it.
        hosts: that of hosts.
        since: UTC epoch seconds; nothing before is given.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        client: Any,
        explain: Callable[[], Any],
        inner: str,
        lambdas: Sequence[str],
        hosts: str,
        *,
        since: float,
        clock: Callable[[], float],
    ) -> None:
        self._group = _Group(client, clock)
        self._explain = explain
        self._inner = inner
        self._lambdas, self._hosts = lambdas, hosts
        self._since = since
        self._clock = clock
        self._missing: dict[str, None] = {}
        self.state = ""
        """Of the invocation, as it was when it was asked for last."""
        self.over = False
        """Nothing more will come."""

    @property
    def note(self) -> str:
        """What of it is not to be had here; "" for nothing."""
        if self._group.cut:
            return "there is more than was read: say --since with a later time"
        if self._missing:
            who = ", ".join(self._missing)
            return (
                f"{who} worked on it, no task of this environment: look in what it writes for {self._inner}"
            )
        return ""

    def new(self) -> list[LogLine]:
        """What came since the last time, in its order."""
        found = self._explain()
        now, self.state = self._clock(), str(found["state"])
        ends = [one["ended"] for one in found["history"]]
        is_open = self.state in {"queued", "held", "running", "paused"}
        self.over = not is_open and now >= max(ends, default=0.0) + SETTLED_S
        lines: list[LogLine] = []
        for asked in asked_of(found, self._lambdas, self._hosts):
            lines += self._of(asked, found)
        return sorted(lines, key=lambda one: one.at)

    def _of(self, asked: Asked, found: Any) -> Iterator[LogLine]:
        begins = max(asked.begins, self._since)
        is_there = False
        for name in asked.groups:
            try:
                for one in self._group.new(name, self._inner, begins, asked.ends):
                    if text := attempt_line(one["message"], self._inner):
                        yield LogLine(one["timestamp"] / 1000, text)
                for request in asked.requests:
                    for one in self._group.new(name, request, begins, asked.ends):
                        if text := lambda_line(one["message"], request):
                            yield LogLine(one["timestamp"] / 1000, text)
                is_there = True
            except LookupError:
                continue
        if not is_there:
            holders = [one["holder"] for one in found["history"]] + [found["slot"]]
            self._missing |= dict.fromkeys(str(one) for one in holders if one)


class PartLog:
    """What a part of an environment logs: the router, a function's Lambda, its hosts.

    Args:
        client: of boto3, for ``logs``.
        name: of the log.
        since: UTC epoch seconds; nothing before is given.
        clock: UTC epoch seconds.
    """

    over = False
    """Nothing more will come."""

    def __init__(self, client: Any, name: str, *, since: float, clock: Callable[[], float]) -> None:
        self._group = _Group(client, clock)
        self._name = name
        self._since = since
        self.state = ""
        self.note = ""

    def new(self) -> list[LogLine]:
        """What came since the last time, in its order.

        Raises:
            CallerError: the environment has no such part (``not-found``).
        """
        lines: list[LogLine] = []
        try:
            lines += (
                LogLine(one["timestamp"] / 1000, text, _who(one.get("logStreamName", "")))
                for one in self._group.new(self._name, "", self._since, None)
                if (text := part_line(one["message"]))
            )
        except LookupError as error:
            # Who follows would wait for ever for what a name that is mistyped says.
            raise CallerError(
                f"there is no log {self._name}: the environment has no such part.",
                code="not-found",
                fix="Say router, sweep, scaler, or a function by its name; hosts have a log where the "
                "environment starts them (`infra deploy --capacity`); others write where they run.",
            ) from error
        if self._group.cut:
            self.note = "there is more than was read: say --since with a later time"
        return sorted(lines, key=lambda one: one.at)


def _who(stream: str) -> str:
    """Who of several writes to a stream: a task of ECS, as ``cpu/host/0f3c…``; "" for one of a Lambda."""
    tier, slash, rest = stream.partition("/host/")
    return f"{tier}/{rest[:8]}" if slash else ""
