"""The box that every tool runs in: the best one that this host has, found by trying it.

Levels, best first: bubblewrap with Landlock inside, bubblewrap, Landlock, and plain process limits, which
keep no file and no network from a tool. `RUSHES_BOX` asks for one; what was asked for and cannot be had is an
error, never something less. This module must not know what the tools do, nor start any but its own trial.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, Literal

from rushes.errors import CallerError, PlatformError
from rushes.media.running import landlock
from rushes.media.running.bubblewrap import PERL, SYSTEM, bubblewrap, launcher
from rushes.media.running.forks import hold_over_forks
from rushes.media.running.namespace import Namespace
from rushes.media.running.reach import Reach, reach_of
from rushes.temporary import temporary_folder

__all__ = ["LEVELS", "VARIABLE", "Box", "Boxed", "Level", "find_box", "weakest"]

Level = Literal["bubblewrap+landlock", "bubblewrap", "landlock", "rlimits"]

VARIABLE: Final = "RUSHES_BOX"
LEVELS: Final[tuple[Level, ...]] = ("bubblewrap+landlock", "bubblewrap", "landlock", "rlimits")
_ASKED: Final[Mapping[str, tuple[Level, ...]]] = {
    "auto": LEVELS,
    "bubblewrap": LEVELS[:2],
    "landlock": ("landlock",),
    "rlimits": ("rlimits",),
}
_TRIAL_S: Final = 20.0
# Reads its own file, not its neighbour's, and writes to its folder. Opening counts: access(2) is not asked.
_TRIAL: Final = 'read x <"$1" && ! { read x <"$2"; } 2>/dev/null && echo >"$3"'
# Kept in a box, where a tool has neither our home nor our session. Of a tool that is not ffmpeg all of its
# environment is kept: what it needs is its author's to say.
_FFMPEG_NEEDS: Final = ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH", "AV_LOG_FORCE_NOCOLOR", "OCIO")
_FFMPEG_NEEDS_START: Final = ("LC_", "CUDA_", "NVIDIA_", "LIBVA_", "FONTCONFIG_", "FFMPEG", "OPENBLAS_")
_DEVICE_NODES: Final = ("/dev/null", "/dev/zero", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class Boxed:
    """A command as it is started.

    Args:
        argv: the whole command.
        environ: its variables.
        keep_open: descriptors that it inherits.
        restrict: what the child calls before it becomes the command, or None.
        told: bubblewrap's two processes stand above the tool; the second one's number is told here.
        needed: descriptors to be closed once the command has started.
    """

    argv: tuple[str, ...]
    environ: Mapping[str, str]
    keep_open: tuple[int, ...] = ()
    restrict: Callable[[], None] | None = None
    told: int | None = None
    needed: tuple[int, ...] = ()

    def started(self) -> None:
        """Closes what was needed to start it, but `told`, which belongs to whoever follows it."""
        for descriptor in self.needed:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Box:
    """One level of the box on this host.

    Args:
        level: how much it holds.
        why: what kept this host from a better one, for people; empty where nothing did.
        bubblewrap: the program, at the levels that have it.
        sized: whether that can limit the size of a private ``/tmp``.
    """

    level: Level
    why: str = ""
    bubblewrap: str = ""
    sized: bool = False

    def around(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: str | os.PathLike[str] | None = None,
        reads: Iterable[str | os.PathLike[str]] = (),
    ) -> Boxed:
        """The command that runs `argv` in this box. Descriptors of it are open: see `Boxed`.

        Args:
            argv: a tool's command.
            environ: its variables.
            cwd: the folder that it runs in and may write to.
            reads: files and folders that it reads without naming them.

        Raises:
            OSError: there is no such program, or the kernel takes no rules.
        """
        if self.level == "rlimits":
            return Boxed(tuple(argv), environ)
        reach = reach_of(argv, cwd=cwd, reads=reads, environ=environ)
        inside = _environment(environ, argv[0], reach, has_tmp=self.level != "landlock", cwd=cwd)
        command = [reach.program, *argv[1:]]
        if self.level == "landlock":
            rules = _rules(reach, ("/proc",))
            command[0] = argv[0]
            return Boxed(tuple(command), inside, restrict=landlock.restriction(rules), needed=(rules,))
        held: list[str] = []
        needed: list[int] = []
        if self.level == "bubblewrap+landlock":
            needed = [_rules(reach, ())]
            held = launcher(needed[0], look=landlock.looking(), change=landlock.everything())
        told, tells = os.pipe()
        needed.append(tells)
        outside = bubblewrap(self.bubblewrap, reach, sized=self.sized, tells=tells)
        return Boxed(
            (*outside, *held, *command), inside, keep_open=tuple(needed), told=told, needed=tuple(needed)
        )


def find_box(environ: Mapping[str, str] | None = None) -> Box:
    """The box of this process: the best that works here, or the one that `RUSHES_BOX` asks for.

    Tried once a process and setting: bubblewrap and Landlock are often there and not allowed.

    Raises:
        CallerError: the setting is none of auto, bubblewrap, landlock, rlimits.
        PlatformError: the level that was asked for does not work here.
    """
    asked = (os.environ if environ is None else environ).get(VARIABLE) or "auto"
    if asked not in _ASKED:
        raise CallerError(
            f"{VARIABLE} is {asked!r}, which is no level of the box.",
            code="bad-value",
            fix=f"Set it to one of {', '.join(_ASKED)}, or unset it.",
        )
    found, reasons = _try(asked)
    if found is None:
        raise PlatformError(
            f"{VARIABLE} asks for {asked}, which does not work on this host: {reasons}.",
            code="no-box",
            fix="`rushes doctor` shows what works here. Set it to auto, or install and allow what it names.",
        )
    return found


def weakest(levels: Iterable[str]) -> str:
    """The level that a result can claim whose tools ran at these; "none" where there were none."""
    found = set(levels)
    return next((level for level in reversed(LEVELS) if level in found), "none")


@cache
def _try(asked: str) -> tuple[Box | None, str]:
    reasons: list[str] = []
    for level in _ASKED[asked]:
        if level == "rlimits":
            return Box(level, why="; ".join(reasons)), ""
        problem, box = _missing(level)
        problem = problem or _trial(box)
        if not problem:
            return replace(box, why="; ".join(reasons)), ""
        if problem not in reasons:
            reasons.append(problem)
    return None, "; ".join(reasons)


def _missing(level: Level) -> tuple[str, Box]:
    """What is not installed that a level needs, and the box that there would be."""
    box = Box(level)
    if not sys.platform.startswith("linux"):
        return "bubblewrap and Landlock are of Linux", box
    if level.startswith("bubblewrap"):
        program = shutil.which("bwrap")
        if program is None:
            return "bubblewrap is not installed", box
        box = replace(box, bubblewrap=program, sized="--size" in _help(program))
    if level.endswith("landlock") and landlock.abi() == 0:
        return "the kernel has no Landlock", box
    if level == "bubblewrap+landlock" and not os.access(PERL, os.X_OK):
        return f"Landlock inside bubblewrap needs {PERL}", box
    return "", box


def _trial(box: Box) -> str:
    """What goes wrong when a shell runs in the box, or ""."""
    with temporary_folder("box") as folder:
        for part in ("in", "beside", "out"):
            (folder / part).mkdir()
        given, canary, made = folder / "in" / "given", folder / "beside" / "canary", folder / "out" / "made"
        given.write_text("x\n", encoding="ascii")
        canary.write_text("x\n", encoding="ascii")
        argv = ["/bin/sh", "-c", _TRIAL, "sh", str(given), str(canary), str(made)]
        try:
            # The canary is named and must stay out of reach all the same: only `reads` says what is readable.
            boxed = box.around(argv[:4], environ={}, cwd=made.parent, reads=[given])
        except OSError as error:
            return f"{box.level} does not work ({error})"
        namespace = None if boxed.told is None else Namespace(boxed.told)
        hold_over_forks()
        try:
            done = subprocess.run(
                [*boxed.argv, *argv[4:]],
                env=dict(boxed.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TRIAL_S,
                check=False,
                pass_fds=boxed.keep_open,
                preexec_fn=boxed.restrict,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"{box.level} does not work ({error})"
        finally:
            boxed.started()
            if namespace is not None:
                namespace.end()  # a slot takes orphans in: the shell's would stay with it as long as it lives
                namespace.close()
        if made.exists():
            return ""
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return f"{box.level} does not work ({said[-1][:200] if said else 'it does not hold a shell'})"


def _rules(reach: Reach, more: Iterable[str]) -> int:
    return landlock.ruleset({*SYSTEM, *reach.reads, *more}, reach.writes, (*_DEVICE_NODES, *reach.devices))


def _environment(
    environ: Mapping[str, str], tool: str, reach: Reach, *, has_tmp: bool, cwd: object
) -> dict[str, str]:
    kept = dict(environ)
    if Path(tool).name.startswith("ffmpeg"):
        kept = {
            name: value
            for name, value in environ.items()
            if name in _FFMPEG_NEEDS or name.startswith(_FFMPEG_NEEDS_START)
        }
    # Its own folder is on a disk; a private /tmp is in memory.
    place = reach.cwd if cwd is not None else "/tmp" if has_tmp else None  # noqa: S108
    for name in ("HOME", "TMPDIR"):
        with suppress(KeyError):
            del kept[name]
        if place is not None:
            kept[name] = place
    return kept


@cache
def _help(program: str) -> str:
    try:
        done = subprocess.run(
            [program, "--help"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRIAL_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout + done.stderr).decode("utf-8", "replace")
