"""One cap for many hosts, over HTTP, where all of them ask at the same moment and some are killed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rushes.core.accounts import Scope
from rushes.core.spending.budget import Payer
from rushes.ports import Money
from rushes.runtime.shared.money.tranches import Funds, SharedMoney
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.shared_ledger.dynamo_money import DynamoMoney
from rushes.testing.clock import FakeClock
from rushes.testing.money_contract import MoneyContract

DUNE, PAYER = Scope("show", "dune"), Payer("dune", "k7m2qx")
HOSTS, CAP, AMOUNT = 8, 20_000, 50


@pytest.fixture
def table(clients: dict[str, Any], unique: str) -> Iterator[str]:
    clients["dynamodb"].create_table(TableName=unique, **TABLE)
    yield unique
    clients["dynamodb"].delete_table(TableName=unique)


class TestMoney(MoneyContract):
    @pytest.fixture
    def money(self, clients: dict[str, Any], table: str, clock: FakeClock) -> Money:
        return DynamoMoney(clients["dynamodb"], table, clock=clock.now)


class Counted:
    """A client that counts what it is asked."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in {"get_item", "update_item", "put_item", "transact_write_items"}:
            return found

        def call(**asked: Any) -> Any:
            self.asked += 1
            return found(**asked)

        return call


def test_of_eight_hosts_none_overshoots_the_cap_of_all_and_three_of_them_die(
    clients: dict[str, Any], table: str
) -> None:
    client = Counted(clients["dynamodb"])
    money = DynamoMoney(client, table)
    money.set_cap(DUNE, CAP)

    def host(number: int) -> tuple[int, int, int]:
        """What it spent in how many attempts, and what of that no ledger will hear of but as exposed."""
        chance = random.Random(number)  # noqa: S311 - of a test
        shared, dies = SharedMoney(money, f"host-{number}", time.time), number < 3
        shared.concerns(PAYER)
        spent = attempts = 0
        while isinstance(funds := shared.reserve(PAYER, AMOUNT), Funds):
            attempts += 1
            if dies and attempts == 20:
                return spent + AMOUNT, attempts, AMOUNT  # killed when it had spent all that it had reserved
            cost = chance.randint(AMOUNT // 2, AMOUNT)
            shared.settle(funds, cost)
            spent += cost
            if attempts % 10 == 0:
                shared.tend()
        shared.close()
        return spent, attempts, 0

    with ThreadPoolExecutor(HOSTS) as threads:
        found = list(threads.map(host, range(HOSTS)))
    assert sum(spent for spent, _, _ in found) <= CAP
    assert money.reclaim(time.time() + 10_000) == 3
    last = host(99)
    spent = sum(one[0] for one in found) + last[0]
    assert spent <= CAP
    state = money.state(DUNE)
    assert state is not None
    assert (state.held, state.cap) == (0, CAP)
    assert spent <= state.spent <= CAP
    # What is lost is what the dead had said in advance, and less than one reservation at the end.
    assert state.left < AMOUNT
    assert spent >= CAP - 3 * 4 * AMOUNT - AMOUNT
    attempts = sum(one[1] for one in found) + last[1]
    assert client.asked / attempts < 2, f"{client.asked} requests for {attempts} attempts"
