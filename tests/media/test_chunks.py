"""Where a clip is cut: every frame once, parts of equal work, nothing made up."""

from __future__ import annotations

from array import array
from fractions import Fraction
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.media.chunking.chunks import Uncuttable, choose_count, plan_chunks, timeline
from rushes.media.chunking.part_order import (
    PartOrder,
    SoundOrder,
    digest_of_times,
    order_from_json,
    orders_of,
)
from rushes.media.describing.index import FrameIndex
from rushes.media.planning.device_graph import Spot


def _index(
    pts: list[int],
    keys: tuple[int, ...] = (0,),
    *,
    sizes: list[int] | None = None,
    entries: frozenset[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    container: str = "mov,mp4,m4a,3gp,3g2,mj2",
    start_us: int = 0,
) -> FrameIndex:
    return FrameIndex(
        format=container,
        codec="h264",
        time_base=time_base,
        start_us=start_us,
        pts=array("q", pts),
        sizes=array("q", sizes or [100] * len(pts)),
        keys=keys,
        decoded=tuple(pts[k] - 2 for k in keys),
        entries=frozenset(keys) if entries is None else entries,
    )


@st.composite
def _indexes(draw: st.DrawFn) -> FrameIndex:
    gaps = draw(st.lists(st.integers(1, 5000), min_size=1, max_size=400))
    first = draw(st.integers(-1000, 10**9))
    pts = [first]
    for gap in gaps:
        pts.append(pts[-1] + gap)
    sizes = draw(st.lists(st.integers(1, 10**6), min_size=len(pts), max_size=len(pts)))
    keys = draw(st.sets(st.integers(1, len(pts) - 1), max_size=30)) | {0}
    return _index(pts, tuple(sorted(keys)), sizes=sizes, time_base=Fraction(1, 90000))


@given(_indexes(), st.integers(1, 12), st.integers(0, 3))
def test_the_parts_hold_every_frame_once_and_in_order(index: FrameIndex, count: int, margin: int) -> None:
    plan = plan_chunks(index, count, rate=None, margin=margin)

    assert plan.chunks[0].start == 0
    assert plan.chunks[-1].stop == index.frames
    assert all(a.stop == b.start and a.stop_pts == b.start_pts for a, b in pairwise(plan.chunks))
    held = [
        [p for p in index.pts if c.start_pts <= p and (c.stop_pts is None or p < c.stop_pts)]
        for c in plan.chunks
    ]
    assert list(chain.from_iterable(held)) == list(index.pts)
    assert [len(h) for h in held] == [len(c) for c in plan.chunks]


@given(_indexes(), st.integers(1, 12))
def test_a_filter_sees_at_least_its_margin(index: FrameIndex, count: int) -> None:
    plan = plan_chunks(index, count, rate=None, margin=2)

    for chunk in plan.chunks:
        assert sum(chunk.lead_pts <= p < chunk.start_pts for p in index.pts) == min(2, chunk.start)
        if chunk.stop_pts is not None:
            after = sum(
                p >= chunk.stop_pts and (chunk.tail_pts is None or p < chunk.tail_pts) for p in index.pts
            )
            assert after == min(2, index.frames - chunk.stop)


@given(_indexes(), st.integers(2, 12))
def test_no_part_is_heavier_than_the_mean_by_more_than_the_bound(index: FrameIndex, count: int) -> None:
    plan = plan_chunks(index, count, rate=None)

    total = sum(index.sizes)
    work = [0.7 / index.frames + 0.3 * size / total for size in index.sizes]
    count = max(1, min(count, index.frames // 24 or 1))
    heaviest = max(sum(work[c.start : c.stop]) for c in plan.chunks)
    assert heaviest <= (1 + 2 * 0.15) / count + max(work) + 1e-9


@given(_indexes(), st.integers(1, 12))
def test_the_parts_of_a_plan_survive_json(index: FrameIndex, count: int) -> None:
    plan = plan_chunks(index, count, rate=None, duration_s=1.5)
    spot = Spot("nvenc", 1, decoder="device", codec="h264")

    orders = orders_of(plan, index.pts, spot=spot, ffmpeg="9.0")

    assert [PartOrder.from_json(one.to_json()) for one in orders] == list(orders)
    assert [one.chunk for one in orders] == list(plan.chunks)
    assert [one.is_last for one in orders] == [False] * (len(orders) - 1) + [True]
    assert len({one.times for one in orders}) == len(orders)


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": 2}', '{"schema": 1, "rate": null}'])
def test_text_that_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="part of a clip"):
        PartOrder.from_json(text)


def test_one_tick_more_is_another_digest_of_times() -> None:
    assert digest_of_times([0, 512, 1024]) != digest_of_times([0, 513, 1024])


def test_a_cut_is_at_a_keyframe_where_one_is_near() -> None:
    index = _index(list(range(400)), (0, 90, 210, 305))

    plan = plan_chunks(index, 4, rate=Fraction(25))

    assert [c.start for c in plan.chunks] == [0, 90, 210, 305]


def test_a_cut_is_between_keyframes_where_none_is_near() -> None:
    index = _index(list(range(400)), (0, 350))

    plan = plan_chunks(index, 4, rate=Fraction(25))

    assert [c.start for c in plan.chunks] == [0, 100, 200, 300]
    assert all(c.seek_us is None for c in plan.chunks), "they are decoded from the only keyframe before them"


def test_a_keyframe_that_may_not_be_whole_at_once_is_entered_one_group_earlier() -> None:
    keys = (0, 100, 200, 300)
    closed = _index(list(range(400)), keys)
    opened = _index(list(range(400)), keys, entries=frozenset({0}))

    assert [c.seek_us for c in plan_chunks(closed, 4, rate=None).chunks] == [
        None,
        4_000_001,
        8_000_001,
        12_000_001,
    ]
    assert [c.seek_us for c in plan_chunks(opened, 4, rate=None).chunks] == [
        None,
        None,
        4_000_001,
        8_000_001,
    ]


def test_a_stream_without_an_index_is_entered_before_its_keyframe_is_decoded() -> None:
    index = _index(list(range(400)), (0, 100, 200, 300), container="mpegts")

    second = plan_chunks(index, 4, rate=None).chunks[1]

    assert second.seek_us == (100 - 2) * 40_000 + 1


def test_a_clip_of_few_frames_gets_few_parts() -> None:
    assert len(plan_chunks(_index(list(range(60))), 8, rate=None).chunks) == 2
    assert len(plan_chunks(_index(list(range(5))), 8, rate=None).chunks) == 1


@pytest.mark.parametrize(
    ("pts", "reason"),
    [([], "no frame"), ([0, 1, 1, 2], "same time")],
)
def test_times_that_do_not_tell_frames_apart_are_no_place_to_cut(pts: list[int], reason: str) -> None:
    with pytest.raises(Uncuttable, match=reason):
        plan_chunks(_index(pts, (0,) if pts else ()), 2, rate=None)


def test_frames_that_a_constant_rate_would_move_are_not_cut() -> None:
    pts = [*range(0, 4000, 40), *range(4020, 8000, 40)]

    with pytest.raises(Uncuttable, match="frame 100 is not where"):
        plan_chunks(_index(pts, time_base=Fraction(1, 1000)), 2, rate=Fraction(25))


def test_milliseconds_of_a_constant_rate_are_that_rate() -> None:
    pts = [round(n * 1001 / 24) for n in range(480)]

    plan = plan_chunks(_index(pts, time_base=Fraction(1, 1000)), 2, rate=Fraction(24000, 1001))

    assert sum(len(c) for c in plan.chunks) == 480


@pytest.mark.parametrize(
    ("duration_s", "count"), [(None, 1), (5, 1), (59.9, 1), (60, 2), (100, 3), (1920, 64), (36_000, 64)]
)
def test_how_many_parts_follow_from_the_length_alone(duration_s: float | None, count: int) -> None:
    assert choose_count(duration_s) == count


def test_a_variable_rate_keeps_its_ticks_counted_from_the_start_of_the_clip() -> None:
    index = _index([126_000, 129_003, 140_000], time_base=Fraction(1, 90000), start_us=1_400_000)

    times, unit = timeline(index, None)

    assert list(times) == [0, 3003, 14_000]
    assert unit == Fraction(1, 90000)


def test_a_constant_rate_counts_frames_from_where_the_picture_begins() -> None:
    index = _index([500, 540, 580], time_base=Fraction(1, 1000), start_us=0)

    times, unit = timeline(index, Fraction(25))

    assert list(times) == [12, 13, 14]
    assert unit == Fraction(1, 25)


def test_the_sound_is_an_order_too() -> None:
    order = SoundOrder(start_us=1_400_000, family="software", ffmpeg="9.0")

    assert order_from_json(order.to_json()) == order
