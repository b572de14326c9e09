"""An attempt at several functions of one clip: each with its own result, receipt, failure and memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rushes import (
    Asset,
    CallerError,
    Context,
    MediaError,
    Output,
    Params,
    PlatformError,
    Result,
    function,
    together,
)
from rushes.runtime.attempts.attempt import Made, Task, run_attempt
from rushes.runtime.outputs.receipt import Receipt
from rushes.runtime.sending.submission import key_of


class Wish(Params):
    fails: str = ""


class Copied(Result):
    made: Output


class Counted(Result):
    size: int


@function(version="1")
def copy(clip: Asset, params: Wish, ctx: Context) -> Copied:
    """Copy a clip."""
    out = ctx.output(f"copy-{clip.name}")
    out.path.write_bytes(clip.path.read_bytes())
    _fail(params.fails)
    return Copied(made=out)


@function(version="3")
def reverse(clip: Asset, params: Wish, ctx: Context) -> Copied:
    """Copy a clip backwards."""
    out = ctx.output(f"back-{clip.name}")
    out.path.write_bytes(clip.path.read_bytes()[::-1])
    ctx.warn("this is odd")
    _fail(params.fails)
    return Copied(made=out)


@function(version="2")
def count(clip: Asset, params: Wish) -> Counted:
    """Count bytes."""
    _fail(params.fails)
    return Counted(size=clip.path.stat().st_size)


def _fail(how: str) -> None:
    kinds: dict[str, Callable[[], Exception]] = {
        "media": lambda: MediaError("the clip is torn.", code="damaged", fix="Copy it again."),
        "platform": lambda: PlatformError("no room.", code="disk-full", fix="Free some."),
        "python": lambda: ValueError("a mistake"),
    }
    if how:
        error = kinds[how]()
        raise error


class Stopped(BaseException):
    """The process died at the gate."""


ALL = together(count, copy, reverse)


def task_of(tmp_path: Path, **params: Any) -> Task:
    clip = tmp_path / "a.mov"
    clip.write_bytes(b"frames")
    source, wish = Asset(str(clip)), ALL.params(None, **params)
    key, mark = key_of(ALL, source, wish)
    return Task(ALL, source, wish, "abc.1", key=key, fingerprint=mark, out=str(tmp_path / "out"), show="dune")


def attempt(task: Task, keep: Callable[[int, Made | None], None] | None = None) -> Made:
    return run_attempt(task, lambda *_: None, lambda _: None, lambda: False, keep)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "rushes" not in path.name
    }


WHOLE = {"copy-a.mov": b"frames", "back-a.mov": b"semarf"}


def test_each_function_has_its_own_result_receipt_and_outputs(tmp_path: Path) -> None:
    task = task_of(tmp_path)

    made = attempt(task)

    functions = json.loads(made.result)["functions"]
    assert list(functions) == ["count", "copy", "reverse"]
    assert functions["count"]["result"] == {"size": 6}
    assert files(tmp_path / "out") == WHOLE
    assert made.outputs == (*functions["copy"]["outputs"], *functions["reverse"]["outputs"])
    assert made.warnings == ("reverse: this is odd",)
    receipts = [Receipt.read(functions[name]["receipt"]) for name in ("copy", "reverse")]
    assert [(r.function, r.version, r.invocation) for r in receipts] == [
        ("copy", "1", "abc.1"), ("reverse", "3", "abc.1"),
    ]  # fmt: skip
    assert [[o.path for o in r.outputs] for r in receipts] == [
        functions["copy"]["outputs"], functions["reverse"]["outputs"],
    ]  # fmt: skip
    assert not (tmp_path / "out" / ".rushes-scratch").exists()


def test_a_function_has_the_key_that_it_has_alone(tmp_path: Path) -> None:
    task = task_of(tmp_path, copy={"fails": ""})
    alone = [key_of(one, task.source, one.params())[0] for one in (count, copy, reverse)]

    made = attempt(task)

    assert task.key == "".join(alone)
    receipt = Receipt.read(json.loads(made.result)["functions"]["copy"]["receipt"])
    assert receipt.key == alone[1]


def test_one_that_fails_fails_alone_and_is_named(tmp_path: Path) -> None:
    kept: dict[int, Made | None] = {}

    with pytest.raises(
        MediaError, match=r"1 of 3 functions failed \(copy; .*made\). copy: the clip"
    ) as caught:
        attempt(task_of(tmp_path, copy={"fails": "media"}), kept.__setitem__)

    functions = caught.value.details["functions"]
    assert {name: one["state"] for name, one in functions.items()} == {
        "count": "succeeded", "copy": "failed", "reverse": "succeeded",
    }  # fmt: skip
    assert (caught.value.code, functions["copy"]["error"]["code"]) == ("damaged", "damaged")
    assert files(tmp_path / "out") == {"back-a.mov": b"semarf"}
    assert [kept[0] is None, kept[1] is None, kept[2] is None] == [False, True, False]


@pytest.mark.parametrize(
    ("how", "kind", "code"),
    [
        ({"copy": "media", "reverse": "platform"}, "platform", "disk-full"),
        ({"copy": "python", "reverse": "media"}, "media", "damaged"),
        ({"count": "python"}, "caller", "function-raised"),
    ],
)
def test_the_gravest_failure_speaks_for_the_whole(
    tmp_path: Path, how: dict[str, str], kind: str, code: str
) -> None:
    with pytest.raises((MediaError, PlatformError, CallerError)) as caught:
        attempt(task_of(tmp_path, **{name: {"fails": one} for name, one in how.items()}))

    assert (caught.value.kind, caught.value.code) == (kind, code)
    assert sum(one["state"] == "failed" for one in caught.value.details["functions"].values()) == len(how)


def test_what_is_known_is_not_made_again(tmp_path: Path) -> None:
    kept: dict[int, Any] = {}
    with pytest.raises(PlatformError):
        attempt(task_of(tmp_path, copy={"fails": "platform"}), kept.__setitem__)
    before = (tmp_path / "out" / "back-a.mov").stat()
    known = {str(number): json.loads(made.data()) for number, made in kept.items() if made}

    made = attempt(replace(task_of(tmp_path), members=known, attempt=2))

    functions = json.loads(made.result)["functions"]
    assert {name: one["cached"] for name, one in functions.items()} == {
        "count": True, "copy": False, "reverse": True,
    }  # fmt: skip
    assert functions["count"]["result"] == {"size": 6}
    assert (tmp_path / "out" / "back-a.mov").stat() == before
    assert files(tmp_path / "out") == WHOLE


def test_a_known_result_is_copied_to_another_place(tmp_path: Path) -> None:
    kept: dict[int, Any] = {}
    attempt(task_of(tmp_path), kept.__setitem__)
    known = {str(number): json.loads(made.data()) for number, made in kept.items()}

    made = attempt(replace(task_of(tmp_path), members=known, out=str(tmp_path / "elsewhere")))

    assert made.cached
    assert files(tmp_path / "elsewhere") == WHOLE


def test_what_was_made_and_then_lost_is_made_again(tmp_path: Path) -> None:
    kept: dict[int, Any] = {}
    attempt(task_of(tmp_path), kept.__setitem__)
    known = {str(number): json.loads(made.data()) for number, made in kept.items()}
    (tmp_path / "out" / "copy-a.mov").unlink()

    made = attempt(replace(task_of(tmp_path), members=known))

    functions = json.loads(made.result)["functions"]
    assert [one["cached"] for one in functions.values()] == [True, False, True]
    assert files(tmp_path / "out") == WHOLE


@pytest.mark.parametrize("gate", [1, 2])
def test_what_a_lost_attempt_was_about_to_publish_is_finished(tmp_path: Path, gate: int) -> None:
    intents: list[Any] = []

    def dying(intent: dict[str, Any]) -> None:
        intents.append(json.loads(json.dumps(intent)))
        if len(intents) == gate:
            raise Stopped

    with pytest.raises(Stopped):
        run_joint_until(task_of(tmp_path), dying)
    made = attempt(replace(task_of(tmp_path), attempt=2, intent=intents[-1]))

    assert files(tmp_path / "out") == WHOLE
    assert [one["state"] for one in json.loads(made.result)["functions"].values()] == ["succeeded"] * 3
    assert not (tmp_path / "out" / ".rushes-scratch").exists()


def run_joint_until(task: Task, gate: Callable[[dict[str, Any]], None]) -> None:
    """An attempt whose process dies with the gate; its thread's own death would be an ordinary failure."""

    def dying(which: int, made: Made | None) -> None:
        if made is None:
            raise Stopped

    run_attempt(task, lambda *_: None, gate, lambda: False, dying)


def test_functions_that_cannot_be_told_apart_are_refused() -> None:
    for wrong in ((copy,), (copy, copy), (copy, together(copy, count))):
        with pytest.raises(CallerError) as caught:
            together(*wrong)
        assert caught.value.code == "bad-function"


def test_options_are_given_by_function_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    asked: Any = ALL.params(None, copy={"fails": "media"})

    assert asked.copy.fails == "media"
    with pytest.raises(CallerError, match=r"copy has no option 'falls'"):
        ALL.params(None, copy={"falls": "media"})


def test_a_joint_function_is_called_like_any_other(tmp_path: Path) -> None:
    clip = tmp_path / "a.mov"
    clip.write_bytes(b"frames")

    result = ALL(str(clip), out=tmp_path / "out")

    assert result.of(count) == Counted(size=6)
    assert result.of(copy).made.path.read_bytes() == b"frames"
    with pytest.raises(CallerError):
        result.of(together(count, copy))


def test_one_may_not_replace_what_another_has_just_made(tmp_path: Path) -> None:
    @function(version="1")
    def again(clip: Asset, params: Wish, ctx: Context) -> Copied:
        """Write what `copy` writes."""
        out = ctx.output(f"copy-{clip.name}")
        out.path.write_bytes(b"something else")
        return Copied(made=out)

    clip = tmp_path / "a.mov"
    clip.write_bytes(b"frames")

    with pytest.raises(CallerError, match=r"again: copy and again both make .*copy-a\.mov"):
        together(copy, again)(str(clip), out=tmp_path / "out")

    assert files(tmp_path / "out") == {"copy-a.mov": b"frames"}


def test_a_source_settles_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(
        "rushes.runtime.sources.source.wait_settled",
        lambda _, settle_s, *, cancelled: waited.append(settle_s),
    )

    attempt(replace(task_of(tmp_path), settle_s=9.0))

    assert waited == [9.0]


def test_a_body_maps_another_function_here_and_now(tmp_path: Path) -> None:
    @function(version="1")
    def halves(clip: Asset, ctx: Context) -> Counted:
        """Count twice."""
        return Counted(size=sum(outcome.result.size for outcome in ctx.map(count, [clip, clip])))

    clip = tmp_path / "a.mov"
    clip.write_bytes(b"frames")

    assert together(halves, count)(str(clip)).of(halves).size == 12
