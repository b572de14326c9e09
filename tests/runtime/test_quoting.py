"""A quote for a batch: what would run, what is known, what cannot be read, and what follows from that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes import Asset, MediaError, Params, Result, function
from rushes.asset import FrameRange
from rushes.core.learning.work import HERE, WorkTraits, work_from_json, work_to_json
from rushes.core.money import NANO
from rushes.core.spending.prices import Source, TierPrice
from rushes.core.spending.quote import Offer, Quote
from rushes.core.spending.solving import Declined
from rushes.core.tiers import Purchase
from rushes.errors import CallerError
from rushes.invocation import Invocation
from rushes.media.describing.schema import Container, MediaInfo, VideoStream
from rushes.runtime.sending.estimating import Estimator, LearntRun
from rushes.runtime.sending.quoting import BatchQuote, Elsewhere, Wishes, kept_quote, quote_batch
from rushes.runtime.sending.workload import work_of
from rushes.runtime.sources.headers import AskedHeader, Header

SAID = Source("a list", "2026-01")


class Sizes(Params):
    height: int = 100


class Nothing(Result):
    pass


@function(version="1")
def shrink(clip: Asset, params: Sizes) -> Nothing:
    """Does nothing."""
    return Nothing()


def _tier(name: str, dollars_an_hour: float) -> TierPrice:
    return TierPrice(name, Purchase.on_demand, "east", round(dollars_an_hour * NANO), SAID)


HERE_OFFER = Offer(_tier("here", 3.6), most=4, ready=4)


def _info(frames: int) -> MediaInfo:
    video = VideoStream(
        index=0, codec="h264", width=320, height=180, frame_rate="25/1", frames_declared=frames
    )
    return MediaInfo(
        name="a.mov",
        container=Container(format="mov", size_bytes=1000, duration_s=frames / 25),
        video=[video],
    )


class _Learnt:
    """Runs that take 10 ms a frame."""

    def refresh(self) -> None:
        pass

    def runs_of(self, function: str) -> Iterator[LearntRun]:
        for frames in range(10, 400, 10):
            clip = Asset(f"/clips/{frames}.mov")
            yield LearntRun(work_of(shrink, Sizes(), clip, _info(frames)), 0.01 * frames)


def _headers(asked: Iterable[AskedHeader]) -> Iterator[Header]:
    for one in asked:
        if "bad" in one.clip.uri:
            error = MediaError("it ends early.", code="truncated", fix="Copy it again.")
            yield Header(one.clip, None, error)
        else:
            yield Header(one.clip, _info(int(one.clip.stem)))


def _invocations(*names: object) -> list[Invocation]:
    return [Invocation(f"/clips/{name}.mov", f"{number:032x}") for number, name in enumerate(names)]


def _quoted(
    invocations: Sequence[Invocation],
    *,
    known: Sequence[str] = (),
    learnt: Any = None,
    wishes: Wishes | None = None,
) -> BatchQuote:
    return quote_batch(
        shrink,
        Sizes(),
        invocations,
        wishes=wishes or Wishes(HERE_OFFER),
        estimator=Estimator(learnt or _Learnt()),
        headers=_headers,
        known=lambda keys: frozenset(keys) & frozenset(known),
    )


def _answer(quoted: BatchQuote) -> Quote:
    assert isinstance(quoted.answer, Quote)
    return quoted.answer


def test_a_batch_takes_what_its_clips_are_like() -> None:
    quoted = _quoted(_invocations(*[100] * 40))

    answer = _answer(quoted)
    assert quoted.work_s.likely == pytest.approx(40.0, rel=0.1)
    assert answer.seconds.likely == pytest.approx(10.0, rel=0.1)
    assert answer.cost.likely == pytest.approx(40 * NANO / 1000, rel=0.1)
    assert (answer.basis, answer.slots) == ("learnt", (("here", 4),))
    assert (quoted.invocations, quoted.known, quoted.unreadable, quoted.runs) == (40, 0, 0, 39)


def test_what_is_known_costs_nothing_and_what_cannot_be_read_is_named() -> None:
    invocations = _invocations(100, "bad", 100, 100)
    lost = Invocation("/clips/lost.mov", "", problem={"message": "no such file."})

    quoted = _quoted([*invocations, lost], known=[invocations[0].key])

    assert (quoted.invocations, quoted.known, quoted.unreadable) == (2, 1, 2)
    assert [one.message for one in quoted.named] == ["no such file.", "it ends early."]
    assert quoted.work_s.likely == pytest.approx(2.0, rel=0.1)


def test_where_all_is_known_it_is_done_now_for_nothing() -> None:
    invocations = _invocations(100, 100)

    answer = _answer(_quoted(invocations, known=[one.key for one in invocations]))

    assert (answer.seconds.high, answer.cost.high) == (0, 0)


def test_without_a_clip_there_is_nothing_to_quote() -> None:
    with pytest.raises(CallerError, match="nothing to quote"):
        _quoted([])


def test_a_function_that_never_looked_at_a_header_is_quoted_without_reading_one() -> None:
    class Blind(_Learnt):
        def runs_of(self, function: str) -> Iterator[LearntRun]:
            yield LearntRun(WorkTraits(shrink.ref, HERE), 0.5, 64)

    quoted = _quoted(_invocations("bad", "bad"), learnt=Blind())

    assert (quoted.invocations, quoted.unreadable) == (2, 0)
    assert quoted.work_s.likely == pytest.approx(1.0, rel=0.1)


def test_a_wish_that_cannot_be_kept_comes_with_what_is_possible() -> None:
    quoted = _quoted(_invocations(*[100] * 40), wishes=Wishes(HERE_OFFER, within_s=5))

    assert not quoted.ok
    data = quoted.to_json()
    assert data["quote"] is None
    assert "not within 5.0 s" in data["declined"]
    assert data["instead"][0]["slots"] == {"here": 4}
    assert kept_quote(data) is None


def test_more_machines_make_it_possible_and_are_quoted_less_surely() -> None:
    other = Elsewhere(Offer(_tier("rented", 14.4), most=40), speed=2.0)
    wishes = Wishes(HERE_OFFER, (other,), within_s=6)

    quoted = _quoted(_invocations(*[100] * 40), wishes=wishes)

    answer = _answer(quoted)
    assert dict(answer.slots)["rented"] > 0
    assert answer.basis == "mixed"
    assert answer.seconds.high <= 6


def test_a_limit_on_slots_is_kept_to_also_when_it_solves() -> None:
    wishes = Wishes(HERE_OFFER, slots=2, max_cost=10 * NANO, within_s=3600)

    assert sum(count for _, count in _answer(_quoted(_invocations(*[100] * 40), wishes=wishes)).slots) <= 2


@settings(max_examples=25)
@given(frames=st.lists(st.integers(5, 500), min_size=1, max_size=30), slots=st.integers(1, 3))
def test_more_clips_are_never_quoted_shorter_or_cheaper_and_more_slots_never_later(
    frames: list[int], slots: int
) -> None:
    few = _quoted(_invocations(*frames), wishes=Wishes(HERE_OFFER, slots=slots))
    more = _quoted(_invocations(*frames, *frames), wishes=Wishes(HERE_OFFER, slots=slots))
    wider = _quoted(_invocations(*frames), wishes=Wishes(HERE_OFFER, slots=slots + 1))

    assert more.work_s.likely == pytest.approx(2 * few.work_s.likely, rel=1e-6)
    assert _answer(more).cost.likely >= _answer(few).cost.likely
    assert _answer(more).seconds.likely >= _answer(few).seconds.likely
    assert _answer(wider).seconds.likely <= _answer(few).seconds.likely * 1.02
    assert _answer(wider).cost.likely == pytest.approx(_answer(few).cost.likely, rel=1e-6)


@settings(max_examples=25)
@given(
    frames=st.lists(st.integers(5, 500), min_size=1, max_size=20),
    within_s=st.floats(0.01, 100),
    cents=st.integers(0, 20),
)
def test_what_is_promised_is_kept_by_its_own_bounds(frames: list[int], within_s: float, cents: int) -> None:
    max_cost = cents * NANO // 1000
    other = Elsewhere(Offer(_tier("rented", 7.2), most=8))
    wishes = Wishes(HERE_OFFER, (other,), within_s=within_s, max_cost=max_cost)

    quoted = _quoted(_invocations(*frames), wishes=wishes)

    if isinstance(quoted.answer, Quote):
        assert quoted.answer.seconds.high <= within_s
        assert quoted.answer.cost.high <= max_cost
    else:
        assert quoted.answer.sentence


def test_work_is_written_down_and_read_back() -> None:
    work = work_of(shrink, Sizes(), Asset("/clips/a.mov"), _info(50))

    assert work_from_json(work_to_json(work)) == work
    with pytest.raises(ValueError, match="not enough values"):
        work_from_json(["too", "short"])


def test_a_range_of_frames_is_so_much_less_work() -> None:
    work = work_of(shrink, Sizes(), Asset("/clips/a.mov"), _info(50))
    part = work_of(shrink, Sizes(), Asset("/clips/a.mov", FrameRange(10, 20)), _info(50))

    assert (work.frames, part.frames) == (50, 10)
    assert part.media_s == pytest.approx(work.media_s / 5)


def test_two_parts_of_a_batch_end_when_the_later_one_does_and_cost_what_both_do() -> None:
    one, other = _quoted(_invocations(*[100] * 40)), _quoted(_invocations(*[200] * 20, "bad"))
    found = one.beside_of(other)
    answers = [_answer(part) for part in (one, other)]
    assert _answer(found).seconds.likely == max(part.seconds.likely for part in answers)
    assert _answer(found).cost.high == sum(part.cost.high for part in answers)
    assert (found.invocations, found.unreadable) == (60, 1)
    assert _answer(found).slots == (("here", 4), ("here", 4))
    assert found.work_s.likely == pytest.approx(one.work_s.likely + other.work_s.likely)


def test_what_both_parts_cost_together_is_held_against_a_cap() -> None:
    one = _quoted(_invocations(*[100] * 40))
    declined = one.beside_of(one, max_cost=round(_answer(one).cost.high * 1.5)).answer
    assert isinstance(declined, Declined)
    assert declined.instead[0].cost.high == 2 * _answer(one).cost.high
    assert one.beside_of(one, max_cost=round(_answer(one).cost.high * 3)).ok
