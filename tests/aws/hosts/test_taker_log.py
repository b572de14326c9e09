"""What a host does, and says in its log, while a queue or the ledger does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from waiting import until

from rushes import CallerError, PlatformError, RushesError
from rushes.engines.aws.hosts import taker as taker_module
from rushes.engines.aws.hosts.host import NoProtection
from rushes.engines.aws.hosts.taker import LEFT_S, SAID_AGAIN_S, Taker
from rushes.notices import Message, Notice


class Gone:
    """A queue that was removed while a host asks it."""

    def __init__(self) -> None:
        self.asked = 0

    def receive(self, *_: object) -> list[Any]:
        self.asked += 1
        raise CallerError("there is no such queue.", code="not-found", fix="Look.")


def test_a_queue_that_is_gone_is_said_once_and_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taker_module, "REST_S", 0.001)
    queue, said, now = Gone(), list[dict[str, Any]](), [0.0]
    taker = Taker(
        "hosts/urgent",
        cast("Any", queue),
        cast("Any", _Runner()),
        1,
        poll_s=0.0,
        protection=NoProtection(),
        say=lambda what, **more: said.append({"what": what, **more}),
        clock=lambda: now[0],
    )
    taker.start()
    until(lambda: queue.asked > 20)
    assert [(one["what"], one["queue"]) for one in said] == [("waits", "hosts/urgent")]
    now[0] = SAID_AGAIN_S
    until(lambda: len(said) > 1)
    asked = queue.asked
    until(lambda: queue.asked > asked + 20)
    assert len(said) == 2
    taker.stop()
    taker.join()


class _Runner:
    def __init__(self) -> None:
        self.asked_back = threading.Event()

    def yield_back(self) -> None:
        self.asked_back.set()


class Silent(_Runner):
    """Of a host whose ledger does not answer, before or behind a claim."""

    def __init__(self, error: RushesError, *, claims: bool) -> None:
        super().__init__()
        self.error, self._claims = error, claims

    def run(self, _invocation: str, *, claimed: Callable[[], None]) -> None:
        if self._claims:
            claimed()
        raise self.error


class One:
    """A queue that has one message, and keeps what is asked of it."""

    def __init__(self) -> None:
        self.here = [Message(Notice("k7m2qx.1", "urgent", "dune"), "handle", 4)]
        self.sent: list[tuple[str, int]] = []
        self.deleted: list[str] = []

    def receive(self, *_: object) -> list[Message]:
        found, self.here = self.here, []
        return found

    def send(self, notices: Sequence[Notice], *, delay_s: int = 0) -> None:
        self.sent += [(one.invocation, delay_s) for one in notices]

    def done(self, messages: Sequence[Message]) -> None:
        self.deleted += [one.handle for one in messages]


@pytest.mark.parametrize(
    ("code", "claims", "sent"),
    [
        ("service-unreachable", False, [("k7m2qx.1", LEFT_S)]),
        ("no-credentials", False, [("k7m2qx.1", LEFT_S)]),
        ("service-unreachable", True, []),
        ("bad-item", False, []),
    ],
)
def test_a_silent_ledger_makes_no_dead_letter_of_what_is_not_claimed(
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    claims: bool,  # noqa: FBT001 - a parameter
    sent: list[tuple[str, int]],
) -> None:
    monkeypatch.setattr(taker_module, "REST_S", 0.001)
    queue, said = One(), list[str]()
    taker = Taker(
        "hosts/urgent",
        cast("Any", queue),
        cast("Any", Silent(PlatformError("it is silent.", code=code), claims=claims)),
        1,
        poll_s=0.0,
        protection=NoProtection(),
        say=lambda what, **_: said.append(what),
    )
    taker.start()
    until(lambda: said and not taker.here)
    taker.stop()
    taker.join()
    assert queue.sent == sent
    assert queue.deleted == (["handle"] if sent or claims else [])


def test_a_silent_ledger_of_limits_makes_no_dead_letter_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taker_module, "REST_S", 0.001)
    queue, said = One(), list[str]()

    def lower(_notice: Notice) -> str:
        raise PlatformError("it is silent.", code="service-unreachable")

    taker = Taker(
        "hosts/urgent", cast("Any", queue), cast("Any", _Runner()), 1, poll_s=0.0,
        protection=NoProtection(), say=lambda what, **_: said.append(what), lower=lower,
    )  # fmt: skip
    taker.start()
    until(lambda: said and not taker.here)
    taker.stop()
    taker.join()
    assert (queue.sent, queue.deleted) == ([("k7m2qx.1", LEFT_S)], ["handle"])


def test_silences_that_take_turns_are_said_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taker_module, "REST_S", 0.001)

    class Turns(Gone):
        def receive(self, *_: object) -> list[Any]:
            self.asked += 1
            what = ("receive from queue a", "write to the ledger", "delete from queue a")[self.asked % 3]
            raise PlatformError(f"could not {what}: {self.asked}: E.", code="service-unreachable")

    queue, said = Turns(), list[str]()
    taker = Taker(
        "hosts/urgent",
        cast("Any", queue),
        cast("Any", _Runner()),
        1,
        poll_s=0.0,
        protection=NoProtection(),
        say=lambda what, **_: said.append(what),
        clock=lambda: 0.0,
    )
    taker.start()
    until(lambda: queue.asked > 30)
    taker.stop()
    taker.join()
    assert said == ["waits"] * 3
