"""Finds functions by what a person types: an entry point, ``package.module:name`` or ``./file.py:name``.

Only the function that was named is imported, so a thousand installed ones cost nothing. A file is loaded
under a private module name that follows from its absolute path, so that a slot finds the very same thing by
``find(function.ref)``. This module must not know what is done with a function.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from rushes.errors import CallerError
from rushes.source_file import digest_of, load, local_files

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["Listed", "find", "installed", "source_digest"]

GROUP: Final = "rushes.functions"


class Listed(NamedTuple):
    """An installed function that has not been imported."""

    name: str
    ref: str
    """``package.module:name``."""
    distribution: str
    """The distribution that brings it, e.g. ``rushes``."""


def installed() -> Iterator[Listed]:
    """The functions that installed distributions declare, by name; none is imported."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - not for who names a module or a file

    yield from sorted(
        {Listed(e.name, e.value, e.dist.name if e.dist else "") for e in entry_points(group=GROUP)}
    )


def find(name: str) -> Function[Any, Any]:
    """The function that `name` means: an entry point, ``package.module:name``, or ``file.py[:name]``.

    Several of these joined by ``+`` are one function that runs all of them in one pass: `rushes.together`.

    Raises:
        CallerError: it does not exist, cannot be imported, or is no function; says which and what to do.
    """
    if not name.strip():
        raise CallerError("an empty name is no function.", code="unknown-function", fix=_LIST)
    if "+" in name and not _is_file(name):
        from rushes.joint import together  # noqa: PLC0415 - as in `_pick`

        return together(*(find(one) for one in name.split("+")))
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
    members = getattr(function, "members", ())
    if members:
        digests = [source_digest(member) for member in members]
        return hashlib.sha256("+".join(digests).encode()).hexdigest() if any(digests) else ""
    if function.path is not None:
        return digest_of(local_files(Path(function.path)), Path(function.path).parent)
    module = sys.modules.get(function.ref.partition(":")[0])
    top = sys.modules.get((module.__name__ if module else "").partition(".")[0])
    if module is None or top is None or not getattr(module, "__file__", None):
        return ""
    if _is_installed(Path(str(module.__file__))):
        return ""
    roots = [Path(p) for p in getattr(top, "__path__", ())]
    if not roots:
        return digest_of([Path(str(module.__file__))], Path(str(module.__file__)).parent)
    files = [f for root in roots for f in root.rglob("*.py")]
    return digest_of(files, roots[0].parent)


def body_digest(function: Function[Any, Any]) -> str:
    """Digest of the module of a function and of those beside it that it imports, wherever they are installed.

    Unlike `source_digest` it changes for nothing else of its package: it says whether a function is the one
    that was deployed under its version.
    """
    file = getattr(sys.modules.get(function.ref.partition(":")[0]), "__file__", None)
    if file is None:
        return ""
    return digest_of(local_files(Path(file)), Path(file).parent)


def _is_file(name: str) -> bool:
    """Whether a name with a ``+`` is a file's, which may hold one."""
    path, _, attribute = (name, "", "") if name.endswith(".py") else name.rpartition(":")
    return path.endswith(".py") and "+" not in attribute and Path(path).expanduser().is_file()


# -- by entry point -------------------------------------------------------------------------------------

_LIST: Final = "`rushes functions` lists what is installed; a file of yours is named ./FILE.py:NAME."


def _find_installed(name: str) -> Function[Any, Any]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - not for who names a module or a file

    # Who brings it is in another file of each distribution, which takes longer to parse than all of these.
    found = sorted({one.value for one in entry_points(group=GROUP, name=name)})
    if not found:
        raise _unknown(name)
    if len(found) > 1:
        both = " and ".join(f"{one.distribution} ({one.ref})" for one in installed() if one.name == name)
        raise CallerError(
            f"{name!r} comes from {both}.",
            code="ambiguous-function",
            fix=f"Name the one you mean: {found[0]}.",
        )
    module, _, attribute = found[0].partition(":")
    return _find_in_module(module, attribute)


def _unknown(name: str) -> CallerError:
    close = _near(name, [one.name for one in installed()], most=3, alike=0.5)
    fix = f"Did you mean {' or '.join(close)}? " if close else ""
    if Path(f"{name}.py").is_file():
        fix = f"There is a file of that name: write ./{name}.py. "
    elif "." in name and all(part.isidentifier() for part in name.split(".")):
        # Of a module that may well be there: what resembles it among installed functions is chance.
        module, _, last = name.rpartition(".")
        fix = f"One of a module is MODULE:NAME, such as {name}:{last}, or {module}:{last}. "
    return CallerError(f"no function is called {name!r}.", code="unknown-function", fix=fix + _LIST)


def _near(name: str, names: Iterable[str], *, most: int = 1, alike: float = 0.6) -> list[str]:
    """Those that somebody may have meant."""
    import difflib  # noqa: PLC0415 - few names are wrong

    return difflib.get_close_matches(name, list(names), n=most, cutoff=alike)


# -- in a module ----------------------------------------------------------------------------------------


def _find_in_module(name: str, attribute: str) -> Function[Any, Any]:
    asked = f"{name}:{attribute}"
    if not all(part.isidentifier() for part in name.split(".")) or not attribute:
        raise CallerError(
            f"{asked!r} names no function.", code="unknown-function", fix="Write package.module:name."
        )
    folder = str(Path.cwd())
    # As `python -m` does, so that a project's own package is found from its folder. Last, so that nothing
    # in that folder shadows what is installed.
    if name not in sys.modules and folder not in sys.path and "" not in sys.path:
        sys.path.append(folder)
    try:
        # Also of what is in `sys.modules`: another thread may be at its body, and this waits for its end.
        module = _imported(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise CallerError(
                f"there is no module {error.name!r}, asked for as {asked!r}.",
                code="unknown-function",
                fix="Install its package where it is to run, or name the file: ./FILE.py:NAME.",
            ) from error
        _refuse_import(asked, error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an author's module may raise anything
        _refuse_import(asked, error)
    return _pick(module, attribute, asked)


def _imported(name: str) -> ModuleType:
    """A module, also of a package that was installed while this process runs."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        from rushes.newly_installed import look_again  # noqa: PLC0415 - few names are wrong

        if error.name != name.partition(".")[0] or not look_again():
            raise
        return importlib.import_module(name)


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
        near = _near(path.name, _python_files(path.parent))
        raise CallerError(
            f"{path} does not exist." if not path.exists() else f"{path} is no file.",
            code="unknown-function",
            fix=f"Did you mean {path.parent / near[0]}?" if near else "Check the path.",
        )
    try:
        module = load(path)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an author's module may raise anything
        _refuse_import(str(path), error)
    if not attribute:
        attribute = _only_function(module, path)
    found = _pick(module, attribute, f"{path}:{attribute}")
    found.path = str(path)
    found.ref = f"{path}:{attribute}"
    return found


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
        near = _near(attribute, names) or names[:3]
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
    import traceback  # noqa: PLC0415 - most are imported

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
