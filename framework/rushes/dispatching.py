"""From a function to an engine: its invocations are sent, or quoted. This module must not know engines.

It is imported by who sends, not by who declares or runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rushes.asset import Asset
from rushes.batch import Batch, Handle, Items, load_engine
from rushes.declaration import Params, Result
from rushes.errors import CallerError
from rushes.keepers import Quoter

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["Unsent", "launch", "quoted"]

P = TypeVar("P", bound="Params")
R = TypeVar("R", bound="Result")


@dataclass(frozen=True, slots=True)
class Unsent(Generic[P, R]):
    """An invocation that has not been sent: a function, its source and its validated options."""

    function: Function[P, R]
    source: Asset
    params: P

    def spawn(self) -> Handle[R]:
        """Send it."""
        return self.function.spawn(self.source, self.params)

    def __call__(self) -> R:
        """Run it here and now."""
        return self.function(self.source, self.params)


def launch(function: Function[P, R], items: Items, params: P) -> Batch[R]:
    """Send a batch to the engine that a function's dispatch options name.

    Args:
        function: with these options.
        items: pairs of a clip and its own options.
        params: that all share.

    Raises:
        CallerError: a slot could not find the function (``main-function``), or an option is wrong.
    """
    if function.ref.startswith("__main__:") and function.path is None:
        raise CallerError(
            f"{function.name} lives in __main__, where a slot cannot find it.",
            code="main-function",
            fix=f"Move it to a module and import it, or run `rushes run ./FILE.py:{function.name}`.",
        )
    engine = load_engine(function.options.engine)
    batch, total = engine.launch(function, function.options, items, params)
    return Batch(engine, batch, function.result_model, total)


def quoted(function: Function[P, R], sources: Iterable[Asset], params: P) -> Any:
    """What a batch would take there: a `rushes.runtime.sending.quoting.BatchQuote`. Nothing is sent.

    Raises:
        CallerError: an option is wrong, or the engine gives no quotes (``no-quote``).
    """
    options = function.options
    engine = load_engine(options.engine)
    if not isinstance(engine, Quoter):
        raise CallerError(
            f"the engine {options.engine} gives no quotes.",
            code="no-quote",
            fix=f"Ask the local one: {function.name}.with_options(engine='local').",
        )
    left_s = None if options.deadline is None else max(options.deadline - time.time(), 0.0)
    items = ((source, None) for source in sources)
    return engine.quote(function, options, items, params, within_s=left_s)
