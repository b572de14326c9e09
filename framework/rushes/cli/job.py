"""Files in place of arguments: a job (what to run, on what, where to), and a preset (options of a function).

Both are YAML or JSON. A job has a version, so that an old file means the same for ever. This module must not
run anything.
"""

from __future__ import annotations

import difflib
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from rushes.errors import CallerError

__all__ = ["KEYS", "Job", "is_job", "load_job", "load_preset"]

VERSION: Final = 1
_SCALARS: Final[dict[str, tuple[type, ...]]] = {
    "out": (str,),
    "show": (str,),
    "name": (str,),
    "receipts": (str,),
    "deadline": (str, int),
    "settle": (str, int, float),
    "slots": (int,),
    "exclusive": (str,),
    "force": (bool,),
    "on_failure": (str,),
    "engine": (str,),
    "frames": (str,),
    "max_cost": (int, float),
}
KEYS: Final = ("rushes", "function", "inputs", "params", "preset", "class", "tags", "after", *_SCALARS)
_MOST_BYTES: Final = 16 * 1024 * 1024
_EXAMPLE: Final = "rushes: 1"


@dataclass(frozen=True, slots=True)
class Job:
    """A declared submission.

    Args:
        function: a name, ``package.module:name`` or a path; relative paths are made absolute.
        inputs: INPUT arguments, relative to `folder`.
        folder: where the job file is.
        params: the function's options.
        dispatch: values by the names of the dispatch options.
    """

    function: str
    inputs: tuple[str, ...]
    folder: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    dispatch: Mapping[str, Any] = field(default_factory=dict)


def is_job(name: str) -> bool:
    """True when an argument names a job file rather than a function."""
    return name.endswith((".yaml", ".yml"))


def load_job(file: str) -> Job:
    """The job in a file; paths in it are relative to the file's folder.

    Raises:
        CallerError: it cannot be read, a key is missing, unknown or of a wrong type; says which and where.
    """
    path = Path(file).expanduser().absolute()
    data = _mapping(path, "job")
    if data.get("rushes") != VERSION:
        raise _bad(
            path,
            f"says rushes: {data.get('rushes')!r}" if "rushes" in data else "does not say its version",
            f"Begin it with `{_EXAMPLE}`.",
        )
    for key in data:
        if key not in KEYS:
            near = difflib.get_close_matches("class" if key == "priority" else str(key), KEYS, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise _bad(path, f"has an unknown key {key!r}", f"{hint}Keys: {', '.join(KEYS)}.")
    function = data.get("function")
    if not isinstance(function, str) or not function:
        raise _bad(path, "names no function", "Add a line such as `function: proxy`.")
    inputs = data.get("inputs")
    inputs = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(inputs, list) or not inputs or not all(isinstance(i, str) for i in inputs):
        raise _bad(path, "has no list of inputs", "Add `inputs: [~/footage]`.")
    params: dict[str, Any] = {}
    for preset in _names(path, data, "preset"):
        params |= load_preset(_beside(path, preset))
    params |= _options(path, data, "params")
    return Job(
        function=_beside(path, function) if ".py" in function and "/" in function else function,
        inputs=tuple(inputs),
        folder=path.parent,
        params=params,
        dispatch=_dispatch(path, data),
    )


def load_preset(file: str) -> dict[str, Any]:
    """The options in a preset file.

    Raises:
        CallerError: it cannot be read or is no mapping of options.
    """
    return dict(_mapping(Path(file).expanduser().absolute(), "preset"))


def _dispatch(path: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, kind in _SCALARS.items():
        value = data.get(key)
        if value is None:
            continue
        if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
            raise _bad(path, f"has {key}: {value!r}", f"Expected {_said(kind)}.")
        found[key] = str(value) if key in {"deadline", "settle"} else value
    for key in ("out", "receipts"):
        if key in found and "://" not in found[key] and found[key] not in {"beside", "none"}:
            found[key] = _beside(path, found[key])
    if data.get("class") is not None:
        found["priority"] = _word(path, "class", data["class"])
    found["after"] = tuple(_names(path, data, "after"))
    found["tag"] = tuple(_tags(path, data))
    cost = found.get("max_cost", 0)
    if math.isnan(cost) or cost < 0:
        raise _bad(path, f"has max_cost: {cost!r}", "Expected a number of dollars.")
    return found


def _tags(path: Path, data: Mapping[str, Any]) -> Iterator[str]:
    for key, value in _options(path, data, "tags").items():
        # An alias makes a short file long: what is no plain value is not even printed.
        if not isinstance(value, str | int | float | date):
            raise _bad(path, f"has no plain value for tag {key!r}", "Write `key: value` lines below tags.")
        yield f"{key}={value}"


def _word(path: Path, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _bad(path, f"has {key}: {value!r}", "Expected a word.")
    return value


def _names(path: Path, data: Mapping[str, Any], key: str) -> list[str]:
    value = data.get(key) or []
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise _bad(path, f"has {key}: {value!r}", "Expected a name or a list of names.")
    return value


def _options(path: Path, data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key) or {}
    if not isinstance(value, dict):
        raise _bad(path, f"has {key}: {value!r}", f"Write {key} as `key: value` lines below it.")
    return {str(k): v for k, v in value.items()}


def _mapping(path: Path, noun: str) -> dict[Any, Any]:
    import yaml  # noqa: PLC0415 - only where a file is given

    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a device or a pipe may never end
            raise _bad(path, "is no file", f"Name a {noun} file.")
        if status.st_size > _MOST_BYTES:
            raise _bad(
                path, f"holds {status.st_size} bytes", "List many inputs in a manifest (.txt, .jsonl)."
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise CallerError(f"{path} does not exist.", code="not-found", fix="Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise CallerError(
            f"{path} cannot be read: {why}.", code="bad-job", fix=f"Name a {noun} file."
        ) from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        why = getattr(error, "problem", None) or "it cannot be parsed"
        raise CallerError(
            f"{path}{where} is no YAML: {why}.", code="bad-job", fix="Mend that line."
        ) from error
    except ValueError as error:  # a date or a number that looks like one and is none
        raise _bad(path, f"holds a value that is none: {error}", "Write it in quotes.") from error
    except RecursionError:
        raise _bad(path, "is nested too deeply", f"A {noun} is a few levels deep.") from None
    if not isinstance(data, dict):
        raise _bad(path, f"is no {noun}: it holds no `key: value` lines", f"Begin it with `{_EXAMPLE}`.")
    return data


def _beside(path: Path, name: str) -> str:
    return os.path.normpath(path.parent / Path(name).expanduser())


def _said(kinds: tuple[type, ...]) -> str:
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    return " or ".join(words[kind] for kind in kinds)


def _bad(path: Path, what: str, fix: str) -> CallerError:
    return CallerError(f"{path} {what}.", code="bad-job", fix=fix)
