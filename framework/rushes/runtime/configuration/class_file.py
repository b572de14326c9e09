"""The file that `RUSHES_CLASSES` names: a studio's priority classes, laid over those that ship.

It is read whole or not at all. What its fields mean stands in `rushes.core.classes`. This module must not
know what classes are used for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rushes.core.class_file import classes_from
from rushes.core.classes import DEFAULT_CLASSES, ClassPolicy
from rushes.errors import CallerError
from rushes.runtime.configuration.policy_file import read_policy, stamp_of

__all__ = ["ClassFile", "class_file", "classes_of"]

_FIX: Final = "Correct it there, or unset RUSHES_CLASSES to use the classes that ship."


@dataclass(frozen=True, slots=True)
class ClassFile:
    """A file of classes, or their text where the variable has it itself: so hosts on AWS are told of them."""

    path: Path
    text: str = ""

    def read(self) -> tuple[ClassPolicy, ...]:
        """The classes that it asks for, the best first.

        Raises:
            CallerError: it cannot be read, or something in it cannot be meant (``bad-classes``); the message
                names the file and the place.
        """
        try:
            data = json.loads(self.text) if self.text else read_policy(self.path)
        except OSError as error:
            raise _bad(f"the file of classes {self.path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise _bad(f"the file of classes {self.path} cannot be read: {error}.") from error
        return classes_from(data, f"{self.path}:")

    def stamp(self) -> tuple[int, ...]:
        """What changes when the file does."""
        return () if self.text else stamp_of(self.path)


def class_file(environ: Mapping[str, str]) -> ClassFile | None:
    """The file that an environment asks for; None where it asks for none."""
    asked = environ.get("RUSHES_CLASSES")
    if asked and asked.startswith("{"):
        return ClassFile(Path("RUSHES_CLASSES"), asked)
    return ClassFile(Path(asked).expanduser().absolute()) if asked else None


def classes_of(environ: Mapping[str, str]) -> tuple[ClassPolicy, ...]:
    """The classes that an environment asks for.

    Raises:
        CallerError: the file that `RUSHES_CLASSES` names cannot be used (``bad-classes``).
    """
    file = class_file(environ)
    return DEFAULT_CLASSES if file is None else file.read()


def _bad(message: str) -> CallerError:
    return CallerError(message, code="bad-classes", fix=_FIX)
