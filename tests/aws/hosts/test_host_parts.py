"""Parts of a host: a class's messages, who guards it while it is busy, the notice of a spot instance."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from waiting import until

from rushes import CallerError, PlatformError, RushesError
from rushes.core.states import State
from rushes.engines.aws.access.settings import AwsSettings
from rushes.engines.aws.hosts.ecs_agent import EXPIRES_MIN, IDLE_S, RENEW_S, EcsProtection, ecs_task
from rushes.engines.aws.hosts.spot import SpotWatch
from rushes.engines.aws.hosts.taker import LACKS_REST_S, LACKS_ROW, LEFT_S, Taker
from rushes.engines.aws.infra.deployment import Deployment
from rushes.engines.aws.notices.sweeping import sweep
from rushes.engines.aws.worker import _say_by_what_right, lacking_here, queues_of
from rushes.ledger import ON_HOSTS, Routed, WorkItem
from rushes.notices import Message, Notice
from rushes.runtime.shared.claims.run import After
from rushes.runtime.shared.hosts.fitness import HostFitness
from rushes.runtime.shared.hosts.looks import looks_of
from rushes.testing.clock import FakeClock
from rushes.testing.ledger import StubLedger
from rushes.testing.ledger_contract import NOW, SPEC
from rushes.testing.queue import StubQueue


class Protecting:
    def __init__(self) -> None:
        self.held = 0

    def hold(self) -> None:
        self.held += 1

    def release(self) -> None:
        raise AssertionError


class Runner:
    """Claims everything at once, and works on it until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.stopping = threading.Event()
        self.begun: list[str] = []

    def run(self, invocation: str, *, claimed: Any) -> After:
        self.begun.append(invocation)
        claimed()
        until(lambda: self.go.is_set() or self.stopping.is_set())
        return After(State.succeeded) if self.go.is_set() else After(State.queued, 0.0)

    def yield_back(self) -> None:
        self.stopping.set()


class Counting(StubQueue):
    """Counts requests; who finds nothing waits a little, as at a real queue."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.requests: list[tuple[str, int]] = []

    def receive(self, count: int, wait_s: float) -> Sequence[Message]:
        found = super().receive(count, wait_s)
        if found:
            self.requests.append(("receive", len(found)))
        else:
            threading.Event().wait(0.002)
        return found

    def done(self, messages: Sequence[Message]) -> None:
        self.requests.append(("done", len(messages)))
        super().done(messages)


@pytest.fixture
def taker() -> Iterator[Taker]:
    queue, runner = Counting(), Runner()
    made = Taker(
        "urgent", queue, cast("Any", runner), 2, poll_s=0.0, protection=Protecting(),
        say=lambda *_, **__: None, clock=lambda: 0.0,
    )  # fmt: skip
    yield made
    runner.go.set()
    made.stop()
    if made._poller.ident is not None:
        made.join()


def notices(count: int) -> list[Notice]:
    return [Notice(f"k7m2qx.{n}", "urgent", "dune") for n in range(1, count + 1)]


def test_no_more_is_taken_than_is_begun_while_it_is_not_known_how_long_it_takes(taker: Taker) -> None:
    queue, runner = cast("Counting", taker.queue), cast("Runner", taker._runner)
    queue.send(notices(12))
    taker.start()
    until(lambda: len(runner.begun) == 2)
    assert (taker.here, queue.waiting()) == (2, 10)
    assert cast("Protecting", taker._protection).held == 1
    runner.go.set()
    until(lambda: taker.take_done()[0] or taker.here == 0)


def test_short_work_is_taken_and_deleted_ten_at_a_time(taker: Taker) -> None:
    queue, runner = cast("Counting", taker.queue), cast("Runner", taker._runner)
    runner.go.set()
    taker._mean_s = 0.001
    queue.send(notices(100))
    taker.start()
    until(lambda: len(runner.begun) == 100)
    taker.stop()
    taker.join()
    assert sum(count for verb, count in queue.requests if verb == "done") == 100
    assert [count for verb, count in queue.requests if verb == "receive"] == [10] * 10
    assert sum(verb == "done" for verb, _ in queue.requests) <= 30  # ten at a time, and what is left over
    assert (taker.here, taker.take_done()[0], taker.take_done()) == (0, 100, (0, 0.0))


def test_what_is_here_when_a_host_has_to_go_may_be_had_at_once(taker: Taker) -> None:
    queue, runner = cast("Counting", taker.queue), cast("Runner", taker._runner)
    taker._mean_s = 0.001  # so that some wait here for a place
    queue.send(notices(12))
    taker.start()
    until(lambda: len(runner.begun) == 4 and taker.here == 12)
    taker.stop()
    taker.join()
    again = queue.receive(20, 0)
    assert sorted({one.notice.invocation for one in again}) == sorted(one.invocation for one in notices(12))


def test_a_drained_host_takes_nothing_until_it_may_again(taker: Taker) -> None:
    queue, runner = cast("Counting", taker.queue), cast("Runner", taker._runner)
    queue.send(notices(1))
    taker.drained = True
    assert taker._wanted() == 0
    taker.start()
    taker.drained = False
    until(lambda: runner.begun)


class Resting:
    """Of a host that rests until it is told to work."""

    def __init__(self) -> None:
        self.limit = 0.0
        self.heard_of: list[str] = []
        self.succeeded_here = 0

    def most(self, group: str) -> float:
        assert group == "hosts"
        return self.limit

    def succeeded(self) -> None:
        self.succeeded_here += 1

    def heard(self, error: RushesError) -> None:
        self.heard_of.append(error.code)


def resting_taker(queue: StubQueue, runner: Any, fitness: Resting) -> Taker:
    return Taker(
        "hosts/urgent", queue, runner, 2, poll_s=0.0, protection=Protecting(), say=lambda *_, **__: None,
        fitness=fitness, clock=lambda: 0.0,
    )  # fmt: skip


def test_a_host_that_rests_takes_nothing_and_one_on_trial_takes_one() -> None:
    queue, runner, fitness = Counting(), Runner(), Resting()
    taker = resting_taker(queue, cast("Any", runner), fitness)
    queue.send(notices(5))
    assert taker._wanted() == 0
    fitness.limit = 1
    assert taker._wanted() == 1
    taker.start()
    until(lambda: len(runner.begun) == 1)
    assert (taker.here, queue.waiting()) == (1, 4)
    fitness.limit = inf
    runner.go.set()
    until(lambda: len(runner.begun) == 5)
    taker.stop()
    taker.join()
    assert fitness.succeeded_here == 5


def test_what_came_to_a_host_that_rests_by_then_is_there_for_others_as_if_it_had_never_come() -> None:
    queue, runner = Counting(), Runner()
    taker = resting_taker(queue, cast("Any", runner), Resting())
    queue.send(notices(1))
    (message,) = queue.receive(1, 0)
    taker._run(message)
    taker._flush()
    (again,) = queue.receive(10, 0)
    assert (again.notice, again.times) == (message.notice, 1)  # a queue sets aside what it gave too often
    assert runner.begun == []


class Unfit(Runner):
    """Finds that its machine is at fault."""

    def run(self, invocation: str, *, claimed: Any) -> After:
        self.begun.append(invocation)
        claimed()
        return After(State.queued, 0.0, unfit="its disk is full")


def test_what_a_host_gave_back_is_told_of_again_at_once() -> None:
    queue, runner, fitness = Counting(), Unfit(), Resting()
    fitness.limit = inf
    taker = resting_taker(queue, cast("Any", runner), fitness)
    queue.send(notices(1))
    (message,) = queue.receive(1, 0)
    taker._run(message)
    taker._flush()
    assert [one.notice for one in queue.receive(10, 0)] == [message.notice]


class Lacking(Runner):
    """Has no function at all."""

    def run(self, invocation: str, *, claimed: Any) -> After:
        self.begun.append(invocation)
        return After(State.queued, lacks="no function is called 'proxy'.")


def test_work_of_a_function_that_a_host_has_not_is_for_others_first_and_what_has_ended_is_done_with() -> None:
    clock, over = FakeClock(), list[str]()
    queue, fitness = StubQueue(clock), Resting()
    fitness.limit = inf
    taker = resting_taker(queue, cast("Any", Lacking()), fitness)
    taker._is_over = lambda notice: notice.invocation in over
    queue.send(notices(1))
    for _ in range(3):
        (message,) = queue.receive(10, 0)
        assert (message.notice, message.times) == (notices(1)[0], 1)
        taker._run(message)
        taker._flush()
        assert queue.receive(10, 0) == []
        clock.advance(LEFT_S)
    over.append("k7m2qx.1")
    (message,) = queue.receive(10, 0)
    taker._run(message)
    taker._flush()
    clock.advance(3600)
    assert queue.receive(10, 0) == []


def test_a_taker_to_which_only_work_comes_that_it_cannot_do_asks_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests = threading.Event()
    queue, runner, fitness = Counting(), Lacking(), Resting()
    fitness.limit = inf
    taker = resting_taker(queue, cast("Any", runner), fitness)
    monkeypatch.setattr(
        taker._stopping, "wait", lambda seconds: rests.set() if seconds == LACKS_REST_S else None
    )
    queue.send(notices(LACKS_ROW))
    taker.start()
    until(rests.is_set)
    taker.stop()
    taker.join()
    assert len(runner.begun) == LACKS_ROW


def test_a_host_names_the_functions_of_an_environment_that_are_not_installed_on_it() -> None:
    versions = {"inspect": "1", "of_a_studio": "2", "another": "1"}
    assert lacking_here(Deployment("dev", "t", versions=versions)) == ["another", "of_a_studio"]


def test_a_host_hears_of_credentials_that_its_queue_does_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rushes.engines.aws.hosts.taker.REST_S", 0.001)
    queue, fitness = Counting(), Resting()
    fitness.limit = inf
    queue.fail_next("receive", CallerError("they have expired.", code="no-credentials"))
    taker = resting_taker(queue, cast("Any", Runner()), fitness)
    taker.start()
    until(lambda: fitness.heard_of == ["no-credentials"])
    taker.stop()
    taker.join()


class Broken(Counting):
    """Fails as nothing of ours does, as often as it is told."""

    faults = 1

    def receive(self, count: int, wait_s: float) -> Sequence[Message]:
        if self.faults:
            self.faults -= 1
            raise KeyError("a library of somebody's")
        return super().receive(count, wait_s)


def test_a_class_stays_heard_whatever_its_queue_raises_and_the_log_says_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rushes.engines.aws.hosts.taker.REST_S", 0.001)
    queue, runner, said = Broken(), Runner(), list[tuple[str, Any]]()
    runner.go.set()
    taker = Taker(
        "urgent", queue, cast("Any", runner), 2, poll_s=0.0, protection=Protecting(),
        say=lambda what, **more: said.append((what, more)), clock=lambda: 0.0,
    )  # fmt: skip
    queue.send(notices(1))
    taker.start()
    until(lambda: runner.begun)
    taker.stop()
    taker.join()
    assert said[0][0] == "fault"
    assert "KeyError" in said[0][1]["error"]["message"]


class Faulty(Resting):
    """Fails the first who asks."""

    faults = 1

    def most(self, group: str) -> float:
        if self.faults:
            self.faults -= 1
            raise RuntimeError("dictionary changed size during iteration")
        return super().most(group)


def test_a_class_stays_heard_whatever_goes_wrong_before_its_queue_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rushes.engines.aws.hosts.taker.REST_S", 0.001)
    queue, runner, fitness = Counting(), Runner(), Faulty()
    runner.go.set()
    fitness.limit = inf
    taker = resting_taker(queue, cast("Any", runner), fitness)
    queue.send(notices(1))
    taker.start()
    until(lambda: runner.begun)
    taker.stop()
    taker.join()


# -- the agent of ECS ---------------------------------------------------------------------------------------


class Server:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.asked.append((self.command, self.path, json.loads(body) if body else None))
                status, said = server.answers.get(self.path, (404, ""))
                text = said if isinstance(said, str) else json.dumps(said)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_PUT = answer  # noqa: N815 - as http.server calls them

            def log_message(self, *_: Any) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


STATE = "/task-protection/v1/state"


def test_a_task_is_protected_before_it_begins_and_for_as_long_as_it_is_busy(server: Server) -> None:
    clock, said = FakeClock(NOW), list[Any]()
    protection = EcsProtection(server.uri, lambda *what, **more: said.append((what, more)), clock.now)
    server.answers[STATE] = 200, {"protection": {"ProtectionEnabled": True}}
    protection.release()
    assert server.asked == []
    protection.hold()
    protection.hold()
    on = ("PUT", STATE, {"ProtectionEnabled": True, "ExpiresInMinutes": EXPIRES_MIN})
    assert server.asked == [on]
    clock.advance(RENEW_S)
    protection.hold()
    assert server.asked == [on, on]

    server.answers[STATE] = 200, {"protection": {"ProtectionEnabled": False}}
    protection.release()
    clock.advance(IDLE_S)
    protection.release()
    protection.release()
    assert server.asked == [on, on, ("PUT", STATE, {"ProtectionEnabled": False})]
    server.answers[STATE] = 200, {"protection": {"ProtectionEnabled": True}}
    protection.hold()  # no time has passed: what begins is protected all the same
    assert server.asked[-1] == on
    assert said == []


@pytest.mark.parametrize(
    "answer", [(500, ""), (400, {"failure": {"Reason": "DEPLOYMENT_BLOCKED"}}), (200, "[]"), (200, "{}")]
)
def test_an_agent_that_refuses_is_told_of_and_asked_again_later(
    server: Server, answer: tuple[int, Any]
) -> None:
    clock, said = FakeClock(NOW), list[str]()
    protection = EcsProtection(server.uri, lambda what, **_: said.append(what), clock.now)
    server.answers[STATE] = answer
    protection.hold()
    protection.hold()
    assert (len(server.asked), said) == (1, ["unprotected"])
    clock.advance(10)
    protection.hold()
    assert len(server.asked) == 2


def test_an_agent_that_is_not_there_is_no_error() -> None:
    said: list[str] = []
    EcsProtection("http://127.0.0.1:9", lambda what, **_: said.append(what)).hold()
    assert said == ["unprotected"]
    assert ecs_task({}) == ""


def test_a_task_knows_its_name(server: Server) -> None:
    server.answers["/v4/x/task"] = 200, {"TaskARN": "arn:aws:ecs:eu-west-1:1:task/dev/abc"}
    assert ecs_task({"ECS_CONTAINER_METADATA_URI_V4": f"{server.uri}/v4/x"}).endswith("/abc")


# -- spot instances -----------------------------------------------------------------------------------------


def test_the_notice_of_a_spot_instance_is_heard_also_when_the_token_has_expired(server: Server) -> None:
    gone = threading.Event()
    server.answers["/latest/api/token"] = 200, "token"
    notice = "/latest/meta-data/spot/instance-action"
    server.answers[notice] = 401, ""
    watch = SpotWatch(gone.set, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.uri}, look_s=0.001)
    thread = threading.Thread(target=watch.watch)
    thread.start()
    until(lambda: sum(path == "/latest/api/token" for _, path, _ in server.asked) >= 2)
    server.answers[notice] = 404, ""
    seen = len(server.asked)
    until(lambda: len(server.asked) >= seen + 3)
    assert not gone.is_set()
    server.answers[notice] = 200, {"action": "terminate", "time": "2026-11-21T23:00:00Z"}
    until(gone.is_set)
    thread.join()


def test_a_machine_without_metadata_is_taken_back_by_nobody() -> None:
    def never() -> None:
        raise AssertionError

    SpotWatch(never, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}).watch()
    SpotWatch(never, {"AWS_EC2_METADATA_DISABLED": "true"}).watch()


# -- queues -------------------------------------------------------------------------------------------------


def test_a_host_takes_from_the_queues_of_its_groups_and_classes() -> None:
    urls = {"QueueHostsUrgent": "u", "QueueHostsStandard": "s", "QueueHostsNvencUrgent": "n"}
    there = Deployment("dev", "t", urls)
    assert queues_of(there, {}, (), ()) == {"hosts/urgent": "u", "hosts/standard": "s"}
    assert queues_of(there, {}, ("hosts-nvenc", "hosts"), ("urgent",)) == {
        "hosts-nvenc/urgent": "n",
        "hosts/urgent": "u",
    }
    told = {
        "RUSHES_QUEUES": "hosts-nvenc/urgent=https://sqs.eu-west-1.amazonaws.com/1/n,urgent=https://sqs/1/u"
    }
    assert queues_of(there, told, (), ()) == {
        "hosts-nvenc/urgent": "n",
        "hosts/urgent": "u",
        "hosts/standard": "s",
    }
    with pytest.raises(CallerError) as caught:
        queues_of(there, {}, ("hosts-netint",), ())
    assert caught.value.code == "no-queue"


def test_a_host_takes_nothing_of_classes_that_may_not_use_it(tmp_path: Path) -> None:
    (tmp_path / "classes.toml").write_text('[classes.urgent]\npurchase = ["on-demand"]\n')
    (tmp_path / "prices.toml").write_text(
        'schema = 1\n[tiers."ours/spot"]\npurchase = "spot"\nregion = "here"\nusd_per_hour = 0.1\n'
        'source = "a test"\nas_of = "2026-01"\n'
    )
    urls = {"QueueHostsUrgent": "u", "QueueHostsStandard": "s"}
    spot = {
        "RUSHES_CLASSES": str(tmp_path / "classes.toml"),
        "RUSHES_PRICES": str(tmp_path / "prices.toml"),
        "RUSHES_TIER": "ours/spot",
    }

    assert queues_of(Deployment("dev", "t", urls), spot, (), ()) == {"hosts/standard": "s"}
    with pytest.raises(CallerError, match="urgent work may not use spot machines") as caught:
        queues_of(Deployment("dev", "t", urls), spot, (), ("urgent",))
    assert caught.value.code == "no-queue"


def test_what_wants_a_card_is_told_of_to_those_who_have_one() -> None:
    ledger, plain, cards = StubLedger(), StubQueue(FakeClock()), StubQueue(FakeClock())
    ledger.open("k7m2qx", {**SPEC, "group": "hosts-nvenc", "title": "f"}, NOW)
    ledger.add("k7m2qx", [WorkItem("k7m2qx.1", "s3://b/a.mov")])
    ledger.seal("k7m2qx")
    ledger.claim("k7m2qx.1", "dead", NOW, NOW + 60)
    assert sweep(ledger, {"urgent": plain, "hosts/urgent": plain}, NOW + 61) == 0
    ledger.claim("k7m2qx.1", "dead", NOW + 61, NOW + 121)
    assert sweep(ledger, {"urgent": plain, "hosts-nvenc/urgent": cards}, NOW + 200) == 1
    assert (plain.waiting(), cards.waiting()) == (0, 1)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("hosts/urgent", "f/urgent", "hosts-trial/urgent", "f-trial/urgent"), "hosts-trial/urgent"),
        (("hosts/urgent", "f/urgent"), "hosts/urgent"),  # the trial is over
        (("hosts/urgent",), ""),  # a host of the others: somebody who knows all queues looks, too
    ],
)
def test_what_lapsed_of_a_version_that_is_tried_is_told_to_those_who_try_it(
    names: tuple[str, ...], told: str
) -> None:
    ledger, queues = StubLedger(), {name: StubQueue(FakeClock()) for name in names}
    ledger.open("k7m2qx", {**SPEC, "group": "hosts-trial", "title": "f-trial"}, NOW)
    ledger.add("k7m2qx", [WorkItem("k7m2qx.1", "s3://b/a.mov", routed=Routed(ON_HOSTS))])
    ledger.seal("k7m2qx")
    ledger.claim("k7m2qx.1", "dead", NOW, NOW + 60)
    assert sweep(ledger, queues, NOW + 61) == bool(told)
    assert [name for name, queue in queues.items() if queue.waiting()] == ([told] if told else [])


# -- by what right ------------------------------------------------------------------------------------------


class Grant:
    """A work role that can be had, or not."""

    def __init__(self, failure: RushesError | None = None) -> None:
        self._failure = failure

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure


def said_at_start(role: str, failure: RushesError | None = None) -> list[str]:
    said: list[str] = []
    services: Any = SimpleNamespace(settings=AwsSettings(work_role=role), grant=Grant(failure))
    _say_by_what_right(services, said.append)
    return said


def test_a_host_says_when_it_starts_what_attempts_may_reach() -> None:
    role = "arn:aws:iam::123456789012:role/work"
    assert "all that this machine's credentials permit" in said_at_start("")[0]
    assert role in said_at_start(role)[0]
    assert all("body" in said_at_start(one)[0] for one in ("", role))  # which is given nothing
    assert role in said_at_start(role, PlatformError("slow down.", code="service-busy"))[0]
    with pytest.raises(CallerError, match="not permitted"):
        said_at_start(role, CallerError("it is not permitted to work as it.", code="not-permitted"))


def test_a_work_role_that_can_be_had_no_more_rests_a_host_and_fails_nothing(tmp_path: Path) -> None:
    def refused() -> None:
        raise CallerError("it is not permitted to work as it.", code="not-permitted", fix="Let it trust us.")

    fitness = HostFitness(looks_of(tmp_path, dict, refused), {"hosts"})
    denied = CallerError("it is not permitted to read s3://b/a.mov.", code="not-permitted")
    assert "Let it trust us." in fitness.unfit(denied, "k.1", "f", "hosts")
    assert fitness.most("hosts") == 0
    well = HostFitness(looks_of(tmp_path, dict, lambda: None), {"hosts"})
    assert (well.unfit(denied, "k.1", "f", "hosts"), well.why) == ("", "")  # it is the clip's own affair
