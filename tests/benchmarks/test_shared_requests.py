"""What the benchmark of shared queues compares with: requests as ours, whoever sends them."""

# ruff: noqa: PLC0415 - a fixture puts benchmarks/ on the path, for these tests alone

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NOW = 1_795_325_545.186
SPEC = {"function": "noop:noop", "version": "1", "show": "default", "priority": "standard", "params": "{}"}


class Recorded:
    """A client of DynamoDB, and what it was asked."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.asked: dict[str, list[dict[str, Any]]] = {}

    def __getattr__(self, name: str) -> Any:
        def ask(**given: Any) -> Any:
            self.asked.setdefault(name, []).append(given)
            return getattr(self._client, name)(**given)

        return ask

    def get_paginator(self, name: str) -> Any:
        pages, asked = self._client.get_paginator(name), self.asked

        class Pages:
            def paginate(self, **given: Any) -> Any:
                asked.setdefault(name, []).append(given)
                return pages.paginate(**given)

        return Pages()


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """What a ledger asks for two invocations, from their submission to their results."""
    from moto_cloud import clients_of

    from rushes.core.states import State
    from rushes.ledger import Claim, End, WorkItem
    from rushes.shared_ledger.dynamo import DynamoLedger
    from rushes.shared_ledger.dynamo_shape import TABLE

    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import shared
    import shared_requests as requests

    with clients_of("dynamodb") as clients:
        dynamodb = clients["dynamodb"]
        dynamodb.create_table(TableName="ledger", **TABLE)
        recorded = Recorded(dynamodb)
        ledger = DynamoLedger(recorded, "ledger", clock=lambda: NOW)
        ledger.open(requests.BATCH, SPEC, NOW)
        mark = "mark:f6d8b886335927d46fad323c60335d09"
        work = [
            WorkItem(
                f"{requests.BATCH}.{n}", shared.CLIP, f"{n:032x}", None, f'{{"n":{n}}}', "", f"~{n:04x}", mark
            )
            for n in (1, 2)
        ]
        ledger.known("default", [one.key for one in work])
        ledger.add(requests.BATCH, work)
        said = json.dumps({"result": {"n": 1}, "outputs": [], "cost": {"requests": 801, "total": 801}})
        for one in work:
            claim = ledger.claim(one.invocation, "host-of-a-name:12345", NOW, NOW + 60)
            assert isinstance(claim, Claim)
            assert ledger.finish(claim, End(State.succeeded, said, 0.015218, 0.0, 801))
        ledger.tally(requests.BATCH, active=False)
        ledger.ends(requests.BATCH, NOW - 10)
        ledger.entries(requests.BATCH, [1, 2])
        yield recorded.asked


def test_the_other_side_sends_requests_of_our_shape_and_size(
    ours: dict[str, list[dict[str, Any]]],
) -> None:
    import shared_requests as requests

    now_ms = round(NOW * 1000)
    submitted, ended, _ = ours["transact_write_items"]
    head, *ends = ours["query"]
    known, read = ours["batch_get_item"]
    pairs = [
        (submitted, requests.submitted([1, 2], now_ms)),
        (ours["update_item"][0], requests.claim(1, now_ms)),
        (ended, requests.ends([1], now_ms)),
        (head, requests.head()),
        (ends[0], requests.newly_ended(0, now_ms - 10_000)),
        (known, requests.known([1, 2])),
        (read, requests.read([1, 2])),
    ]
    for mine, other in pairs:
        assert shape_of(mine) == shape_of(other)
        sizes = [len(json.dumps(one, default=bytes.hex)) for one in (mine, other)]
        assert max(sizes) <= 1.05 * min(sizes), (sizes, mine, other)


def shape_of(asked: Any) -> Any:
    """A request less its values: names, expressions and types in any order."""
    if isinstance(asked, dict):
        return {
            name: sorted(one.split(" ")) if name.endswith("Expression") else shape_of(one)
            for name, one in asked.items()
            if not name.startswith("pk")
        }
    return [shape_of(one) for one in asked] if isinstance(asked, list | tuple) else type(asked).__name__
