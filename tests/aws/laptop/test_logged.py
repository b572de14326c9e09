"""What was logged in an environment, as who asks for it reads it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from moto_cloud import clients_of, empty

from rushes import CallerError
from rushes.cli.app import app
from rushes.cli.session import Session
from rushes.engines.aws.infra.deployment import log_group
from rushes.engines.aws.laptop import logged
from rushes.engines.aws.laptop.log_records import asked_of, attempt_line, lambda_line, part_line
from rushes.engines.aws.laptop.logged import LATE_S, SKEWED_S, InvocationLog, PartLog
from rushes.testing.clock import FakeClock
from rushes.testing.stub import StubEngine

NOW = float(int(time.time())) - 3600.0  # a service keeps nothing that is long ago
LAMBDA, TRIAL = "/aws/lambda/rushes-dev-small", "/aws/lambda/rushes-dev-small-trial"
HOSTS = "/ecs/rushes-dev-hosts"


def tried(
    holder: str, outcome: str = "succeeded", *, ended: float = NOW, seconds: float = 10.0
) -> dict[str, Any]:
    return {"holder": holder, "ended": ended, "seconds": seconds, "outcome": outcome}


def known(*history: dict[str, Any], state: str = "succeeded", slot: str = "") -> dict[str, Any]:
    since = NOW if state == "running" else None
    return {"history": list(history), "state": state, "slot": slot, "since": since}


def record(**fields: Any) -> str:
    return json.dumps(fields)


def printed(text: str, invocation: str = "k7m2qx.1") -> str:
    return record(level="INFO", message=text, invocation=invocation, body=True)


# -- what is asked, and what counts ------------------------------------------------------------------------


def test_each_log_is_asked_once_for_the_time_of_all_attempts_that_it_may_tell_of() -> None:
    found = known(
        tried("lambda:r-1", "lapsed", ended=NOW - 900),
        tried("lambda:r-2", "handed-on", ended=NOW - 100),
        tried("box:7", ended=NOW),
    )
    at_lambda, at_host = asked_of(found, [LAMBDA, TRIAL], HOSTS)
    assert at_lambda.groups == (LAMBDA, TRIAL)
    assert at_lambda.begins <= NOW - 910
    assert at_lambda.ends is not None
    assert at_lambda.ends >= NOW - 100
    assert at_lambda.requests == ("r-1", "r-2")
    assert (at_host.groups, at_host.requests) == ((HOSTS,), ())


def test_what_runs_is_asked_for_without_an_end() -> None:
    found = known(tried("lambda:r-1", "failed"), state="running", slot="lambda:r-2")
    (asked,) = asked_of(found, [LAMBDA], HOSTS)
    assert asked.ends is None
    assert asked.requests == ("r-2",)


def test_what_nobody_took_is_asked_for_nowhere() -> None:
    assert asked_of(known(state="queued"), [LAMBDA], HOSTS) == []


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (printed("frame 1"), "frame 1"),
        (printed("frame 1", "k7m2qx.12"), ""),
        (record(message="log", service="h", invocation="k7m2qx.1", text="a\nb"), "a\nb"),
        (record(message="succeeded", service="h", invocation="k7m2qx.1"), ""),
        (record(message={"a": 1}, invocation="k7m2qx.1", body=True), '{"a": 1}'),
        ("START RequestId: k7m2qx.1", ""),
        ("{broken k7m2qx.1", ""),
        ("[1]", ""),
    ],
)
def test_of_all_records_those_of_the_body_and_its_tools_are_its_words(message: str, text: str) -> None:
    assert attempt_line(message, "k7m2qx.1") == text


def test_lambda_says_how_it_ended_a_call() -> None:
    metrics = {"durationMs": 900_000, "memorySizeMB": 2048, "maxMemoryUsedMB": 512}
    report = {"requestId": "r-1", "status": "timeout", "metrics": metrics}
    said = lambda_line(record(type="platform.report", record=report), "r-1")
    assert said == "Lambda ended this call: timeout, after 15 m 00 s, 512 of 2048 MB of memory"
    assert not lambda_line(record(type="platform.report", record=report), "r-2")
    assert not lambda_line(record(type="platform.report", record={**report, "status": "success"}), "r-1")
    gone = {"requestId": "r-1", "status": "error", "errorType": "Runtime.ExitError"}
    assert "error (Runtime.ExitError)" in lambda_line(record(type="platform.report", record=gone), "r-1")


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (record(level="INFO", message="misrouted", service="r", invocation="a.1", reason="late", request="q"),
         "misrouted  invocation=a.1  reason=late"),
        (record(type="platform.start", record={"requestId": "r-1"}), ""),
        (record(_aws={"CloudWatchMetrics": []}, attempts=[1.0]), ""),
        ("a plain line\n", "a plain line"),
        ("START RequestId: 4caa48b5 Version: $LATEST", ""),
    ],
)  # fmt: skip
def test_a_record_of_a_part_is_a_line_of_what_happened(message: str, line: str) -> None:
    assert part_line(message) == line


def test_logs_are_called_by_the_environment_and_the_part() -> None:
    assert log_group("dev", "small") == LAMBDA
    assert log_group("dev", "hosts") == HOSTS
    with pytest.raises(CallerError, match="called by its name"):
        log_group("", "small")


# -- read from a service -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mocked() -> Iterator[Any]:
    with clients_of("logs") as found:
        yield found["logs"]


@pytest.fixture
def client(mocked: Any) -> Iterator[Any]:
    yield mocked
    empty()


def write(client: Any, group: str, *texts: str, at: float = NOW, stream: str = "s") -> None:
    with suppress(client.exceptions.ResourceAlreadyExistsException):
        client.create_log_group(logGroupName=group)
    with suppress(client.exceptions.ResourceAlreadyExistsException):
        client.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": int(at * 1000) + n, "message": text} for n, text in enumerate(texts)]
    client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def log_of(client: Any, found: dict[str, Any], clock: FakeClock, since: float = 0.0) -> InvocationLog:
    return InvocationLog(
        client, lambda: found, "k7m2qx.1", [LAMBDA, TRIAL], HOSTS, since=since, clock=clock.now
    )


def part_log(client: Any, name: str, since: float = 0.0, clock: FakeClock | None = None) -> PartLog:
    return PartLog(client, name, since=since, clock=(clock or FakeClock(NOW)).now)


def test_words_of_a_lambda_and_of_a_host_come_in_the_order_of_their_times(client: Any) -> None:
    clock = FakeClock(NOW)
    write(client, LAMBDA, printed("first"), printed("another's", "k7m2qx.12"), at=NOW - 200)
    write(client, HOSTS, record(message="log", invocation="k7m2qx.1", attempt=2, text="second"), at=NOW - 5)
    found = known(tried("lambda:r-1", "handed-on", ended=NOW - 100, seconds=110), tried("box:7"))
    log = log_of(client, found, clock)
    assert [one.text for one in log.new()] == ["first", "second"]
    assert log.new() == []
    assert log.note == ""
    assert not log.over
    clock.advance(60.0)
    log.new()
    assert log.over


def test_while_it_runs_what_comes_is_given_once(client: Any) -> None:
    found = known(state="running", slot="lambda:r-1")
    write(client, TRIAL, printed("frame 1"), at=NOW + 1)
    log = log_of(client, found, FakeClock(NOW))
    assert [one.text for one in log.new()] == ["frame 1"]
    write(client, TRIAL, printed("frame 0, late"), at=NOW + 0.5, stream="t")
    write(client, TRIAL, printed("frame 2"), at=NOW + 3, stream="u")
    assert [one.text for one in log.new()] == ["frame 0, late", "frame 2"]
    assert not log.over


def test_what_a_person_wants_since_a_time_begins_there(client: Any) -> None:
    write(client, LAMBDA, printed("early"), at=NOW - 8)
    write(client, LAMBDA, printed("late"), at=NOW - 2)
    log = log_of(client, known(tried("lambda:r-1")), FakeClock(NOW), since=NOW - 5)
    assert [one.text for one in log.new()] == ["late"]


def test_a_call_that_lambda_ended_says_so_among_its_words(client: Any) -> None:
    gone = record(type="platform.report", record={"requestId": "r-1", "status": "timeout"})
    write(client, LAMBDA, printed("frame 1"), gone, at=NOW - 1)
    log = log_of(client, known(tried("lambda:r-1", "lapsed"), state="queued"), FakeClock(NOW))
    assert [one.text for one in log.new()] == ["frame 1", "Lambda ended this call: timeout"]


def test_the_log_of_a_studios_own_machine_is_there(client: Any) -> None:
    log = log_of(client, known(tried("rack-3:812")), FakeClock(NOW))
    assert log.new() == []
    assert "rack-3:812 worked on it" in log.note
    assert "k7m2qx.1" in log.note


def test_a_part_says_who_of_several_it_was(client: Any) -> None:
    said = record(level="INFO", message="rests", service="h", reason="no card")
    write(client, HOSTS, said, stream="gpu/host/0f3c55aa21")
    log = part_log(client, HOSTS, since=NOW - 60)
    assert [(one.who, one.text) for one in log.new()] == [("gpu/0f3c55aa", "rests  reason=no card")]


def test_a_part_that_is_not_there_is_named(client: Any) -> None:
    with pytest.raises(CallerError, match=LAMBDA):
        part_log(client, LAMBDA).new()


class Pages:
    """A log of more pages than are read."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def filter_log_events(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked.get("nextToken"))
        n = len(self.asked)
        events = [{"timestamp": int(NOW * 1000) + n, "message": f"line {n}"}] if n % 2 else []
        return {"events": events, "nextToken": str(n)}


def test_pages_are_read_on_though_some_are_empty_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logged, "PAGES", 5)
    pages = Pages()
    log = part_log(pages, LAMBDA)
    assert [one.text for one in log.new()] == ["line 1", "line 3", "line 5"]
    assert pages.asked == [None, "1", "2", "3", "4"]
    assert "--since" in log.note


class Quiet:
    """A log in which others alone say something."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float | None]] = []

    def filter_log_events(self, **asked: Any) -> dict[str, Any]:
        self.asked.append((asked["startTime"] / 1000, asked.get("endTime")))
        return {"events": []}


def test_of_a_long_time_in_which_nothing_was_said_little_is_looked_through_again() -> None:
    quiet, clock = Quiet(), FakeClock(NOW)
    log = part_log(quiet, LAMBDA, since=NOW - 86_400, clock=clock)
    log.new()
    clock.advance(2.0)
    log.new()
    assert [began for began, _ in quiet.asked] == [NOW - 86_400, NOW - SKEWED_S - LATE_S]


def test_what_an_attempt_says_hours_after_another_was_looked_for_is_found() -> None:
    quiet, clock, found = Quiet(), FakeClock(NOW), known(tried("lambda:r-1"))
    log = log_of(quiet, found, clock)
    log.new()
    clock.advance(7200.0)
    found["history"].append(tried("lambda:r-2", ended=NOW + 3600, seconds=3000))
    quiet.asked.clear()
    log.new()
    began, ended = quiet.asked[0]
    assert began < NOW + 600
    assert ended is not None
    assert began < ended / 1000


class Refusing:
    def filter_log_events(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "FilterLogEvents")


def test_what_may_not_be_read_is_said() -> None:
    with pytest.raises(CallerError, match="not permitted to read the log /aws/lambda"):
        part_log(Refusing(), LAMBDA).new()


# -- as a command ------------------------------------------------------------------------------------------


class Kept(StubEngine):
    """An engine whose logs somebody keeps."""

    def __init__(self, client: Any) -> None:
        super().__init__()
        self._client = client

    def log_of(self, invocation: str, *, since: float = 0.0) -> InvocationLog:
        assert invocation == "k7m2qx.1"
        return log_of(self._client, known(tried("lambda:r-1")), FakeClock(NOW + 60), since)

    def log_of_part(self, part: str, *, since: float) -> PartLog:
        return part_log(self._client, log_group("dev", part), since=since)


def rushes(engine: StubEngine, *args: str) -> Any:
    return CliRunner().invoke(app, list(args), obj=Session(engine))


def test_the_command_prints_words_as_they_are(client: Any) -> None:
    write(client, LAMBDA, printed("one"), printed("two é"), at=NOW - 1)
    made = rushes(Kept(client), "logs", "k7m2qx.1", "--follow")
    assert made.stdout == "one\ntwo é\n"
    assert rushes(Kept(client), "logs", "k7m2qx.1", "--path").exit_code == 2


def test_the_command_dates_what_a_part_said(client: Any) -> None:
    write(client, LAMBDA, record(message="failed", invocation="a.1"), at=NOW)
    made = rushes(Kept(client), "logs", "--of", "small", "--since", "2020-01-01")
    assert made.stdout.endswith("  failed  invocation=a.1\n")
    assert rushes(Kept(client), "logs", "a.1", "--of", "small").exit_code == 2


def test_a_part_that_said_nothing_is_named_with_the_time_that_was_looked_at(client: Any) -> None:
    client.create_log_group(logGroupName=LAMBDA)
    made = rushes(Kept(client), "logs", "--of", "small", "--since", "2099-01-01T08:00")
    assert made.stdout == ""
    assert made.stderr == "small logged nothing since 01-01 08:00 (--since looks further back)\n"


def test_a_part_that_an_environment_has_not_is_refused_also_while_it_is_followed(client: Any) -> None:
    for follow in ((), ("--follow",)):
        made = rushes(Kept(client), "logs", "--of", "ruoter", *follow)
        assert made.exit_code == 2
        assert made.stdout == ""
        assert "there is no log /aws/lambda/rushes-dev-ruoter" in made.stderr
        assert "router, sweep, scaler" in made.stderr
    assert rushes(Kept(client), "logs", "--of", "router", "--path").exit_code == 2


def test_a_pool_of_one_machine_has_no_parts_and_no_times() -> None:
    assert "no parts" in rushes(StubEngine(), "logs", "--of", "router").stderr
    assert "no times" in rushes(StubEngine(), "logs", "stub1.1", "--since", "10m").stderr
