"""A clip on a Lambda without a ledger: done again for each event, and its publication settles who was first.

This module must not know events, nor when a call ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rushes.asset import Asset
from rushes.engines.aws.called.intake import Order
from rushes.engines.aws.called.prints import unsigned_prints
from rushes.invocation import Spent
from rushes.runtime.attempts.raised import as_error
from rushes.runtime.attempts.task import Task
from rushes.runtime.sending.shareable import as_told
from rushes.runtime.shared.money.meter import Meter
from rushes.runtime.shared.objects.attempt import reach_of, run_remote
from rushes.storage.s3_uri import local_name, place_of

if TYPE_CHECKING:
    from rushes.engines.aws.access.services import Services

__all__ = ["run_unrecorded"]


def run_unrecorded(
    order: Order, services: Services, meter: Meter, cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Work on a clip, and give what came of it.

    Args:
        order: what is to be done.
        services: what to talk to.
        meter: runs for this attempt, and is stopped at its end.
        cancelled: whether it has to stop.

    Raises:
        RushesError: it failed.
    """
    task: Task = Task(
        order.function,
        Asset(order.source.uri),
        order.params,
        f"lambda-{order.key[:12]}",
        key=order.key,
        fingerprint=order.mark,
        show=order.show,
        out=order.out,
        spent=(lambda: Spent(meter.cost().total)) if services.price is not None else None,
    )
    try:
        with unsigned_prints(), services.grant(reach_of(task), meter) as store:
            made = run_remote(
                task,
                store,
                services.settings.scratch,
                report=lambda *_: None,
                may_publish=lambda _: None,
                cancelled=cancelled,
                local_name=lambda uri: local_name(place_of(uri).key),
            )
    except Exception as error:  # noqa: BLE001 - what a body raises becomes ours
        meter.stop()
        services.tell("failed", task.invocation, cost_nano=meter.cost().total)
        # Lambda writes what is raised into its log: an author's exception is told there as everywhere.
        raise as_error(error, order.function.name) from None
    meter.stop()
    services.tell("succeeded", task.invocation, cost_nano=meter.cost().total)
    return {
        "invocation": task.invocation,
        "source": order.source.uri,
        **json.loads(as_told(made.data().decode())),
    }
