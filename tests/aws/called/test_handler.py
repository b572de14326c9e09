"""What Lambda calls: messages, events of S3 and direct calls, each worked on once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto_cloud import clients_of, empty

from rushes import Asset, CallerError, MediaError, PlatformError, Result, catalog, function
from rushes.core.accounts import Scope
from rushes.core.states import State
from rushes.engines.aws import entry
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings, aws_settings
from rushes.engines.aws.called import first_call
from rushes.engines.aws.called.handler import LONGEST_DELAY_S, MOST_SILENCES, SILENT_S, LambdaHandler
from rushes.engines.aws.called.misrouted import whose
from rushes.engines.aws.laptop.log_records import attempt_line
from rushes.engines.aws.notices.events import Asked, asked_of
from rushes.engines.aws.notices.sweeping import sweep
from rushes.ledger import WorkItem
from rushes.notices import Notice, notice_text
from rushes.runtime.shared.objects.attempt import run_remote
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.shared_ledger.sqs import SqsQueue

FUNCTIONS = Path(__file__).parents[2] / "runtime" / "claimed.py"
CLIP = "s3://cards/day 1/A001+C002.mov"
OUT = "s3://proxies/dune"
NOW = 1_700_000_000.0
CONTEXT = SimpleNamespace(
    aws_request_id="r-1",
    function_name="write",
    memory_limit_in_mb=2048,
    invoked_function_arn="arn:aws:lambda:eu-west-1:123456789012:function:write",
    get_remaining_time_in_millis=lambda: 900_000,
)


class Cloud:
    """Clients of an AWS in this process, and what is there."""

    def __init__(self, clients: Mapping[str, Any]) -> None:
        self._clients = clients
        for bucket in ("cards", "proxies"):
            self("s3").create_bucket(Bucket=bucket)
        self("s3").put_object(Bucket="cards", Key="day 1/A001+C002.mov", Body=b"clip")
        self("dynamodb").create_table(TableName="rushes", **TABLE)
        self.urls = {
            name: self("sqs").create_queue(QueueName=name)["QueueUrl"] for name in ("urgent", "hosts")
        }
        self.ledger = DynamoLedger(self("dynamodb"), "rushes")

    def __call__(self, service: str) -> Any:
        return self._clients[service]

    def handler(self, name: str = "write", *, table: bool = True, longer: bool = True) -> LambdaHandler:
        settings = AwsSettings(
            "rushes" if table else "",
            self.urls["urgent"],
            self.urls["hosts"] if longer else "",
            out=OUT,
            show="dune",
            scratch=Path("/tmp"),
        )
        function = catalog.find(f"{FUNCTIONS}:{name}")
        return LambdaHandler(function, Services(settings, name, self), lambda: NOW)

    def waiting(self, name: str) -> list[Notice]:
        found = SqsQueue(self("sqs"), self.urls[name]).receive(10, 0)
        return [one.notice for one in found]

    def outputs(self) -> list[str]:
        return [one["Key"] for one in self("s3").list_objects_v2(Bucket="proxies").get("Contents", ())]


@pytest.fixture(scope="module")
def mocked() -> Iterator[dict[str, Any]]:
    with clients_of("s3", "dynamodb", "sqs") as found:
        yield found


@pytest.fixture
def cloud(mocked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    yield Cloud(mocked)
    empty()


def submitted(cloud: Cloud, *params: dict[str, Any], name: str = "write") -> list[Notice]:
    """A batch of as many invocations of one clip."""
    spec = {
        "function": f"{FUNCTIONS}:{name}", "version": "1", "source_digest": "", "params": "{}",
        "show": "dune", "priority": "urgent", "deadline": None, "out": f"{OUT}/batch", "name": None,
        "receipts": "beside", "retries": 1,
    }  # fmt: skip
    cloud.ledger.open("k7m2qx", spec, NOW)
    cloud.ledger.add(
        "k7m2qx",
        [
            WorkItem(f"k7m2qx.{n}", CLIP, f"{n:064x}", params=json.dumps(one), tag=f"~{n}")
            for n, one in enumerate(params, 1)
        ],
    )
    cloud.ledger.seal("k7m2qx")
    return [Notice(f"k7m2qx.{n}", "urgent", "dune") for n, _ in enumerate(params, 1)]


def messages(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": str(number),
                "receiptHandle": "h",
                "body": body,
                "attributes": {},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:urgent",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def of_s3(key: str = "day+1/A001%2BC002.mov") -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "cards"}, "object": {"key": key}},
            }
        ]
    }


def bridged(key: str = "day 1/A001+C002.mov") -> dict[str, Any]:
    return {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "cards"}, "object": {"key": key, "size": 4}},
    }


def test_messages_are_worked_on_and_only_those_that_failed_come_back(cloud: Cloud) -> None:
    notices = submitted(cloud, {}, {})
    event = messages(*map(notice_text, notices), "no notice")
    assert cloud.handler()(event, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    tally = cloud.ledger.tally("k7m2qx")
    assert tally is not None
    assert tally.ended == {State.succeeded: 2}
    assert "dune/batch/A001+C002~1.txt" in cloud.outputs()


@pytest.mark.parametrize("kind", ["fine", "bug"])
def test_what_a_body_and_its_tools_say_stands_in_the_log_by_its_invocation(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(Services, "say", lambda _, what, **more: told.append({"message": what, **more}))
    notices = submitted(cloud, {"kind": kind}, {"kind": kind}, name="wordy")
    cloud.handler("wordy")(messages(*map(notice_text, notices)), CONTEXT)
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for n in (1, 2):
        texts = [attempt_line(json.dumps(one), f"k7m2qx.{n}") for one in (*records, *told)]
        said = "\n".join(filter(None, texts))
        assert said.startswith("counting\n")
        assert " half of it\n" in said
        assert "a tool says so" in said
        assert ("ValueError: a bug" in said) is (kind == "bug")
    assert [one["message"] for one in records] == ["counting", "counting"]


def test_a_result_names_what_was_made_by_its_place_in_whatever_letters(cloud: Cloud) -> None:
    cloud("s3").put_object(Bucket="cards", Key="day 1/a+b é “x”.mov", Body=b"clip")
    (found,) = cloud.handler()(bridged("day 1/a+b é “x”.mov"), CONTEXT)
    assert found["result"] == {"file": f"{OUT}/a+b é “x”.txt"}
    assert found["outputs"] == [f"{OUT}/a+b é “x”.txt"]


def test_a_batch_of_which_all_fail_comes_back_one_by_one(cloud: Cloud) -> None:
    assert cloud.handler()(messages("x", "y"), CONTEXT) == {
        "batchItemFailures": [{"itemIdentifier": "0"}, {"itemIdentifier": "1"}]
    }


def test_what_waits_for_its_next_try_is_told_again_in_time(cloud: Cloud) -> None:
    notices = submitted(cloud, {"kind": "platform"}, name="raises")
    assert cloud.handler("raises")(messages(notice_text(notices[0])), CONTEXT) == {"batchItemFailures": []}
    entry = cloud.ledger.entry("k7m2qx.1")
    assert entry is not None
    assert entry.state is State.held
    found = cloud("sqs").get_queue_attributes(QueueUrl=cloud.urls["urgent"], AttributeNames=["All"])
    assert found["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"


def test_what_does_not_fit_goes_to_those_who_have_longer(cloud: Cloud) -> None:
    notices = submitted(cloud, {}, name="waits")
    short = SimpleNamespace(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 1000})
    assert cloud.handler("waits")(messages(notice_text(notices[0])), short) == {"batchItemFailures": []}
    assert cloud.waiting("hosts") == notices
    entry = cloud.ledger.entry("k7m2qx.1")
    assert entry is not None
    assert (entry.state, entry.attempt) == (State.queued, 0)


@pytest.mark.parametrize("event", [of_s3(), bridged()])
def test_an_object_that_came_is_worked_on_once_however_often_it_is_told(
    cloud: Cloud, event: dict[str, Any]
) -> None:
    handler = cloud.handler()
    told = [handler(event, CONTEXT)[0] for _ in range(5)]
    assert {one["invocation"] for one in told} == {told[0]["invocation"]}
    assert told[0]["outputs"] == [f"{OUT}/A001+C002.txt"]
    entry = cloud.ledger.entry(told[0]["invocation"])
    assert entry is not None
    assert entry.attempt == 1


def test_an_object_that_a_queue_tells_of_is_worked_on_too(cloud: Cloud) -> None:
    assert cloud.handler()(messages(json.dumps(of_s3())), CONTEXT) == {"batchItemFailures": []}
    assert "dune/A001+C002.txt" in cloud.outputs()


def test_without_a_ledger_the_same_is_published_once(cloud: Cloud) -> None:
    handler = cloud.handler(table=False)
    first = handler(bridged(), CONTEXT)[0]
    before = cloud("s3").head_object(Bucket="proxies", Key="dune/A001+C002.txt")["LastModified"]
    assert handler(bridged(), CONTEXT)[0]["outputs"] == first["outputs"]
    assert cloud("s3").head_object(Bucket="proxies", Key="dune/A001+C002.txt")["LastModified"] == before


def test_a_direct_call_is_answered_with_the_result(cloud: Cloud) -> None:
    event = {"source": CLIP, "out": "s3://proxies/elsewhere", "params": {}}
    assert cloud.handler()(event, CONTEXT)[0]["outputs"] == ["s3://proxies/elsewhere/A001+C002.txt"]


@pytest.mark.parametrize(
    ("out", "is_done"),
    [
        ("", True),
        (f"{OUT}/asked", True),
        ("s3://proxies/elsewhere", False),
        (f"{OUT}-too", False),
        (f"{OUT}/../elsewhere", False),
    ],
)
def test_a_message_of_a_queue_puts_outputs_below_the_place_of_its_function_alone(
    cloud: Cloud,
    out: str,
    is_done: bool,  # noqa: FBT001 - a parameter
) -> None:
    said = json.dumps({"source": CLIP, **({"out": out} if out else {})})
    assert cloud.handler()(messages(said), CONTEXT) == {"batchItemFailures": []}
    where = (out or OUT).removeprefix("s3://proxies/")
    assert cloud.outputs() == (
        [f"{where}/A001+C002.txt", f"{where}/A001+C002.txt.rushes.json"] if is_done else []
    )


@pytest.mark.parametrize(
    ("code", "delayed"), [("service-unreachable", 1), ("no-credentials", 1), ("bad-item", 0), ("no-time", 0)]
)
def test_a_notice_that_met_a_silent_service_comes_again_soon_as_a_new_message(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, code: str, delayed: int
) -> None:
    def silent(*_: object, **__: object) -> None:
        raise PlatformError("it is silent.", code=code)

    monkeypatch.setattr("rushes.runtime.shared.claims.run.ClaimRunner.run", silent)
    (notice,) = submitted(cloud, {})
    answer = cloud.handler()(messages(notice_text(notice)), CONTEXT)
    assert len(answer["batchItemFailures"]) == 1 - delayed
    found = cloud("sqs").get_queue_attributes(QueueUrl=cloud.urls["urgent"], AttributeNames=["All"])
    assert int(found["Attributes"]["ApproximateNumberOfMessagesDelayed"]) == delayed


@pytest.mark.parametrize(
    ("silences", "delay_s"), [(0, SILENT_S), (1, 2 * SILENT_S), (9, LONGEST_DELAY_S), (MOST_SILENCES, None)]
)
def test_a_silence_that_lasts_is_asked_about_more_seldom_and_fails_messages_after_a_day(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, silences: int, delay_s: int | None
) -> None:
    sent: list[tuple[Notice, int]] = []

    def silent(*_: object, **__: object) -> None:
        raise PlatformError("it is silent.", code="service-unreachable")

    def send(_queue: object, notices: Sequence[Notice], *, delay_s: int = 0) -> None:
        sent.extend((one, delay_s) for one in notices)

    monkeypatch.setattr("rushes.runtime.shared.claims.run.ClaimRunner.run", silent)
    (notice,) = submitted(cloud, {})
    monkeypatch.setattr(SqsQueue, "send", send)
    notice = notice._replace(silences=silences)
    answer = cloud.handler()(messages(notice_text(notice)), CONTEXT)
    assert len(answer["batchItemFailures"]) == (delay_s is None)
    assert sent == ([] if delay_s is None else [(notice._replace(silences=silences + 1), delay_s)])


def test_a_direct_call_that_fails_raises_what_it_is_at(cloud: Cloud) -> None:
    with pytest.raises(MediaError) as caught:
        cloud.handler("raises")({"source": CLIP}, CONTEXT)
    assert caught.value.code == "truncated"


def test_a_clip_below_the_place_of_outputs_is_refused(cloud: Cloud) -> None:
    with pytest.raises(CallerError) as caught:
        cloud.handler()({"source": f"{OUT}/A001.txt"}, CONTEXT)
    assert caught.value.code == "own-output"


@pytest.mark.parametrize(
    ("event", "asked"),
    [
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "cards"}, []),
        (of_s3("a%2Fb%2Bc+d.mov"), [Asked("cards", "a/b+c d.mov")]),
        (of_s3("50%25.mov"), [Asked("cards", "50%.mov")]),
        (bridged("50%25+x.mov"), [Asked("cards", "50%25+x.mov")]),
        (
            {"source": "s3://cards/a?versionId=v1", "show": "dune"},
            [Asked("cards", "a", "v1", {}, "", "dune")],
        ),
    ],
)
def test_events_say_which_objects(event: Any, asked: list[Asked]) -> None:
    assert asked_of(event) == asked


@pytest.mark.parametrize(
    "event",
    [None, [], {}, {"source": "aws.ec2"}, {"source": "s3://cards/a", "parms": {}}, {"Records": [{}]},
     {"source": "s3://cards/a", "params": []}, {"source": "aws.s3", "detail": {"bucket": {}}}],
)  # fmt: skip
def test_what_is_no_event_of_ours_is_refused(event: Any) -> None:
    with pytest.raises(CallerError) as caught:
        asked_of(event)
    assert caught.value.code == "bad-event"


def test_a_removed_object_is_no_clip() -> None:
    event = of_s3()
    event["Records"][0]["eventName"] = "ObjectRemoved:Delete"
    assert asked_of(event) == []


@pytest.mark.parametrize(
    "module",
    [
        "import rushes.engines.aws.entry",
        "from rushes_functions.inspect import inspect; handler = inspect.lambda_handler",
    ],
)
def test_nothing_of_an_sdk_is_imported_before_the_first_event(module: str) -> None:
    late = (
        "boto3",
        "botocore",
        "s3transfer",
        "aws_lambda_powertools",
        "aws_xray_sdk",
        "av",
        "imageio_ffmpeg",
    )
    code = f"{module}; import sys; print(sorted(set({late!r}) & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def modules_after(code: str) -> set[str]:
    said = subprocess.check_output(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], text=True
    )
    return set(said.split())


def test_a_router_imports_nothing_that_publishes() -> None:
    found = modules_after("import rushes.engines.aws.called.router")

    assert "rushes.runtime.shared.objects.marks" in found
    publishing = ("runtime.shared.objects.publication", "runtime.outputs", "runtime.attempts", "pydantic")
    assert not [one for one in found if one.removeprefix("rushes.").startswith(publishing)]


def test_a_handler_of_ones_own_imports_its_function_and_no_engine() -> None:
    found = modules_after("from rushes_functions.inspect import inspect; handler = inspect.lambda_handler")

    late = ("batch", "catalog", "core", "engines", "invocation", "ports", "runtime", "storage")
    assert not found & {f"rushes.{name}" for name in late}
    assert not found & {"asyncio", "click", "importlib.metadata", "rich", "shutil", "subprocess", "yaml"}


def test_a_handler_of_ones_own_builds_no_model_before_the_first_event() -> None:
    code = (
        "from rushes_functions import inspect as module; module.inspect.lambda_handler\n"
        "models = (module.InspectParams, module.InspectResult, module.MediaInfo)\n"
        "print([model.__name__ for model in models if model.__pydantic_complete__])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_first_call_without_a_ledger_imports_nothing_of_one() -> None:
    used = (
        "rushes.engines.aws.called.handler, rushes.media.describing.inspection, "
        "rushes.runtime.shared.money.meter, rushes.runtime.configuration.price_files, "
        "rushes.runtime.shared.objects.attempt, rushes.storage.s3"
    )
    found = modules_after(f"import {used}; from rushes_functions.inspect import inspect")

    assert not found & {f"rushes.{name}" for name in ("batch", "joint", "ledger", "ports", "shared_ledger")}
    assert not found & {"av", "boto3", "s3transfer", "sqlite3", "tomllib", "yaml"}


def told(clip: Asset) -> Result:
    return Result()


def test_what_a_first_call_has_imported_is_looked_through_for_cycles_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[object] = []
    monkeypatch.setattr("gc.freeze", lambda: done.append("frozen"))
    monkeypatch.setattr("gc.set_threshold", done.append)
    monkeypatch.setattr("rushes.media.readers.reader.begin", lambda: done.append("reader"))
    monkeypatch.setattr(
        "rushes.engines.aws.called.handler.LambdaHandler", lambda _: lambda event, _: done.append(event)
    )
    first_call._over.cache_clear()
    handler = function(version="1", headers_only=True)(told).lambda_handler
    assert done == []

    handler("first", None)
    handler("second", None)

    many, *rest = done
    assert rest == ["reader", "first", "frozen", first_call.OBJECTS_BEFORE_COLLECTING, "second"]
    assert many == first_call._OBJECTS_OF_IT


def test_the_reader_of_clips_gets_ready_before_the_function_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    def find(name: str) -> SimpleNamespace:
        done.append(name)
        return SimpleNamespace(lambda_handler=None)

    monkeypatch.setenv("RUSHES_FUNCTION", "studio:look")
    monkeypatch.setattr("rushes.media.readers.reader.begin", lambda: done.append("reader"))
    monkeypatch.setattr("rushes.catalog.find", find)
    monkeypatch.setattr("gc.set_threshold", lambda _: None)
    entry._worker.__wrapped__()
    assert done == ["reader", "studio:look"]


class Clock:
    """Time that a body takes."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def lasting(clock: Clock, seconds: float) -> SimpleNamespace:
    """A context of a call that ends so long after now."""
    ends = clock.now + seconds
    left = {"get_remaining_time_in_millis": lambda: int((ends - clock.now) * 1000)}
    return SimpleNamespace(**{**vars(CONTEXT), **left})


@pytest.fixture
def slow(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> tuple[LambdaHandler, Clock]:
    """A handler whose first attempt takes ten minutes of fifteen."""
    clock = Clock()
    handler = cloud.handler()
    handler._clock = clock
    takes = iter([600.0])

    def run(*given: Any, **more: Any) -> Any:
        clock.now += next(takes, 1.0)
        return run_remote(*given, **more)

    monkeypatch.setattr("rushes.runtime.shared.claims.run.run_remote", run)
    return handler, clock


def test_what_came_with_longer_work_is_begun_anew_and_not_taken_for_too_long(
    cloud: Cloud, slow: tuple[LambdaHandler, Clock]
) -> None:
    handler, clock = slow
    notices = submitted(cloud, {}, {})
    event = messages(*map(notice_text, notices))
    assert handler(event, lasting(clock, 900)) == {"batchItemFailures": []}
    states = [entry.state for n in (1, 2) if (entry := cloud.ledger.entry(f"k7m2qx.{n}")) is not None]
    assert states == [State.succeeded, State.queued]
    assert cloud.waiting("urgent") == notices[1:]
    assert cloud.waiting("hosts") == []


def test_of_one_call_each_attempt_pays_for_its_own_time_and_one_for_the_request(
    cloud: Cloud, slow: tuple[LambdaHandler, Clock]
) -> None:
    handler, clock = slow
    handler._services.settings = replace(handler._services.settings, memory_mb=2048, region="us-east-1")
    notices = submitted(cloud, {}, {})
    handler(messages(*map(notice_text, notices)), lasting(clock, 3600))
    costs = []
    for n in (1, 2):
        entry = cloud.ledger.entry(f"k7m2qx.{n}")
        assert entry is not None
        assert entry.end is not None
        costs.append(json.loads(entry.end.data)["cost"])
    second_nano = 33333.4  # of 2 GiB, the figure that ships
    assert [round(one["compute"] / second_nano) for one in costs] == [600, 1]
    assert costs[0]["requests"] - costs[1]["requests"] == 200


def test_where_a_region_has_no_price_work_goes_on_and_the_log_says_so(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    handler = cloud.handler()
    handler._services.settings = replace(handler._services.settings, memory_mb=2048, region="mars-east-1")
    (notice,) = submitted(cloud, {})
    handler(messages(notice_text(notice)), CONTEXT)
    entry = cloud.ledger.entry("k7m2qx.1")
    assert entry is not None
    assert entry.end is not None
    assert (entry.state, entry.end.cost_nano) == (State.succeeded, 0)
    said = [vars(one)["missing"] for one in caplog.records if one.message == "unpriced"]
    assert said == ["lambda in mars-east-1"]


def test_where_a_region_of_aws_has_none_that_of_another_stands_in_and_the_log_says_whose(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    handler = cloud.handler()
    handler._services.settings = replace(handler._services.settings, memory_mb=2048, region="eu-west-1")
    (notice,) = submitted(cloud, {})
    handler(messages(notice_text(notice)), CONTEXT)
    entry = cloud.ledger.entry("k7m2qx.1")
    assert entry is not None
    assert entry.end is not None
    assert entry.end.cost_nano >= 200  # the request alone
    said = [vars(one) for one in caplog.records if one.message == "priced-as"]
    assert [(one["prices_of"], one["region"], one["missing"]) for one in said] == [
        ("us-east-1", "eu-west-1", "Lambda, S3, transfer")
    ]


def test_work_of_who_is_beyond_a_soft_limit_is_sent_on_to_the_class_below(cloud: Cloud) -> None:
    handler = cloud.handler()
    handler._services.settings = replace(
        handler._services.settings, memory_mb=2048, region="us-east-1",
        queue=f"urgent={cloud.urls['urgent']},standard={cloud.urls['hosts']}",
    )  # fmt: skip
    money = handler._services.money
    assert money is not None
    money.set_soft(Scope("show", "dune"), 100)
    money.take(Scope("show", "dune"), "another", 101, 101, NOW + 900, first=True)
    (notice,) = submitted(cloud, {})
    assert handler(messages(notice_text(notice)), CONTEXT) == {"batchItemFailures": []}
    assert cloud.waiting("hosts") == [notice._replace(priority="standard", lowered=True)]
    entry = cloud.ledger.entry("k7m2qx.1")
    assert entry is not None
    assert entry.state is State.queued


@pytest.mark.parametrize(
    ("name", "value"), [("RUSHES_KEEP", "1h"), ("RUSHES_KEEP", "0"), ("RUSHES_LEASE", "0s")]
)
def test_a_ledger_that_keeps_nothing_and_claims_of_no_time_are_refused(name: str, value: str) -> None:
    with pytest.raises(CallerError, match=f"{name} is {value}"):
        aws_settings({name: value})


# -- what came to the wrong function ------------------------------------------------------------------------


def test_a_notice_of_another_function_runs_nothing_and_is_told_of_to_its_own(cloud: Cloud) -> None:
    (notice,) = submitted(cloud, {}, name="raises")
    handler = cloud.handler("write")
    assert handler(messages(notice_text(notice)), CONTEXT) == {"batchItemFailures": []}
    found = cloud.ledger.entry(notice.invocation)
    assert found is not None
    assert (found.state, found.attempt, found.losses) == (State.queued, 0, 0)
    assert [one.outcome for one in found.tried] == ["misrouted"]
    assert "came to write, and it is of raises" in found.reason
    assert cloud.outputs() == []
    spec = cloud.ledger.spec("k7m2qx") or {}
    assert whose(spec, handler._function) == "raises"

    queue = SqsQueue(cloud("sqs"), cloud.urls["urgent"])
    assert sweep(cloud.ledger, {"urgent": queue}, NOW + 2) == 1
    assert cloud.waiting("urgent") == [notice]


def test_a_notice_of_another_function_that_somebody_works_on_is_done_with(cloud: Cloud) -> None:
    (notice,) = submitted(cloud, {}, name="raises")
    cloud.ledger.claim(notice.invocation, "its own", NOW, NOW + 60)
    assert cloud.handler("write")(messages(notice_text(notice)), CONTEXT) == {"batchItemFailures": []}
    found = cloud.ledger.entry(notice.invocation)
    assert found is not None
    assert (found.state, found.holder) == (State.running, "its own")


@pytest.mark.parametrize(
    ("spec", "other"),
    [
        ({"function": "studio.dailies:write"}, ""),
        ({"function": "write"}, ""),
        ({"function": "m:written", "title": "write"}, ""),
        ({"function": "m:write", "title": "write@2"}, ""),
        ({"function": "m:other", "title": "other"}, "other"),
        ({"function": "m:write+m:other"}, "write+other"),
    ],
)
def test_whose_work_is_goes_by_the_name_of_its_function(spec: dict[str, str], other: str) -> None:
    assert whose(spec, catalog.find(f"{FUNCTIONS}:write")) == other
