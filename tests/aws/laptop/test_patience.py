"""A laptop that sends and follows outlasts services that do not answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rushes.core.silence import BORNE_S
from rushes.engines.aws.laptop.patience import Patiently, PatientStore
from rushes.errors import CallerError, PlatformError
from rushes.stored import Stored
from rushes.testing.clock import FakeClock
from rushes.testing.store import StubStore

GONE = PlatformError("could not read s3://cards: ConnectTimeoutError.", code="service-unreachable")
SKIES = [f"stub://cards/{number:02}.mov" for number in range(20)]


class Here:
    """A patient laptop whose rests take no time; what it says meanwhile is kept."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.patiently = Patiently(self.clock.now, self._rest)
        self.said: list[str] = []

    def _rest(self, seconds: float) -> None:
        self.said.append(self.patiently.waits)
        self.clock.advance(seconds)


@pytest.fixture
def here() -> Here:
    return Here()


def failing(times: int, error: Exception = GONE) -> Iterator[str]:
    for _ in range(times):
        yield ""
    while True:
        yield "answer"


def asked(here: Here, times: int, error: Exception = GONE) -> str:
    answers = failing(times)

    def ask() -> str:
        if found := next(answers):
            return found
        raise error

    return here.patiently(ask)


def test_it_asks_until_it_is_answered_and_says_meanwhile_why_nothing_goes_on(here: Here) -> None:
    assert asked(here, 0) == "answer"
    assert asked(here, 30) == "answer"
    assert here.said == [GONE.message] * 30
    assert here.patiently.waits == ""


def test_of_what_never_answered_it_fails_at_once(here: Here) -> None:
    with pytest.raises(PlatformError):
        asked(here, 1)
    assert here.said == []


def test_it_gives_up_after_an_hour_and_waits_for_nothing_then(here: Here) -> None:
    asked(here, 0)
    began = here.clock.now()
    with pytest.raises(PlatformError):
        asked(here, 100_000)
    assert BORNE_S <= here.clock.now() - began < BORNE_S + 60
    assert here.patiently.waits == ""


def test_what_is_a_persons_to_mend_is_raised(here: Here) -> None:
    asked(here, 0)
    with pytest.raises(CallerError):
        asked(here, 1, CallerError("it is not permitted.", code="not-permitted", fix="Ask."))
    assert here.said == []


def test_a_thread_that_is_answered_hides_no_other_that_waits(here: Here) -> None:
    asked(here, 0)
    threading.Thread(target=lambda: asked(here, 3)).run()
    other = threading.Thread(target=lambda: here.patiently(lambda: "answer"))
    here.patiently._waits[0] = "another waits"
    other.start()
    other.join()
    assert here.patiently.waits == "another waits"


@pytest.mark.parametrize("at", [0, 1, 7, 19, 20])
def test_a_listing_that_breaks_off_goes_on_where_it_was(here: Here, at: int) -> None:
    store = StubStore(here.clock)
    for uri in SKIES:
        store.put(uri, b"clip")
    asked(here, 0)

    class Breaking(StubStore):
        left = at

        def listing(self, prefix: str, *, after: str = "") -> Iterator[Stored]:
            for one in store.listing(prefix, after=after):
                if self.left == 0:
                    self.left -= 1
                    raise GONE
                self.left -= 1
                yield one
            if self.left == 0:
                self.left -= 1
                raise GONE

    found = PatientStore(Breaking(here.clock), here.patiently).listing("stub://cards/")
    assert [one.uri for one in found] == SKIES
    assert here.said == [GONE.message]
