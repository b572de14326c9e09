"""`--print-command`: the commands that a body would run, written for a shell; none is run.

The body runs with a context that plans each command in place of running it. Its own code goes on after a
command only where that needs no result, so what it would do with one is not known. This module must not start
a tool.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from rushes.asset import Asset, Output
from rushes.context import Context
from rushes.errors import RushesError
from rushes.joint import members_of
from rushes.printing import printable
from rushes.temporary import temporary_folder

if TYPE_CHECKING:
    from rushes.cli.work import WorkAsked
    from rushes.media.ladders.rungs import Ladder
    from rushes.media.ladders.still_branches import Stills
    from rushes.media.profile import Profile

__all__ = ["commands_of", "print_commands"]


class _Planned(BaseException):
    """A body cannot go on without a command's result. No `Exception`, which the body could catch."""


class _Planning(Context):
    """A context in which nothing runs."""

    invocation = "planned"
    attempt = 1
    show = "default"
    deadline = None

    def __init__(self, tools: Sequence[str], folder: Path, out: Path) -> None:
        self._tools = tools
        self._folder = folder
        self._out = out
        self.argvs: list[list[str]] = []

    @property
    def scratch(self) -> Path:
        return self._folder

    @property
    def keep(self) -> Path:
        return self._folder

    @property
    def cancelled(self) -> bool:
        return False

    def output(self, name: str) -> Output:
        path = self._out / name
        return Output(Path(name).name, path, str(path))

    def encode(self, source: Asset, target: Output | Path, profile: Profile, **_: Any) -> NoReturn:
        self.argvs += encode_commands(source, Path(target), profile)
        raise _Planned

    def renditions(
        self, source: Asset, ladder: Ladder, folder: Path, *, stills_folder: Path, **_: Any
    ) -> NoReturn:
        from rushes.media.ladders.renditions import plan_here  # noqa: PLC0415
        from rushes.media.running.builds import find_build  # noqa: PLC0415 - the media stack

        build = find_build()
        plan = plan_here(source, ladder, folder, stills_folder=stills_folder, build=build)
        self.argvs.append([str(build.path), *plan.args])
        raise _Planned

    def snapshots(self, source: Asset, stills: Stills, folder: Path) -> NoReturn:
        from rushes.media.describing.inspection import describe  # noqa: PLC0415
        from rushes.media.ladders.snapshots import plan_snapshots  # noqa: PLC0415
        from rushes.media.readers.guard import check_source, input_args, output_args  # noqa: PLC0415
        from rushes.media.running.builds import find_build  # noqa: PLC0415 - the media stack

        check_source(source)
        info, build = describe(source), find_build()
        opened, place = input_args(source, info.container.format), output_args(folder)[-1]
        args, _ = plan_snapshots(info, stills, build, input_args=opened, place=place)
        self.argvs.append([str(build.path), *args])
        raise _Planned

    def ffmpeg(self, stream: Any, *, total_s: float | None = None) -> NoReturn:  # noqa: ARG002 - as run
        import ffmpeg  # noqa: PLC0415 - only where a body uses it

        self.argvs.append([_ffmpeg_path(), "-y", *ffmpeg.get_args(stream)])
        raise _Planned

    def run(
        self,
        tool: str,
        argv: Sequence[str | Path | Output],
        *,
        progress: Callable[[str], float | None] | None = None,  # noqa: ARG002 - the interface's
    ) -> NoReturn:
        self.argvs.append([shutil.which(tool) or tool, *(os.fspath(a) for a in argv)])
        raise _Planned

    def map(self, function: Any, items: Iterable[Any], /, **_: Any) -> NoReturn:  # noqa: ARG002 - as run
        raise _Planned

    def progress(self, fraction: float, note: str = "") -> None:
        """Nobody watches a plan."""

    def log(self, message: str) -> None:
        """A plan keeps no log."""

    def warn(self, message: str) -> None:
        click.echo(f"# {printable(message)}", err=True)


def encode_commands(source: Asset, target: Path, profile: Profile) -> list[list[str]]:
    """The commands of an encode; a loudness wish's encode is not known before its measurement.

    Raises:
        RushesError: as the encode would refuse it.
    """
    from rushes.media.describing.inspection import describe  # noqa: PLC0415
    from rushes.media.planning.plan import plan_encode, plan_loudness  # noqa: PLC0415
    from rushes.media.readers.guard import check_source, input_args, output_args  # noqa: PLC0415
    from rushes.media.readers.sequence_rate import at_rate, sequence_rate  # noqa: PLC0415
    from rushes.media.running.builds import find_build  # noqa: PLC0415 - the media stack

    check_source(source)
    info, build = describe(source), find_build()
    rate = sequence_rate(info, profile.video.frame_rate)
    info = at_rate(info, rate)
    opened = input_args(source, info.container.format, frame_rate=rate)
    measure = plan_loudness(info, profile, source=source, input_args=opened)
    if measure is not None:
        return [[str(build.path), *measure[0]]]
    plan = plan_encode(info, profile, build, source=source, input_args=opened, target=output_args(target)[-1])
    return [[str(build.path), *one] for one in plan.passes]


def commands_of(work: WorkAsked, source: Asset, own: dict[str, Any] | None, folder: Path) -> list[list[str]]:
    """What the body would run on one clip, up to the first command whose result it needs.

    Raises:
        RushesError: the body refuses the clip or its options.
    """
    function = work.function
    out = Path(work.options.out) if work.options.out and "://" not in work.options.out else folder
    context = _Planning(function.tools, folder, out)
    params = function.params(work.params, **own) if own else work.params
    for one, its in members_of(function, params):
        with suppress(_Planned):
            one.invoke(source, its, context)
    return context.argvs


def print_commands(work: WorkAsked) -> None:
    """Print what each clip's body would run, a comment with the clip's name above it."""
    with temporary_folder("plan") as folder:
        for line in _lines(work, folder):
            click.echo(line.encode("utf-8", "surrogateescape"))


def _lines(work: WorkAsked, folder: Path) -> Iterator[str]:
    for one in work.found:
        yield f"# {printable(str(one.asset))}"
        if one.problem is not None:
            yield f"#   {printable(str(one.problem.get('message')))}"
            continue
        try:
            argvs = commands_of(work, one.asset, one.params, folder)
        except RushesError as error:
            yield f"#   {printable(error.message)}"
            continue
        yield from (shlex.join(argv) for argv in argvs)
        if not argvs:
            yield f"#   {work.function.name} runs no command on it"


def _ffmpeg_path() -> str:
    from rushes.media.running.builds import find_build  # noqa: PLC0415 - the media stack

    return str(find_build().path)
