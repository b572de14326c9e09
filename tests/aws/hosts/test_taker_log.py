"""What a host's log says of a queue that does not answer: once, and not at every try."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest
from waiting import until

from rushes import CallerError
from rushes.engines.aws.hosts import taker as taker_module
from rushes.engines.aws.hosts.host import NoProtection
from rushes.engines.aws.hosts.taker import SAID_AGAIN_S, Taker


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
