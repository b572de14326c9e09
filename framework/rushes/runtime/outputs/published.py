"""Outputs that were published before: whether they are unchanged, and copies of them for another place."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rushes.errors import CallerError, RushesError
from rushes.runtime.files import ours
from rushes.runtime.outputs.receipt import Receipt
from rushes.runtime.sources.fingerprint import content_of

__all__ = ["copy_published", "is_unchanged", "receipt_of"]


def is_unchanged(fact: Mapping[str, Any]) -> bool:
    """True when a published output is still there with the bytes that it was published with."""
    path = Path(str(fact["path"]))
    try:
        found = path.lstat()
        if stat.S_ISREG(found.st_mode):
            if found.st_size != fact["size_bytes"]:
                return False
            if found.st_mtime_ns == fact.get("mtime_ns"):
                return True
        return bool(content_of(path).sha256 == fact["sha256"])
    except (OSError, RushesError):
        return False


def copy_published(
    published: Sequence[Mapping[str, Any]], scratch: Path, wanted: Sequence[str | Path]
) -> list[tuple[Path, Path]]:
    """Copies of published outputs in `scratch`, paired with the places that they are wanted at.

    Raises:
        RushesError: no space, or an output cannot be read.
    """
    pairs = []
    for number, (fact, target) in enumerate(zip(published, wanted, strict=True)):
        source, copy = Path(str(fact["path"])), scratch / f"copy-{number}" / Path(target).name
        with ours(copy, "write"):
            copy.parent.mkdir(parents=True)
            if source.is_dir():
                shutil.copytree(source, copy)
            else:
                shutil.copyfile(source, copy)
        pairs.append((copy, Path(target)))
    return pairs


def receipt_of(fact: Mapping[str, Any]) -> Receipt | None:
    """The receipt of a published output, or None when it was published without or has lost it."""
    if not fact.get("receipt"):
        return None
    try:
        return Receipt.read(str(fact["receipt"]))
    except CallerError:
        return None
