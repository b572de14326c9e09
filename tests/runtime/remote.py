"""Functions whose clips and outputs are objects in a store."""

from __future__ import annotations

import os

from pydantic import BaseModel

from rushes import Asset, Context, Output, Params, Result, function


class Words(Params):
    text: str = "plain"
    lut: Asset | None = None


class Layer(BaseModel):
    image: Asset


class Layers(BaseModel):
    named: dict[str, Layer]


class Layered(Params):
    layers: tuple[Layers, ...] = ()
    own: Asset = Asset(__file__)


class Wrote(Result):
    file: Output
    read: str


class Read(Result):
    read: str


class Counted(Result):
    read: list[str]
    stem: str


class Several(Result):
    playlist: Output


@function(version="1")
def write(clip: Asset, params: Words, ctx: Context) -> Wrote:
    """Writes what it read, and in which attempt."""
    out = ctx.output(f"{clip.stem}.txt")
    read = clip.path.read_text() + (params.lut.path.read_text() if params.lut else "")
    out.path.write_text(f"{params.text} {read} {os.environ.get('ATTEMPT', '')}")
    return Wrote(file=out, read=read)


@function(version="1")
def package(clip: Asset, params: Words, ctx: Context) -> Several:
    """Writes a folder: a playlist and its segments."""
    out = ctx.output(f"{clip.stem}_hls")
    (out.path / "720p").mkdir(parents=True)
    for number in range(3):
        (out.path / "720p" / f"{number}.m4s").write_text(f"{number}{os.environ.get('ATTEMPT', '')}")
    (out.path / "main.m3u8").write_text("#EXTM3U")
    return Several(playlist=out)


@function(version="1")
def look(clip: Asset, params: Words) -> Result:
    """Makes no file."""
    assert clip.path.read_text()
    return Result()


class Where(Result):
    scratch: str


@function(version="1")
def aside(clip: Asset, ctx: Context) -> Where:
    """Makes no file but in its scratch folder."""
    (ctx.scratch / "aside").write_text(clip.path.read_text())
    return Where(scratch=str(ctx.scratch))


@function(version="1")
def frames(clip: Asset, params: Words) -> Counted:
    """Reads every frame of a sequence."""
    sequence = clip.sequence
    assert sequence is not None
    numbers = range(sequence.first, sequence.last + 1)
    return Counted(read=[sequence.path(number).read_text() for number in numbers], stem=clip.stem)


@function(version="1")
def layered(clip: Asset, params: Layered) -> Read:
    """Reads a file that came with the function."""
    return Read(read=params.own.path.read_text().partition("\n")[0])
