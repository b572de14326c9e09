"""Functions that map others over parts of their work; loaded by path, so each is `fans.py:NAME` to a slot."""

import os
import time
from pathlib import Path

from rushes import Asset, Context, MediaError, Output, Params, Result, function


class Part(Params):
    n: int = 0
    gate: str = ""
    """A file: the body runs until it exists."""
    marks: str = ""
    """A folder: a file for each time that a part's body runs."""
    bad: int = -1


class Square(Result):
    n: int
    square: int
    pid: int = 0


class Piece(Result):
    file: Output


class Fan(Params):
    parts: int = 3
    deep: int = 1
    gate: str = ""
    marks: str = ""
    bad: int = -1
    lost: int = 0
    """Kill the slot once all parts are done, in attempts up to this one."""


class Sum(Result):
    total: int
    errors: tuple[str, ...] = ()


class Joined(Result):
    file: Output


def _note(params: Part) -> None:
    if params.marks:
        Path(params.marks, f"{params.n}-{os.getpid()}-{time.monotonic_ns()}").touch()


def _wait(params: Part, ctx: Context) -> None:
    while params.gate and not Path(params.gate).exists():
        ctx.progress(0.5)
        time.sleep(0.01)


@function(version="1", retries=0, stall_s=600)
def square(clip: Asset, params: Part, ctx: Context) -> Square:
    """The square of its number."""
    _note(params)
    _wait(params, ctx)
    if params.n == params.bad:
        raise MediaError(f"number {params.n} is damaged.", code="damaged")
    return Square(n=params.n, square=params.n**2, pid=os.getpid())


@function(version="1", retries=0, stall_s=600)
def piece(clip: Asset, params: Part, ctx: Context) -> Piece:
    """A file with its number."""
    _note(params)
    out = ctx.output("piece.txt")
    _wait(params, ctx)
    out.path.write_text(f"{params.n}\n")
    return Piece(file=out)


def _own(params: Fan, n: int) -> dict[str, object]:
    return {"n": n, "gate": params.gate, "marks": params.marks, "bad": params.bad}


@function(version="1", retries=1)
def fan(clip: Asset, params: Fan, ctx: Context) -> Sum:
    """Sums the squares of its parts; lets the failure of one pass through."""
    made = ctx.map(square, ((clip, _own(params, n)) for n in range(params.parts)))
    if ctx.attempt <= params.lost:
        os.kill(os.getpid(), 9)
    return Sum(total=sum(one.result.square for one in made))


@function(version="1", retries=1)
def tolerant(clip: Asset, params: Fan, ctx: Context) -> Sum:
    """Sums what can be had, and says what cannot."""
    made = ctx.map(square, ((clip, _own(params, n)) for n in range(params.parts)))
    return Sum(
        total=sum(one.result.square for one in made if one.ok),
        errors=tuple(str((one.error or {})["message"]) for one in made if not one.ok),
    )


@function(version="1", retries=1)
def nested(clip: Asset, params: Fan, ctx: Context) -> Sum:
    """Maps itself, to a depth; sums the squares at the bottom."""
    if params.deep > 1:
        below = [(clip, {**params.model_dump(), "deep": params.deep - 1, "parts": n + 1}) for n in range(2)]
        return Sum(total=sum(one.result.total for one in ctx.map(nested, below)))
    made = ctx.map(square, ((clip, _own(params, n)) for n in range(params.parts)))
    return Sum(total=sum(one.result.square for one in made))


@function(version="1", retries=1)
def joins(clip: Asset, params: Fan, ctx: Context) -> Joined:
    """Joins the files of its parts."""
    made = ctx.map(piece, ((clip, _own(params, n)) for n in range(params.parts)))
    if ctx.attempt <= params.lost:
        os.kill(os.getpid(), 9)
    out = ctx.output("joined.txt")
    out.path.write_text("".join(Path(one.result.file).read_text() for one in made))
    return Joined(file=out)


@function(version="1", retries=0)
def endless(clip: Asset, params: Fan, ctx: Context) -> Sum:
    """Maps itself with the very same options."""
    return Sum(total=ctx.map(endless, [clip], **params.model_dump())[0].result.total)


class There(Params):
    there: str = ""


class Names(Result):
    names: list[str]


@function(version="1", retries=0)
def joins_there(clip: Asset, params: There, ctx: Context) -> Names:
    """Has its parts write into a folder that stays."""
    made = ctx.map(piece, ((clip, {"n": n}) for n in range(2)), out=params.there)
    return Names(names=[one.outputs[0] for one in made])


@function(version="1", retries=0)
def misfit(clip: Asset, ctx: Context) -> Sum:
    """Maps with an option that there is not."""
    return Sum(total=len(ctx.map(square, [clip], size=3)))


class Pids(Result):
    pids: tuple[int, ...]


@function(version="1")
def pids(clip: Asset, params: Part, ctx: Context) -> Pids:
    """Where its parts run."""
    made = ctx.map(square, [(clip, {"n": 100 * params.n + n}) for n in range(3)])
    return Pids(pids=tuple(sorted({one.result.pid for one in made})))


@function(version="1", retries=1)
def half_open(clip: Asset, params: Fan, ctx: Context) -> Joined:
    """As `joins`, but its first part waits at no gate."""
    own = [{**_own(params, n), "gate": params.gate if n else ""} for n in range(3)]
    made = ctx.map(piece, ((clip, one) for one in own))
    out = ctx.output("joined.txt")
    out.path.write_text("".join(Path(one.result.file).read_text() for one in made))
    return Joined(file=out)


@function(version="1", retries=0)
def deadly(clip: Asset, params: Part, ctx: Context) -> Square:
    """Kills its slot, however often it is tried."""
    os.kill(os.getpid(), 9)
    return Square(n=params.n, square=0)


@function(version="1")
def fan_of_deadly(clip: Asset, params: Fan, ctx: Context) -> Sum:
    """Needs a part that cannot be made."""
    (outcome,) = ctx.map(deadly, [clip], n=1)
    return Sum(total=outcome.result.square)


@function(version="1", retries=0, stall_s=600)
def staged(clip: Asset, params: Fan, ctx: Context) -> Sum:
    """Say what is done before, while and after parts are waited for; the last stage waits for a gate."""
    ctx.progress(0.2, "squares")
    outcomes = ctx.map(square, [(clip, {"n": n, "gate": params.gate}) for n in range(params.parts)])
    ctx.progress(0.0, "adding up")
    while not Path(f"{params.gate}.2").exists():
        time.sleep(0.01)
    return Sum(total=sum(one.result.square for one in outcomes))
