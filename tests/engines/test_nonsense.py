"""What one client gets wrong, or sends too much of, is answered; the worker and the work of others go on."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from waiting import until

from rushes import CallerError, RushesError
from rushes.engines.local import LocalEngine
from rushes.runtime.worker.requests import check_rows

Find = Callable[[str], Any]


@pytest.fixture
def working(engine: LocalEngine, plain: Find, clip: str) -> Any:
    """A batch that has ended, so that a worker is up."""
    batch = plain("echo").map([clip])
    assert [outcome.ok for outcome in batch] == [True]
    return batch


@pytest.mark.parametrize("n", ["²", "0", "4294967296", "9" * 25, "1.5", ""])
def test_an_invocation_that_cannot_be_is_not_found_and_the_worker_goes_on(
    engine: LocalEngine, working: Any, n: str
) -> None:
    worker = engine.hello["pid"]

    with pytest.raises(CallerError, match="there is no invocation") as refused:
        engine.explain(f"{working.id}.{n}")

    assert refused.value.code == "not-found"
    assert engine.hello["pid"] == worker


@pytest.mark.parametrize("after", ["{}.²", "{}.2", "{}." + "9" * 25, "nobody", "{}.0"])
def test_waiting_for_what_never_comes_is_refused(
    engine: LocalEngine, working: Any, plain: Find, clip: str, after: str
) -> None:
    worker = engine.hello["pid"]

    with pytest.raises(CallerError, match="names no invocation"):
        plain("echo").with_options(after=after.format(working.id)).map([clip], n=7)

    assert engine.hello["pid"] == worker


@pytest.mark.parametrize("verb", ["status", "results", "cancel", "retry"])
def test_an_id_that_is_no_text_is_an_error_of_its_sender_alone(
    engine: LocalEngine, working: Any, verb: str
) -> None:
    worker = engine.hello["pid"]

    with pytest.raises(RushesError):
        getattr(engine, verb)("\udcff")

    assert engine.hello["pid"] == worker


def test_a_show_that_is_no_text_is_an_error_of_its_sender_alone(
    engine: LocalEngine, working: Any, plain: Find, clip: str
) -> None:
    worker = engine.hello["pid"]

    with pytest.raises(RushesError):
        plain("echo").with_options(show="\udcff").map([clip])

    assert engine.hello["pid"] == worker


@pytest.mark.parametrize(
    "said",
    [
        b"\xff" * 8,
        b"\x00\x00\x00\x04\x00\x00\x00\x00nope",
        b"\x00\x00\x00\x02\x00\x00\x00\x00[]",
        b"\x00\x00\x00\x02\x00\x00\x00\x00{}",
    ],
    ids=["a frame of 8 GB", "no JSON", "no object", "no verb"],
)
def test_a_client_that_speaks_something_else_is_let_go(
    engine: LocalEngine, working: Any, said: bytes
) -> None:
    worker = engine.hello["pid"]

    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(engine.settings.socket))
        stranger.sendall(said)
        stranger.shutdown(socket.SHUT_WR)
        while stranger.recv(4096):
            pass

    assert engine.hello["pid"] == worker
    assert engine.status(working.id).counts.succeeded == 1


def test_long_options_of_many_invocations_go_over_in_more_messages(
    engine: LocalEngine, plain: Find, clip: str
) -> None:
    text = "x" * 60_000

    batch = plain("parrot").starmap((clip, {"n": n, "text": text}) for n in range(1400))

    assert sum(outcome.ok for outcome in batch) == 1400


def test_options_that_no_message_takes_are_refused_before_they_are_sent(
    engine: LocalEngine, plain: Find, clip: str
) -> None:
    with pytest.raises(CallerError, match="at most") as refused:
        plain("parrot").map([clip], text="x" * 70_000_000)

    assert refused.value.code == "too-big"


def test_results_that_are_long_come_in_more_pages(engine: LocalEngine, plain: Find, clip: str) -> None:
    batch = plain("talkative").starmap((clip, {"n": n}) for n in range(40))

    assert [len(o.result.text) for o in batch] == [2_000_000] * 40
    assert until(lambda: engine.status(batch.id).counts.succeeded == 40)


NOT_A_NAME: list[Any] = [None, 7, 2**70, ["x"], {}, "\udcff"]


@pytest.mark.parametrize("nonsense", NOT_A_NAME, ids=repr)
def test_a_request_of_wrong_types_is_an_error_of_its_sender_alone(
    engine: LocalEngine, working: Any, nonsense: Any
) -> None:
    worker = engine.hello["pid"]
    requests = [
        {"verb": verb, name: nonsense}
        for verb in ("status", "results", "cancel", "retry", "explain", "control", "journal")
        for name in ("batch", "invocation", "action")
    ]
    requests += [
        {"verb": "results", "batch": working.id, "after": 2**70},
        {"verb": "results", "batch": working.id, "wait_s": float("nan")},
        {"verb": "batches", "limit": 2**70},
    ]

    for request in requests:
        with pytest.raises(RushesError):
            engine._client.request(request)

    assert engine.hello["pid"] == worker


@pytest.mark.parametrize(
    "change",
    [
        {"show": 7}, {"priority": "Royal Class"}, {"max_slots": "many"}, {"deadline": float("nan")},
        {"resources": {"cpu": "one"}}, {"environment": []}, {"tags": 3}, {"stall_s": True},
    ],
    ids=repr,
)  # fmt: skip
def test_a_batch_of_wrong_types_never_reaches_the_journal(
    engine: LocalEngine, working: Any, change: dict[str, Any]
) -> None:
    good = {"function": "x", "version": "1", "priority": "standard", "show": "s"}

    with pytest.raises(CallerError, match=r"spec\.") as refused:
        engine._client.request({"verb": "open", "batch": "b1", "spec": {**good, **change}})

    assert refused.value.code == "bad-request"
    assert [batch.batch for batch in engine.batches()] == [working.id]


@pytest.mark.parametrize(
    ("place", "value"), [(0, 0), (0, 2**32), (0, True), (1, None), (2, 7), (3, "0-9"), (7, [1]), (9, "x")]
)
def test_a_row_of_wrong_types_is_refused(place: int, value: Any) -> None:
    row: list[Any] = [1, "a.mov", "", None, None, "", "", None, "cancel", None, "", None]
    assert check_rows([row]) == [row]
    row[place] = value

    with pytest.raises(CallerError, match="cannot make sense"):
        check_rows([row])
