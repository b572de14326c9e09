"""One try at an invocation: the author's body between its clip and its published outputs.

A slot and a direct call run the same code. This module must not know who asked: it is handed a `Task`, tells
a `Reporter` how it goes, and asks its `Gate` before anything becomes visible.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.function import Function
from rushes.media.running.allowance import allow
from rushes.runtime.attempts.local_context import LocalContext, destination_of
from rushes.runtime.attempts.task import Gate, Keeper, Made, Reporter, Task, elsewhere
from rushes.runtime.outputs.scratch import close_scratch, open_scratch
from rushes.units import parse_size

if TYPE_CHECKING:
    from rushes.runtime.outputs.destination import Destination
    from rushes.runtime.outputs.intent import Intent
    from rushes.runtime.outputs.receipt import Receipt

__all__ = ["Gate", "Made", "Reporter", "Task", "run_attempt"]


def run_attempt(
    task: Task,
    report: Reporter,
    gate: Gate,
    cancelled: Callable[[], bool],
    keep: Keeper | None = None,
) -> Made:
    """Run the body, verify, publish; nothing half-written is ever visible.

    Args:
        task: what it is about.
        report: told how far it is.
        gate: asked before anything becomes visible.
        cancelled: whether somebody wants it to stop.
        keep: told of each function of a joint invocation that is made.

    Raises:
        RushesError: split by who is at fault; an exception of the author's body passes through as it is.
    """
    if not task.member:  # the members of a joint invocation have the room of all
        allow(parse_size(task.function.resources.memory))
    if _is_joint(task.function):
        from rushes.runtime.attempts.joint_attempt import run_joint  # noqa: PLC0415 - few are

        return run_joint(task, report, gate, cancelled, keep=keep, run=run_attempt)
    if task.out is None and task.intent is None and task.known is None and not task.settle_s:
        context = LocalContext(task, report, cancelled)
        try:
            result = task.function.invoke(task.source, task.params, context)
            made = context.made(result)
        except Exception as error:
            _tell_first_cause(error, context, task.fingerprint)
            raise
        else:
            context.drop_keep()
            return made
        finally:
            context.close()
    return _run_with_outputs(task, report, gate, cancelled)


def _is_joint(function: Function[Any, Any]) -> bool:
    if type(function) is Function:
        return False
    from rushes.joint import Joint  # noqa: PLC0415 - its models take longer to make than to ask its type

    return isinstance(function, Joint)


def _run_with_outputs(task: Task, report: Reporter, gate: Gate, cancelled: Callable[[], bool]) -> Made:
    from rushes.runtime.outputs import publication  # noqa: PLC0415 - a function without outputs does not pay for it

    if task.intent is not None and publication.adopt(publication.Intent.from_dict(task.intent["intent"])):
        return Made(**task.intent["made"])
    made = _reuse(task, gate)
    if made is not None:
        return made
    fingerprint = task.fingerprint
    if task.settle_s:
        publication.wait_settled(task.source, task.settle_s, cancelled=cancelled)
        fingerprint = publication.fingerprint_of(task.source)
    context = LocalContext(task, report, cancelled)
    try:
        if context.destination is not None and task.pool is not None:
            publication.set_aside(context.destination.scratch_root(), task.scratch_name)
        fingerprint = fingerprint or publication.fingerprint_of(task.source)
        started = time.time()
        made = context.made(task.function.invoke(task.source, task.params, context))
        if context.outputs:
            publication.recheck_source(task.source, fingerprint)
            _publish(task, context, made, context.receipt(fingerprint, started), gate)
    except Exception as error:
        _tell_first_cause(error, context, fingerprint)
        raise
    else:
        context.drop_keep()
        return made
    finally:
        context.close()


def _tell_first_cause(error: Exception, context: LocalContext, fingerprint: str) -> None:
    """Raise what was taken away under the attempt in place of what that led to; else return."""
    from rushes.runtime.attempts.undermined import undermined  # noqa: PLC0415 - of an attempt that failed alone

    cause = undermined(
        error,
        gone=context.lost_scratch(),
        source=context.task.source,
        fingerprint=fingerprint,
        scratch=context.wrote_to(),
    )
    if cause is not None:
        raise cause from error


def _publish(task: Task, context: LocalContext, made: Made, receipt: Receipt, gate: Gate) -> None:
    """Make what the body wrote visible, and say in `made` where it is."""
    from rushes.runtime.outputs import publication  # noqa: PLC0415 - as above

    outputs = context.outputs.values()
    intent = publication.prepare(
        [(output.path, Path(output.uri)) for output in outputs],
        receipt.model_copy(update={"result": json.loads(made.result), **_spent(task)}),
        receipts=task.receipts,
        destination=context.destination,
        names=list(context.outputs),
    )
    made.outputs = tuple(output.uri for output in outputs)
    _commit(intent, made, gate)


def _spent(task: Task) -> dict[str, float]:
    """What it has cost until it is published, where that is counted."""
    if task.spent is None:
        return {}
    spent = task.spent()
    return {"cost_usd": spent.usd, **({"joules": spent.joules} if spent.joules else {})}


def _commit(intent: Intent, made: Made, gate: Gate) -> None:
    """What passes the gate is the whole row: whoever adopts the intent later knows as much as we do."""
    from rushes.runtime.outputs import publication  # noqa: PLC0415 - as above

    made.receipt, made.published = intent.receipt_path, intent.facts()
    gate({"intent": intent.to_dict(), "made": asdict(made)})
    publication.commit(intent)


def _reuse(task: Task, gate: Gate) -> Made | None:
    """The known result, if its outputs still exist unchanged; copied when another place is asked for."""
    from rushes.runtime.outputs import publication  # noqa: PLC0415 - as above

    known = task.known or {}
    published = known.get("published") or []
    if not published or not all(publication.is_unchanged(fact) for fact in published):
        return None
    destination = destination_of(task)
    made = Made(
        json.dumps(known["result"], separators=(",", ":")),
        outputs=tuple(str(destination.resolve(fact["name"])) for fact in published),
        receipt=known.get("receipt"),
        encoder=known.get("encoder"),
        warnings=tuple(known.get("warnings") or ()),
        cached=True,
        published=published,
    )
    if made.outputs != tuple(fact["path"] for fact in published):
        _copy(task, made, destination, gate)
    return made


def _copy(task: Task, made: Made, destination: Destination, gate: Gate) -> None:
    """Publish copies of a known result's outputs at the places that `made` names."""
    from rushes.runtime.outputs import publication  # noqa: PLC0415 - as above

    scratch = open_scratch(destination.scratch_root(), task.scratch_name, task.attempt)
    try:
        intent = publication.prepare(
            publication.copy_published(made.published, scratch, made.outputs),
            publication.receipt_of(made.published[0]),
            receipts=task.receipts,
            destination=destination,
            names=[fact["name"] for fact in made.published],
        )
        known = [fact["path"] for fact in made.published]
        made.result = elsewhere(made.result, dict(zip(known, made.outputs, strict=True)))
        _commit(intent, made, gate)
    finally:
        close_scratch(scratch)
