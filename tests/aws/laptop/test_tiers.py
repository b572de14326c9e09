"""Who work that a laptop sends is for, a Lambda or hosts: by the size of each clip, and what runs took."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from rushes import catalog
from rushes.asset import Asset
from rushes.cli.app import app
from rushes.cli.session import Session
from rushes.core.learning.run_cells import Counted, RunKind, cell, week_of
from rushes.core.states import State
from rushes.engines.aws.access.settings import aws_settings
from rushes.engines.aws.engine import AwsEngine
from rushes.engines.aws.infra.deployment import Deployment
from rushes.ledger import ON_HOSTS, ON_LAMBDA, Claim, End, LetGo, Routed
from rushes.runtime.sources.inputs import Found
from rushes.testing.clock import FakeClock
from rushes.testing.ledger import StubLedger
from rushes.testing.money import StubMoney
from rushes.testing.queue import StubQueue
from rushes.testing.runs import StubRunCounts
from rushes.testing.store import StubStore

TIERS = json.dumps({"clip": 5000, "region": "us-east-1"})
QUEUES = {
    "QueueAskedStandard": "lambda", "QueueHostsStandard": "hosts", "QueueHostsUrgent": "hosts-urgent",
}  # fmt: skip


@dataclass
class Cloud:
    """Services in memory."""

    function: Any
    clock: FakeClock = field(default_factory=FakeClock)
    settings: Any = field(default_factory=lambda: aws_settings({"AWS_REGION": "us-east-1"}))

    def __post_init__(self) -> None:
        self.store, self.ledger, self.money = StubStore(self.clock), StubLedger(), StubMoney()
        self.runs = StubRunCounts()
        self.queues = {name: StubQueue(self.clock) for name in QUEUES.values()}
        self.engine = self.sends(TIERS)

    def queue(self, url: str) -> StubQueue:
        return self.queues[url]

    def client(self, service: str) -> Any:
        """A table in which no host has said anything."""
        assert service == "dynamodb"
        nothing = SimpleNamespace(paginate=lambda **_: [])
        return SimpleNamespace(get_paginator=lambda _: nothing, get_item=lambda **_: {})

    def sends(self, choices: str) -> AwsEngine:
        there = Deployment("dev", "t", QUEUES, choices=choices)
        return AwsEngine(services=cast("Any", self), deployment=there, poll_s=0.0, clock=self.clock.now)

    def learnt(self, tier: str, seconds: float, size: int) -> None:
        counts = {cell(RunKind.ran, size, seconds): 20}
        self.runs.add("asked", tier, Counted("1", week_of(self.clock.now()), counts))

    def send(self, *sizes: int, engine: AwsEngine | None = None) -> str:
        """A batch of clips of these sizes."""
        engine = engine or self.engine
        for number, size in enumerate(sizes):
            self.store.put(f"stub://cards/{number}.mov", bytes(size))
        found = [Found(Asset(f"stub://cards/{number}.mov")) for number in range(len(sizes))]
        function, options = self.function, self.function.options
        params = function.params(None)
        batch = engine.open(engine.spec_of(function, options, params))
        engine.submit(batch, engine.invocations(function, options, params, found))
        engine.seal(batch)
        return batch

    def told(self) -> dict[str, list[int]]:
        """Which numbers each queue has been told of since the last time."""
        found = {}
        for name, queue in self.queues.items():
            messages = queue.receive(100, 0)
            queue.done(messages)
            found[name] = [int(one.notice.invocation.rpartition(".")[2]) for one in messages]
        return {name: numbers for name, numbers in found.items() if numbers}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(catalog.find("deployed:asked"))


def test_each_clip_of_a_batch_goes_to_those_who_can(cloud: Cloud) -> None:
    for size, seconds in ((10, 4.0), (100, 40.0), (1000, 400.0), (4000, 1600.0)):
        cloud.learnt(ON_LAMBDA, seconds, size)

    batch = cloud.send(10, 4000, 100, 6000)

    assert cloud.told() == {"lambda": [1, 3], "hosts": [2, 4]}
    inner = batch.partition("@")[0]
    tiers = [one.work.tier for one in cloud.ledger.entries(inner, [1, 2, 3, 4])]
    assert tiers == [ON_LAMBDA, ON_HOSTS, ON_LAMBDA, ON_HOSTS]


def test_where_nothing_is_known_a_batch_goes_to_its_lambda(cloud: Cloud) -> None:
    cloud.send(10, 4000)

    assert cloud.told() == {"lambda": [1, 2]}


def test_an_environment_that_says_nothing_of_its_tiers_is_as_it_was(cloud: Cloud) -> None:
    cloud.learnt(ON_LAMBDA, 1600.0, 4000)
    batch = cloud.send(4000, 6000, engine=cloud.sends(""))

    assert cloud.told() == {"lambda": [1, 2]}
    entry = cloud.ledger.entry(f"{batch.partition('@')[0]}.1")
    assert entry is not None
    assert entry.work.routed is None


def test_another_class_is_told_to_those_whom_the_work_is_for(cloud: Cloud) -> None:
    batch = cloud.send(6000, 10)
    cloud.told()

    cloud.engine.set_priority(batch, "urgent")

    assert cloud.told() == {"hosts-urgent": [1, 2]}  # no Lambda has a queue of that class
    cloud.engine.set_priority(batch, "standard")
    assert cloud.told() == {"hosts": [1], "lambda": [2]}


def test_what_went_up_and_failed_is_tried_again_where_it_was(cloud: Cloud) -> None:
    batch = cloud.send(10)
    first = f"{batch.partition('@')[0]}.1"
    claim = cloud.ledger.claim(first, "lambda:1", 0.0, 60.0)
    assert isinstance(claim, Claim)
    cloud.ledger.give_back(claim, LetGo("too long"), Routed(ON_HOSTS, "hosts: too long."))
    claim = cloud.ledger.claim(first, "host-a", 1.0, 60.0)
    assert isinstance(claim, Claim)
    cloud.ledger.finish(claim, End(State.failed, '{"error":{"code":"x"}}'))
    cloud.told()

    assert cloud.engine.retry(batch) == 1

    assert cloud.told() == {"hosts": [1]}


def test_who_has_not_the_function_may_steer_a_batch_all_the_same(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = cloud.send(6000, 10)
    cloud.told()
    monkeypatch.setattr(catalog, "find", lambda ref: pytest.fail(f"{ref} is not installed here"))

    cloud.engine.set_priority(batch, "urgent")

    assert cloud.told() == {"hosts-urgent": [1, 2]}
    assert cloud.engine.retry(batch) == 0


def test_why_says_who_it_is_for_and_what_was_expected(cloud: Cloud) -> None:
    cloud.learnt(ON_LAMBDA, 1600.0, 4000)
    batch = cloud.send(4000)

    said = CliRunner().invoke(app, ["why", f"{batch}.1"], obj=Session(cloud.engine)).output
    data = json.loads(
        CliRunner().invoke(app, ["why", f"{batch}.1", "--json"], obj=Session(cloud.engine)).output
    )

    line = next(line for line in said.splitlines() if line.startswith("  for hosts: lambda is not for it"))
    assert "it stops work after 14 m 40 s, and this may take" in line
    assert "expected 2" in line
    assert "limit 14 m 40 s" in line
    assert "Hosts take it." in said
    assert data["routed"]["tier"] == ON_HOSTS
    assert data["routed"]["limit_s"] == 880.0


def test_why_says_that_nothing_like_it_was_seen(cloud: Cloud) -> None:
    batch = cloud.send(10)

    said = CliRunner().invoke(app, ["why", f"{batch}.1"], obj=Session(cloud.engine)).output

    assert "for lambda: nothing like it was seen before" in said


def test_a_dead_letter_goes_back_to_those_whom_the_work_is_for(cloud: Cloud) -> None:
    there = replace(cloud.engine.there.deployment)
    spec = {"function": "m:asked", "title": "asked", "group": "hosts"}

    assert there.home_of(spec, "standard", ["lambda"], ON_HOSTS) == "hosts"
    assert there.home_of(spec, "standard", ["hosts"], ON_LAMBDA) == "lambda"
    assert there.home_of(spec, "standard", ["hosts"]) == "hosts"
    assert there.home_of(spec, "urgent", ["lambda"], ON_LAMBDA) == "hosts-urgent"


def test_what_was_sent_for_a_version_that_was_tried_is_for_the_others_once_that_is_over(cloud: Cloud) -> None:
    its = {"QueueHostsNvencUrgent": "cards", "QueueHostsUrgent": "hosts", "QueueAskedUrgent": "lambda"}
    over = replace(cloud.engine.there.deployment, queues=its)
    goes_on = replace(over, queues={**its, "QueueHostsNvencTrialUrgent": "trial"})
    spec = {"function": "m:asked", "title": "asked-trial", "group": "hosts-nvenc-trial"}

    assert goes_on.home_of(spec, "urgent", ["trial"], ON_HOSTS) == "trial"
    assert over.home_of(spec, "urgent", [], ON_HOSTS) == "cards"
    assert over.home_of(spec, "urgent", [], ON_LAMBDA) == "lambda"
