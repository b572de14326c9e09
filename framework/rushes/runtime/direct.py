"""A direct call: the attempt that a slot would make, in the caller's own process, with no journal.

This module must not know workers or slots.
"""

from __future__ import annotations

import json
from typing import Any

from rushes.asset import Asset
from rushes.function import Function, Options, Params, Result
from rushes.runtime.attempt import Task, run_attempt
from rushes.runtime.submission import batch_spec, key_of

__all__ = ["call"]


def call(function: Function[Any, Any], source: Asset, params: Params, options: Options) -> Result:
    """Run the body here and now, publish its outputs, and return its result.

    Raises:
        RushesError: as an attempt raises; an exception of the body passes through as it is.
    """
    spec = batch_spec(function, options, params)
    key, mark = key_of(function, source, params)
    task = Task(
        function,
        source,
        params,
        key=key,
        fingerprint=mark,
        show=options.show,
        deadline=options.deadline,
        out=spec.out,
        name=options.name,
        receipts=options.receipts,
        source_digest=spec.source_digest,
        settle_s=options.settle_s,
    )
    made = run_attempt(task, _nothing, _nothing_to_ask, _never)
    model: type[Result] = function.result_model
    return model.model_validate(json.loads(made.result))  # its JSON may name what is no UTF-8


def _nothing(_fraction: float, _note: str) -> None:
    return


def _nothing_to_ask(_intent: dict[str, Any]) -> None:
    return


def _never() -> bool:
    return False
