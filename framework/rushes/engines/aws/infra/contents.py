"""What is in an image, said by the image: a label with a digest of the source of every module of functions.

`package` writes it of the wheels that it puts into the image, `deploy` compares it with the functions that it
plans, so that nobody deploys a plan of one version on an image of another. Packages that an index has are not
in it. This module must not know a registry, nor templates.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from rushes.errors import CallerError
from rushes.source_file import digest_of, local_files
from rushes.temporary import temporary_folder

__all__ = ["LABEL", "check_contents", "label_of"]

LABEL: Final = "org.rushes.sources"
_DECORATED: Final = re.compile(rb"^@(?:\w+\.)?function\b", re.MULTILINE)
"""By what a module with functions is known; who calls the decorator otherwise is not compared."""
_SHORT: Final = 16
"""Characters of a digest: it tells one of our own sources from another."""


def label_of(wheels: Path) -> str:
    """The label of an image with these wheels, as JSON: the digest of each module that has functions."""
    found: dict[str, str] = {}
    with temporary_folder("wheels") as made:
        for wheel in sorted(wheels.glob("*.whl")):
            folder = made / wheel.stem
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
            found.update(_modules(folder))
    return json.dumps(found, separators=(",", ":"), sort_keys=True)


def check_contents(label: str, planned: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    """See to it that an image has the functions that are planned; gives those it says nothing of.

    Args:
        label: of the image; "" where it has none.
        planned: by name, where a function is (``module:name``) and the digest of its source.

    Raises:
        CallerError: it has another source of one (``image-differs``).
    """
    there = json.loads(label) if label else {}
    unknown = []
    for name, (ref, source) in planned.items():
        said = there.get(ref.partition(":")[0])
        if said is None or not source:
            unknown.append(name)
        elif said != source[:_SHORT]:
            raise CallerError(
                f"the image has another source of {name} than is here.",
                code="image-differs",
                fix="Build it of what is here (rushes infra package), or deploy from what it was built of.",
                details={"function": name},
            )
    return tuple(unknown)


def _modules(folder: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(folder.rglob("*.py")):
        if not _DECORATED.search(file.read_bytes()):
            continue
        parts = file.relative_to(folder).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, digest_of(local_files(file), file.parent)[:_SHORT]
