"""Batches as a program follows them: the engine behind them, outcomes as they come.

This module must not know how an engine works; it names one and asks it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeAlias, TypeVar, cast

from rushes.asset import Asset
from rushes.core.silence import Silence
from rushes.core.states import State
from rushes.declaration import Params, Result
from rushes.errors import CallerError, PolicyError, RushesError, error_from_dict
from rushes.invocation import BatchStatus, Finished, Spent

if TYPE_CHECKING:
    from rushes.function import Function
    from rushes.options import Options

__all__ = ["Batch", "Handle", "Items", "Outcome", "RunnableEngine", "load_engine"]

R = TypeVar("R", bound="Result")

Items: TypeAlias = Iterable[tuple[Asset, Mapping[str, Any] | Params | None]]
"""Pairs of a clip and its own options."""

_OURS: Final = {
    "local": ("rushes.engines.local", "LocalEngine"),
    "aws": ("rushes.engines.aws.engine", "AwsEngine"),
}
FIRST_S: Final = 2.0
LATER_S: Final = 5.0
"""How long a page of results is waited for before it is asked whether all that is left is held: what has
begun is seldom that, and asking costs an engine that others share some requests."""


class RunnableEngine(Protocol):
    """What a `Function` asks of an engine."""

    def call(
        self, function: Function[Any, Any], source: Asset, params: Params, options: Options
    ) -> Result: ...

    def launch(
        self, function: Function[Any, Any], options: Options, items: Items, params: Params
    ) -> tuple[str, int]:
        """Open, submit and seal a batch; returns its id and how many invocations it has."""
        ...

    def results(
        self, batch: str, *, after: int = 0, limit: int = 1000, wait_s: float = 0.0
    ) -> Sequence[Finished]: ...

    def status(self, batch: str) -> BatchStatus: ...

    def cancel(self, batch: str) -> None: ...

    def set_priority(self, batch: str, priority: str) -> None: ...


def load_engine(name: str) -> RunnableEngine:
    """The engine of that name, built with its defaults; found by entry point, imported only here.

    What stands behind a colon is handed to it: ``aws:dev`` is the environment ``dev`` on AWS.

    Raises:
        CallerError: none is installed under that name.
    """
    return _built(name, os.getpid(), frozenset(os.environ.items()))


@lru_cache(maxsize=4)
def _built(name: str, _process: int, _environ: frozenset[tuple[str, str]]) -> RunnableEngine:
    """One engine a process and environment, so that its connection serves every call."""
    kind, colon, what = name.partition(":")
    if kind in _OURS:
        module, attribute = _OURS[kind]
    else:
        from importlib.metadata import entry_points  # noqa: PLC0415 - ours are known without it

        found = {e.name: e for e in entry_points(group="rushes.engines")}
        if kind not in found:
            known = ", ".join(sorted({*_OURS, *found}))
            raise CallerError(
                f"no engine is called {kind!r}.", code="unknown-engine", fix=f"Installed here: {known}."
            )
        module, attribute = found[kind].module, found[kind].attr
    if colon and kind == "local":
        raise CallerError(
            f"{name!r} names no engine: this machine has no environments.",
            code="unknown-engine",
            fix="Write local, or aws:ENVIRONMENT.",
        )
    made = getattr(import_module(module), attribute)
    return cast("RunnableEngine", made(what) if colon else made())


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """How one invocation ended; `result` raises what went wrong."""

    finished: Finished
    model: type[R]

    @property
    def ok(self) -> bool:
        return self.finished.state is State.succeeded

    @property
    def state(self) -> State:
        return self.finished.state

    @property
    def asset(self) -> str:
        return self.finished.asset

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.finished.outputs

    @property
    def error(self) -> Mapping[str, Any] | None:
        return self.finished.error

    @property
    def result(self) -> R:
        """The result.

        Raises:
            RushesError: the invocation failed or was cancelled.
        """
        if not self.ok:
            raise error_from_dict(self.finished.error or {"kind": "cancelled", "code": "cancelled"})
        return self.model.model_validate(self.finished.result)


class Batch(Generic[R]):
    """Invocations submitted together. Iterating yields an `Outcome` for each as it ends, until all have.

    Where all that is left is held by a budget, and only a person can change that, iterating raises
    `PolicyError` (``budget-held``); the batch stays, and goes on when a cap is raised. Services that do not
    answer, or credentials that have ended, are borne for an hour.
    """

    def __init__(self, engine: RunnableEngine, batch: str, model: type[R], total: int) -> None:
        self._engine = engine
        self._model = model
        self.id = batch
        self.total = total

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[Outcome[R]]:
        seen, silence = 0, Silence(heard=True)  # it was sent: its engine has answered
        while seen < self.total:
            try:
                page = self._engine.results(self.id, after=seen, wait_s=LATER_S if seen else FIRST_S)
                if not page:
                    self._refuse_held()
            except RushesError as error:
                rest_s = silence.failed(error.code, time.monotonic())
                if rest_s is None:
                    raise
                time.sleep(rest_s)
                continue
            silence.answered()
            for finished in page:
                seen = finished.seq
                yield Outcome(finished, self._model)

    def _refuse_held(self) -> None:
        """Waiting for what nothing but a person can let go on would be for ever."""
        status = self._engine.status(self.id)
        if status.only_held and status.frees_at is None:
            raise PolicyError(
                status.held,
                code="budget-held",
                fix=f"`rushes budget` shows who has spent what; {self.id} goes on when a cap is raised.",
            )

    @property
    def progress(self) -> BatchStatus:
        """Where the batch stands now."""
        return self._engine.status(self.id)

    @property
    def cost(self) -> Spent:
        """What it has cost so far, in nano-dollars and joules; all 0 where nothing has a price."""
        return self.progress.spent

    def wait(self) -> BatchStatus:
        """Wait until every invocation has ended."""
        for _ in self:
            pass
        return self.progress

    def results(self) -> list[R]:
        """All results in the order in which they ended.

        Raises:
            RushesError: the first failure.
        """
        return [outcome.result for outcome in self]

    def cancel(self) -> None:
        """Cancel what has not ended; nothing half-written is left."""
        self._engine.cancel(self.id)

    def __repr__(self) -> str:
        return f"<batch {self.id}: {self.total} invocations>"


class Handle(Generic[R]):
    """One submitted invocation."""

    def __init__(self, batch: Batch[R]) -> None:
        self.batch = batch

    @property
    def id(self) -> str:
        return f"{self.batch.id}.1"

    def result(self) -> R:
        """Wait for the invocation and return its result.

        Raises:
            RushesError: it failed or was cancelled.
        """
        return next(iter(self.batch)).result

    def cancel(self) -> None:
        self.batch.cancel()

    def __repr__(self) -> str:
        return f"<handle on {self.id}>"
