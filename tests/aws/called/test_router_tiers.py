"""Who an object that came is for, a Lambda or hosts: by its size, what runs took, and who had it before."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from moto_cloud import empty

from rushes import Asset, Context, Output, Params, Resources, Result, function, on_s3
from rushes.core.learning.run_cells import WEEK_S, Counted, RunKind, cell
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.engines.aws.called.router import EventRouter
from rushes.engines.aws.called.trial import Trials
from rushes.ledger import ON_HOSTS, ON_LAMBDA, Claim, LetGo, Routed
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.shared_ledger.dynamo_runs import DynamoRunCounts
from rushes.shared_ledger.sqs import SqsQueue

NOW = 1_700_000_000.0
WEEK = int(NOW // WEEK_S)
TIERS = json.dumps({"clip": 2000, "region": "us-east-1"})
QUEUES = ("small/urgent", "small-trial/urgent", "hosts/urgent", "look/standard")


class Wrote(Result):
    file: Output


@function(
    version="2",
    resources=Resources(cpu=2, memory="2GiB"),
    triggers=[
        on_s3("cards/{show}/**", kinds="video", show="{show}", out="s3://proxies/{show}", priority="urgent")
    ],
)
def small(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """A proxy."""
    raise AssertionError


@function(version="1", triggers=[on_s3("sound/**")])
def look(clip: Asset, params: Params) -> Result:
    """Of it hosts have no queue."""
    raise AssertionError


class Counting:
    """A client that counts requests."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name == "get_paginator":
            return lambda verb: (self.asked.update([verb]), found(verb))[1]
        if not callable(found):
            return found

        def call(**asked: Any) -> Any:
            self.asked[name] += 1
            return found(**asked)

        return call


class Cloud:
    def __init__(self, clients: dict[str, Any]) -> None:
        self.clients = clients
        for bucket in ("cards", "sound", "proxies"):
            clients["s3"].create_bucket(Bucket=bucket)
        clients["dynamodb"].create_table(TableName="rushes", **TABLE)
        self.urls = {
            name: clients["sqs"].create_queue(QueueName=name.replace("/", "-"))["QueueUrl"] for name in QUEUES
        }
        self.ledger = DynamoLedger(clients["dynamodb"], "rushes")
        self.runs = DynamoRunCounts(clients["dynamodb"], "rushes")
        self.table = Counting(clients["dynamodb"])

    def router(self, tiers: str = TIERS, trials: dict[str, str] | None = None) -> EventRouter:
        services = Services(AwsSettings("rushes"), "router", self._client)
        return EventRouter([small, look], self.urls, services, lambda: NOW, tiers=tiers, trials=trials)

    def version(self, invocation: str) -> str:
        """By which version it is to be done."""
        spec = self.ledger.spec(invocation.rpartition(".")[0])
        assert spec is not None
        return str(spec["version"])

    def _client(self, service: str) -> Any:
        return self.table if service == "dynamodb" else self.clients[service]

    def put(self, key: str, size: int, bucket: str = "cards") -> dict[str, Any]:
        self.clients["s3"].put_object(Bucket=bucket, Key=key, Body=bytes(size))
        return {"source": "aws.s3", "detail": {"bucket": {"name": bucket}, "object": {"key": key}}}

    def learnt(self, tier: str, seconds: float, size: int, runs: int = 20) -> None:
        """So many runs took so long on clips of that size."""
        self.runs.add("small", tier, Counted("2", WEEK, {cell(RunKind.ran, size, seconds): runs}))

    def told(self) -> dict[str, list[str]]:
        """Who was told of what."""
        queues = {name: SqsQueue(self.clients["sqs"], url) for name, url in self.urls.items()}
        found = {
            name: [one.notice.invocation for one in queue.receive(10, 0)] for name, queue in queues.items()
        }
        return {name: one for name, one in found.items() if one}

    def routed(self, invocation: str) -> Routed | None:
        entry = self.ledger.entry(invocation)
        assert entry is not None
        return entry.work.routed


@pytest.fixture
def cloud(mocked: dict[str, Any]) -> Iterator[Cloud]:
    yield Cloud(mocked)
    empty()


def test_what_nobody_knows_anything_of_goes_to_its_lambda(cloud: Cloud) -> None:
    (invocation,) = cloud.router()(cloud.put("dune/a.mov", 1000), None)

    assert cloud.told() == {"small/urgent": [invocation]}
    assert cloud.routed(invocation) == Routed(ON_LAMBDA, limit_s=None)


def test_a_clip_for_which_a_lambda_has_no_room_goes_to_hosts(cloud: Cloud) -> None:
    (invocation,) = cloud.router()(cloud.put("dune/a.mov", 3000), None)

    assert cloud.told() == {"hosts/urgent": [invocation]}
    routed = cloud.routed(invocation)
    assert routed is not None
    assert routed.reason.startswith("hosts: lambda is not for it: it takes sources up to")


def test_the_size_of_a_clip_says_who_works_on_it(cloud: Cloud) -> None:
    for size, seconds in ((50, 15.0), (500, 150.0), (1500, 1500.0)):
        cloud.learnt("lambda", seconds, size)
    router = cloud.router()

    (long,) = router(cloud.put("dune/long.mov", 1500), None)
    (short,) = router(cloud.put("dune/short.mov", 50), None)

    assert cloud.told() == {"hosts/urgent": [long], "small/urgent": [short]}
    why = cloud.routed(long)
    assert why is not None
    assert (why.tier, why.limit_s) == (ON_HOSTS, 880.0)
    assert why.expected_s == pytest.approx(1500, rel=0.4)


def test_what_is_known_is_asked_for_once_however_much_comes(cloud: Cloud) -> None:
    cloud.learnt("lambda", 5.0, 1000)
    router = cloud.router()
    router(cloud.put("dune/0.mov", 1000), None)
    cloud.table.asked.clear()

    for number in range(1, 6):
        router(cloud.put(f"dune/{number}.mov", 1000), None)

    assert cloud.table.asked == {"transact_write_items": 5, "get_item": 5}


def test_an_event_that_comes_again_goes_to_those_who_had_it_first(cloud: Cloud) -> None:
    event = cloud.put("dune/a.mov", 1000)
    (invocation,) = cloud.router()(event, None)
    cloud.told()
    cloud.learnt("lambda", 5000.0, 1000)

    cloud.router()(event, None)

    assert cloud.told() == {"small/urgent": [invocation]}


def test_what_a_lambda_gave_up_goes_to_hosts_when_its_event_comes_again(cloud: Cloud) -> None:
    event = cloud.put("dune/a.mov", 1000)
    (invocation,) = cloud.router()(event, None)
    claim = cloud.ledger.claim(invocation, "lambda:1", NOW, NOW + 60)
    assert isinstance(claim, Claim)
    cloud.ledger.give_back(claim, LetGo("too long"), Routed(ON_HOSTS, "hosts: too long."))
    cloud.told()

    cloud.router()(event, None)

    assert cloud.told() == {"hosts/urgent": [invocation]}


@pytest.fixture
def tried(cloud: Cloud) -> EventRouter:
    """While version 2 of `small`, which has all that it may have, is tried beside version 1."""
    trials = Trials(cloud.clients["dynamodb"], "rushes", clock=lambda: NOW)
    trials.begin("small", "1", "2")
    trials.decide("small", 100.0)
    return cloud.router(trials={"small": "1"})


def test_what_is_for_hosts_stays_with_the_version_that_they_have_while_another_is_tried(
    cloud: Cloud, tried: EventRouter
) -> None:
    (large,) = tried(cloud.put("dune/large.mov", 3000), None)
    (small,) = tried(cloud.put("dune/small.mov", 1000), None)

    assert cloud.told() == {"hosts/urgent": [large], "small-trial/urgent": [small]}
    assert (cloud.version(large), cloud.version(small)) == ("1", "2")


def test_a_version_that_is_tried_is_on_no_tier_of_hosts(cloud: Cloud, tried: EventRouter) -> None:
    cloud.runs.add("small", "lambda", Counted("1", WEEK, {cell(RunKind.ran, 1000, 5.0): 5000}))
    cloud.learnt("lambda", 5000.0, 1000)  # hosts would be better for the new version

    (invocation,) = tried(cloud.put("dune/a.mov", 1000), None)

    assert cloud.told() == {"small-trial/urgent": [invocation]}
    assert cloud.routed(invocation) is None


def test_what_a_tried_version_has_stays_with_it_when_hosts_would_take_it_now(
    cloud: Cloud, tried: EventRouter
) -> None:
    event = cloud.put("dune/a.mov", 1000)
    (invocation,) = tried(event, None)
    cloud.told()
    cloud.runs.add("small", "lambda", Counted("1", WEEK, {cell(RunKind.ran, 1000, 5000.0): 20}))

    assert cloud.router(trials={"small": "1"})(event, None) == [invocation]

    assert cloud.told() == {"small-trial/urgent": [invocation]}


@pytest.mark.parametrize("tiers", ["", TIERS])
def test_where_there_is_no_choice_nobody_makes_one(cloud: Cloud, tiers: str) -> None:
    event = cloud.put("a.wav", 3000, "sound") if tiers else cloud.put("dune/a.mov", 3000)
    (invocation,) = cloud.router(tiers)(event, None)

    assert cloud.told() == {"look/standard" if tiers else "small/urgent": [invocation]}
    assert cloud.routed(invocation) is None


def test_a_table_that_does_not_say_what_runs_took_keeps_nothing_waiting(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rushes.errors import PlatformError  # noqa: PLC0415 - of this test

    def silent(*_: Any) -> Any:
        raise PlatformError("no answer.", code="service-unreachable")

    monkeypatch.setattr(DynamoRunCounts, "counted", silent)

    assert len(cloud.router()(cloud.put("dune/a.mov", 1000), None)) == 1


# -- a version that hosts try -----------------------------------------------------------------------------


@pytest.fixture
def on_hosts(cloud: Cloud) -> Trials:
    """Hosts try version 2 of `small`, which has everything for now."""
    made = cloud.clients["sqs"].create_queue(QueueName="hosts-trial-urgent")
    cloud.urls["hosts-trial/urgent"] = made["QueueUrl"]
    trials = Trials(cloud.clients["dynamodb"], "rushes")
    trials.begin("small", "1", "2", on_hosts=True)
    trials.decide("small", 99.99)
    return trials


def spec_of(cloud: Cloud, invocation: str) -> dict[str, Any]:
    spec = cloud.ledger.spec(invocation.rpartition(".")[0])
    assert spec is not None
    return dict(spec)


def test_the_share_of_what_is_for_hosts_goes_to_those_that_try_the_version(
    cloud: Cloud, on_hosts: Trials
) -> None:
    router = cloud.router(trials={"small": "1"})
    (large,) = router(cloud.put("dune/large.mov", 3000), None)
    (small,) = router(cloud.put("dune/small.mov", 1000), None)

    assert cloud.told() == {"hosts-trial/urgent": [large], "small-trial/urgent": [small]}
    assert (cloud.version(large), cloud.version(small)) == ("2", "2")
    routed = cloud.routed(large)
    assert routed is not None
    assert routed.tier == ON_HOSTS
    assert (spec_of(cloud, large)["compared"], spec_of(cloud, small)["compared"]) == (ON_HOSTS, ON_LAMBDA)
    assert spec_of(cloud, large)["group"] == spec_of(cloud, small)["group"] == "hosts-trial"


@pytest.mark.parametrize(
    ("old_s", "new_s", "queue"),
    [(5.0, 5000.0, "small-trial/urgent"), (5000.0, 5.0, "hosts-trial/urgent")],
)
def test_both_versions_have_the_same_clips_on_hosts(
    cloud: Cloud, on_hosts: Trials, old_s: float, new_s: float, queue: str
) -> None:
    cloud.runs.add("small", ON_LAMBDA, Counted("1", WEEK, {cell(RunKind.ran, 1000, old_s): 5000}))
    cloud.learnt(ON_LAMBDA, new_s, 1000)
    (invocation,) = cloud.router(trials={"small": "1"})(cloud.put("dune/a.mov", 1000), None)
    assert (cloud.version(invocation), cloud.told()) == ("2", {queue: [invocation]})


@pytest.mark.parametrize("share", [0.0, 100.0])
def test_when_a_trial_is_over_hosts_get_the_version_that_all_of_them_have(
    cloud: Cloud, on_hosts: Trials, share: float
) -> None:
    begun = cloud.put("dune/begun.mov", 3000)
    (first,) = cloud.router(trials={"small": "1"})(begun, None)
    cloud.told()
    on_hosts.decide("small", share)
    router = cloud.router(trials={"small": "1"})

    (large,) = router(cloud.put("dune/large.mov", 3000), None)
    assert router(begun, None) == [first]  # what has begun ends on its version

    assert cloud.told() == {"hosts/urgent": [large], "hosts-trial/urgent": [first]}
    assert (cloud.version(large), cloud.version(first)) == ("1", "2")
    assert spec_of(cloud, large)["compared"] == ON_HOSTS


def test_a_function_that_hosts_alone_do_is_tried_there(cloud: Cloud, on_hosts: Trials) -> None:
    cloud.urls["small/urgent"] = cloud.urls["hosts/urgent"]
    cloud.urls["small-trial/urgent"] = cloud.urls["hosts-trial/urgent"]
    (first,) = cloud.router("", trials={"small": "1"})(cloud.put("dune/a.mov", 10), None)
    assert (cloud.version(first), spec_of(cloud, first)["compared"]) == ("2", ON_HOSTS)
    assert cloud.told() == {"small-trial/urgent": [first]}

    on_hosts.decide("small", 100.0)
    (second,) = cloud.router("", trials={"small": "1"})(cloud.put("dune/b.mov", 10), None)
    assert cloud.version(second) == "1"
    assert cloud.told() == {"small/urgent": [second]}
