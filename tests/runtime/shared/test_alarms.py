"""What lasts long has something begin for it; what does not, costs no thread."""

from __future__ import annotations

import threading
from functools import partial

from waiting import until

from rushes.runtime.shared.alarms import Alarms

NAME = "alarms of these tests"
"""What ran before in this process may have left threads of others, that go when they are due."""


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == NAME]


def test_what_lasts_has_its_thing_begun_and_the_thread_goes_with_the_last() -> None:
    alarms, begun = Alarms(0.01, name=NAME), threading.Event()
    with alarms.set(begun.set):
        assert begun.wait(60)
    until(lambda: not threads())


def test_what_is_over_in_time_begins_nothing_and_a_hundred_share_one_thread() -> None:
    now, begun, last = [0.0], list[int](), threading.Event()
    alarms = Alarms(0.01, lambda: now[0], NAME)
    with alarms.set(last.set):
        for number in range(100):
            with alarms.set(partial(begun.append, number)):
                assert len(threads()) == 1
        assert not last.is_set()
        now[0] = 0.01
        assert last.wait(60)
    until(lambda: not threads())
    assert begun == []


def test_another_comes_after_the_thread_has_gone() -> None:
    alarms = Alarms(0.0, name=NAME)
    for _ in range(3):
        begun = threading.Event()
        with alarms.set(begun.set):
            assert begun.wait(60)
        until(lambda: not threads())


def test_what_cannot_begin_for_want_of_threads_is_begun_later_and_keeps_no_other_from_it() -> None:
    alarms, tries, other = Alarms(0.0, name=NAME), list[int](), threading.Event()

    def refused_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("can't start new thread")

    with alarms.set(refused_once), alarms.set(other.set):
        assert other.wait(60)
        assert len(tries) == 2
