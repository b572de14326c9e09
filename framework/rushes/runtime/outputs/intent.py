"""What is about to be published: plain data, journalled before anything becomes visible.

This module must not act on any file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

__all__ = ["Action", "IntendedOutput", "Intent"]

Action = Literal["new", "replace", "adopt"]
"""Nobody has the name; an output of ours has it; it holds the very bytes already."""


@dataclass(frozen=True, slots=True)
class IntendedOutput:
    """One output on its way.

    Args:
        name: what the function calls it.
        staged: where it waits, on the target's file system.
        target: its final path.
        sha256: of its bytes; of a folder, over the names and SHA-256s of its files.
        size_bytes: of its bytes.
        mtime_ns: last change, by which it is known to be unchanged later without reading it.
        folder: True for a folder.
        action: what has to be done.
        old_sha256: of what is replaced, else "".
        receipt: final path of its receipt, or None.
        staged_receipt: where the receipt waits, or None.
    """

    name: str
    staged: str
    target: str
    sha256: str
    size_bytes: int
    mtime_ns: int
    folder: bool
    action: Action
    old_sha256: str = ""
    receipt: str | None = None
    staged_receipt: str | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """All outputs of one attempt, and the folders in which they wait."""

    parts: tuple[IntendedOutput, ...]
    staging: tuple[str, ...]
    receipt_text: str = ""

    @property
    def receipt_path(self) -> str | None:
        """Where the receipt of the first output will be."""
        return self.parts[0].receipt if self.parts else None

    def facts(self) -> list[dict[str, Any]]:
        """What a later run needs to know these outputs again: see `is_unchanged`."""
        return [
            {
                "name": part.name,
                "path": part.target,
                "sha256": part.sha256,
                "size_bytes": part.size_bytes,
                "mtime_ns": part.mtime_ns,
                "receipt": part.receipt,
            }
            for part in self.parts
        ]

    def moved_to(self, staging: Path) -> Intent:
        """The same intent after its first staging folder was renamed."""
        old = self.staging[0]

        def moved(path: str | None) -> str | None:
            return path if path is None or not path.startswith(old + "/") else f"{staging}{path[len(old) :]}"

        parts = tuple(
            replace(p, staged=moved(p.staged) or p.staged, staged_receipt=moved(p.staged_receipt))
            for p in self.parts
        )
        return replace(self, parts=parts, staging=(str(staging), *self.staging[1:]))

    def to_dict(self) -> dict[str, Any]:
        """The intent as JSON-able data; `from_dict` is its inverse."""
        return {
            "parts": [asdict(part) for part in self.parts],
            "staging": list(self.staging),
            "receipt_text": self.receipt_text,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Intent:
        return cls(
            tuple(IntendedOutput(**part) for part in data["parts"]),
            tuple(data["staging"]),
            str(data.get("receipt_text", "")),
        )
