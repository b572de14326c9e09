"""Files of policy that people edit while a worker runs: read whole or not at all, and again when they change.

TOML, JSON or YAML, by the end of the name. What is named may be anything: a pipe or a device would never end,
and a worker reads these while work runs. This module must not know what is in them.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, Final

__all__ = ["policy_text", "read_policy", "stamp_of"]

MOST_BYTES: Final = 4 * 1024 * 1024


def policy_text(path: Path) -> str:
    """What a file of people's own says.

    Raises:
        OSError: it cannot be read, or is no file.
        ValueError: it is no UTF-8, or too large to be meant.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        kind = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(kind):
            raise OSError(errno.EISDIR if stat.S_ISDIR(kind) else errno.EINVAL, "it is no file", str(path))
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES // 2**20} MiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("it is no UTF-8") from error


def read_policy(path: Path) -> Any:
    """What a file of policy holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not what its name says.
    """
    text = policy_text(path)
    if not text.strip():
        raise ValueError("it is empty")
    try:
        if path.suffix == ".json":
            return json.loads(text)
        import tomllib  # noqa: PLC0415 - expressions to compile, for a format that few of these have

        return tomllib.loads(text) if path.suffix == ".toml" else _yaml(text, path.suffix)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


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
