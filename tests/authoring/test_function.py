"""The decorator: what it keeps, and what it refuses at import, naming the fix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field
from pydantic.errors import PydanticSchemaGenerationError

from rushes import Asset, CallerError, Context, Output, Params, Resources, Result, function
from rushes.function import Function, Options


class Strange:
    """Nothing that a model can check."""


class Size(Params):
    height: int = Field(540, ge=16, description="Lines of the picture.")
    lut: Asset | None = None


class Made(Result):
    file: Output
    frames: int = 0


class Told(Result):
    n: int = 0


def a_clip(clip: Asset) -> Told:
    return Told()


def no_parameters() -> Told:
    return Told()


def first_is_text(clip: str) -> Told:
    return Told()


def unannotated(clip: Asset, height) -> Told:  # type: ignore[no-untyped-def]
    return Told()


def plain_option(clip: Asset, height: int) -> Told:
    return Told()


def two_params(clip: Asset, one: Size, other: Size) -> Told:
    return Told()


def no_result(clip: Asset) -> int:
    return 1


def nothing(clip: Asset):  # type: ignore[no-untyped-def]
    return None


async def asynchronous(clip: Asset) -> Told:
    return Told()


def missing_name(clip: Asset) -> Nowhere:  # type: ignore[name-defined]  # noqa: F821
    return None


class TakesOut(Params):
    out: str = ""


def reserved(clip: Asset, params: TakesOut) -> Told:
    return Told()


REFUSED: list[tuple[Callable[..., Any], dict[str, Any], str, str]] = [
    (a_clip, {"version": ""}, "version=''", 'version="1"'),
    (a_clip, {"version": 1}, "version=1", 'version="1"'),
    (a_clip, {"retries": -1}, "retries=-1", "retries=2"),
    (a_clip, {"resources": "2 cores"}, "resources='2 cores'", "Resources(cpu=2)"),
    (a_clip, {"resources": Resources(cpu=0)}, "cpu=0", "Resources(cpu=1)"),
    (a_clip, {"resources": Resources(memory="much")}, "'much' is no size", "2GiB"),
    (a_clip, {"stall_s": 0}, "time limit of 0", "Leave it out"),
    (a_clip, {"timeout_s": -1.0}, "time limit of 0 or less", "Leave it out"),
    (a_clip, {"tools": ["/usr/bin/exiftool"]}, "'/usr/bin/exiftool'", 'tools=["exiftool"]'),
    (no_parameters, {}, "first parameter", "(clip: Asset"),
    (first_is_text, {}, "first parameter", "(clip: Asset"),
    (unannotated, {}, "'height' is annotated as nothing", "derives from Params"),
    (plain_option, {}, "'height' is annotated as int", "derives from Params"),
    (two_params, {}, "appear twice", "Keep one"),
    (no_result, {}, "returns int", "MyResult(Result)"),
    (nothing, {}, "returns nothing", "MyResult(Result)"),
    (asynchronous, {}, "async", "drop async"),
    (missing_name, {}, "'Nowhere'", "Import it at run time"),
    (reserved, {}, "option 'out' of TakesOut", "Rename the field"),
    (Told, {}, "no plain function", "`def`"),
]


@pytest.mark.parametrize(("body", "options", "what", "fix"), REFUSED)
def test_what_can_be_refused_is_refused_at_import_with_the_name_and_the_fix(
    body: Callable[..., Any], options: dict[str, Any], what: str, fix: str
) -> None:
    with pytest.raises(CallerError) as refused:
        function(**{"version": "1", **options})(body)

    assert body.__name__ in refused.value.message
    assert what in refused.value.message
    assert fix in refused.value.fix
    assert refused.value.code == "bad-function"


@pytest.mark.parametrize("base", [Params, Result])
def test_a_model_that_cannot_be_checked_is_refused_where_it_is_written(base: type[BaseModel]) -> None:
    class Whole(base):  # type: ignore[valid-type, misc]
        height: int = 540

    assert Whole.__pydantic_complete__  # ours, of which these are made, are built when used
    with pytest.raises(PydanticSchemaGenerationError, match="Strange"):

        class Wrong(base):  # type: ignore[valid-type, misc]
            what: Strange


def test_a_decorator_without_brackets_is_refused() -> None:
    with pytest.raises(CallerError, match=r'a_clip.*version="1"'):
        function(a_clip)


def test_a_model_inside_a_function_is_found() -> None:
    class Local(Result):
        n: int

    @function(version="1")
    def inner(clip: Asset) -> Local:
        """Knows its local model."""
        return Local(n=1)

    assert inner.result_model is Local
    assert inner.__doc__ == "Knows its local model."


def sized(clip: Asset, params: Size, ctx: Context) -> Made:
    out = ctx.output(f"{clip.stem}.txt")
    out.path.write_text(str(params.height))
    return Made(file=out, frames=params.height)


@pytest.fixture
def size() -> Function[Size, Made]:
    return function(version="3", resources=Resources(cpu=2, memory="2GiB"))(sized)


def test_it_knows_what_its_author_declared(size: Function[Size, Made]) -> None:
    assert (size.name, size.version, size.makes_outputs) == ("sized", "3", True)
    assert size.resources.vector() == {"cpu": 2.0, "memory": 2.0**31, "scratch": 0.0, "gpu": 0.0}
    assert size.params_model is Size


def test_a_direct_call_is_an_ordinary_call_that_publishes(size: Function[Size, Made], tmp_path: Path) -> None:
    clip = tmp_path / "A001.mov"
    clip.write_bytes(b"clip")

    made = size(str(clip), height=720, out=str(tmp_path / "out"))

    assert made.frames == 720
    assert Path(made.file).read_text() == "720"
    assert made.file.uri == str(tmp_path / "out" / "A001.txt")


def test_a_direct_call_without_a_place_for_its_file_says_so(
    size: Function[Size, Made], tmp_path: Path
) -> None:
    (tmp_path / "a.mov").touch()
    with pytest.raises(CallerError, match="out="):
        size(str(tmp_path / "a.mov"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heigth": 3}, "sized has no option 'heigth'.*Did you mean 'height'"),
        ({"out": "x/"}, r"sized has no option 'out'.*sized\.with_options\(out="),
        ({"height": 3}, "height=3: expected 16 or more"),
        ({"height": "tall"}, "height='tall'"),
    ],
)
def test_a_wrong_option_is_named_with_its_value(
    size: Function[Size, Made], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CallerError, match=message):
        size.params(None, **options)


def test_a_wrong_dispatch_option_is_named(size: Function[Size, Made]) -> None:
    with pytest.raises(CallerError, match=r"no option 'prio'.*priority"):
        size.with_options(prio="urgent")
    with pytest.raises(CallerError, match=r"'soon' is no class.*interactive, urgent"):
        size.with_options(priority="soon")
    with pytest.raises(CallerError, match="the tag rushes-host is Rushes' own"):
        size.with_options(tags={"rushes-host": "me"})
    with pytest.raises(CallerError, match="the tag rushes-pass is Rushes' own"):
        size.with_options(tags={"rushes-pass": "/a/pass"})
    with pytest.raises(CallerError, match="no engine is called 'mars'"):
        size.with_options(engine="mars").map([])


def test_a_result_model_reads_older_and_newer_data() -> None:
    assert Told.model_validate({}).n == 0
    assert Told.model_validate({"n": 1, "added_later": True}).n == 1
    assert issubclass(Made, BaseModel)
    assert Made.SCHEMA == 1


def test_paths_may_be_path_objects(size: Function[Size, Made], tmp_path: Path) -> None:
    (tmp_path / "A.mov").write_bytes(b"x")

    made = size(tmp_path / "A.mov", out=tmp_path / "out")

    assert Path(made.file).parent == tmp_path / "out"
    assert size.with_options(out=tmp_path).options.out == str(tmp_path)
    assert size.bind(tmp_path / "A.mov").source.name == "A.mov"


def test_bind_is_an_invocation_that_was_not_sent(size: Function[Size, Made], tmp_path: Path) -> None:
    (tmp_path / "a.mov").write_bytes(b"x")
    bound = size.with_options(out=str(tmp_path / "out")).bind(str(tmp_path / "a.mov"), height=32)

    assert not (tmp_path / "out").exists()
    assert bound().frames == 32


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"slots": 0}, "lets nothing run"),
        ({"show": "x" * 256}, "has 256 characters"),
        ({"show": ""}, "'' is no name of a show"),
        ({"show": " dune"}, "' dune' is no name of a show"),
        ({"show": "dune\n"}, "is no name of a show"),
        ({"deadline": float("inf")}, "is no time"),
        ({"deadline": float("nan")}, "is no time"),
    ],
)
def test_dispatch_options_that_mean_nothing_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(CallerError, match=says):
        Options(**wrong)
