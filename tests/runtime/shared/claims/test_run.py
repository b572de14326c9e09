"""From a notice to the end in the ledger, whatever happens on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rushes import CallerError, PlatformError, RushesError
from rushes.core.retry import SERVICE_TRIES
from rushes.core.spending.prices import PriceBook, Source, Storage, TierPrice
from rushes.core.spending.run_price import RunPrice
from rushes.core.states import State
from rushes.core.tiers import Purchase
from rushes.ledger import ON_HOSTS, ON_LAMBDA, Claim, Routed, WorkItem
from rushes.runtime.attempts.attempt import run_attempt
from rushes.runtime.attempts.task import Task
from rushes.runtime.shared.claims.run import DIED_HERE, LEASE_S, After, ClaimRunner
from rushes.runtime.shared.claims.sent_version import MOST_CLAIMS, key_of_version
from rushes.runtime.shared.money.meter import Meter
from rushes.runtime.shared.objects.attempt import StoreReach
from rushes.runtime.shared.objects.marks import mark_of
from rushes.runtime.shared.runs.log import RunLog
from rushes.testing.clock import FakeClock
from rushes.testing.ledger import StubLedger
from rushes.testing.runs import StubRunCounts
from rushes.testing.store import StubStore

KEY = "ab" * 32
CLIP, OUT = "stub://cards/A001.mov", "stub://proxies/dune"
FUNCTIONS = Path(__file__).parents[2] / "claimed.py"
ONE = "k7m2qx.1"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> StubStore:
    made = StubStore(clock)
    made.put(CLIP, b"clip")
    return made


@pytest.fixture
def ledger() -> StubLedger:
    return StubLedger()


@pytest.fixture
def runner(ledger: StubLedger, store: StubStore, clock: FakeClock, tmp_path: Path) -> ClaimRunner:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    name = lambda uri: uri.rpartition("/")[2]  # noqa: E731
    return ClaimRunner(ledger, store, scratch, "host-a", name, clock=clock.now, sleep=clock.advance)


@pytest.fixture
def submit(ledger: StubLedger, store: StubStore, clock: FakeClock) -> Callable[..., None]:
    def submit_it(
        function: str, *, out: str | None = None, retries: int = 2, version: str = "1", **params: Any
    ) -> None:
        spec = {
            "function": f"{FUNCTIONS}:{function}", "version": version, "source_digest": "", "params": "{}",
            "show": "dune", "priority": "urgent", "deadline": None, "out": out, "name": None,
            "receipts": "beside", "retries": retries,
        }  # fmt: skip
        ledger.open("k7m2qx", spec, clock.now())
        about = {name: params.pop(name) for name in ("size_bytes", "routed") if name in params}
        mark = mark_of(store.look(CLIP))
        work = WorkItem(ONE, CLIP, KEY, params=json.dumps(params), fingerprint=mark, **about)
        ledger.add("k7m2qx", [work])
        ledger.seal("k7m2qx")

    return submit_it


def _outcome(after: After) -> After:
    """What became of a notice, but for what it cost."""
    return after._replace(attempt=0, cost_nano=0)


def entry(ledger: StubLedger) -> Any:
    found = ledger.entry(ONE)
    assert found is not None
    return found


def test_a_notice_becomes_a_result(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore
) -> None:
    submit("write", out=OUT)
    assert _outcome(runner.run(ONE)) == After(State.succeeded)
    data = json.loads(entry(ledger).end.data)
    assert data["outputs"] == [f"{OUT}/A001.txt"]
    assert store.look(f"{OUT}/A001.txt").size_bytes == 4
    assert list(runner.scratch.iterdir()) == []


def has_version(runner: ClaimRunner, ledger: StubLedger, version: str) -> None:
    """From here on this runner's code is of that version."""
    known = runner._known.of("k7m2qx", ledger.spec("k7m2qx") or {})
    function = copy(known.function)
    function._declared = replace(function._declared, version=version)
    runner._known._known["k7m2qx"] = replace(known, function=function)


def handed_back(runner: ClaimRunner, clock: FakeClock, times: int) -> None:
    """An invocation whose version is not here, so often in a row."""
    for _ in range(times):
        after = runner.run(ONE)
        assert after.state is State.held
        assert after.again_s is not None
        clock.advance(after.again_s)


def test_what_was_sent_for_other_code_than_is_here_is_handed_back_untouched(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore, clock: FakeClock
) -> None:
    submit("write", out=OUT, version="2")
    handed_back(runner, clock, 1)
    assert entry(ledger).attempt == 0
    assert "sent for version 2, and here is version 1" in entry(ledger).reason
    assert list(store.listing(OUT)) == []


def test_what_old_code_has_handed_back_is_done_by_its_own_as_if_nobody_had_had_it(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, clock: FakeClock
) -> None:
    submit("write", out=OUT, version="2")
    handed_back(runner, clock, 2)
    new = ClaimRunner(ledger, runner.store, runner.scratch, "host-b", runner.local_name, clock=clock.now)
    has_version(new, ledger, "2")
    assert _outcome(new.run(ONE)) == After(State.succeeded)
    assert json.loads(entry(ledger).end.data).get("warnings", []) == []
    assert ledger.known("dune", [KEY]) == {KEY: ONE}


def test_what_waited_for_a_version_that_is_gone_is_done_by_another_under_a_key_of_its_own(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore, clock: FakeClock
) -> None:
    submit("write", out=OUT, version="0")
    handed_back(runner, clock, MOST_CLAIMS)
    assert _outcome(runner.run(ONE)) == After(State.succeeded)
    assert json.loads(entry(ledger).end.data)["warnings"] == ["sent for version 0, made by version 1"]
    own = key_of_version(KEY, "1")
    assert ledger.known("dune", [KEY, own]) == {own: ONE}
    (receipt_uri,) = [one.uri for one in store.listing(OUT) if one.uri.endswith(".rushes.json")]
    with store.reader(receipt_uri) as file:
        receipt = json.loads(file.readall() or b"")
    assert (receipt["key"], receipt["version"]) == (own, "1")


def test_what_code_of_its_version_was_about_to_publish_is_ended_by_any(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore, clock: FakeClock
) -> None:
    submit("write", out=OUT)
    runner.sleep = lambda _: clock.advance(LEASE_S)
    ledger.fail_next("finish", PlatformError("died.", code="slot-lost"))
    with pytest.raises(PlatformError):
        runner.run(ONE)
    has_version(runner, ledger, "2")
    assert _outcome(runner.run(ONE)) == After(State.succeeded)
    assert ledger.known("dune", [KEY]) == {KEY: ONE}


def test_work_of_a_function_that_is_not_here_is_left_to_others_unclaimed(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger
) -> None:
    told: list[str] = []
    submit("nobody_wrote_it", out=OUT)
    runner.lacks = lambda function, _: told.append(function)
    after = runner.run(ONE)
    assert after.state is State.queued
    assert "nobody_wrote_it" in after.lacks
    assert runner.run(ONE) == after
    assert told == ["nobody_wrote_it"] * 2
    assert (entry(ledger).state, entry(ledger).attempt, entry(ledger).tried) == (State.queued, 0, ())


def test_where_there_are_no_others_work_of_a_function_that_is_not_here_fails(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger
) -> None:
    submit("nobody_wrote_it", out=OUT)
    assert runner.run(ONE).state is State.failed
    assert json.loads(entry(ledger).end.data)["error"]["code"] == "unknown-function"


def test_a_notice_that_comes_again_is_done_with(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore
) -> None:
    submit("write", out=OUT)
    runner.run(ONE)
    calls = len(store.calls)
    assert _outcome(runner.run(ONE)) == After(State.succeeded)
    assert len(store.calls) == calls


def test_a_notice_of_what_another_works_on_comes_again_when_that_could_have_lapsed(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, clock: FakeClock
) -> None:
    submit("write", out=OUT)
    ledger.claim(ONE, "host-b", clock.now(), clock.now() + 40)
    assert _outcome(runner.run(ONE)) == After(State.running, 40.0)


def test_a_notice_of_nothing_is_done_with(runner: ClaimRunner) -> None:
    assert _outcome(runner.run(ONE)) == After(None)


def test_what_the_media_is_at_fault_for_has_failed(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger
) -> None:
    submit("raises", kind="media")
    assert _outcome(runner.run(ONE)) == After(State.failed)
    error = json.loads(entry(ledger).end.data)["error"]
    assert (error["kind"], error["code"], error["attempts"]) == ("media", "truncated", 1)


def test_a_bug_in_the_body_is_the_callers(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger
) -> None:
    submit("raises", kind="bug")
    assert _outcome(runner.run(ONE)) == After(State.failed)
    assert json.loads(entry(ledger).end.data)["error"]["message"].startswith("raises raised ValueError")


def test_what_the_platform_is_at_fault_for_waits_for_its_next_try(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, clock: FakeClock
) -> None:
    submit("raises", kind="platform", retries=1)
    after = runner.run(ONE)
    assert after.state is State.held
    assert after.again_s is not None
    assert runner.run(ONE).state is State.held
    clock.advance(after.again_s)
    assert _outcome(runner.run(ONE)) == After(State.failed)
    assert json.loads(entry(ledger).end.data)["error"]["attempts"] == 2


def test_an_attempt_that_was_overtaken_publishes_nothing_and_ends_nothing(
    runner: ClaimRunner,
    submit: Callable[..., None],
    ledger: StubLedger,
    store: StubStore,
    clock: FakeClock,
) -> None:
    submit("write", out=OUT)

    def overtaken(uri: str, target: Path, *_: Any) -> Any:
        clock.advance(LEASE_S + 1)
        taken = ledger.claim(ONE, "host-b", clock.now(), clock.now() + LEASE_S)
        assert isinstance(taken, Claim)
        return StubStore.fetch(store, uri, target)

    store.fetch = overtaken  # type: ignore[method-assign,assignment]
    assert _outcome(runner.run(ONE)) == After(State.running, LEASE_S)
    assert list(store.listing(OUT)) == []
    assert entry(ledger).holder == "host-b"


def test_a_batch_that_is_cancelled_meanwhile_publishes_nothing(
    runner: ClaimRunner,
    submit: Callable[..., None],
    ledger: StubLedger,
    store: StubStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit("write", out=OUT)

    def cancelled(uri: str, target: Path, *_: Any) -> Any:
        ledger.cancel("k7m2qx")
        return StubStore.fetch(store, uri, target)

    monkeypatch.setattr(store, "fetch", cancelled)
    assert _outcome(runner.run(ONE)) == After(State.cancelled)
    assert list(store.listing(OUT)) == []


def test_a_host_that_has_to_go_gives_back_what_it_works_on(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger
) -> None:
    submit("waits")
    runner.yield_back()
    assert _outcome(runner.run(ONE)) == After(State.queued, 0.0)
    assert entry(ledger).attempt == 0


def test_what_is_given_back_while_the_ledger_is_silent_counts_as_no_loss(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, clock: FakeClock
) -> None:
    submit("waits")
    runner.yield_back()
    for _ in range(3):
        ledger.fail_next("give_back", PlatformError("lost.", code="service-unreachable"))
    assert runner.run(ONE).state is State.queued
    clock.advance(2 * LEASE_S)
    assert (entry(ledger).state, entry(ledger).losses) == (State.queued, 0)


def test_work_that_is_not_done_before_its_process_is_stopped_is_given_back(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, clock: FakeClock
) -> None:
    submit("waits")
    assert _outcome(runner.run(ONE, ends_at=clock.now() - 1)) == After(State.queued, 0.0, too_long=True)
    assert entry(ledger).attempt == 0


def test_work_that_fits_nowhere_has_failed_and_says_so(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, clock: FakeClock
) -> None:
    submit("waits")
    assert _outcome(runner.run(ONE, ends_at=clock.now() - 1, longer=False)) == After(State.failed)
    error = json.loads(entry(ledger).end.data)["error"]
    assert (error["kind"], error["code"]) == ("platform", "time-limit")


@pytest.mark.parametrize(
    ("alone", "longer", "becomes"),
    [
        pytest.param(True, True, After(State.queued, 0.0, too_long=True), id="to a larger machine"),
        pytest.param(True, False, After(State.failed), id="there is none"),
        pytest.param(False, True, After(State.held), id="a host has a disk that others use too"),
    ],
)
def test_work_that_is_too_big_for_the_disk_goes_up_where_the_machine_is_its_own(
    runner: ClaimRunner,
    submit: Callable[..., None],
    ledger: StubLedger,
    store: StubStore,
    clock: FakeClock,
    *,
    alone: bool,
    longer: bool,
    becomes: After,
) -> None:
    submit("write", out=OUT)
    store.fail_next("fetch", PlatformError("no room.", code="disk-full"))

    after = runner.run(ONE, ends_at=clock.now() + 800 if alone else None, longer=longer)

    assert (after.state, after.too_long) == (becomes.state, becomes.too_long)
    assert entry(ledger).attempt == int(after.state is State.failed)  # a disk that is full costs no try
    if after.state is State.failed:
        assert "too big for the scratch" in json.loads(entry(ledger).end.data)["error"]["verdict"]


# -- on which tier, and what it took there ------------------------------------------------------------------


@pytest.fixture
def kept() -> StubRunCounts:
    return StubRunCounts()


@pytest.fixture
def on_lambda(runner: ClaimRunner, kept: StubRunCounts, clock: FakeClock) -> ClaimRunner:
    return replace(runner, tier=ON_LAMBDA, runs=RunLog(kept, ON_LAMBDA, clock.now))


def learnt(runner: ClaimRunner, kept: StubRunCounts, function: str) -> list[str]:
    """The names of the cells in which its runs were counted."""
    assert runner.runs is not None
    runner.runs.tend(ends=True)
    return [name for rows in kept.counted(function).values() for one in rows for name in one.counts]


def test_what_a_run_took_is_counted_by_the_size_of_its_clip(
    on_lambda: ClaimRunner, submit: Callable[..., None], kept: StubRunCounts
) -> None:
    submit("write", out=OUT, size_bytes=5 * 10**9)
    on_lambda.run(ONE)
    (name,) = learnt(on_lambda, kept, "write")
    assert name.startswith("r")


def test_of_a_clip_whose_size_nobody_said_nothing_is_learnt(
    on_lambda: ClaimRunner, submit: Callable[..., None], kept: StubRunCounts
) -> None:
    submit("write", out=OUT)
    on_lambda.run(ONE)
    assert learnt(on_lambda, kept, "write") == []


def test_what_did_not_fit_is_for_hosts_from_then_on_and_teaches(
    on_lambda: ClaimRunner,
    submit: Callable[..., None],
    ledger: StubLedger,
    kept: StubRunCounts,
    clock: FakeClock,
) -> None:
    submit("waits", size_bytes=5 * 10**9)
    assert on_lambda.run(ONE, ends_at=clock.now() - 1).too_long
    routed = entry(ledger).work.routed
    assert routed == Routed(ON_HOSTS, "hosts: it did not fit into the time that was left.")
    (name,) = learnt(on_lambda, kept, "waits")
    assert name.startswith("t")


def test_a_lambda_does_not_begin_again_what_is_for_hosts_and_hosts_do(
    on_lambda: ClaimRunner, runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger
) -> None:
    submit("write", out=OUT, routed=Routed(ON_HOSTS, "hosts: it is long."))
    for _ in range(3):
        assert _outcome(on_lambda.run(ONE)) == After(State.queued, 0.0, too_long=True)
    assert (entry(ledger).attempt, entry(ledger).tried) == (0, ())
    assert _outcome(replace(runner, tier=ON_HOSTS).run(ONE)) == After(State.succeeded)


def test_a_lambda_without_hosts_behind_it_does_what_it_is_told(
    on_lambda: ClaimRunner, submit: Callable[..., None]
) -> None:
    submit("write", out=OUT, routed=Routed(ON_HOSTS))
    assert _outcome(on_lambda.run(ONE, longer=False)) == After(State.succeeded)


def test_what_lambdas_died_under_goes_to_hosts(
    on_lambda: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, kept: StubRunCounts
) -> None:
    submit("write", out=OUT, size_bytes=5 * 10**9)
    for number in range(DIED_HERE):
        ledger.claim(ONE, f"lambda:{number}", float(number), number + 1.0)
    assert on_lambda.run(ONE).too_long
    assert entry(ledger).work.tier == ON_HOSTS
    assert [name[0] for name in learnt(on_lambda, kept, "write")] == ["m"]


def _raising(error: Exception) -> Callable[..., Any]:
    def raises(*_: Any) -> Any:
        raise error

    return raises


def test_what_lambdas_died_under_goes_to_hosts_also_where_its_function_cannot_be_loaded(
    on_lambda: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit("write", out=OUT, size_bytes=5 * 10**9)
    for number in range(DIED_HERE):
        ledger.claim(ONE, f"lambda:{number}", float(number), number + 1.0)
    monkeypatch.setattr(on_lambda._known, "of", _raising(ImportError("no module of a studio")))
    assert on_lambda.run(ONE).too_long
    assert entry(ledger).work.tier == ON_HOSTS


def test_a_receipt_says_on_which_tier_it_was_to_run_and_why(
    on_lambda: ClaimRunner, submit: Callable[..., None], store: StubStore
) -> None:
    routed = Routed(ON_LAMBDA, "lambda: it is short (12 s) and small.", 12.0, 15.0, 880.0)
    submit("write", out=OUT, routed=routed)
    on_lambda.run(ONE)
    (receipt,) = [one.uri for one in store.listing(OUT) if one.uri.endswith(".rushes.json")]
    with store.reader(receipt) as file:
        data = json.loads(file.readall() or b"")
    assert data["routed"] == routed._asdict()


@pytest.mark.parametrize("after", [True, False])
def test_an_end_that_the_ledger_does_not_answer_is_said_again(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, *, after: bool
) -> None:
    submit("write", out=OUT)
    for _ in range(3):
        ledger.fail_next("finish", PlatformError("lost.", code="service-unreachable"), after=after)
    assert _outcome(runner.run(ONE)) == After(State.succeeded)
    tally = ledger.tally("k7m2qx")
    assert tally is not None
    assert tally.ended == {State.succeeded: 1}


@pytest.mark.parametrize("after", [True, False])
def test_a_wait_that_the_ledger_does_not_answer_is_said_again_and_no_claim_lapses_for_it(
    runner: ClaimRunner,
    submit: Callable[..., None],
    ledger: StubLedger,
    store: StubStore,
    clock: FakeClock,
    *,
    after: bool,
) -> None:
    submit("write", out=OUT)
    store.fail_next("fetch", PlatformError("it is gone.", code="service-unreachable"))
    for _ in range(3):
        ledger.fail_next("hold", PlatformError("lost.", code="service-unreachable"), after=after)
    assert runner.run(ONE).state is State.held
    clock.advance(2 * LEASE_S)
    assert _outcome(runner.run(ONE)) == After(State.succeeded)
    assert entry(ledger).losses == 0


def test_what_died_after_it_published_is_finished_by_the_next_without_another_output(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore, clock: FakeClock
) -> None:
    submit("write", out=OUT)
    runner.sleep = lambda _: clock.advance(LEASE_S)
    ledger.fail_next("finish", PlatformError("died.", code="slot-lost"))
    with pytest.raises(PlatformError):
        runner.run(ONE)
    before = store.look(f"{OUT}/A001.txt")
    assert _outcome(runner.run(ONE)) == After(State.succeeded)
    assert store.look(f"{OUT}/A001.txt") == before
    assert entry(ledger).losses == 1


def test_what_a_service_is_at_fault_for_costs_no_try_and_is_not_tried_for_ever(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore, clock: FakeClock
) -> None:
    submit("write", out=OUT, retries=0)
    tries = 0
    while True:
        store.fail_next("fetch", PlatformError("it is busy.", code="service-busy"))
        after = runner.run(ONE)
        tries += 1
        if after.state is not State.held:
            break
        assert entry(ledger).attempt == 0
        clock.advance(after.again_s or 0.0)
    assert (after.state, tries) == (State.failed, SERVICE_TRIES + 1)


def test_a_host_without_credentials_fails_nobodys_work(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore, clock: FakeClock
) -> None:
    submit("write", out=OUT, retries=0)
    store.fail_next("fetch", CallerError("they expired.", code="no-credentials"))
    after = runner.run(ONE)
    assert after.state is State.held
    clock.advance(after.again_s or 0.0)
    assert _outcome(runner.run(ONE)) == After(State.succeeded)


def test_what_three_died_under_is_set_aside_and_is_not_begun_again(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore, clock: FakeClock
) -> None:
    submit("write", out=OUT)
    for name in ("a", "b", "c"):
        assert isinstance(ledger.claim(ONE, name, clock.now(), clock.now() + 1), Claim)
        clock.advance(1)
    assert _outcome(runner.run(ONE)) == After(State.failed)
    error = json.loads(entry(ledger).end.data)["error"]
    assert (error["code"], error["attempts"]) == ("set-aside", 3)
    assert "fetch" not in [name for name, *_ in store.calls]


# -- what it cost ------------------------------------------------------------------------------------------

SECOND_NANO = 100
PRICED = PriceBook(
    tiers={
        "lambda/1gib": TierPrice(
            "lambda/1gib", Purchase.on_demand, "us-east-1", 3600 * SECOND_NANO, Source("a test", "undated"), 7
        )
    },
    storage={"us-east-1": Storage(5, 1, 0, Source("a test", "undated"))},
)
LAMBDA_PRICE = RunPrice(PRICED.tier("lambda/1gib"), PRICED)


def _takes(clock: FakeClock, seconds: float) -> Any:
    """An attempt of so many seconds, for which two objects are written and one is read."""

    def run(task: Task, *rest: Any) -> Any:
        clock.advance(seconds)
        return run_attempt(task, *rest)

    return run


def _granting(store: StubStore) -> Any:
    @contextmanager
    def grant(reach: StoreReach, meter: Meter) -> Iterator[StubStore]:
        assert reach.reads == (CLIP,)
        yield store
        for kind in ("put", "put", "get"):
            meter.asked(kind, "us-east-1")

    return grant


def _priced(runner: ClaimRunner, clock: FakeClock, seconds: float, **more: Any) -> ClaimRunner:
    return replace(runner, run_here=_takes(clock, seconds), price=LAMBDA_PRICE, **more)


def test_an_attempt_is_priced_by_its_time_its_request_and_what_it_asked_of_the_store(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore, clock: FakeClock
) -> None:
    submit("write", out=OUT)
    after = _priced(runner, clock, 30.0, grant=_granting(store)).run(ONE, since=clock.now() - 2)
    cost = 32 * SECOND_NANO + 7 + 2 * 5 + 1
    assert (after.cost_nano, entry(ledger).end.cost_nano) == (cost, cost)
    said = json.loads(entry(ledger).end.data)
    assert said["cost"] == {"compute": 3200, "requests": 18, "total": cost, "waste": 0}
    receipt = json.loads(bytes(store.reader(f"{OUT}/A001.txt.rushes.json").readall() or b""))
    assert receipt["cost_usd"] == pytest.approx((32 * SECOND_NANO + 7) / 1e9)  # until it was published


def test_a_failure_that_is_tried_again_is_paid_for_once_and_is_waste(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, clock: FakeClock
) -> None:
    submit("raises", kind="platform")
    assert _priced(runner, clock, 10.0).run(ONE).state is State.held
    clock.advance(60)
    assert _priced(runner, clock, 5.0).run(ONE).state is State.held
    clock.advance(60)
    after = _priced(runner, clock, 1.0).run(ONE)
    assert (after.state, after.cost_nano) == (State.failed, SECOND_NANO + 7)
    cost = 16 * SECOND_NANO + 3 * 7
    end = entry(ledger).end
    assert (end.cost_nano, json.loads(end.data)["cost"]["waste"]) == (cost, cost)


def test_what_lambda_gave_up_and_a_host_did_is_paid_for_once_by_each(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, clock: FakeClock
) -> None:
    submit("waits")
    first = _priced(runner, clock, 30.0).run(ONE, ends_at=clock.now() + 20)
    assert (first.state, first.too_long, first.cost_nano) == (State.queued, True, 30 * SECOND_NANO + 7)

    def on_pool(task: Task, *rest: Any) -> Any:
        assert task.charge is not None
        task.charge(1234)  # what the host's own pool has counted
        return run_attempt(task, *rest)

    host = replace(runner, run_here=on_pool, price=replace(LAMBDA_PRICE.further(), timed=False))
    assert host.run(ONE).state is State.succeeded
    end = entry(ledger).end
    assert end.cost_nano == first.cost_nano + 1234
    assert json.loads(end.data)["cost"]["waste"] == first.cost_nano


def test_an_attempt_that_died_is_paid_for_as_far_as_its_claim_was_extended(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, clock: FakeClock
) -> None:
    submit("write", out=OUT)
    claim = ledger.claim(ONE, "dead", clock.now(), clock.now() + LEASE_S)
    assert isinstance(claim, Claim)
    ledger.extend(claim, clock.now() + LEASE_S, cost_nano=4000)
    clock.advance(LEASE_S + 1)
    _priced(runner, clock, 1.0).run(ONE)
    assert entry(ledger).end.cost_nano == 4000 + SECOND_NANO + 7


def test_what_has_no_price_ends_no_work_and_says_so() -> None:
    meter = Meter(LAMBDA_PRICE, lambda: 10.0, 0.0, region="eu-west-1")
    meter.asked("get", "mars")
    assert meter.cost().total == 10 * SECOND_NANO + 7
    assert "'mars'" in meter.unpriced


def test_what_was_not_counted_costs_nothing(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger
) -> None:
    submit("write", out=OUT)
    assert runner.run(ONE).cost_nano == 0
    assert "cost" not in json.loads(entry(ledger).end.data)


def test_what_is_lost_again_and_again_is_set_aside(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore, clock: FakeClock
) -> None:
    submit("write", out=OUT, retries=1)
    tries = 0
    while True:
        store.fail_next("fetch", PlatformError("it was killed.", code="killed"))
        after = runner.run(ONE)
        tries += 1
        if after.state is not State.held:
            break
        clock.advance(after.again_s or 0.0)
    assert (after.state, tries) == (State.failed, 4)
    assert "set aside" in json.loads(entry(ledger).end.data)["error"]["verdict"]


def test_what_a_pool_has_set_aside_is_not_tried_by_another(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore
) -> None:
    submit("write", out=OUT)
    store.fail_next("fetch", PlatformError("it was set aside by the host's pool.", code="set-aside"))
    assert _outcome(runner.run(ONE)) == After(State.failed)


# -- a machine that is not fit ------------------------------------------------------------------------------


def test_what_a_machine_cannot_do_goes_back_as_if_it_had_never_been_here(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, clock: FakeClock
) -> None:
    asked: list[tuple[str, str]] = []

    def unfit(failure: RushesError, invocation: str, function: str) -> str:
        asked.append((failure.code, invocation))
        return "its disk is full"

    runner.unfit, runner.price = unfit, LAMBDA_PRICE
    submit("raises", kind="platform", retries=0)
    after = runner.run(ONE)
    assert (after.state, after.again_s, after.unfit) == (State.queued, 0.0, "its disk is full")
    assert asked == [("tool-failed", ONE)]
    found = entry(ledger)
    assert (found.state, found.attempt, found.losses) == (State.queued, 0, 0)
    assert "its disk is full" in found.reason
    assert [(one.outcome, one.cost_nano) for one in found.tried] == [("tool-failed", 0)]
    assert after.cost_nano == 0

    runner.unfit = lambda *_: ""  # on a machine that is well it is the first try
    assert runner.run(ONE).state is State.failed
    assert json.loads(entry(ledger).end.data)["error"]["attempts"] == 1


def test_a_scratch_that_is_not_there_is_the_machines_fault(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger
) -> None:
    codes: list[str] = []

    def unfit(failure: RushesError, *_: str) -> str:
        codes.append(failure.code)
        return "no scratch"

    runner.unfit, runner.scratch = unfit, runner.scratch / "gone"
    submit("write", out=OUT)
    assert runner.run(ONE).unfit == "no scratch"
    assert codes == ["no-scratch"]


def test_a_clip_that_no_disk_of_this_host_could_hold_fails_and_says_so(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore
) -> None:
    submit("write", out=OUT, retries=0)
    store.fail_next("fetch", PlatformError("it has 300 GiB, the disk 100.", code="scratch-too-small"))
    assert runner.run(ONE).state is State.failed
    assert json.loads(entry(ledger).end.data)["error"]["message"] == "it has 300 GiB, the disk 100."


def test_a_disk_that_is_full_on_host_after_host_ends_the_work_in_the_end(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore, clock: FakeClock
) -> None:
    submit("write", out=OUT, retries=0)
    tries, after = 0, After(State.queued)
    while after.state is not State.failed:
        tries += 1
        store.fail_next("fetch", PlatformError("no room.", code="disk-full"))
        after = runner.run(ONE)
        clock.advance(after.again_s or 0.0)
    assert tries == SERVICE_TRIES + 1


# -- services that do not answer while it publishes ---------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        PlatformError("slow down.", code="service-busy"),
        PlatformError("no route.", code="service-unreachable"),
        CallerError("the credentials are not valid.", code="no-credentials"),
    ],
)
@pytest.mark.parametrize("verb", ["publish", "look"])
def test_what_is_made_is_not_made_again_because_a_service_does_not_answer(
    runner: ClaimRunner,
    submit: Callable[..., None],
    ledger: StubLedger,
    store: StubStore,
    *,
    tmp_path: Path,
    failure: RushesError,
    verb: str,
) -> None:
    tally = tmp_path / "ran"
    submit("several", out=OUT, tally=str(tally))
    made = runner.run_here

    def then_fails(*args: Any, **more: Any) -> Any:
        done = made(*args, **more)
        for _ in range(4):
            store.fail_next(verb, failure)
        return done

    runner.run_here = then_fails
    assert runner.run(ONE).state is State.succeeded
    assert tally.read_text() == "ran\n"
    assert entry(ledger).attempt == 1


def test_a_ledger_that_knows_no_credentials_of_a_host_for_hours_costs_no_second_encode(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, clock: FakeClock, tmp_path: Path
) -> None:
    tally = tmp_path / "ran"
    submit("several", out=OUT, tally=str(tally))
    made, expired = runner.run_here, CallerError("they have expired.", code="no-credentials")

    def then_expires(*args: Any, **more: Any) -> Any:
        done = made(*args, **more)
        for _ in range(40):
            ledger.fail_next("extend", expired)
        return done

    runner.run_here = then_expires
    began = clock.now()
    assert runner.run(ONE).state is State.succeeded
    assert clock.now() - began > 600  # ten of its claims' lives later somebody signed in
    assert tally.read_text() == "ran\n"


def test_what_another_made_meanwhile_is_not_published_by_who_comes_back(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore, clock: FakeClock
) -> None:
    submit("write", out=OUT)
    made = runner.run_here

    def overtaken(*args: Any, **more: Any) -> Any:
        done = made(*args, **more)
        ledger.fail_next("extend", CallerError("they have expired.", code="no-credentials"))
        claim = ledger.claim(ONE, "host-b", clock.now() + 10 * LEASE_S, clock.now() + 20 * LEASE_S)
        assert isinstance(claim, Claim)
        return done

    runner.run_here = overtaken
    assert runner.run(ONE).state is State.running
    assert (entry(ledger).state, entry(ledger).holder) == (State.running, "host-b")
    with pytest.raises(CallerError):
        store.look(f"{OUT}/A001.txt")


def test_who_is_told_to_go_does_not_wait_for_a_service(
    runner: ClaimRunner, submit: Callable[..., None], ledger: StubLedger, store: StubStore
) -> None:
    submit("write", out=OUT)
    for _ in range(50):
        store.fail_next("publish", PlatformError("slow down.", code="service-busy"))
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        runner.yield_back()

    runner.sleep = sleep
    assert runner.run(ONE).state is State.held
    assert len(slept) == 1
