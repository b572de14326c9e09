"""What one command may reach: the files that its own words name, the folders that it writes to, its program.

Everything keeps its own path: a command reads the same in the box, in a receipt and in a terminal, and what
a tool says names the file that its owner knows. Names inside filter graphs count for nothing here, for those
are where text from elsewhere would get in. This module must not know how anything is kept from the rest.
"""

# ruff: noqa: PTH100, PTH109, PTH110, PTH112, PTH113, PTH117, PTH118, PTH119, PTH120, PTH123
# Words of a command stay text: `Path` would tidy `a/../b` and lose what was meant

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Reach", "reach_of"]

# Where a program's own files are: beside its `bin`, never that folder's parent, which may be a home.
_BESIDE: Final = ("lib", "lib64", "libexec", "pyvenv.cfg")
_SHEBANG_BYTES: Final = 256
# Options of ffmpeg whose value is a file to read; the value of any other one that is a path is written to.
_READ_BY: Final = {"-i", "-attach"}
_READ_BY_START: Final = ("-filter_script", "-filter_complex_script", "-/")
# By the names of encoders, decoders, filters and options; quoted in docs/explanation/media-safety.md.
_DEVICES: Final = (
    (re.compile(r"nvenc|nvdec|cuda|cuvid|_npp"), ("/dev/nvidia*", "/dev/nvidia-caps/*")),
    (re.compile(r"_ni_(quadra|logan)|^ni_|=ni_"), ("/dev/nvme*",)),
    (re.compile(r"_ama\b|^ama\b|=ama"), ("/dev/ama_transcoder*", "/dev/dri/*")),
    (re.compile(r"qsv|vaapi|drm|vulkan|opencl"), ("/dev/dri/*",)),
)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a command may reach; all paths absolute.

    Args:
        program: the executable, as it was found.
        reads: files and folders that it may read.
        writes: folders that it may write in.
        devices: device nodes.
        cwd: the folder that it runs in.
    """

    program: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    devices: tuple[str, ...]
    cwd: str


def reach_of(
    argv: Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None = None,
    reads: Iterable[str | os.PathLike[str]] = (),
    environ: Mapping[str, str],
) -> Reach:
    """What `argv` may reach.

    Args:
        argv: the command.
        cwd: its folder, which it may write in; None for ours, which it may not.
        reads: what it reads without naming it.
        environ: its variables: `PATH` finds its program, `LD_LIBRARY_PATH` its libraries.

    Raises:
        FileNotFoundError: there is no such program.
        PermissionError: it cannot be executed.
    """
    folder = os.path.abspath(cwd if cwd is not None else os.getcwd())
    program = _program(argv[0], folder, environ)
    read = {os.path.abspath(path) for path in reads}
    written = {folder} if cwd is not None else set()
    if os.path.basename(argv[0]).startswith("ffmpeg"):
        for word, is_read in _files_of_ffmpeg(argv[1:], folder):
            if is_read:
                read.add(word)
            else:
                written.add(os.path.dirname(word))
    else:
        read.update(_named(argv[1:]))
    libraries = filter(os.path.isabs, environ.get("LD_LIBRARY_PATH", "").split(":"))
    own = {*_program_files(program, environ), *libraries}
    return Reach(
        program=program,
        reads=(*sorted(own), *sorted({there for path in read for there in _existing(path)})),
        writes=tuple(sorted(filter(os.path.isdir, written))),
        devices=tuple(_nodes(argv[1:])),
        cwd=folder,
    )


def _files_of_ffmpeg(args: Sequence[str], folder: str) -> Iterator[tuple[str, bool]]:
    before = ""
    for number, word in enumerate(args):
        path = word.removeprefix("file:")
        is_last = number == len(args) - 1 and not word.startswith("-")
        is_read = before in _READ_BY or before.startswith(_READ_BY_START)
        is_device = path.startswith("/dev/") and not word.startswith("file:")
        if (is_read or os.path.isabs(path) or is_last) and not is_device:
            yield os.path.join(folder, path), is_read
        before = word


def _named(args: Sequence[str]) -> Iterator[str]:
    """Paths among the words of any tool: ``/a``, ``file:/a``, ``--option=/a``."""
    for word in args:
        value = word.partition("=")[2] if word.startswith("-") else word
        path = os.path.normpath(value.removeprefix("file:"))
        if os.path.isabs(path) and not path.startswith("/dev/") and path != "/":
            yield path


def _existing(path: str) -> Iterator[str]:
    """`path` where it is there; of a sequence's pattern its folder, and those that its links lead to."""
    if os.path.exists(path):
        yield path
        return
    folder, name = os.path.split(path)
    head, mark, _ = name.partition("%") if "%" in name else name.partition("[")
    if not mark or not os.path.isdir(folder):
        return
    yield folder
    with os.scandir(folder) as entries:
        links = [entry.path for entry in entries if entry.is_symlink() and entry.name.startswith(head)]
    yield from {os.path.dirname(os.path.realpath(link)) for link in links}


def _program(name: str, folder: str, environ: Mapping[str, str]) -> str:
    if "/" in name:
        path = os.path.join(folder, name)
    else:
        path = shutil.which(name, path=environ.get("PATH", os.defpath)) or ""
    if not os.path.exists(path):
        raise FileNotFoundError(2, os.strerror(2), name)
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        raise PermissionError(13, os.strerror(13), name)
    return path


def _program_files(program: str, environ: Mapping[str, str], *, depth: int = 0) -> Iterator[str]:
    """A program, what it is a link to, its script's interpreter, and the libraries beside them."""
    home = environ.get("HOME", "/")
    for path in {program, os.path.realpath(program)}:
        yield path
        folder = Path(path).parent
        if Path(home).is_relative_to(folder):
            continue  # a program in somebody's home: the program, not the home
        yield str(folder)
        if folder.name == "bin":
            yield from (str(place) for name in _BESIDE if (place := folder.parent / name).exists())
    if depth < 2:
        interpreter = _interpreter(program, environ)
        if interpreter:
            yield from _program_files(interpreter, environ, depth=depth + 1)


def _interpreter(program: str, environ: Mapping[str, str]) -> str | None:
    try:
        with open(program, "rb") as file:
            line = file.read(_SHEBANG_BYTES).partition(b"\n")[0]
    except PermissionError:  # a program may be executable and not readable
        return None
    if not line.startswith(b"#!"):
        return None
    words = os.fsdecode(line[2:]).split()
    if len(words) > 1 and words[0].endswith("/env"):
        return shutil.which(words[-1], path=environ.get("PATH", os.defpath))
    return words[0] if words and os.path.isfile(words[0]) else None


def _nodes(args: Sequence[str]) -> Iterator[str]:
    words = [word for word in args if not word.startswith(("/", "file:")) or word.startswith("/dev/")]
    seen: set[str] = set()
    for pattern, nodes in _DEVICES:
        if any(pattern.search(word) for word in words):
            seen.update(nodes)
    root = Path("/")
    yield from sorted({str(node) for glob in seen for node in root.glob(glob[1:]) if not node.is_dir()})
