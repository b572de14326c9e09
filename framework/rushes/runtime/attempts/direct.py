"""A direct call: the attempt that a slot would make, in the caller's own process, with no journal.

This module must not know workers or slots.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rushes.asset import Asset
from rushes.function import Function, Options, Params, Result
from rushes.runtime.attempts.attempt import Made, Task, run_attempt
from rushes.runtime.sending.submission import batch_spec, key_of

__all__ = ["call", "make_here"]


def call(function: Function[Any, Any], source: Asset, params: Params, options: Options) -> Result:
    """Run the body here and now, publish its outputs, and return its result.

    Raises:
        RushesError: as an attempt raises; an exception of the body passes through as it is.
    """
    made = make_here(function, source, params, options)
    model: type[Result] = function.result_model
    return model.model_validate(json.loads(made.result))  # its JSON may name what is no UTF-8


def make_here(
    function: Function[Any, Any],
    source: Asset,
    params: Params,
    options: Options,
    *,
    invocation: str = "here",
    tag: str = "",
    cancelled: Callable[[], bool] = lambda: False,
) -> Made:
    """Run the body here and now, and publish its outputs.

    Args:
        function: what to run.
        source: the clip.
        params: its options.
        options: where its outputs go, and how.
        invocation: what it is called in its receipt.
        tag: suffix of its outputs' names, where another one makes the same.
        cancelled: asked while it runs.

    Raises:
        RushesError: as `call`.
    """
    if source.frames is not None:
        function.require_ranges()
    spec = batch_spec(function, options, params)
    key, mark = key_of(function, source, params)
    task = Task(
        function,
        source,
        params,
        invocation=invocation,
        key=key,
        fingerprint=mark,
        show=options.show,
        deadline=options.deadline,
        out=spec.out,
        tag=tag,
        name=options.name,
        receipts=options.receipts,
        source_digest=spec.source_digest,
        settle_s=options.settle_s,
    )
    return run_attempt(task, _nothing, _nothing_to_ask, cancelled)


def _nothing(_fraction: float, _note: str) -> None:
    return


def _nothing_to_ask(_intent: dict[str, Any]) -> None:
    return
