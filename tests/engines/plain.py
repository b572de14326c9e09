"""Functions that the engine tests run in slots; loaded by path, so each is `plain.py:NAME` to a slot."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

from rushes import Asset, Context, MediaError, Output, Params, PlatformError, Resources, Result, function


class Number(Params):
    n: int = 0


class Told(Result):
    n: int
    pid: int = 0
    seen: str = ""
    executable: str = ""


class Wrote(Result):
    file: Output
    text: str


@function(version="1")
def echo(clip: Asset, params: Number) -> Told:
    """Gives the number back."""
    return Told(
        n=params.n, pid=os.getpid(), seen=os.environ.get("RUSHES_TEST_MARK", ""), executable=sys.executable
    )


@function(version="1")
def write(clip: Asset, params: Number, ctx: Context) -> Wrote:
    """Writes one small file."""
    out = ctx.output(f"{params.n}.txt")
    text = f"{params.n} of {ctx.invocation} in attempt {ctx.attempt}\n"
    out.path.write_text(text)
    return Wrote(file=out, text=text)


@function(version="1")
def same_name(clip: Asset, params: Number, ctx: Context) -> Wrote:
    """Writes its number under a name that does not depend on it."""
    out = ctx.output("result.txt")
    out.path.write_text(str(params.n))
    return Wrote(file=out, text=str(params.n))


class Wait(Number):
    gate: str = ""
    """A file: the body runs until it exists."""


@function(version="1", stall_s=600)
def linger(clip: Asset, params: Wait, ctx: Context) -> Told:
    """Runs until its gate is opened."""
    while not Path(params.gate).exists():
        ctx.progress(0.5)
        time.sleep(0.01)
    return Told(n=params.n, pid=os.getpid())


@function(version="1", stall_s=600)
def mostly_short(clip: Asset, params: Wait, ctx: Context) -> Told:
    """Number 1000 runs until its gate is opened; all others are done at once."""
    while params.n == 1000 and not Path(params.gate).exists():
        ctx.progress(0.5)
        time.sleep(0.01)
    return Told(n=params.n)


@function(version="1", stall_s=600)
def linger_writing(clip: Asset, params: Wait, ctx: Context) -> Wrote:
    """Has half written its file until its gate is opened."""
    out = ctx.output(f"{params.n}.txt")
    out.path.write_text("half")
    while not Path(params.gate).exists():
        ctx.progress(0.5)
        time.sleep(0.01)
    out.path.write_text("whole")
    return Wrote(file=out, text="whole")


@function(version="1", stall_s=600)
def interrupted(clip: Asset, params: Wait, ctx: Context) -> Wrote:
    """Leaves what an interrupt leaves that comes between making a scratch folder and knowing of it."""
    out = ctx.output(f"{params.n}.txt")
    (ctx.scratch.parent / f"{ctx.scratch.name}0").mkdir()
    Path(params.gate).with_suffix(".began").touch()
    while not Path(params.gate).exists():
        ctx.progress(0.5)
        time.sleep(0.01)
    out.path.write_text("whole")
    return Wrote(file=out, text="whole")


@function(version="1", retries=2)
def poison(clip: Asset, params: Number) -> Told:
    """Kills its slot on number 5; every other number is well."""
    if params.n == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return Told(n=params.n)


@function(version="1")
def poison_writing(clip: Asset, params: Number, ctx: Context) -> Wrote:
    """Has half written its file when it kills its slot."""
    out = ctx.output(f"{params.n}.txt")
    out.path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
    return Wrote(file=out, text="half")


@function(version="1", retries=1)
def poison_scratch(clip: Asset, params: Number, ctx: Context) -> Told:
    """Has no outputs, and has written into its scratch folder when it kills its slot."""
    (ctx.scratch / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
    return Told(n=params.n)


@function(version="1", stall_s=600)
def linger_scratch(clip: Asset, params: Wait, ctx: Context) -> Told:
    """Has no outputs, and has written into its scratch folder until its gate is opened."""
    (ctx.scratch / "half").write_text("half")
    while not Path(params.gate).exists():
        ctx.progress(0.5)
        time.sleep(0.01)
    return Told(n=params.n)


@function(version="1", resources=Resources(memory="150MiB"))
def greedy(clip: Asset, params: Number, ctx: Context) -> Told:
    """Takes more memory than it declared, and waits to be found out."""
    held = bytearray(os.urandom(1024) * 400_000)
    while True:
        ctx.progress(0.1, f"{len(held)}")
        time.sleep(0.05)


@function(version="1", stall_s=0.5, retries=0)
def stuck(clip: Asset, params: Number) -> Told:
    """Makes no progress."""
    while True:
        time.sleep(1)


class Marks(Number):
    folder: str = ""
    kind: str = "platform"


@function(version="1", retries=2)
def fails_at_first(clip: Asset, params: Marks, ctx: Context) -> Told:
    """Fails in its first attempt, by the kind of error that it is told."""
    mark = Path(params.folder) / f"{params.n}.{ctx.attempt}"
    mark.write_text("")
    if ctx.attempt == 1:
        if params.kind == "media":
            raise MediaError("the clip is cut short.", code="truncated")
        if params.kind == "bug":
            msg = "a bug"
            raise ValueError(msg)
        raise PlatformError("the tool did not start.", code="tool-failed")
    return Told(n=params.n)


@function(version="1")
def says(clip: Asset, params: Number, ctx: Context) -> Told:
    """Prints and logs."""
    print(f"printed {params.n}")  # noqa: T201 - that is the test
    ctx.log(f"logged {params.n}")
    return Told(n=params.n)


class Takes(Number):
    seconds: float = 0.0


@function(version="1")
def busy(clip: Asset, params: Takes) -> Told:
    """Is at work for so long."""
    time.sleep(params.seconds)
    return Told(n=params.n)


class Text(Number):
    text: str = ""


class Said(Result):
    text: str


@function(version="1")
def parrot(clip: Asset, params: Text) -> Told:
    """Takes a long text and says how much of it there is."""
    return Told(n=len(params.text))


@function(version="1")
def talkative(clip: Asset, params: Number) -> Said:
    """Gives two megabytes back."""
    return Said(text="x" * 2_000_000)


@function(version="1", retries=0)
def robbed(clip: Asset, params: Number, ctx: Context) -> Wrote:
    """Has its folder of outputs removed under it."""
    out = ctx.output("x.txt")
    shutil.rmtree(out.path.parent.parent)
    out.path.write_text("x")
    return Wrote(file=out, text="x")


@function(version="1", retries=0, tools=["sh"])
def killed_once(clip: Asset, ctx: Context) -> Told:
    """Its tool is killed, as by somebody else, in the first attempt."""
    ctx.run("sh", ["-c", "test $0 != 1 || kill -9 $$", str(ctx.attempt)])
    return Told(n=ctx.attempt)


@function(version="1", retries=2)
def misled(clip: Asset, ctx: Context) -> Wrote:
    """Its clip is overwritten, and it finds fault with what it made of it."""
    out = ctx.output("x.txt")
    clip.path.write_bytes(b"another one")
    msg = f"{out.name} is shorter than its clip."
    raise PlatformError(msg, code="bad-output")


class Race(Number):
    folder: str = ""
    """Each attempt says there that it has begun, and crawls until it may go on; without one none does."""


@function(version="1", stall_s=600)
def race(clip: Asset, params: Race, ctx: Context) -> Wrote:
    """Writes as which attempt it ran."""
    folder = Path(params.folder)
    mark = "quick"
    if params.folder:
        names = ("first", "second", "third")
        mark = next(name for name in names if _first_to_make(folder / name))
        (folder / f"{mark}.pid").write_text(str(os.getpid()))
    out = ctx.output("who.txt")
    begun = time.time()
    while not (folder / f"go-{mark}").exists() and params.folder:
        ctx.progress(min(0.01 + (time.time() - begun) / 1000, 0.5))
        time.sleep(0.02)
    time.sleep(0.1)
    out.path.write_text(mark)
    return Wrote(file=out, text=mark)


def _first_to_make(path: Path) -> bool:
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@function(version="1", stall_s=600, retries=50)
def dawdle(clip: Asset, params: Number, ctx: Context) -> Wrote:
    """Two attempts of five crawl for some seconds, whichever they are."""
    out = ctx.output(f"{params.n}.txt")
    rounds = 300 if os.urandom(1)[0] % 5 < 2 else 5
    for done in range(rounds):
        ctx.progress(done / rounds)
        time.sleep(0.02)
    out.path.write_text(str(params.n))
    return Wrote(file=out, text=str(params.n))
