"""The file that `RUSHES_CAPACITY` names: tiers, how fleets scale, where work goes, stragglers.

It is read whole or not at all. What its fields mean stands in `rushes.core.capacity`. This module must not
know what a policy is used for.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rushes.core.capacity import CapacityPolicy, capacity_from
from rushes.errors import CallerError
from rushes.runtime.price_files import price_book

__all__ = ["CapacityFile", "capacity_file"]

_FIX: Final = "Correct it there, or unset RUSHES_CAPACITY."


@dataclass(frozen=True, slots=True)
class CapacityFile:
    """A file of capacity.

    Args:
        path: where it is.
        environ: names the prices that its tiers are described by.
    """

    path: Path
    environ: Mapping[str, str]

    def read(self) -> CapacityPolicy:
        """What it says now.

        Raises:
            CallerError: it cannot be read, or something in it cannot be (``bad-capacity`` and the codes of
                what is in it); the message names the file and the place.
        """
        path = self.path
        try:
            data = _reader(path)(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise _bad(f"the capacity file {path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise _bad(f"the capacity file {path} cannot be read: {error}.") from error
        return capacity_from(data, path.name, known=price_book(self.environ).machines)

    def stamp(self) -> tuple[int, ...]:
        """What changes when the file does."""
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino


def capacity_file(environ: Mapping[str, str]) -> CapacityFile | None:
    """The file that an environment asks for; None where it asks for none."""
    asked = environ.get("RUSHES_CAPACITY")
    return CapacityFile(Path(asked).expanduser().absolute(), environ) if asked else None


def _reader(path: Path) -> Callable[[str], Any]:
    if path.suffix == ".json":
        return json.loads
    return tomllib.loads if path.suffix == ".toml" else _yaml


def _yaml(text: str) -> Any:
    import yaml  # noqa: PLC0415 - only where a file is given

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error).replace("\n", " ")) from error


def _bad(message: str) -> CallerError:
    return CallerError(message, code="bad-capacity", fix=_FIX)
