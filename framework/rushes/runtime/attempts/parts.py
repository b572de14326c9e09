"""The parts of an invocation: what its body maps another function over.

A body waits for all of its parts and gets an outcome for each. Where a pool is at hand they are invocations
of that pool; else they run here, one after another. This module must not know how a pool runs them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rushes.asset import Asset, AssetLike
from rushes.batch import Outcome
from rushes.core.states import State
from rushes.errors import Cancelled, PolicyError
from rushes.function import Function
from rushes.invocation import Finished
from rushes.options import Options
from rushes.runtime.attempts.raised import as_error
from rushes.runtime.refusals import DEEPEST, too_deep
from rushes.runtime.sources.inputs import Found, distinct
from rushes.source_file import local_files

if TYPE_CHECKING:
    from rushes.declaration import Params, Result
    from rushes.runtime.attempts.task import Task

__all__ = ["Parts", "outcomes", "parts_of", "run_here"]

R = TypeVar("R", bound="Result")


@dataclass(frozen=True, slots=True)
class Parts:
    """One call of `Context.map`, made ready: what to run, how, and on what, in order."""

    function: Function[Any, Any]
    options: Options
    params: Params
    found: Sequence[Found]


def parts_of(
    task: Task,
    function: Function[Any, Any],
    items: Iterable[AssetLike | tuple[AssetLike, Params | Mapping[str, Any]]],
    out: Path | None,
    shared: Mapping[str, Any],
) -> Parts:
    """What `task` maps `function` over.

    Raises:
        CallerError: an option that all parts share is wrong.
    """
    pairs = [(Asset.of(one[0]), one[1]) if isinstance(one, tuple) else (Asset.of(one), None) for one in items]
    options = replace(
        function.options,
        out=None if out is None else str(out),
        show=task.show,
        deadline=task.deadline,
        after=(),
        on_failure="cancel",
        engine="local",
        settle_s=task.settle_s,
    )
    plain = (Found(asset, params=own) for asset, own in pairs)  # type: ignore[arg-type]
    found = distinct(pairs) if function.makes_outputs else plain
    return Parts(
        _as_others_find_it(function, task.function), options, function.shared_params(**shared), [*found]
    )


def _as_others_find_it(function: Function[Any, Any], near: Function[Any, Any]) -> Function[Any, Any]:
    """The same function, named by its file where it lies in, or beside, a file that was loaded by path."""
    if function.path is not None or near.path is None:
        return function
    file = getattr(sys.modules.get(function.ref.partition(":")[0]), "__file__", None)
    if file is None or Path(file) not in local_files(Path(near.path)):
        return function
    same = function.with_options()
    same.path, same.ref = file, f"{file}:{function.ref.rpartition(':')[2]}"
    return same


def run_here(
    parts: Parts, parent: str, *, report: Callable[[float, str], None], cancelled: Callable[[], bool]
) -> list[Finished]:
    """Run the parts in this process, one after another; a failure is that part's alone.

    Raises:
        Cancelled: meanwhile.
    """
    if parent.count("/") >= DEEPEST:
        raise too_deep(parts.function.name)
    ends: list[Finished] = []
    total = len(parts.found)
    for n, found in enumerate(parts.found, start=1):
        if cancelled():
            raise Cancelled
        ends.append(_run_one(parts, f"{parent}/{n}", n, found, cancelled))
        report(n / total, f"{n} of {total} parts")
    return ends


def _run_one(parts: Parts, invocation: str, n: int, found: Found, cancelled: Callable[[], bool]) -> Finished:
    from rushes.runtime.attempts.direct import make_here  # noqa: PLC0415 - only where there is no pool

    function = parts.function
    end = Finished(n, "here", invocation, found.asset.uri, function.name, State.failed)
    try:
        made = make_here(
            function,
            found.asset,
            _own_params(function, parts.params, found.params),
            parts.options,
            invocation=invocation,
            tag=found.tag,
            cancelled=cancelled,
        )
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a body raises is its outcome
        return end._replace(error=as_error(error, function.name).to_dict())
    return end._replace(
        state=State.succeeded,
        outputs=made.outputs,
        result=json.loads(made.result),
        encoder=made.encoder,
        receipt=made.receipt,
        warnings=made.warnings,
        media_s=made.media_s,
    )


def _own_params(function: Function[Any, Any], shared: Params, own: Any) -> Params:
    if isinstance(own, Mapping):
        params: Params = function.params(None, **{**shared.model_dump(), **own})
        return params
    return shared if own is None else own


def outcomes(parts: Parts, ends: Iterable[Finished], model: type[R]) -> list[Outcome[R]]:
    """An outcome for each end; an error names its part, so that a body may let it pass through."""
    return [Outcome(_naming_itself(parts, end), model) for end in ends]


def _naming_itself(parts: Parts, end: Finished) -> Finished:
    if end.state is State.succeeded:
        return end
    error = dict(end.error or {"kind": "cancelled"})
    if error["kind"] == "cancelled":  # by somebody, by itself: the whole was not
        error = PolicyError("it was cancelled.", code="part-cancelled").to_dict()
    details = dict(error.get("details") or {})
    if "part" in details:  # a part of that part has failed, and is named already
        return end
    where = f"{parts.function.name} of {Asset(end.asset).name}, {end.invocation}"
    error["message"] = f"{str(error.get('message')).rstrip().removesuffix('.')} ({where})."
    if error.get("code") == "function-raised":
        error["fix"] = (
            f"`rushes logs {end.invocation}` has the traceback; mend the function and submit again."
        )
    return end._replace(error={**error, "details": {**details, "part": end.invocation}})
