"""What is kept of a batch between its attempts: its function, loaded, its params, validated, what all share.

This module must not know invocations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.errors import CallerError

__all__ = ["LoadedBatch", "learn"]


@dataclass(frozen=True, slots=True)
class LoadedBatch:
    """One batch, as what runs its attempts knows it: a slot, a Lambda.

    Args:
        id: the batch's.
        function: the author's.
        params: the options that all its invocations have, where those are complete.
        shared: what each of its tasks is given.
        log: the folder of its logs.
        counted: the worker knows what its attempts have cost.
        rank: of its class, when it was learnt.
    """

    id: str
    function: Any
    params: Any
    shared: Mapping[str, Any]
    log: Path
    counted: bool = False
    rank: int = 0


def learn(spec: Mapping[str, Any], home: Path) -> LoadedBatch:
    """Load the function and the options of a batch; the author's module may raise anything.

    Raises:
        CallerError: the source is not what was submitted (``function-changed``).
    """
    from rushes import catalog  # noqa: PLC0415 - pulls in the author's code

    function = catalog.find(spec["function"])
    _check_source(function.name, spec["source_digest"], catalog.source_digest(function))
    try:
        params = function.params_model.model_validate_json(spec["params"])
    except ValueError:  # required options come with each invocation
        params = function.params_model.model_construct()
    shared = {
        "show": spec["show"],
        "deadline": spec["deadline"],
        "out": spec["out"],
        "name": spec["name"],
        "receipts": spec["receipts"],
        "source_digest": spec["source_digest"],
        "settle_s": spec.get("settle_s", 0.0),
    }
    counted = bool(spec.get("counted"))
    log, rank = home / "logs" / spec["id"], int(spec.get("rank") or 0)
    return LoadedBatch(spec["id"], function, params, shared, log, counted, rank)


def _check_source(name: str, submitted: str, here: str) -> None:
    if submitted and submitted != here:
        raise CallerError(
            f"the source of {name} changed after it was submitted.",
            code="function-changed",
            fix="Submit it again.",
        )
