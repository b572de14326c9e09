"""Finds functions by what a person types: an entry point, ``package.module:name`` or ``./file.py:name``.

Only the function that was named is imported, so a thousand installed ones cost nothing. A file is loaded
under a private module name that follows from its absolute path, so that a slot finds the very same thing by
``find(function.ref)``. This module must not know what is done with a function.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from rushes.errors import CallerError

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["Listed", "find", "installed", "source_digest"]

GROUP: Final = "rushes.functions"
_PRIVATE: Final = "_rushes_file_"


class Listed(NamedTuple):
    """An installed function that has not been imported."""

    name: str
    ref: str
    """``package.module:name``."""
    distribution: str
    """The distribution that brings it, e.g. ``rushes``."""


def installed() -> Iterator[Listed]:
    """The functions that installed distributions declare, by name; none is imported."""
    yield from sorted(
        {Listed(e.name, e.value, e.dist.name if e.dist else "") for e in entry_points(group=GROUP)}
    )


def find(name: str) -> Function[Any, Any]:
    """The function that `name` means: an entry point, ``package.module:name``, or ``file.py[:name]``.

    Raises:
        CallerError: it does not exist, cannot be imported, or is no function; says which and what to do.
    """
    if not name.strip():
        raise CallerError("an empty name is no function.", code="unknown-function", fix=_LIST)
    path, attribute = _split_path(name)
    if path is not None:
        return _find_in_file(path, attribute)
    if ":" in name:
        module, _, attribute = name.partition(":")
        return _find_in_module(module, attribute)
    return _find_installed(name)


def source_digest(function: Function[Any, Any]) -> str:
    """Digest of the source of a function whose source may change under one version; "" where it may not.

    Empty for a function installed in site-packages. For one loaded by path: the sha256 of its file and of
    the modules beside it that it imports. Otherwise (an editable package): of all the ``.py`` files of its
    top-level package.
    """
    if function.path is not None:
        return _digest(_local_files(Path(function.path)), Path(function.path).parent)
    module = sys.modules.get(function.ref.partition(":")[0])
    top = sys.modules.get((module.__name__ if module else "").partition(".")[0])
    if module is None or top is None or not getattr(module, "__file__", None):
        return ""
    if _is_installed(Path(str(module.__file__))):
        return ""
    roots = [Path(p) for p in getattr(top, "__path__", ())]
    if not roots:
        return _digest([Path(str(module.__file__))], Path(str(module.__file__)).parent)
    files = [f for root in roots for f in root.rglob("*.py")]
    return _digest(files, roots[0].parent)


# -- by entry point -------------------------------------------------------------------------------------

_LIST: Final = "`rushes functions` lists what is installed; a file of yours is named ./FILE.py:NAME."


def _find_installed(name: str) -> Function[Any, Any]:
    listed = list(installed())
    found = [one for one in listed if one.name == name]
    if not found:
        close = difflib.get_close_matches(name, [one.name for one in listed], n=3, cutoff=0.5)
        fix = f"Did you mean {' or '.join(close)}? " if close else ""
        if Path(f"{name}.py").is_file():
            fix = f"There is a file of that name: write ./{name}.py. "
        raise CallerError(f"no function is called {name!r}.", code="unknown-function", fix=fix + _LIST)
    if len({one.ref for one in found}) > 1:
        both = " and ".join(f"{one.distribution} ({one.ref})" for one in found)
        raise CallerError(
            f"{name!r} comes from {both}.",
            code="ambiguous-function",
            fix=f"Name the one you mean: {found[0].ref}.",
        )
    module, _, attribute = found[0].ref.partition(":")
    return _find_in_module(module, attribute)


# -- in a module ----------------------------------------------------------------------------------------


def _find_in_module(name: str, attribute: str) -> Function[Any, Any]:
    asked = f"{name}:{attribute}"
    if not all(part.isidentifier() for part in name.split(".")) or not attribute:
        raise CallerError(
            f"{asked!r} names no function.", code="unknown-function", fix="Write package.module:name."
        )
    if name in sys.modules:
        return _pick(sys.modules[name], attribute, asked)
    folder = str(Path.cwd())
    # As `python -m` does, so that a project's own package is found from its folder. Last, so that nothing
    # in that folder shadows what is installed.
    if folder not in sys.path and "" not in sys.path:
        sys.path.append(folder)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise CallerError(
                f"there is no module {error.name!r}, asked for as {asked!r}.",
                code="unknown-function",
                fix="Install its package here, or name the file: ./FILE.py:NAME.",
            ) from error
        _refuse_import(asked, error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an author's module may raise anything
        _refuse_import(asked, error)
    return _pick(module, attribute, asked)


# -- in a file ------------------------------------------------------------------------------------------


def _split_path(name: str) -> tuple[Path | None, str]:
    """The file and the attribute of a path-like name; (None, "") when it is none."""
    if name.endswith(".py"):
        return Path(name), ""
    before, colon, after = name.rpartition(":")
    if colon and before.endswith(".py"):
        return Path(before), after
    if "/" in name:
        raise CallerError(
            f"{name!r} is no Python file.", code="unknown-function", fix="Write ./FILE.py or ./FILE.py:NAME."
        )
    return None, ""


def _find_in_file(path: Path, attribute: str) -> Function[Any, Any]:
    # Not resolve(): a link to a function is another function, beside other modules.
    path = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100
    if not path.is_file():
        near = difflib.get_close_matches(path.name, _python_files(path.parent), n=1)
        raise CallerError(
            f"{path} does not exist." if not path.exists() else f"{path} is no file.",
            code="unknown-function",
            fix=f"Did you mean {path.parent / near[0]}?" if near else "Check the path.",
        )
    module = _load_file(path)
    if not attribute:
        attribute = _only_function(module, path)
    found = _pick(module, attribute, f"{path}:{attribute}")
    found.path = str(path)
    found.ref = f"{path}:{attribute}"
    return found


def _load_file(path: Path) -> ModuleType:
    """The module of a file; read again only when it, or a module beside it that it imports, has changed."""
    name = _PRIVATE + hashlib.sha256(str(path).encode()).hexdigest()[:16]
    files = _local_files(path)
    digest = _digest(files, path.parent)
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__rushes_digest__", None) == digest:
        return loaded
    _make_importable(str(path.parent))
    _forget_neighbours([f for f in files if f != path], path.parent)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CallerError(f"{path} cannot be read as Python.", code="bad-import", fix="Check the file.")
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__rushes_digest__"] = digest
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an author's module may raise anything
        del sys.modules[name]
        _refuse_import(str(path), error)
    return module


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


def _only_function(module: ModuleType, path: Path) -> str:
    from rushes.function import Function  # noqa: PLC0415 - pydantic is paid for once a function is named

    names = [
        name
        for name, value in vars(module).items()
        if isinstance(value, Function) and value.__module__ == module.__name__
    ]
    if len(names) == 1:
        return names[0]
    if not names:
        raise CallerError(
            f"{path} holds no function.",
            code="not-a-function",
            fix='Decorate one with @function(version="1") from rushes.',
        )
    raise CallerError(
        f"{path} holds {len(names)} functions: {', '.join(names)}.",
        code="ambiguous-function",
        fix=f"Name one: {path}:{names[0]}.",
    )


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


# -- its source -----------------------------------------------------------------------------------------


def _local_files(path: Path) -> list[Path]:
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


def _digest(files: list[Path], root: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(files):
        found = file.stat()
        content = _file_digest(file, found.st_mtime_ns, found.st_size)
        total.update(f"{os.path.relpath(file, root)}\0{content}\n".encode(errors="surrogateescape"))
    return total.hexdigest()


@lru_cache(maxsize=1024)
def _file_digest(file: Path, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@cache
def _is_installed(file: Path) -> bool:
    homes = {sysconfig.get_path(kind) for kind in ("purelib", "platlib", "stdlib")}
    return bool({"site-packages", "dist-packages"} & set(file.parts)) or any(
        file.is_relative_to(home) for home in homes if home
    )


# -- what is refused ------------------------------------------------------------------------------------


def _pick(module: ModuleType, attribute: str, asked: str) -> Function[Any, Any]:
    from rushes.function import Function  # noqa: PLC0415 - pydantic is paid for once a function is named

    names = [n for n, value in vars(module).items() if isinstance(value, Function)]
    if attribute not in vars(module):
        near = difflib.get_close_matches(attribute, names, n=1) or names[:3]
        raise CallerError(
            f"{asked.rpartition(':')[0]} has no function {attribute!r}.",
            code="unknown-function",
            fix=f"It has {', '.join(near)}." if near else "It has none.",
        )
    found = vars(module)[attribute]
    if not isinstance(found, Function):
        raise CallerError(
            f"{asked} is a {type(found).__name__}, not a function of Rushes.",
            code="not-a-function",
            fix='Decorate it with @function(version="1") from rushes.',
        )
    return found


def _refuse_import(asked: str, error: BaseException) -> NoReturn:
    """Raise a `CallerError` that names the author's own line, not Python's or ours."""
    if isinstance(error, SyntaxError) and error.filename:
        where, what = f"{error.filename}:{error.lineno}", f"SyntaxError: {error.msg}"
    else:
        ours = str(Path(__file__).parent) + os.sep
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if not frame.filename.startswith(("<frozen", ours))
        ]
        frames = [f for f in frames if not _is_installed(Path(f.filename))] or frames
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else asked
        what = str(error) if isinstance(error, CallerError) else f"{type(error).__name__}: {error}"
    fix = "Mend that line, then try again."
    if isinstance(error, ModuleNotFoundError):
        fix = f"Install the package that brings {error.name!r} into this environment."
    raise CallerError(f"{asked} cannot be imported. {where}: {what}", code="bad-import", fix=fix) from error


def _python_files(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(folder) if entry.name.endswith(".py")]
    except OSError:
        return []
