"""The command that runs another one in a bubblewrap box: nothing but its own files, no network, no terminal.

Pure but for asking which system folders there are. https://github.com/containers/bubblewrap describes the
options. This module must not know why anything may be reached, nor whether bubblewrap works here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from rushes.media.running.reach import Reach

__all__ = ["PERL", "SYSTEM", "bubblewrap", "launcher"]

# Programs, libraries and fonts: what every user of the machine may read anyway.
SYSTEM: Final = (
    "/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/nix/store", "/gnu/store",
    "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts",
    "/etc/localtime", "/var/cache/fontconfig",
)  # fmt: skip
_ALWAYS: Final = ("/dev/null", "/dev/zero", "/dev/urandom")
# Vendors' libraries look for their cards here.
_WITH_DEVICES: Final = ("/sys", "/etc/OpenCL", "/etc/vulkan")
# A tool with a scratch folder has TMPDIR there; what else goes to /tmp is held in memory.
_TMP_BYTES: Final = 256 * 1024 * 1024

PERL: Final = "/usr/bin/perl"
# Landlock has to be asked for by the process itself, after bubblewrap has mounted (a process that is held may
# not mount) and before the tool: perl starts in 2 ms and speaks system calls; Python takes 9 ms for the same.
# Arguments: the ruleset's descriptor, RIGHTS:PATH for places that are made by bubblewrap, --, the command.
_LAUNCHER: Final = """\
my $rules = shift;
open(my $kept, '<&=', $rules) or die "box: ruleset: $!\\n";
fcntl($kept, 2, 1) or die "box: ruleset: $!\\n";
while ((my $rule = shift) ne '--') {
  my ($rights, $path) = split /:/, $rule, 2;
  sysopen(my $place, $path, 010000000) or die "box: $path: $!\\n";
  syscall(445, $rules + 0, 1, pack('Ql', $rights, fileno $place), 0) and die "box: $path: $!\\n";
}
syscall(446, $rules + 0, 0) and die "box: landlock: $!\\n";
exec {$ARGV[0]} @ARGV;
die "box: $ARGV[0]: $!\\n";
"""


def bubblewrap(program: str, reach: Reach, *, sized: bool, tells: int | None = None) -> list[str]:
    """The words before a command's own that put it in a box.

    Args:
        program: bubblewrap.
        reach: what there is in the box.
        sized: this bubblewrap can limit the size of the box's ``/tmp``.
        tells: an inherited descriptor that it writes its own child's number to, as JSON.
    """
    # fmt: off
    words = [program, "--unshare-all", "--die-with-parent", "--new-session", *_system(),
             "--proc", "/proc", "--tmpfs", "/dev"]
    # fmt: on
    if tells is not None:
        words += ["--info-fd", str(tells)]
    for node in (*_ALWAYS, *reach.devices):
        words += ["--dev-bind", node, node]
    if reach.devices:
        for place in _WITH_DEVICES:
            words += ["--ro-bind-try", place, place]
    if sized:
        words += ["--size", str(_TMP_BYTES)]
    words += ["--tmpfs", "/tmp"]  # noqa: S108 - a private one
    for option, place in _mounts(reach):
        words += [option, place, place]
    if not _covered(reach.cwd, reach.writes):
        words += ["--dir", reach.cwd]
    return [*words, "--chdir", reach.cwd, "--"]


def launcher(rules: int, *, look: int, change: int) -> list[str]:
    """The words between bubblewrap's and a command's that hold it to a Landlock ruleset.

    Args:
        rules: an inherited descriptor.
        look: rights over ``/proc``, which bubblewrap makes.
        change: rights over the private ``/tmp``.
    """
    return [PERL, "-e", _LAUNCHER, str(rules), f"{look}:/proc", f"{change}:/tmp", "--"]


def _mounts(reach: Reach) -> Iterator[tuple[str, str]]:
    """What is to be mounted, a folder before what lies in it.

    Not what is readable already, for each mount takes its time. An input in a writable folder is mounted over
    it, and stays as it is.
    """
    writable = dict.fromkeys(_folders(), False) | {"/tmp": True}  # noqa: S108 - as above
    for place in sorted({*reach.reads, *reach.writes}):
        is_written = place in reach.writes
        around = max((one for one in writable if _covered(place, (one,))), key=len, default=None)
        if is_written or around is None or writable[around]:
            writable[place] = is_written
            yield "--bind" if is_written else "--ro-bind", place


def _covered(place: str, folders: Sequence[str]) -> bool:
    return any(place == folder or place.startswith(folder.rstrip("/") + "/") for folder in folders)


@cache
def _folders() -> tuple[str, ...]:
    return tuple(place for place in SYSTEM if Path(place).is_dir())


@cache
def _system() -> tuple[str, ...]:
    words: list[str] = []
    for place in SYSTEM:
        path = Path(place)
        if path.is_symlink() and path.is_dir():  # /lib is usr/lib on a merged system
            words += ["--symlink", os.readlink(path), place]  # noqa: PTH115
        elif path.exists():
            words += ["--ro-bind", place, place]
    return tuple(words)
