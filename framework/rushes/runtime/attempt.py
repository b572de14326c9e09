"""One try at an invocation: the author's body between its clip and its published outputs.

A slot and a direct call run the same code. This module must not know who asked: it is handed a `Task`, tells
a `Reporter` how it goes, and asks its `Gate` before anything becomes visible.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rushes.runtime.local_context import LocalContext, destination_of
from rushes.runtime.scratch import close_scratch, open_scratch
from rushes.runtime.task import Gate, Made, Reporter, Task

__all__ = ["Gate", "Made", "Reporter", "Task", "run_attempt"]


def run_attempt(task: Task, report: Reporter, gate: Gate, cancelled: Callable[[], bool]) -> Made:
    """Run the body, verify, publish; nothing half-written is ever visible.

    Raises:
        RushesError: split by who is at fault; an exception of the author's body passes through as it is.
    """
    if task.out is None and task.intent is None and task.known is None and not task.settle_s:
        context = LocalContext(task, report, cancelled)
        try:
            result = task.function.invoke(task.source, task.params, context)
            return context.made(result)
        finally:
            context.close()
    return _run_with_outputs(task, report, gate, cancelled)


def _run_with_outputs(task: Task, report: Reporter, gate: Gate, cancelled: Callable[[], bool]) -> Made:
    from rushes.runtime import publication  # noqa: PLC0415 - a function without outputs does not pay for it

    if task.intent is not None:
        intent = publication.Intent.from_dict(task.intent["intent"])
        if publication.adopt(intent):
            return Made(**task.intent["made"])
    if task.known is not None:
        made = _reuse(task, publication, gate)
        if made is not None:
            return made
    settled = ""
    if task.settle_s:
        publication.wait_settled(task.source, task.settle_s, cancelled=cancelled)
        settled = publication.fingerprint_of(task.source)
    context = LocalContext(task, report, cancelled)
    try:
        if context.destination is not None:
            publication.set_aside(context.destination.scratch_root(), task.invocation)
        fingerprint = settled or task.fingerprint or publication.fingerprint_of(task.source)
        started = time.time()
        result = task.function.invoke(task.source, task.params, context)
        made = context.made(result)
        if context.outputs:
            publication.recheck_source(task.source, fingerprint)
            receipt = context.receipt(fingerprint, started)
            pairs = [(output.path, Path(output.uri)) for output in context.outputs.values()]
            receipt = receipt.model_copy(update={"result": json.loads(made.result)})
            intent = publication.prepare(
                pairs,
                receipt,
                receipts=task.receipts,
                destination=context.destination,
                names=list(context.outputs),
            )
            made.outputs = tuple(output.uri for output in context.outputs.values())
            made.receipt = intent.receipt_path
            made.published = intent.facts()
            gate({"intent": intent.to_dict(), "made": _made_dict(made)})
            publication.commit(intent)
        return made
    finally:
        context.close()


def _made_dict(made: Made) -> dict[str, Any]:
    return {
        "result": made.result,
        "outputs": made.outputs,
        "receipt": made.receipt,
        "encoder": made.encoder,
        "warnings": made.warnings,
        "media_s": made.media_s,
        "published": made.published,
    }


def _reuse(task: Task, publication: Any, gate: Gate) -> Made | None:
    """The known result, if its outputs still exist unchanged; copied when another place is asked for."""
    known = task.known or {}
    published = known.get("published") or []
    if not published or not all(publication.is_unchanged(fact) for fact in published):
        return None
    destination = destination_of(task)
    result = json.dumps(known["result"], separators=(",", ":"))
    wanted = [str(destination.resolve(fact["name"])) for fact in published]
    receipt = known.get("receipt")
    if wanted != [fact["path"] for fact in published]:
        scratch = open_scratch(destination.scratch_root(), task.invocation, task.attempt)
        try:
            pairs = publication.copy_published(published, scratch, wanted)
            text = publication.receipt_of(published[0])
            names = [fact["name"] for fact in published]
            intent = publication.prepare(
                pairs, text, receipts=task.receipts, destination=destination, names=names
            )
            gate({"intent": intent.to_dict(), "made": {"result": result, "outputs": wanted}})
            publication.commit(intent)
        finally:
            close_scratch(scratch)
        for fact, path in zip(published, wanted, strict=True):
            result = result.replace(json.dumps(fact["path"]), json.dumps(path))
        receipt, published = intent.receipt_path, intent.facts()
    return Made(
        result,
        outputs=tuple(wanted),
        receipt=receipt,
        encoder=known.get("encoder"),
        warnings=tuple(known.get("warnings") or ()),
        cached=True,
        published=published,
    )
