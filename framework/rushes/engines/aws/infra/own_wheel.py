"""Rushes as it runs here, for an image: by its version, or as a wheel of its checkout or its installation.

Who installed it from an index finds it there again. Who installed it from a file, an address or a folder
does not: its wheel is put together again of what was installed. This module must not know what else is in an
image.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rushes.errors import CallerError

__all__ = ["checkout", "requirement"]

_OF_HERE: Final = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"})
"""What pip writes beside a distribution when it installs it."""
_BUILT: Final = (2020, 2, 2, 0, 0, 0)
"""When everything in it is said to be of, as hatchling says: what is the same makes the same wheel."""


def requirement(wheels: Path, wheel_of: Callable[[Path, Path], Any]) -> str:
    """The requirement of Rushes; where no index has it, its wheel is put into a folder.

    Args:
        wheels: the folder.
        wheel_of: makes a wheel of a project in that folder.

    Raises:
        CallerError: it is compiled for this machine and this Python, which the image has not.
    """
    here = metadata.distribution("rushes")
    if (folder := checkout()) is not None:
        wheel_of(folder, wheels)
    elif _came(here):
        _again(here, wheels)
    return f"rushes[aws]=={here.version}"


def checkout() -> Path | None:
    """The folder that Rushes runs from, where it is installed as an editable checkout."""
    came = _came(metadata.distribution("rushes"))
    if not came.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(came["url"]).path))


def _came(here: metadata.Distribution) -> dict[str, Any]:
    """From where it was installed; nothing where that was an index.

    See https://packaging.python.org/en/latest/specifications/direct-url/.
    """
    said = here.read_text("direct_url.json")
    return dict(json.loads(said)) if said else {}


def _again(here: metadata.Distribution, wheels: Path) -> None:
    """The wheel that an installation came from, of the files that it has."""
    if "Tag: py3-none-any" not in (here.read_text("WHEEL") or ""):
        raise CallerError(
            "Rushes here is compiled for this machine and this Python, which the image has not.",
            code="bad-package",
            fix="Install it without compiling it, and package from there.",
        )
    recorded = []
    with zipfile.ZipFile(wheels / f"rushes-{here.version}-py3-none-any.whl", "w") as wheel:
        for file in sorted(here.files or (), key=str):
            if file.parts[0] == ".." or file.suffix == ".pyc" or file.name in _OF_HERE:
                continue
            data = file.read_binary()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            recorded.append(f"{file.as_posix()},sha256={digest},{len(data)}\n")
            _write(wheel, file.as_posix(), data)
        record = f"rushes-{here.version}.dist-info/RECORD"
        _write(wheel, record, "".join([*recorded, f"{record},,\n"]).encode())


def _write(wheel: zipfile.ZipFile, name: str, data: bytes) -> None:
    wheel.writestr(zipfile.ZipInfo(name, _BUILT), data, zipfile.ZIP_DEFLATED)
