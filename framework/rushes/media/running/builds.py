"""The ffmpeg builds that this process may start, and what is known of each without running an encode.

`RUSHES_FFMPEG` names another build than the bundled one: ``/opt/ffmpeg/bin/ffmpeg`` for everything, or
``/opt/ffmpeg,netint=/opt/netint/ffmpeg`` with one for an encoder family. Which of a build's encoders work on
this host is found by trying them, elsewhere: `-encoders` lists what was compiled in. This module must not
read the environment by itself, nor know what an encode is.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Final

from rushes.errors import CallerError, PlatformError

__all__ = [
    "VARIABLE",
    "Build",
    "build_path",
    "bundled_ffmpeg",
    "find_build",
    "named_families",
    "read_build",
]

VARIABLE: Final = "RUSHES_FFMPEG"

# `-version` answers in 10–50 ms; a build on a network mount that is gone would never do so.
_QUERY_TIMEOUT_S: Final = 30.0
_VERSION: Final = re.compile(r"^ffmpeg version (\S+)", re.MULTILINE)
_CONFIGURATION: Final = re.compile(r"^\s*configuration: (.*)$", re.MULTILINE)
_AVCODEC: Final = re.compile(r"^libavcodec\s+(\d+)\.", re.MULTILINE)
# A row of `-encoders`, `-filters`, `-muxers`: flags, name, description. The legend above it has "=".
_ROW: Final = re.compile(r"^ {1,2}[A-Z.|]{1,6}d? +([^\s=]+)\s", re.MULTILINE)
_NUMBERED: Final = re.compile(r"n?(\d+)\.")
# libavcodec's major version gives away that of FFmpeg when its own is a git hash ("N-12345-gabcdef").
_FFMPEG_OF_AVCODEC: Final = {58: 4, 59: 5, 60: 6, 61: 7, 62: 8, 63: 9}


@dataclass(frozen=True)
class Build:
    """One ffmpeg executable, as it describes itself.

    Args:
        path: the executable, absolute.
        version: as it prints it, e.g. ``5.1.9-0+deb12u1`` or ``n9.0.2-17-g2a571b6068-20260930``.
        major: 5, 9, …; 0 when it cannot be told.
        configuration: its configure line, for the receipt.
    """

    path: Path
    version: str
    major: int
    configuration: str = field(repr=False)

    @cached_property
    def encoders(self) -> frozenset[str]:
        """Names of the encoders that were compiled in; whether they work here is not known by this."""
        return self._listed("-encoders")

    @cached_property
    def decoders(self) -> frozenset[str]:
        """Names of the decoders that were compiled in."""
        return self._listed("-decoders")

    @cached_property
    def filters(self) -> frozenset[str]:
        """Names of the filters."""
        return self._listed("-filters")

    @cached_property
    def muxers(self) -> frozenset[str]:
        """Names of the output formats."""
        return self._listed("-muxers")

    def facts(self) -> dict[str, str]:
        """What a receipt says of the build: no path, for a path is of one machine only."""
        return {"name": self.path.name, "version": self.version, "configuration": self.configuration}

    def _listed(self, option: str) -> frozenset[str]:
        return frozenset(_ROW.findall(_ask(self.path, "-hide_banner", option)))


def find_build(family: str = "software", environ: Mapping[str, str] | None = None) -> Build:
    """The build that encodes for one encoder family: the one named in `RUSHES_FFMPEG`, else the bundled one.

    Args:
        family: ``software``, ``nvenc``, ``netint``, …
        environ: the environment to look in; None for that of this process.

    Raises:
        CallerError: the named build is missing, cannot be executed, or is not ffmpeg.
        PlatformError: it was killed, or did not answer in time.
    """
    path = build_path(family, environ)
    if not path.is_absolute():
        raise CallerError(
            f"{VARIABLE} names {os.fspath(path)!r}, which is not an absolute path.",
            code="bad-ffmpeg",
            fix="Give the whole path of the ffmpeg executable.",
        )
    return read_build(path)


def build_path(family: str = "software", environ: Mapping[str, str] | None = None) -> Path:
    """Where the build of a family should be, by the setting alone: nothing is started, nothing checked.

    Raises:
        PlatformError: no build is named, and the package has none for this platform.
    """
    named = _named(_setting(environ))
    path = named.get(family) or named.get("")
    return bundled_ffmpeg() if path is None else Path(path).expanduser()


def named_families(environ: Mapping[str, str] | None = None) -> frozenset[str]:
    """The families that a build of their own is named for."""
    return frozenset(_named(_setting(environ))) - {""}


def read_build(path: Path) -> Build:
    """What the executable at `path` says of itself; asked once as long as the file does not change.

    Raises:
        CallerError: it is missing, cannot be executed, or is not ffmpeg.
        PlatformError: it was killed, or did not answer in time.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise _unusable(
            path, "is not there" if isinstance(error, FileNotFoundError) else str(error)
        ) from error
    if not os.access(path, os.X_OK) or not path.is_file():
        raise _unusable(path, "is not an executable file")
    return _read(path, status.st_mtime_ns, status.st_size)


@cache
def bundled_ffmpeg() -> Path:
    """The ffmpeg that comes with the package.

    Raises:
        PlatformError: the package has none for this platform.
    """
    import imageio_ffmpeg  # noqa: PLC0415 - not needed where RUSHES_FFMPEG names a build

    try:
        # Without its own binary it answers "ffmpeg", the one on PATH.
        found = imageio_ffmpeg.get_ffmpeg_exe()
        return Path(shutil.which(found) or found).absolute()
    except RuntimeError as error:
        raise PlatformError(
            "No ffmpeg is bundled for this platform.",
            code="no-ffmpeg",
            fix=f"Install ffmpeg and set {VARIABLE} to its path.",
        ) from error


@cache
def _read(path: Path, _mtime_ns: int, _size: int) -> Build:
    text = _ask(path, "-version")
    version = _VERSION.search(text)
    if version is None:
        raise _unusable(path, "is not ffmpeg: `-version` does not say so")
    configuration = _CONFIGURATION.search(text)
    return Build(
        path, version[1], _major(version[1], text), configuration[1].strip() if configuration else ""
    )


def _major(version: str, text: str) -> int:
    numbered = _NUMBERED.match(version)
    if numbered:
        return int(numbered[1])
    avcodec = _AVCODEC.search(text)
    return _FFMPEG_OF_AVCODEC.get(int(avcodec[1]), 0) if avcodec else 0


def _setting(environ: Mapping[str, str] | None) -> str:
    return (os.environ if environ is None else environ).get(VARIABLE, "")


def _named(setting: str) -> dict[str, str]:
    """Paths by family; the one for all is under ""."""
    found: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in setting.split(","))):
        family, equals, path = item.partition("=")
        # A path may hold "=" itself; a family's name never holds a slash.
        if equals and "/" not in family:
            found[family.strip()] = path.strip()
        else:
            found[""] = item
    return found


def _ask(path: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [str(path), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_QUERY_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _ended(path, f"did not answer within {_QUERY_TIMEOUT_S:.0f} s") from error
    except OSError as error:
        raise _unusable(path, f"does not run: {error}") from error
    if done.returncode == -signal.SIGKILL:
        raise _ended(path, "was killed")
    if done.returncode != 0:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
        raise _unusable(path, f"answered {done.returncode} to {arguments[-1]} ({last})")
    return done.stdout.decode("utf-8", "replace")


def _ended(path: Path, how: str) -> PlatformError:
    """Nothing is said against the build: the machine was short of memory, or of time."""
    return PlatformError(
        f"The ffmpeg build {path} {how} when asked what it is.",
        code="no-ffmpeg",
        fix="It is asked again; see whether this machine is short of memory.",
        details={"path": str(path)},
    )


def _unusable(path: Path, why: str) -> CallerError:
    return CallerError(
        f"The ffmpeg build {path} {why}.",
        code="bad-ffmpeg",
        fix=f"Set {VARIABLE} to an ffmpeg that runs here, or unset it for the bundled one.",
        details={"path": str(path)},
    )
