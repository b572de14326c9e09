"""The command line on an engine in memory, with functions and clips of its own."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rushes.cli.app import app
from rushes.cli.session import Session
from rushes.testing import StubEngine

FUNCTIONS = textwrap.dedent('''\
    from enum import Enum
    from typing import Annotated, Literal

    from pydantic import BaseModel, BeforeValidator, Field

    from rushes import Asset, Context, MediaError, Output, Params, Result, function


    class Sized(Result):
        size: int
        name: str


    class Unit(Params):
        unit: int = Field(1, ge=1, description="Bytes that count as one.")
        shout: bool = Field(False, description="Name in capitals.")


    @function(version="1", owner="dailies")
    def size(clip: Asset, params: Unit, ctx: Context) -> Sized:
        """Count the bytes of a clip.

        More of it.
        """
        ctx.log("counting")
        if "bad" in clip.name:
            raise MediaError(f"{clip.name} is damaged: it ends early.", code="truncated", fix="Copy again.")
        name = clip.name.upper() if params.shout else clip.name
        return Sized(size=clip.path.stat().st_size // params.unit, name=name)


    class Copied(Result):
        made: Output


    @function(version="1")
    def copy(clip: Asset, ctx: Context) -> Copied:
        """Copy a clip."""
        out = ctx.output(clip.name)
        out.path.write_bytes(clip.path.read_bytes())
        return Copied(made=out)


    class Colour(Enum):
        warm = "warm-look"
        cold = "cold-look"


    class Deep(BaseModel):
        x: int = 1


    def thousands(value):
        return int(value[:-1]) * 1000 if isinstance(value, str) and value.endswith("k") else value


    class Many(Params):
        codec: Literal["h264", "hevc"] = Field("h264", description="Codec.")
        bits: Literal[8, 10] = 8
        colour: Colour = Colour.warm
        ratio: float | None = None
        tracks: list[int] = []
        burn: tuple[Literal["name", "timecode"], ...] = ()
        size: tuple[int, int] | None = None
        lut: Asset | None = None
        extra: dict[str, str] = {}
        rate: int | Literal["auto"] = "auto"
        limit: Annotated[int, Field(gt=0, le=10)] = 5
        deep: Deep = Deep()
        pace: Annotated[int, BeforeValidator(thousands)] | None = None
        picks: Annotated[tuple[int, ...], BeforeValidator(thousands)] = ()
        knobs: Annotated[dict[str, str], BeforeValidator(thousands)] = {}
        needed: str


    class Shown(Result):
        params: str


    @function(version="1")
    def many(clip: Asset, params: Many) -> Shown:
        """Show its options."""
        return Shown(params=params.model_dump_json())
''')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: functions, two good clips, a bad one."""
    work = tmp_path / "work"
    (work / "clips").mkdir(parents=True)
    (work / "fun.py").write_text(FUNCTIONS)
    for name, count in (("a.mov", 10), ("b.mov", 20)):
        (work / "clips" / name).write_bytes(bytes(count))
    (work / "bad.mov").write_bytes(bytes(30))
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def engine() -> StubEngine:
    return StubEngine()


@pytest.fixture
def rushes(folder: Path, engine: StubEngine) -> Callable[..., Result]:
    """Run one command; its result has exit_code, stdout, stderr."""

    def invoke(*arguments: str, stdin: str | bytes | None = None, session: Session | None = None) -> Result:
        result = CliRunner().invoke(
            app, list(arguments), input=stdin, obj=session or Session(engine), prog_name="rushes"
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        return result

    return invoke


def lines(text: str) -> list[dict[str, Any]]:
    """The JSON objects of an output, one a line."""
    return [json.loads(line) for line in text.splitlines()]
