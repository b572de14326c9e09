"""An environment as a laptop sees it, in memory: the contract of engines, and what is its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from waiting import until

from rushes import CallerError, catalog
from rushes.asset import Asset
from rushes.cli.app import app
from rushes.cli.session import Session
from rushes.core.accounts import Scope
from rushes.core.spending.tranches import CapState
from rushes.core.states import State
from rushes.engines.aws.access.settings import aws_settings
from rushes.engines.aws.engine import AwsEngine
from rushes.engines.aws.infra.deployment import Deployment, deployment_of
from rushes.engines.aws.notices.sweeping import sweep
from rushes.errors import PlatformError
from rushes.function import Function, Options
from rushes.invocation import Invocation
from rushes.keepers import ObjectKeeper
from rushes.ledger import Claim, End, LetGo
from rushes.notices import Redriven
from rushes.ports import Engine
from rushes.runtime.shared.claims.run import ClaimRunner
from rushes.runtime.sources.inputs import Found
from rushes.testing.clock import FakeClock
from rushes.testing.engine_contract import EngineContract
from rushes.testing.ledger import StubLedger
from rushes.testing.money import StubMoney
from rushes.testing.queue import StubQueue
from rushes.testing.store import StubStore

CLASSES = ("interactive", "urgent", "standard", "background")


class Cloud:
    """Store, ledger and queues in memory, and one who works on what the queues tell of."""

    def __init__(self, scratch: Path) -> None:
        self.clock = FakeClock()
        self.store, self.ledger, self.money = StubStore(self.clock), StubLedger(), StubMoney()
        self.queues = {name: StubQueue(self.clock) for name in CLASSES}
        self.settings = aws_settings({"AWS_REGION": "us-east-1"})
        self.deployment = Deployment("dev", "t", {f"QueueHosts{name.capitalize()}": name for name in CLASSES})
        self.engine = AwsEngine(services=cast("Any", self), deployment=self.deployment, poll_s=0.0)
        self.buckets: dict[str, str] = {}
        self._runner = ClaimRunner(
            self.ledger, self.store, scratch, "host-a", lambda uri: uri.rpartition("/")[2], lease_s=0.3
        )
        self._going = threading.Event()
        self._working = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(one,)) for one in CLASSES]

    def queue(self, url: str) -> StubQueue:
        return self.queues[url]

    def client(self, service: str) -> Any:
        """A table in which no host has said anything; S3 with all buckets but those that are missed."""
        if service == "s3":
            return SimpleNamespace(head_bucket=self._head_bucket)
        assert service == "dynamodb"
        nothing = SimpleNamespace(paginate=lambda **_: [])
        return SimpleNamespace(get_paginator=lambda _: nothing, get_item=lambda **_: {})

    def _head_bucket(self, *, Bucket: str) -> None:  # noqa: N803 - as boto3 calls it
        if code := self.buckets.get(Bucket):
            raise ClientError({"Error": {"Code": code}}, "HeadBucket")

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._going.set()
        self._runner.yield_back()
        for thread in self._threads:
            thread.join()

    def pause(self) -> None:
        self._working.acquire()

    def resume(self) -> None:
        self._working.release()

    def _work(self, priority: str) -> None:
        queue = self.queues[priority]
        while not self._going.wait(0.002):
            with self._working:
                found = queue.receive(1, 0.0)
            for message in found:
                self._runner.run(message.notice.invocation)
                queue.done([message])


@pytest.fixture
def idle(tmp_path: Path) -> Cloud:
    """A cloud where nobody works."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Cloud(scratch)


@pytest.fixture
def cloud(idle: Cloud) -> Iterator[Cloud]:
    idle.start()
    yield idle
    idle.stop()


class TestAwsEngine(EngineContract):
    lacks = frozenset({"after", "parts", "pool", "odd-names"})

    @pytest.fixture
    def engine(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
        monkeypatch.syspath_prepend(str(tmp_path))
        self.cloud = cloud
        return cloud.engine

    @pytest.fixture
    def held(self, cloud: Cloud) -> Iterator[None]:
        cloud.pause()
        yield
        cloud.resume()

    def function(self, clips: Path, name: str) -> Function[Any, Any]:
        return catalog.find(f"bodies:{name}")

    def place(self, clips: Path, name: str) -> str:
        uri = f"s3://cards/{name}"
        if (clips / name).exists() and uri not in self.cloud.store._objects:
            self.cloud.store.put(uri, (clips / name).read_bytes())
        return uri

    def below(self, clips: Path, name: str) -> dict[str, bytes]:
        found = self.cloud.store.listing(f"s3://cards/{name}/")
        return {one.uri.rpartition("/")[2]: self.cloud.engine.read(one.uri) for one in found}

    def test_it_is_an_engine_whose_clips_are_object_keeper(self, engine: Engine) -> None:
        assert isinstance(engine, Engine)
        assert isinstance(engine, ObjectKeeper)


def put(cloud: Cloud, *names: str) -> list[str]:
    uris = [f"s3://cards/{name}" for name in names]
    for uri in uris:
        cloud.store.put(uri, uri.encode())
    return uris


def send(cloud: Cloud, uris: Sequence[str], *, function: str = "look", **options: Any) -> str:
    found = catalog.find(f"deployed:{function}")
    batch, _ = cloud.engine.launch(
        found, Options(**options), ((Asset(uri), None) for uri in uris), found.params()
    )
    return batch


def test_a_batch_says_by_its_name_where_it_is(idle: Cloud) -> None:
    batch = send(idle, put(idle, "a.mov"))
    assert batch.endswith("@dev")
    assert idle.engine.status(batch).batch == batch
    assert idle.engine.batches()[0].batch == batch
    with pytest.raises(CallerError, match="not of environment dev"):
        idle.engine.status(f"{batch.partition('@')[0]}@prod")


def test_what_is_sent_is_told_of_in_the_queue_of_its_class_and_no_other(idle: Cloud) -> None:
    send(idle, put(idle, "a.mov", "b.mov"), priority="urgent", show="dune")
    told = [one.notice for one in idle.queues["urgent"].receive(10, 0)]
    assert [(one.priority, one.show) for one in told] == [("urgent", "dune")] * 2
    assert idle.queues["standard"].waiting() == 0
    assert idle.engine.pool()["queues"] == []


def test_another_class_hears_of_what_waits(idle: Cloud) -> None:
    batch = send(idle, put(idle, "a.mov"))
    idle.engine.set_priority(batch, "urgent")
    assert idle.queues["urgent"].waiting() == 1
    assert idle.engine.status(batch).priority == "urgent"
    assert idle.engine.explain(f"{batch}.1")["priority"] == "urgent"


def test_what_is_queued_again_is_told_of_again(cloud: Cloud) -> None:
    batch = send(cloud, ["s3://cards/nothing.mov", *put(cloud, "a.mov")])
    until(lambda: cloud.engine.status(batch).ended)
    ends = cloud.engine.results(batch)
    assert {one.invocation.rpartition(".")[2]: one.state for one in ends} == {
        "1": State.failed,
        "2": State.succeeded,
    }
    assert cloud.engine.retry(batch) == 1
    until(lambda: cloud.engine.results(batch, after=2))
    assert cloud.engine.results(batch, after=2)[0].seq == 3
    assert cloud.engine.status(batch).counts.total == 2


def test_outputs_that_are_still_there_are_a_known_result_and_others_are_made_again(cloud: Cloud) -> None:
    def made(out: str = "s3://proxies/a") -> Any:
        batch = send(cloud, put_once(cloud, "a.mov"), function="small", out=out)
        until(lambda: cloud.engine.status(batch).ended)
        return cloud.engine.results(batch)[0]

    first, again = made(), made()
    assert (first.cached, again.cached) == (False, True)
    assert again.outputs == first.outputs == ("s3://proxies/a/a.txt",)
    assert not made("s3://proxies/b").cached
    cloud.store.put("s3://proxies/a/a.txt", b"somebody else's")
    assert made().state is State.failed  # it is not ours, and was left alone


def put_once(cloud: Cloud, name: str) -> list[str]:
    uri = f"s3://cards/{name}"
    return [uri] if uri in cloud.store._objects else put(cloud, name)


def test_a_submitter_that_dies_half_way_leaves_a_batch_that_the_sweep_completes(idle: Cloud) -> None:
    uris = put(idle, "a.mov", "b.mov")
    function = catalog.find("deployed:look")
    batch = idle.engine.open(idle.engine.spec_of(function, Options(), function.params()))
    inner = batch.partition("@")[0]
    idle.queues["standard"].fail_next("send", PlatformError("gone.", code="service-refused"))
    found = (Found(Asset(uri)) for uri in uris)
    with pytest.raises(PlatformError):
        idle.engine.submit(batch, idle.engine.invocations(function, Options(), function.params(), found))
    assert idle.queues["standard"].waiting() == 0
    now = idle.ledger._batches[inner].touched

    assert sweep(idle.ledger, idle.queues, now + 60) == 0
    assert sweep(idle.ledger, idle.queues, now + 3600) == 2
    assert sweep(idle.ledger, idle.queues, now + 3600) == 0
    assert idle.queues["standard"].waiting() == 2
    assert idle.engine.status(batch).sealed


def test_a_cancelled_batch_whose_host_is_dead_ends_once_its_claim_lapsed(idle: Cloud) -> None:
    batch = send(idle, put(idle, "a.mov"))
    inner = batch.partition("@")[0]
    idle.ledger.claim(f"{inner}.1", "dead", 0.0, 1.0)
    idle.engine.cancel(batch)
    assert idle.engine.status(batch).counts.cancelled == 1


def test_why_tells_of_every_attempt_who_when_how_it_ended_and_at_what_cost(idle: Cloud) -> None:
    batch = send(idle, put(idle, "a.mov"))
    one = f"{batch.partition('@')[0]}.1"
    first = idle.ledger.claim(one, "host-a", 100.0, 160.0)
    assert isinstance(first, Claim)
    failed = {"kind": "platform", "code": "tool-failed", "message": "ffmpeg died of signal 11"}
    idle.ledger.hold(first, 130.0, LetGo("retry 1 of 2", cost_nano=250_000_000, error=failed))
    second = idle.ledger.claim(one, "host-b", 130.0, 190.0)
    assert isinstance(second, Claim)
    done = CliRunner().invoke(app, ["why", f"{batch}.1"], obj=Session(idle.engine))
    assert "attempt 1: tool-failed" in done.output
    assert "on host-a, for $0.25: ffmpeg died of signal 11" in done.output
    idle.ledger.finish(second, End(State.succeeded, "{}", 12.0, cost_nano=650_000_000))
    done = CliRunner().invoke(app, ["why", f"{batch}.1"], obj=Session(idle.engine))
    assert "attempt 2: succeeded after 12 s on host-b, for $0.40" in done.output
    done = CliRunner().invoke(app, ["why", f"{batch}.1", "--json"], obj=Session(idle.engine))
    (_, last) = json.loads(done.output)["history"]
    assert (last["attempt"], last["holder"], last["cost_nano"]) == (2, "host-b", 400_000_000)


def test_a_batch_is_sent_with_its_cap_and_gets_another(idle: Cloud) -> None:
    batch = send(idle, put(idle, "a.mov"), max_cost=3)
    inner = batch.partition("@")[0]
    assert (idle.ledger.spec(inner) or {})["max_cost_nano"] == 3_000_000_000
    idle.engine.set_max_cost(batch, 5_000_000_000)
    found = idle.money.state(Scope("batch", inner))
    assert found is not None
    assert found.cap == 5_000_000_000


def test_a_show_is_given_a_cap_that_the_command_line_shows(idle: Cloud) -> None:
    session = Session(idle.engine)
    done = CliRunner().invoke(app, ["budget", "set", "show:dune", "12.50"], obj=session)
    assert done.exit_code == 0, done.output
    idle.money.take(Scope("show", "dune"), "host-a", 1, 500_000_000, 1e9, first=True)
    done = CliRunner().invoke(app, ["budget"], obj=session)
    assert "of $12.50 spent" in done.output
    assert "reserved" in done.output
    done = CliRunner().invoke(app, ["budget", "unset", "show:dune"], obj=session)
    assert idle.engine.budgets()["rows"] == []


def test_why_says_who_takes_what_waits_for_hosts(idle: Cloud) -> None:
    batch = send(idle, put(idle, "a.mov"))
    said = CliRunner().invoke(app, ["why", f"{batch}.1"], obj=Session(idle.engine)).output
    assert "next: Hosts take it. Where none runs, any machine is one: rushes worker --engine aws:dev" in said
    assert "waits: for who works in class standard" in said
    assert said.count("waits in its queue") == 1

    own = replace(idle.deployment, queues={"QueueLookStandard": "standard"})
    engine = AwsEngine(services=cast("Any", idle), deployment=own, poll_s=0.0)
    assert "next" not in engine.explain(f"{batch}.1")


def test_a_cap_where_lambda_has_no_price_is_said_to_hold_nothing(idle: Cloud) -> None:
    session, asked = Session(idle.engine), ["budget", "set", "show:dune", "12.50"]
    assert "note:" not in CliRunner().invoke(app, asked, obj=session).output

    idle.settings = replace(idle.settings, region="mars-east-1")
    said = CliRunner().invoke(app, asked, obj=session).output
    assert "no price of Lambda in mars-east-1, and what has no price is not held back" in said
    assert idle.engine.budgets()["free"]


def test_a_cap_in_a_region_whose_prices_are_not_known_says_whose_it_counts_with(idle: Cloud) -> None:
    session, asked = Session(idle.engine), ["budget", "set", "show:dune", "12.50"]
    idle.settings = replace(idle.settings, region="eu-west-1")
    said = CliRunner().invoke(app, asked, obj=session).output
    assert "none of eu-west-1 for Lambda, S3, transfer: what that costs is counted" in said
    assert "at the prices of us-east-1" in said
    assert not idle.engine.budgets()["free"]


def test_limits_by_the_hour_and_soft_ones_are_set_and_shown_as_on_one_machine(idle: Cloud) -> None:
    session, dune = Session(idle.engine), Scope("show", "dune")
    said = ["budget", "set", "show:dune", "--per-hour", "5", "--soft-per-hour", "2"]
    done = CliRunner().invoke(app, said, obj=session)
    assert done.exit_code == 0, done.output
    idle.money.hourly.take(dune, "host-a", 1_000_000_000, 8_000_000_000, 1e9, first=True)
    idle.money.hourly.close(dune, "host-a", 1_000_000_000)
    done = CliRunner().invoke(app, ["budget"], obj=session)
    assert "this hour" in done.output
    assert "$1.00 of $5.00 spent" in done.output
    assert "one class lower beyond $2.00" in done.output
    CliRunner().invoke(app, ["budget", "set", "show:dune", "400", "--soft", "300"], obj=session)
    (row,) = idle.engine.budgets()["rows"]
    limits = [row[f"{name}_nano"] for name in ("cap", "soft", "hour_cap", "hour_soft")]
    assert limits == [400_000_000_000, 300_000_000_000, 5_000_000_000, 2_000_000_000]
    CliRunner().invoke(app, ["budget", "unset", "show:dune"], obj=session)
    assert idle.engine.budgets()["rows"] == []


def test_a_batch_that_was_sent_with_a_cap_may_have_another_by_the_hour(idle: Cloud) -> None:
    batch = send(idle, put(idle, "a.mov"), max_cost=2)
    inner = Scope("batch", batch.partition("@")[0])
    idle.engine.set_budget("batch", batch, {"cap": None, "hour_cap": 7})
    assert idle.money.hourly.state(inner) == CapState(inner, 7, 7, 0, by_hour=True)
    assert idle.money.state(inner) == CapState(inner, 2_000_000_000, 2_000_000_000, 0)
    idle.engine.set_budget("batch", batch, {"soft": 1})
    assert idle.money.state(inner) == CapState(inner, 2_000_000_000, 2_000_000_000, 0, soft=1)
    assert idle.engine.budgets()["rows"] == []  # a batch's limits are shown with its status
    with pytest.raises(CallerError, match="no soft limit by the hour"):
        idle.engine.set_budget("batch", batch, {"hour_soft": 1})
    other = send(idle, put(idle, "b.mov"))
    with pytest.raises(CallerError, match="was sent without a cap"):
        idle.engine.set_max_cost(other, 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"after": ("k7m2qx",)}, "--after"),
        ({"exclusive": "{name}"}, "--exclusive"),
        ({"slots": 2}, "--slots"),
        ({"receipts": "/receipts"}, "receipts"),
    ],
)
def test_what_only_one_machine_can_see_to_is_refused_before_anything_is_sent(
    idle: Cloud, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(CallerError, match=said) as caught:
        send(idle, put(idle, "a.mov"), **options)
    assert caught.value.code == "not-supported"
    assert idle.engine.batches() == []


def test_a_local_place_and_a_local_clip_are_refused(idle: Cloud, tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="Write --out s3://") as caught:
        send(idle, put(idle, "a.mov"), function="small", out=str(tmp_path))
    assert caught.value.code == "not-local"
    with pytest.raises(CallerError) as caught:
        next(idle.engine.find(["/clips/a.mov"]))
    assert caught.value.code == "local-input"
    batch = send(idle, ["/clips/a.mov"])
    (end,) = idle.engine.results(batch)
    assert (end.error or {})["code"] == "local-input"


def test_a_bucket_that_is_not_there_is_refused_before_anything_is_sent(idle: Cloud) -> None:
    idle.buckets = {"gone": "404"}
    with pytest.raises(CallerError, match="there is no bucket gone, of --out s3://gone/a; nothing") as caught:
        send(idle, put(idle, "a.mov"), function="small", out="s3://gone/a/")
    assert caught.value.code == "not-found"
    assert idle.engine.batches() == []


@pytest.mark.parametrize("code", ["403", "301", "503"])
def test_a_bucket_that_a_sender_may_not_look_at_is_taken_to_be_there(idle: Cloud, code: str) -> None:
    idle.buckets = {"others": code}
    assert send(idle, put(idle, "a.mov"), function="small", out="s3://others")


def test_a_function_that_no_queue_is_for_is_refused_with_the_classes_that_there_are(idle: Cloud) -> None:
    idle.engine.there.deployment = Deployment("dev", "t", {"QueueLookUrgent": "urgent"})
    with pytest.raises(CallerError, match="for urgent") as caught:
        send(idle, put(idle, "a.mov"))
    assert caught.value.code == "no-queue"
    with pytest.raises(CallerError, match="no class of it"):
        send(idle, put(idle, "a.mov"), function="small", out="s3://proxies/a", priority="urgent")
    assert send(idle, put(idle, "a.mov"), priority="urgent")


def test_work_for_a_version_that_the_environment_does_not_have_is_refused(idle: Cloud) -> None:
    idle.engine.there.deployment = replace(idle.engine.there.deployment, versions={"look": "7", "small": "1"})
    with pytest.raises(CallerError, match="has look@7, and here it is look@3") as caught:
        send(idle, put(idle, "a.mov"))
    assert caught.value.code == "other-version"
    assert send(idle, put(idle, "a.mov"), function="small", out="s3://proxies/a")


def test_a_function_in_a_file_is_refused(idle: Cloud) -> None:
    function = catalog.find(f"{Path(__file__).parents[1] / 'hosted.py'}:copy")
    with pytest.raises(CallerError, match="has modules"):
        idle.engine.spec_of(function, Options(out="s3://proxies/a"), function.params())


def test_what_waits_for_others_is_refused_when_it_is_submitted(idle: Cloud) -> None:
    function = catalog.find("deployed:look")
    batch = idle.engine.open(idle.engine.spec_of(function, Options(), function.params()))
    with pytest.raises(CallerError, match="waits for others"):
        idle.engine.submit(batch, [Invocation("s3://cards/a.mov", "", after=("k7m2qx.1",))])


def test_an_environment_cannot_be_paused(idle: Cloud) -> None:
    with pytest.raises(CallerError) as caught:
        idle.engine.control("pause")
    assert caught.value.code == "not-supported"


def test_where_parts_are_is_told_by_variables_or_not_at_all() -> None:
    def none(service: str) -> Any:
        raise AssertionError(service)

    environ = {"RUSHES_TABLE": "t", "RUSHES_ROUTES": "look/urgent=https://q/1,standard=https://q/2"}
    found = deployment_of("", environ, none)
    assert found.queue_of("look", "hosts", "urgent") == "https://q/1"
    assert (
        found.queue_of("look", "hosts", "standard")
        == found.queue_of("small", "", "standard")
        == "https://q/2"
    )
    assert found.of_hosts() == {"standard": "https://q/2"}
    queues = {"hosts-nvenc/urgent": "https://q/3", "urgent": "https://q/1"}
    cards = deployment_of(
        "", {"RUSHES_TABLE": "t", "RUSHES_QUEUES": ",".join(f"{k}={v}" for k, v in queues.items())}, none
    )
    assert cards.queue_of("look", "hosts-nvenc", "urgent") == "https://q/3"
    assert cards.queue_of("look", "hosts-netint", "urgent") == "https://q/1"
    with pytest.raises(CallerError) as caught:
        deployment_of("", {}, none)
    assert caught.value.code == "no-environment"


def test_an_end_is_read_as_the_ledger_has_it(cloud: Cloud) -> None:
    batch = send(cloud, put(cloud, "a.mov"), function="small", out="s3://proxies/a", tags={"reel": "A001"})
    until(lambda: cloud.engine.status(batch).ended)
    (end,) = cloud.engine.results(batch)
    receipt = json.loads(cloud.engine.read(end.receipt or ""))
    assert receipt["source"]["uri"] == "s3://cards/a.mov"
    assert dict(cloud.engine.status(batch).tags) == {"reel": "A001"}
    assert cloud.engine.explain(end.invocation)["result"]["outputs"] == list(end.outputs)


class Setting(Cloud):
    """Its queues have set aside what they are told to."""

    def client(self, service: str) -> Any:
        return service


def test_what_queues_have_set_aside_is_sent_again_and_the_command_says_what_became_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, asked = Setting(tmp_path), list[Any]()

    def redriven(ledger: Any, client: Any, urls: Any, home: Any) -> Redriven:
        asked.extend([ledger, client, list(urls)])
        return Redriven(2, 1, 1)

    monkeypatch.setattr("rushes.engines.aws.notices.redrive.redrive", redriven)
    made = CliRunner().invoke(app, ["redrive"], obj=Session(cloud.engine))
    assert made.output == (
        "2 messages sent again, 1 removed: nothing is left to do.\n"
        "1 message left: no notice of Rushes and no event, or of work that cannot be read.\n"
    )
    assert asked == [cloud.ledger, "sqs", list(CLASSES)]


def test_a_pool_of_one_machine_sets_no_message_aside(rushes_home: Path) -> None:
    made = CliRunner().invoke(app, ["redrive", "--engine", "local"])
    assert made.exit_code == 2
    assert "Say --engine aws:ENV." in made.output
