"""Notes of results: counted by kind, shown in lines, however many there are."""

from __future__ import annotations

from rushes.cli.notes import NOTES_SHOWN, Notes
from rushes.core.states import State
from rushes.invocation import Finished


def end(number: int, *notes: str, clip: str = "") -> Finished:
    clip = clip or f"/x/clip{number}.mov"
    return Finished(number, "b", f"b.{number}", clip, "f", State.succeeded, warnings=notes)


def lines(*ends: Finished) -> list[str]:
    found = Notes()
    for one in ends:
        found.add(one)
    return found.lines("b")


def test_a_single_note_names_its_clip_and_where_to_read_on() -> None:
    assert lines(end(1, "encoded whole: too short")) == [
        "clip1.mov: encoded whole: too short (rushes why b.1)"
    ]


def test_the_same_note_of_many_clips_is_one_line_with_their_number() -> None:
    assert lines(*(end(n, "encoded whole: too short") for n in range(1, 1201))) == [
        "1,200 clips: encoded whole: too short"
    ]


def test_notes_that_differ_in_figures_and_the_clips_name_are_of_one_kind() -> None:
    found = lines(end(1, "clip1.mov lasts 1.5 s"), end(2, "clip2.mov lasts 12 s"))

    assert found == ["2 clips, such as clip1.mov: clip1.mov lasts 1.5 s"]


def test_several_notes_of_one_kind_about_a_clip_are_one_clip() -> None:
    (found,) = lines(end(1, "the rung of 720 lines is left out", "the rung of 480 lines is left out"))

    assert found == "clip1.mov: the rung of 720 lines is left out, and 1 like it (rushes why b.1)"


def test_the_most_frequent_come_first_and_the_rest_is_counted() -> None:
    kinds = "abcdefghi"
    ends = [end(n, f"kind {kind}") for n, kind in enumerate(kinds, 1)]

    found = lines(*ends, end(100, "kind i"))

    assert found[0] == "2 clips: kind i"
    assert found[NOTES_SHOWN:] == ["and 3 more: rushes results b --notes"]


def test_what_a_terminal_would_act_upon_is_escaped_in_notes_and_names() -> None:
    (found,) = lines(end(1, "of \x1b[2J", clip="/x/a\nb.mov"))

    assert found == "a\\nb.mov: of \\x1b[2J (rushes why b.1)"


def test_however_many_kinds_there_are_few_are_kept() -> None:
    found = Notes()
    for number in range(5000):
        found.add(end(number, f"kind {'x' * number}"))

    assert len(found.kinds) <= 200
    assert found.lines("b")[-1] == f"and {5000 - NOTES_SHOWN:,} more: rushes results b --notes"
