"""The batch that was sent from this machine last, where that is not in this machine's own ledger.

A ledger on AWS is everybody's: its newest batch is a colleague's, or an event's. So a machine remembers what
it sent itself, to each environment, and that it has sent work to its own pool since. It is a small file
beside the journal; without it nothing is lost but what ``last`` means. This module must not know engines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["recall_sent", "remember_sent"]

_FILE: Final = "sent.json"
_NEWEST: Final = ""
"""Under which name the environment is that was sent to last; it is no name of one."""
_MOST_ENVIRONMENTS: Final = 100


def remember_sent(home: Path, batch: str) -> None:
    """Remember that a batch was sent, ``k7m2qx@dev``; one without an environment was sent to this machine.

    Where that cannot be written, it is not remembered.
    """
    where = batch.partition("@")[2]
    known = _read(home)
    if not where and not known.get(_NEWEST):
        return  # the ledger of this machine knows its newest batch by itself
    others = {name: one for name, one in known.items() if name not in {_NEWEST, where}}
    kept = dict(list(others.items())[-_MOST_ENVIRONMENTS:])
    said = {**kept, _NEWEST: where, **({where: batch} if where else {})}
    beside = home / f".{_FILE}.{os.getpid()}"
    try:
        beside.write_text(json.dumps(said), encoding="utf-8")
        beside.replace(home / _FILE)
    except OSError:
        return


def recall_sent(home: Path, where: str | None = None) -> str:
    """The batch that was sent last to an environment, or to any; "" where there is none.

    Args:
        home: the state folder of this machine.
        where: the environment; None: the newest of all, and "" where that was sent to this machine.
    """
    known = _read(home)
    asked = known.get(_NEWEST, "") if where is None else where
    return known.get(asked, "") if asked else ""


def _read(home: Path) -> Mapping[str, str]:
    try:
        found = json.loads((home / _FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): one for name, one in found.items() if isinstance(one, str)}
