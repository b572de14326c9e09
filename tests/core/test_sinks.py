"""Who is told of which event, in deliveries, in order, at least once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from rushes.core.sinks import (
    DEFAULT_KINDS,
    KINDS,
    LONGEST_DELAY_S,
    MOST_TRIES,
    Heard,
    Outgoing,
    Sink,
    failed,
    next_delivery,
    told,
)


def rows(*kinds: str, show: str = "dune", function: str = "proxy") -> list[Outgoing]:
    return [Outgoing(n, kind, show, function, f'"{n}"') for n, kind in enumerate(kinds, start=1)]


@pytest.mark.parametrize(
    ("sink", "wanted"),
    [
        (Sink("a"), True),
        (Sink("a", frozenset({"failed"})), False),
        (Sink("a", shows=frozenset({"dune"})), True),
        (Sink("a", shows=frozenset({"arrival"})), False),
        (Sink("a", functions=frozenset({"inspect"})), False),
    ],
)
def test_a_sink_hears_what_it_asked_for(sink: Sink, *, wanted: bool) -> None:
    assert sink.wants("succeeded", "dune", "proxy") is wanted


def test_a_sink_that_does_not_say_hears_what_somebody_may_have_to_act_on() -> None:
    assert {"failed", "held", "batch-ended"} <= DEFAULT_KINDS
    assert not {"queued", "started", "progress"} & DEFAULT_KINDS


def test_nothing_waits_where_there_are_no_rows() -> None:
    assert next_delivery(Sink("a"), []) is None


def test_what_is_not_wanted_is_passed_over() -> None:
    delivery = next_delivery(Sink("a"), rows("queued", "failed", "started"))
    assert delivery is not None
    assert ([row.id for row in delivery.rows], delivery.upto) == ([2], 3)


def test_a_group_is_never_larger_than_the_sink_takes() -> None:
    delivery = next_delivery(Sink("a", at_once=2), rows("failed", "failed", "queued", "failed"))
    assert delivery is not None
    assert ([row.id for row in delivery.rows], delivery.upto) == ([1, 2], 3)


def test_a_failed_group_is_tried_again_later_and_nothing_overtakes_it() -> None:
    sink = Sink("a", at_once=1)
    delivery = next_delivery(sink, rows("failed", "failed"))
    assert delivery is not None
    after = failed(Heard(0), delivery, "it answered 503", 1000.0)
    assert (after.upto, after.tries, after.error) == (0, 1, "it answered 503")
    assert 1003.0 <= after.next_at <= 1005.0


def test_the_far_end_may_ask_for_more_time_but_not_for_ever() -> None:
    delivery = next_delivery(Sink("a"), rows("failed"))
    assert delivery is not None
    assert failed(Heard(0), delivery, "busy", 0.0, after_s=60.0).next_at == 60.0
    assert failed(Heard(0), delivery, "busy", 0.0, after_s=1e9).next_at == LONGEST_DELAY_S


def test_after_a_day_of_tries_a_group_is_dropped_and_counted() -> None:
    delivery = next_delivery(Sink("a"), rows("failed", "failed"))
    assert delivery is not None
    heard, now = Heard(0), 0.0
    for _ in range(MOST_TRIES):
        assert heard.upto == 0
        heard = failed(heard, delivery, "gone", now)
        now = max(now, heard.next_at)
    assert (heard.upto, heard.dropped, heard.tries, heard.error) == (2, 2, 0, "gone")
    assert 12 * 3600 < now < 48 * 3600


@settings(max_examples=200)
@drawn(
    kinds=st.lists(st.sampled_from(KINDS), max_size=40),
    wants=st.frozensets(st.sampled_from(KINDS), min_size=1),
    at_once=st.integers(1, 5),
    page=st.integers(1, 7),
    fails=st.lists(st.booleans(), max_size=200),
)
def test_every_wanted_event_is_told_in_order_and_none_is_passed_over(
    kinds: list[str], wants: frozenset[str], at_once: int, page: int, fails: list[bool]
) -> None:
    sink, all_rows = Sink("a", wants, at_once=at_once), rows(*kinds)
    heard, now = Heard(0), 0.0
    ids: list[int] = []
    refusals = iter(fails)
    while (delivery := next_delivery(sink, [r for r in all_rows if r.id > heard.upto][:page])) is not None:
        assert len(delivery.rows) <= at_once
        if delivery.rows and bool(next(refusals, False)):
            heard = failed(heard, delivery, "no", now)
            now = heard.next_at
            heard = replace(heard, tries=min(heard.tries, 5))
            continue
        ids += [row.id for row in delivery.rows]
        heard = told(heard, delivery)
    assert ids == [row.id for row in all_rows if row.kind in wants]
    assert heard.delivered == len(ids)
