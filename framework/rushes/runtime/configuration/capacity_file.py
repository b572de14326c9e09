"""The file that `RUSHES_CAPACITY` names: tiers, how fleets scale, where work goes, stragglers.

It is read whole or not at all. What its fields mean stands in `rushes.core.capacity.capacity_file`. This
module must not know what a policy is used for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rushes.core.capacity.capacity_file import CapacityPolicy, capacity_from
from rushes.errors import CallerError
from rushes.runtime.configuration.class_file import classes_of
from rushes.runtime.configuration.policy_file import read_policy, stamp_of
from rushes.runtime.configuration.price_files import price_book

__all__ = ["CapacityFile", "capacity_file"]


@dataclass(frozen=True, slots=True)
class CapacityFile:
    """A file of capacity.

    Args:
        path: where it is.
        environ: names the prices that its tiers are described by, and the classes that there are.
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
            data = read_policy(path)
        except OSError as error:
            raise self._bad(f"the capacity file {path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise self._bad(f"the capacity file {path} cannot be read: {error}.") from error
        classes = [one.name for one in classes_of(self.environ)]
        return capacity_from(data, f"{path}:", known=price_book(self.environ).machines, classes=classes)

    def stamp(self) -> tuple[int, ...]:
        """What changes when the file does."""
        return stamp_of(self.path)

    def _bad(self, message: str) -> CallerError:
        # A command may have named the file itself (`simulate --policy`): the variable has no part in it then.
        named = capacity_file(self.environ)
        mine = named is not None and named.path == self.path.absolute()
        fix = "Correct it there, or unset RUSHES_CAPACITY." if mine else "Check its name and what is in it."
        return CallerError(message, code="bad-capacity", fix=fix)


def capacity_file(environ: Mapping[str, str]) -> CapacityFile | None:
    """The file that an environment asks for; None where it asks for none."""
    asked = environ.get("RUSHES_CAPACITY")
    return CapacityFile(Path(asked).expanduser().absolute(), environ) if asked else None
