"""A host that works for shared queues: real pool, real server, and it may be stopped at any time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from aws_server import AwsServer
from waiting import until

from rushes import Asset, CallerError, PlatformError, catalog
from rushes.core.states import State
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.engines.aws.fleet.fleet_notes import RESTS_S, Done, FleetNotes, Resting
from rushes.engines.aws.hosts.host import AwsHost
from rushes.engines.aws.notices.sweeping import sweep
from rushes.engines.local import LocalEngine
from rushes.invocation import OWNER
from rushes.ledger import ON_HOSTS, ON_LAMBDA, Routed, WorkItem
from rushes.notices import Notice
from rushes.runtime.attempts import loaded_batch
from rushes.runtime.attempts.task import Task
from rushes.runtime.shared.hosts.fitness import HostFitness
from rushes.runtime.shared.hosts.looks import looks_of
from rushes.runtime.shared.hosts.pool_run import PoolRun
from rushes.runtime.shared.objects.scratch import is_held, sign_of_life
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.testing.clock import FakeClock
from rushes.testing.ledger import StubLedger
from rushes.testing.ledger_contract import NOW, SPEC
from rushes.testing.queue import StubQueue

FUNCTIONS = Path(__file__).parents[1] / "hosted.py"


class Studio:
    """Queues, a table, buckets, and hosts that work for them."""

    def __init__(self, server: AwsServer, name: str, engine: LocalEngine, scratch: Path) -> None:
        self.clients = {one: server.client(one) for one in ("s3", "dynamodb", "sqs")}
        self.cards, self.proxies = f"{name}-cards", f"{name}-proxies"
        for bucket in (self.cards, self.proxies):
            self.clients["s3"].create_bucket(Bucket=bucket)
        self.clients["dynamodb"].create_table(TableName=name, **TABLE)
        self.urls = {
            one: self.clients["sqs"].create_queue(QueueName=f"{name}-{one}")["QueueUrl"]
            for one in ("urgent", "background")
        }
        self.settings = AwsSettings(name, scratch=scratch, poll_s=1.0)
        self.engine = engine
        self.ledger = DynamoLedger(self.clients["dynamodb"], name)
        self._running: list[tuple[AwsHost, threading.Thread]] = []

    def host(self, name: str = "host-a", **more: Any) -> AwsHost:
        """Another host, working."""
        services = Services(self.settings, name, self.clients.__getitem__)
        host = AwsHost(services, self.engine, self.urls, name=name, width=3, **more)
        thread = threading.Thread(target=host.run)
        thread.start()
        self._running.append((host, thread))
        return host

    def stop(self) -> None:
        for host, _ in self._running:
            host.stop()
        for _, thread in self._running:
            thread.join()
        self._running.clear()

    def submit(
        self,
        batch: str,
        function: str,
        count: int,
        priority: str = "urgent",
        *,
        places: Sequence[tuple[str, str]] = (),
        **params: Any,
    ) -> None:
        """A batch of as many clips, and its messages; `places`: the subfolder of each, and its tag."""
        spec = {
            "function": f"{FUNCTIONS}:{function}", "version": "1", "source_digest": "", "params": "{}",
            "show": "dune", "priority": priority, "deadline": None, "out": f"s3://{self.proxies}/{batch}",
            "name": None, "receipts": "beside", "retries": 1,
        }  # fmt: skip
        self.ledger.open(batch, spec, time.time())
        work = []
        for n in range(1, count + 1):
            self.clients["s3"].put_object(Bucket=self.cards, Key=f"{batch}/A{n:03}.mov", Body=b"clip %d" % n)
            uri = f"s3://{self.cards}/{batch}/A{n:03}.mov"
            subdir, tag = places[n - 1] if places else ("", "")
            one = WorkItem(f"{batch}.{n}", uri, f"{batch}{n:08x}", None, json.dumps(params), subdir, tag)
            work.append(one)
        self.ledger.add(batch, work)
        self.ledger.seal(batch)
        services = Services(self.settings, "test", self.clients.__getitem__)
        services.queue(self.urls[priority]).send([Notice(one.invocation, priority, "dune") for one in work])

    def ended(self, batch: str) -> dict[State, int]:
        tally = self.ledger.tally(batch)
        assert tally is not None
        return dict(tally.ended)

    def all_succeed(self, batch: str, count: int) -> bool:
        """Whether all of a batch have succeeded by now; what failed fails the test at once, and says why."""
        ended = self.ended(batch)
        if ended.get(State.failed):
            entries = [self.ledger.entry(f"{batch}.{n}") for n in range(1, count + 1)]
            pytest.fail(
                str([one.end.data for one in entries if one and one.end and one.end.state is State.failed])
            )
        return ended == {State.succeeded: count}

    def outputs(self, batch: str) -> list[str]:
        found = self.clients["s3"].list_objects_v2(Bucket=self.proxies, Prefix=f"{batch}/")
        return [one["Key"] for one in found.get("Contents", ())]


@pytest.fixture
def studio(
    aws: AwsServer, unique: str, rushes_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Studio]:
    monkeypatch.setenv("RUSHES_CPU", "1")
    engine, scratch = LocalEngine(), tmp_path / "scratch"
    scratch.mkdir()
    made = Studio(aws, unique, engine, scratch)
    yield made
    made.stop()
    assert list(scratch.iterdir()) == []
    engine.control("stop")
    engine.close()


def test_a_host_works_off_a_queue_on_its_own_pool(studio: Studio) -> None:
    studio.submit("k7m2qx", "copy", 12)
    studio.host()
    until(lambda: studio.all_succeed("k7m2qx", 12), seconds=120)
    assert len([key for key in studio.outputs("k7m2qx") if key.endswith(".txt")]) == 12
    receipt = (
        studio.clients["s3"]
        .get_object(Bucket=studio.proxies, Key="k7m2qx/A001.txt.rushes.json")["Body"]
        .read()
    )
    assert json.loads(receipt)["source"]["uri"] == f"s3://{studio.cards}/k7m2qx/A001.mov"


def test_what_attempts_in_its_pool_print_and_log_stands_in_the_log_of_a_host(
    studio: Studio, rushes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(Services, "say", lambda _, what, **more: told.append({"what": what, **more}))
    studio.submit("k7m2qx", "wordy", 3)
    studio.host(logs=rushes_home / "logs")
    until(lambda: studio.all_succeed("k7m2qx", 3), seconds=120)
    studio.stop()
    words = {one["invocation"]: one["text"] for one in told if one["what"] == "log"}
    assert {name: "printed clip" in text and "logged A00" in text for name, text in words.items()} == {
        f"k7m2qx.{n}": True for n in (1, 2, 3)
    }


def test_what_hosts_make_mirrors_the_folders_of_the_clips_and_takes_nobodys_name(studio: Studio) -> None:
    studio.submit("k7m2qx", "copy", 3, places=[("day 1", ""), ("day 2/b", ""), ("day 1", "~ab12")])
    studio.host()
    until(lambda: studio.all_succeed("k7m2qx", 3), seconds=120)
    made = [key for key in studio.outputs("k7m2qx") if key.endswith(".txt")]
    assert made == ["k7m2qx/day 1/A001.txt", "k7m2qx/day 1/A003~ab12.txt", "k7m2qx/day 2/b/A002.txt"]


def test_work_without_files_shares_a_batch_of_the_hosts_pool(studio: Studio) -> None:
    studio.submit("k7m2qx", "measure", 30)
    studio.host()
    until(lambda: studio.all_succeed("k7m2qx", 30), seconds=120)
    entries = studio.ledger.results("k7m2qx", 0, 30)
    assert [json.loads(one.end.data)["result"]["read"] for one in entries if one.end] == [
        f"clip {n}" for n in range(1, 31)
    ]
    studio.stop()
    batches = studio.engine.batches(lent=True)
    assert studio.engine.batches() == []  # it is in no list of people's batches, and is nobody's last one
    assert [one.counts.succeeded for one in batches] == [30]
    until(lambda: all(one.ended is not None for one in studio.engine.batches(lent=True)))


def test_a_failure_of_the_media_is_the_ledgers_result(studio: Studio) -> None:
    studio.submit("k7m2qx", "cut_short", 1)
    studio.host()
    until(lambda: studio.ended("k7m2qx") == {State.failed: 1}, seconds=120)
    entry = studio.ledger.entry("k7m2qx.1")
    assert entry is not None
    assert entry.end is not None
    assert json.loads(entry.end.data)["error"]["code"] == "truncated"


def test_urgent_work_takes_the_core_from_background_work_that_another_queue_brought(
    studio: Studio, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    studio.submit("bbbbbb", "hold", 1, "background", gate=str(gate))
    studio.host()
    until(lambda: any(s["seconds"] > 1.1 for s in studio.engine.pool().get("slots", ()) if s["running"]))
    assert [s["lent"] for s in studio.engine.pool()["slots"] if s["running"]] == [True]
    studio.submit("kkkkkk", "copy", 2)
    until(lambda: studio.all_succeed("kkkkkk", 2), seconds=120)
    assert studio.ended("bbbbbb") == {}
    gate.touch()
    until(lambda: studio.all_succeed("bbbbbb", 1), seconds=120)
    entry = studio.ledger.entry("bbbbbb.1")
    assert entry is not None
    assert entry.attempt == 1


def test_what_runs_and_what_waits_on_a_host_goes_on_in_the_class_that_a_person_gives_its_batch(
    studio: Studio, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    studio.settings = replace(studio.settings, lease_s=3.0)
    studio.submit("bbbbbb", "hold", 2, "background", gate=str(gate))
    studio.host()
    until(
        lambda: len(studio.engine.batches(lent=True)) == 2, seconds=60
    )  # on one core: one runs, and one waits
    studio.ledger.restamp("bbbbbb", "urgent")
    until(lambda: {one.priority for one in studio.engine.batches(lent=True)} == {"urgent"}, seconds=60)
    gate.touch()
    until(lambda: studio.all_succeed("bbbbbb", 2), seconds=120)


def test_a_host_that_is_stopped_gives_its_work_to_another_and_loses_no_try(
    studio: Studio, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    studio.submit("k7m2qx", "hold", 1, gate=str(gate))
    studio.host("host-a")
    until(lambda: any(slot["running"] for slot in studio.engine.pool().get("slots", ())))
    studio.stop()
    entry = studio.ledger.entry("k7m2qx.1")
    assert entry is not None
    assert (entry.state, entry.attempt) == (State.queued, 0)
    gate.touch()
    studio.host("host-b")
    until(lambda: studio.all_succeed("k7m2qx", 1), seconds=120)


@pytest.fixture
def swept() -> tuple[StubLedger, StubQueue, FakeClock]:
    clock, ledger = FakeClock(NOW), StubLedger()
    ledger.open("k7m2qx", SPEC, NOW)
    ledger.add("k7m2qx", [WorkItem(f"k7m2qx.{n}", "s3://b/a.mov") for n in (1, 2)])
    ledger.seal("k7m2qx")
    return ledger, StubQueue(clock), clock


def test_a_sweep_tells_of_what_lapsed_once(swept: tuple[StubLedger, StubQueue, FakeClock]) -> None:
    ledger, queue, clock = swept
    ledger.claim("k7m2qx.1", "dead", NOW, NOW + 60)
    told: Callable[[], int] = lambda: sweep(ledger, {"urgent": queue}, clock.now())  # noqa: E731
    assert told() == 0
    clock.advance(60)
    assert (told(), told()) == (1, 0)
    assert [one.notice.invocation for one in queue.receive(10, 0)] == ["k7m2qx.1"]


@pytest.mark.parametrize(
    ("tier", "of_hosts", "of_all"),
    [("", "urgent", "write/urgent"), (ON_LAMBDA, "", "write/urgent"), (ON_HOSTS, "urgent", "hosts/urgent")],
)
def test_a_sweep_tells_those_for_whom_something_is(tier: str, of_hosts: str, of_all: str) -> None:
    """Of what lapsed, to whom a host tells of it, and to whom who knows every queue does; "" leaves it."""
    for known, told in ((("urgent",), of_hosts), (("hosts/urgent", "write/urgent"), of_all)):
        clock, ledger = FakeClock(NOW), StubLedger()
        ledger.open("k7m2qx", SPEC | {"title": "write", "group": ""}, NOW)
        ledger.add("k7m2qx", [WorkItem("k7m2qx.1", "s3://b/a.mov", routed=Routed(tier) if tier else None)])
        ledger.claim("k7m2qx.1", "dead", NOW, NOW + 60)
        queues = {name: StubQueue(clock) for name in known}
        sweep(ledger, queues, NOW + 61)
        assert [name for name, queue in queues.items() if queue.waiting()] == ([told] if told else [])


def test_what_waits_when_its_submitter_has_gone_is_told_of_by_tier() -> None:
    clock, ledger = FakeClock(NOW), StubLedger(lambda: NOW)
    ledger.open("k7m2qx", SPEC | {"title": "write", "group": ""}, NOW)
    tiers = (None, Routed(ON_LAMBDA), Routed(ON_HOSTS))
    ledger.add(
        "k7m2qx", [WorkItem(f"k7m2qx.{n}", "s3://b/a.mov", routed=one) for n, one in enumerate(tiers, 1)]
    )
    queues = {name: StubQueue(clock) for name in ("hosts/urgent", "write/urgent")}
    assert sweep(ledger, queues, NOW + 10_000) == 3
    found = {name: [one.notice.invocation for one in queue.receive(9, 0)] for name, queue in queues.items()}
    assert found == {"hosts/urgent": ["k7m2qx.3"], "write/urgent": ["k7m2qx.1", "k7m2qx.2"]}


def test_what_a_killed_host_left_in_its_pool_is_cancelled_by_the_next_one_and_what_others_have_is_not(
    studio: Studio, tmp_path: Path
) -> None:
    (tmp_path / "c.mov").write_bytes(b"clip")
    function = catalog.find(f"{FUNCTIONS}:hold")
    gate = tmp_path / "gate"
    with sign_of_life(tmp_path) as living:
        tags: list[dict[str, str]] = [{}, {OWNER: str(living)}, {OWNER: str(tmp_path / "gone")}]
        batches = [
            studio.engine.launch(
                function,
                replace(function.options, out=str(tmp_path / f"out-{n}"), tags=its),
                [(Asset(str(tmp_path / "c.mov")), None)],
                function.params(None, gate=str(gate)),
            )[0]
            for n, its in enumerate(tags)
        ]
        studio.host()
        until(lambda: studio.engine.status(batches[2]).counts.cancelled == 1)
        gate.touch()
        until(lambda: all(studio.engine.status(one).counts.succeeded for one in batches[:2]))


def test_a_killed_process_shows_no_sign_of_life(tmp_path: Path) -> None:
    text = (
        "import sys, pathlib, time\n"
        "from rushes.runtime.shared.objects.scratch import sign_of_life\n"
        "with sign_of_life(pathlib.Path(sys.argv[1])) as sign:\n"
        "    print(sign, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout is not None
        sign = Path(one.stdout.readline().strip())
        assert is_held(sign)
        one.kill()
        one.wait()
        assert sign.exists()
        assert not is_held(sign)


class Unreachable:
    """A pool that takes work and is not heard of again."""

    def __init__(self) -> None:
        self.withdrawn: list[tuple[str, list[int]]] = []

    def open(self, *_: Any) -> str:
        return "k7m2qx"

    def submit(self, *_: Any, **__: Any) -> int:
        return 1

    def seal(self, *_: Any) -> None:
        return

    def results(self, *_: Any, **__: Any) -> Any:
        raise PlatformError("it does not answer.", code="worker-silent")

    def withdraw(self, batch: str, numbers: list[int]) -> None:
        self.withdrawn.append((batch, numbers))


@pytest.mark.parametrize(("function", "out"), [("copy", "out"), ("measure", None)])
def test_work_that_nobody_follows_any_more_is_withdrawn(
    tmp_path: Path, function: str, out: str | None
) -> None:
    pool, found = Unreachable(), catalog.find(f"{FUNCTIONS}:{function}")
    (tmp_path / "a.mov").write_bytes(b"clip")
    place = None if out is None else str(tmp_path / out)
    task = Task(found, Asset(str(tmp_path / "a.mov")), found.params(), "k7m2qx.1", out=place)
    with pytest.raises(PlatformError):
        PoolRun(cast("Any", pool), "urgent")(task, lambda *_: None, lambda _: None, lambda: False)
    assert pool.withdrawn == [("k7m2qx", [1])]


# -- hosts that are not fit ---------------------------------------------------------------------------------


def fitness_of(studio: Studio, said: list[str]) -> HostFitness:
    looks = looks_of(studio.settings.scratch, studio.engine.pool, lambda: studio.ledger.spec("-"))
    return HostFitness(looks, {""}, say=lambda what, **_: said.append(what))


def test_a_host_without_ffmpeg_fails_nothing_and_another_does_its_work(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("RUSHES_FFMPEG", str(broken))
    said: list[str] = []
    studio.submit("k7m2qx", "encodes", 8)
    sick = studio.host("host-sick", fitness=fitness_of(studio, said))
    until(lambda: "rests" in said, seconds=60)
    until(lambda: not sick.here, seconds=60)
    entries = studio.ledger.entries("k7m2qx", range(1, 9))
    assert {(one.state, one.attempt) for one in entries} == {(State.queued, 0)}
    studio.stop()

    monkeypatch.delenv("RUSHES_FFMPEG")
    studio.host("host-well", fitness=fitness_of(studio, said))
    until(lambda: studio.all_succeed("k7m2qx", 8), seconds=120)
    entries = studio.ledger.entries("k7m2qx", range(1, 9))
    assert {one.attempt for one in entries} == {1}
    assert {one.outcome for entry in entries for one in entry.tried} <= {"bad-ffmpeg", "succeeded"}


def test_a_host_whose_disk_fills_rests_and_works_off_all_once_there_is_room(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.core.host_health.FIRST_REST_S", 0.5)
    monkeypatch.setattr("rushes.runtime.shared.hosts.fitness.FRESH_S", 0.0)
    full = [True]
    monkeypatch.setattr(
        "rushes.runtime.shared.hosts.looks.room_wanted", lambda *_, **__: 2**60 if full[0] else 0
    )
    said: list[str] = []
    fitness = fitness_of(studio, said)
    fitness.tend()
    studio.submit("k7m2qx", "copy", 6)
    assert said == ["rests"]
    studio.host(fitness=fitness)
    until(lambda: len(said) == 1 and studio.ledger.spec("k7m2qx") is not None)
    full[0] = False
    until(lambda: studio.all_succeed("k7m2qx", 6), seconds=60)
    assert said[-1] == "works again"
    entries = studio.ledger.entries("k7m2qx", range(1, 7))
    assert {(one.attempt, *(past.outcome for past in one.tried)) for one in entries} == {(1, "succeeded")}


def test_work_of_a_function_that_one_host_has_not_is_done_by_another_as_if_it_had_been_nowhere(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.engines.aws.hosts.taker.LEFT_S", 1)
    monkeypatch.setattr("rushes.engines.aws.hosts.taker.LACKS_REST_S", 0.5)
    load = loaded_batch.learn

    def learn(spec: Any, home: Path) -> Any:
        if "lacks" in threading.current_thread().name:
            raise CallerError(f"no function is called {spec['function']!r}.", code="unknown-function")
        return load(spec, home)

    monkeypatch.setattr("rushes.runtime.shared.claims.known_batches.learn", learn)
    studio.urls = {f"lacks/{name}": url for name, url in studio.urls.items()}
    said: list[str] = []
    without = studio.host("host-without", fitness=fitness_of(studio, said))
    studio.urls = {name.rpartition("/")[2]: url for name, url in studio.urls.items()}
    studio.submit("k7m2qx", "copy", 4)
    until(lambda: said == ["lacks"])
    studio.host("host-with")
    until(lambda: studio.all_succeed("k7m2qx", 4), seconds=60)
    entries = studio.ledger.entries("k7m2qx", range(1, 5))
    assert {(one.attempt, *(past.outcome for past in one.tried)) for one in entries} == {(1, "succeeded")}
    assert "it has not copy" in cast("Any", without)._fitness.why


def test_a_host_that_has_rested_for_long_leaves_where_another_takes_its_place(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.runtime.shared.hosts.fitness.LEAVES_AFTER_S", 0.0)
    monkeypatch.setattr("rushes.runtime.shared.hosts.looks.room_wanted", lambda *_, **__: 2**60)
    staying = studio.host("host-stays", fitness=fitness_of(studio, []))
    leaving = studio.host("host-leaves", fitness=fitness_of(studio, []), leaves=True)
    until(lambda: bool(leaving.left))
    until(lambda: not studio._running[1][1].is_alive())
    assert "is full" in leaving.left
    assert (staying.left, studio._running[0][1].is_alive()) == ("", True)


def test_hosts_that_rest_are_told_of_and_forgotten_once_they_work(studio: Studio) -> None:
    clock = FakeClock(NOW)
    notes = FleetNotes(studio.clients["dynamodb"], studio.settings.table, clock.now)
    assert notes.resting() == []
    notes.rest("b", "its disk is full", NOW - 60)
    task = "arn:aws:ecs:eu-west-1:1:task/dev/abc"
    notes.rest("a", "no card answers", NOW - 30, whole=True, task=task)
    notes.add({"hosts/urgent": Done(3, 4.5)})
    notes.drain([task])
    assert notes.resting() == [
        Resting("a", "no card answers", NOW - 30, NOW, whole=True, task=task),
        Resting("b", "its disk is full", NOW - 60, NOW),
    ]
    assert notes.said() == ({"hosts/urgent": Done(3, 4.5)}, notes.resting())
    notes.work("a")
    notes.work("c")
    assert [one.host for one in notes.resting()] == ["b"]
    clock.advance(RESTS_S)
    assert notes.resting() == []


def test_what_a_hosts_pool_has_no_room_for_does_not_wait_there_for_a_day(studio: Studio) -> None:
    """Nobody may come to make room; another host has some."""
    studio.submit("k7m2qx", "no_room", 1)
    studio.host()

    def entry() -> Any:
        return studio.ledger.entry("k7m2qx.1")

    until(lambda: entry().state is State.held, seconds=60)
    assert (entry().attempt, [one.outcome for one in entry().tried]) == (0, ["disk-full"])
