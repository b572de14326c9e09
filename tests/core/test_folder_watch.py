"""Which clips of a folder may start, on a clock that a test turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rushes.core.folder_watch import FolderWatch, Look

SMALL, LARGE = Look(10, 1), Look(20, 2)


def test_a_clip_starts_once_it_has_been_left_alone_and_then_never_again() -> None:
    watch = FolderWatch(10.0)
    assert watch.look({"a": SMALL}, 0.0) == []
    assert watch.waits
    assert watch.look({"a": SMALL}, 9.9) == []
    assert watch.look({"a": SMALL}, 10.0) == ["a"]
    assert watch.give("a") == SMALL
    assert watch.look({"a": SMALL}, 20.0) == []
    assert not watch.waits


def test_a_clip_that_grows_waits_from_its_last_change_whatever_its_date_says() -> None:
    watch = FolderWatch(10.0)
    watch.look({"a": SMALL}, 0.0)
    watch.look({"a": Look(20, SMALL.changed_ns)}, 9.0)
    assert watch.look({"a": Look(20, SMALL.changed_ns)}, 18.0) == []
    assert watch.look({"a": Look(20, SMALL.changed_ns)}, 19.0) == ["a"]


def test_a_clip_that_changes_after_it_was_sent_is_new_again() -> None:
    watch = FolderWatch(0.0, {"a": SMALL})
    assert watch.look({"a": SMALL}, 0.0) == []
    assert watch.look({"a": LARGE}, 1.0) == ["a"]


def test_a_clip_that_was_away_settles_again() -> None:
    watch = FolderWatch(10.0)
    watch.look({"a": SMALL}, 0.0)
    watch.look({}, 5.0)
    assert watch.look({"a": SMALL}, 12.0) == []


def test_what_a_clip_needs_has_to_be_there_and_settled_too() -> None:
    watch = FolderWatch(10.0)

    def look(now: float, *, sidecar: bool) -> list[str]:
        there = {"a.mov": SMALL}

        def needs(_: str) -> list[str] | None:
            if not sidecar:
                return None
            there["a.xml"] = SMALL
            return ["a.xml"]

        return watch.look(there, now, needs)

    assert look(0.0, sidecar=False) == []
    assert look(20.0, sidecar=False) == []
    waited_for_nothing = watch.waits  # time alone brings nothing
    assert look(30.0, sidecar=True) == []
    assert (waited_for_nothing, watch.waits) == (False, True)
    assert look(39.0, sidecar=True) == []
    assert look(40.0, sidecar=True) == ["a.mov"]


LOOKS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from("abc"), st.integers(0, 2), max_size=3), st.floats(0, 15)),
    max_size=20,
)


@given(looks=LOOKS)
def test_nothing_is_given_twice_as_it_was_and_nothing_before_it_was_left_alone(
    looks: list[tuple[dict[str, int], float]],
) -> None:
    watch, now = FolderWatch(10.0), 0.0
    sent: dict[str, Look] = {}
    history: list[tuple[float, dict[str, Look]]] = []
    for sizes, pause in looks:
        now += pause
        there = {name: Look(size, size) for name, size in sizes.items()}
        history.append((now, there))
        for name in watch.look(there, now):
            look = watch.give(name)
            assert all(one.get(name) == look for at, one in history if now - at < 10.0)
            assert sent.get(name) != look
            sent[name] = look
