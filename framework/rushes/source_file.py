"""A file that holds a function: its module, and the digest of all that it is made of.

What runs is what the file and the modules beside it say at that moment, under a private module name that
follows from the absolute path. This module must not know functions.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

__all__ = ["digest_of", "load", "local_files"]

_PRIVATE: Final = "_rushes_file_"
_one_at_a_time: Final = threading.RLock()
"""Held while a file is parsed or loaded: a second thread must not see a module whose body is still running.
The same thread may come again, from a file that names another's function."""


def load(path: Path) -> ModuleType:
    """The module of a file; read again only when it, or a module beside it that it imports, has changed.

    Threads may ask at the same time: each gets a module whose body has run.
    """
    with _one_at_a_time:
        return _loaded(path)


def _loaded(path: Path) -> ModuleType:
    name = _PRIVATE + hashlib.sha256(str(path).encode()).hexdigest()[:16]
    files = local_files(path)
    digest = digest_of(files, path.parent)
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__rushes_digest__", None) == digest:
        return loaded
    _make_importable(str(path.parent))
    _forget_neighbours([f for f in files if f != path], path.parent)
    for folder in {str(f.parent) for f in files}:
        sys.path_importer_cache[folder] = FileFinder(
            folder, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_FromSource, SOURCE_SUFFIXES)
        )
    loader = _FromSource(name, str(path))
    spec = ModuleSpec(name, loader, origin=str(path))
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__rushes_digest__"] = digest
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


class _FromSource(SourceFileLoader):
    """Runs what the file says now.

    Python takes cached bytecode for current when the size and the time of change, in whole seconds, are the
    same: it misses a version raised from 1 to 2 right after a run, and receipts would name what never ran.
    """

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


_folders: Final[set[str]] = set()
"""Those that `_make_importable` put on ``sys.path``."""


def _make_importable(folder: str) -> None:
    """Let modules of `folder` be imported, before those of other folders and after all else.

    After all else, because a file called ``inspect.py`` beside it must not shadow Python's own.
    """
    if folder in sys.path and folder not in _folders:
        return
    _folders.add(folder)
    others = [p for p in sys.path if p in _folders and p != folder]
    sys.path[:] = [p for p in sys.path if p not in _folders] + [folder, *others]


def _forget_neighbours(files: list[Path], folder: Path) -> None:
    """Drop modules that are to be imported from `folder` anew: they changed, or another folder's are loaded.

    Only modules that were themselves loaded from beside some file by path, or that lie in this folder, are
    dropped: what is installed stays.
    """
    beside = {str(Path(m.__file__ or "").parent) for n, m in _modules() if n.startswith(_PRIVATE)}
    beside.add(str(folder))
    for name in {_module_name(f, folder) for f in files}:
        loaded = sys.modules.get(name)
        origin = getattr(loaded, "__file__", None)
        if loaded is None or origin is None:
            continue
        home = Path(origin).parent.parent if Path(origin).name == "__init__.py" else Path(origin).parent
        if str(home) in beside or "." in name:
            del sys.modules[name]
    importlib.invalidate_caches()


def _modules() -> list[tuple[str, ModuleType]]:
    return [(name, m) for name, m in list(sys.modules.items()) if isinstance(m, ModuleType)]


def _module_name(file: Path, folder: Path) -> str:
    parts = list(file.relative_to(folder).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def local_files(path: Path) -> list[Path]:
    """The file and the modules in its folder that it imports, also indirectly and inside functions.

    Read from the source rather than from what happens to be loaded, so that every process agrees.
    """
    folder, seen, waiting = path.parent, {path}, [path]
    while waiting:
        for name in _imported_names(waiting.pop()):
            for found in _resolve(folder, name):
                if found not in seen:
                    seen.add(found)
                    waiting.append(found)
    return sorted(seen)


def _imported_names(file: Path) -> Iterator[str]:
    try:
        with _one_at_a_time:  # CPython 3.11 counts the depth of a tree for all threads together (gh-106905)
            tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # importing it reports that, with its line
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        # A relative import only happens inside a package, whose files are taken as a whole.
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _resolve(folder: Path, name: str) -> list[Path]:
    top = folder / name.partition(".")[0]
    if (top / "__init__.py").is_file():
        return sorted(top.rglob("*.py"))
    module = folder.joinpath(*name.split(".")).with_suffix(".py")
    return [module] if module.is_file() else []


def digest_of(files: list[Path], root: Path) -> str:
    """One SHA-256 over the names of files below `root` and what is in them, in any order."""
    total = hashlib.sha256()
    for file in sorted(files):
        found = file.stat()
        content = _file_digest(file, found.st_mtime_ns, found.st_size)
        total.update(f"{os.path.relpath(file, root)}\0{content}\n".encode(errors="surrogateescape"))
    return total.hexdigest()


@lru_cache(maxsize=1024)
def _file_digest(file: Path, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
