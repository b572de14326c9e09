"""What is ours in a folder: receipts, the outputs that they describe, scratch.

Light on purpose: a folder's walk asks it for every clip that has a receipt beside it, so it reads JSON and
knows no models. This module must not know how a receipt is made.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

__all__ = [
    "RECEIPT_KIND",
    "RECEIPT_SUFFIX",
    "SCRATCH",
    "described",
    "is_receipt_name",
    "owned_hashes",
    "read_receipt",
    "receipt_name",
    "receipt_paths",
    "scratch_root_of",
]

RECEIPT_KIND: Final = "rushes.receipt"
RECEIPT_SUFFIX: Final = ".rushes.json"
SCRATCH: Final = ".rushes-scratch"
_NAME_BYTES: Final = 255  # what a file system takes for one name: ext4, xfs, apfs, btrfs
_RECEIPT_BYTES: Final = 16 * 1024 * 1024  # far above any real one; a hostile neighbour must not fill memory


def is_receipt_name(name: str) -> bool:
    """True when a file of that name is a receipt, and so never an input."""
    return name.endswith(RECEIPT_SUFFIX)


def receipt_name(name: str) -> str:
    """The name of the receipt of an output, shortened by a hash where the file system could not hold it."""
    raw = os.fsencode(name)
    if len(raw) + len(RECEIPT_SUFFIX) <= _NAME_BYTES:
        return name + RECEIPT_SUFFIX
    digest = hashlib.sha256(raw).hexdigest()[:16]
    return os.fsdecode(raw[: _NAME_BYTES - len(RECEIPT_SUFFIX) - 17]) + "~" + digest + RECEIPT_SUFFIX


def receipt_paths(target: Path, receipts: Path | None = None) -> tuple[Path, ...]:
    """Where a receipt of `target` may be: beside it, and in the folder `receipts` of choice."""
    name = receipt_name(target.name)
    beside = target.with_name(name)
    return (beside,) if receipts is None or receipts == target.parent else (receipts / name, beside)


def read_receipt(path: str | os.PathLike[str]) -> Mapping[str, Any] | None:
    """The receipt in a file, or None when there is none that can be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    try:
        with os.fdopen(handle, "rb") as file:
            data = json.loads(file.read(_RECEIPT_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or data.get("kind") != RECEIPT_KIND:
        return None
    return data


def described(receipt: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """What a receipt says of the output with that file name, or None."""
    outputs = receipt.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, dict) and str(output.get("path", "")).rpartition("/")[2] == name:
            return output
    return None


def owned_hashes(receipt: Mapping[str, Any], name: str) -> Iterator[str]:
    """The SHA-256s with which a target of that name is ours: as published, or as what was to be replaced."""
    output = described(receipt, name)
    if output is not None and isinstance(output.get("sha256"), str):
        yield str(output["sha256"])
    replaces = receipt.get("replaces")
    if isinstance(replaces, dict) and isinstance(replaces.get(name), str):
        yield str(replaces[name])


def scratch_root_of(folder: Path) -> Path:
    """The scratch folder of a destination folder."""
    return folder / SCRATCH
