"""An attempt between its clip and its published outputs: what passes the gate, and what is known again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rushes import Asset, CallerError, Context, Output, Result, function
from rushes.runtime.attempts.attempt import Made, Task, run_attempt


class Copied(Result):
    made: Output


@function(version="1")
def copy(clip: Asset, ctx: Context) -> Copied:
    """Copy a clip."""
    out = ctx.output(clip.name)
    out.path.write_bytes(clip.path.read_bytes())
    return Copied(made=out)


class Stopped(BaseException):
    """The process died at the gate."""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    clip = tmp_path / "a.mov"
    clip.write_bytes(b"frames")
    return Task(copy, Asset(str(clip)), copy.params(), invocation="abc.1", out=str(tmp_path / "first"))


def attempt(task: Task) -> Made:
    return run_attempt(task, lambda *_: None, lambda _: None, lambda: False)


def intent_of_a_lost_attempt(task: Task) -> dict[str, Any]:
    """What the journal holds when the worker dies between the gate and the publication."""
    kept: list[dict[str, Any]] = []

    def gate(intent: dict[str, Any]) -> None:
        kept.append(json.loads(json.dumps(intent)))
        raise Stopped

    with pytest.raises(Stopped):
        run_attempt(task, lambda *_: None, gate, lambda: False)
    return kept[0]


def known(made: Made) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made.data())
    return found


def test_the_row_that_passes_the_gate_is_the_row_of_the_attempt(task: Task) -> None:
    passed: list[dict[str, Any]] = []

    made = run_attempt(task, lambda *_: None, passed.append, lambda: False)

    assert Made(**passed[0]["made"]) == made
    assert json.loads(made.result)["made"] == made.outputs[0]


def test_a_known_result_is_given_as_it_is_where_it_is(task: Task) -> None:
    first = attempt(task)

    again = attempt(replace(task, known=known(first)))

    assert (again.cached, again.outputs, again.published) == (True, first.outputs, first.published)


def test_a_known_result_is_copied_to_another_place_and_names_that_place(task: Task, tmp_path: Path) -> None:
    first = attempt(task)

    again = attempt(replace(task, known=known(first), out=str(tmp_path / "second")))

    assert again.outputs == (str(tmp_path / "second" / "a.mov"),)
    assert json.loads(again.result)["made"] == again.outputs[0]
    assert Path(again.outputs[0]).read_bytes() == b"frames"


def test_a_copy_that_was_lost_at_the_gate_passed_the_whole_row_of_its_new_place(
    task: Task, tmp_path: Path
) -> None:
    first = attempt(task)
    elsewhere = replace(task, known=known(first), out=str(tmp_path / "second"))

    passed = Made(**intent_of_a_lost_attempt(elsewhere)["made"])

    assert list(passed.outputs) == [str(tmp_path / "second" / "a.mov")]
    assert json.loads(passed.result)["made"] == passed.outputs[0]
    assert [fact["path"] for fact in passed.published] == list(passed.outputs)
    assert passed.cached


def test_a_changed_output_is_not_known_again(task: Task) -> None:
    first = attempt(task)
    Path(first.outputs[0]).write_bytes(b"edited")

    with pytest.raises(CallerError, match="was changed since Rushes made it"):
        attempt(replace(task, known=known(first)))

    assert Path(first.outputs[0]).read_bytes() == b"edited"
