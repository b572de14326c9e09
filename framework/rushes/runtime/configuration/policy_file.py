"""Files of policy that people edit while a worker runs: read whole or not at all, and again when they change.

TOML, JSON or YAML, by the end of the name. This module must not know what is in them.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

__all__ = ["read_policy", "stamp_of"]


def read_policy(path: Path) -> Any:
    """What a file of policy holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not what its name says.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("it is no UTF-8") from error
    if not text.strip():
        raise ValueError("it is empty")
    if path.suffix == ".json":
        return json.loads(text)
    return tomllib.loads(text) if path.suffix == ".toml" else _yaml(text, path.suffix)


def stamp_of(path: Path) -> tuple[int, ...]:
    """What changes when a file does; empty while there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _yaml(text: str, suffix: str) -> Any:
    import yaml  # noqa: PLC0415 - only where such a file is given

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        # TOML in a file of another name is what people write by mistake.
        named = suffix in {".yaml", ".yml"}
        taken = "" if named else "taken for YAML, as its name ends in no .toml or .json: "
        raise ValueError(taken + " ".join(str(error).split())) from error
