"""What an image calls on Lambda: one module for all functions, told by the environment which it is.

    work     the function that `RUSHES_FUNCTION` names
    route    the router of those that `RUSHES_FUNCTIONS` names
    sweep    tells of what lapsed, once a minute
    scale    says how many hosts there are, once a minute
    tell     tells EventBridge of what changed in the ledger

Each is made at its first event, so that a cold start imports what it needs and nothing beside. This module
must not know templates.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from rushes.errors import CallerError

if TYPE_CHECKING:
    from rushes.engines.aws.access.services import Services
    from rushes.engines.aws.called.router import EventRouter
    from rushes.engines.aws.called.telling import Telling
    from rushes.engines.aws.called.trial import Trials
    from rushes.ports import Queue

__all__ = ["route", "scale", "sweep", "tell", "work"]


def work(event: Any, context: Any) -> Any:
    """Does what an event asks of the function."""
    return _worker()(event, context)


def route(event: Any, context: Any) -> Any:
    """Hands objects that came to those who want them."""
    return _router()(event, context)


def sweep(event: Any, context: Any) -> dict[str, Any]:  # noqa: ARG001 - as Lambda calls it
    """Tells of what lapsed and of waits that are over."""
    from rushes.engines.aws.notices.sweeping import raise_again  # noqa: PLC0415 - not for `work`
    from rushes.engines.aws.notices.sweeping import sweep as told_of  # noqa: PLC0415 - as above

    services = _services("sweep")
    if services.ledger is None:
        raise CallerError("the sweep has no ledger.", code="no-ledger", fix="Set RUSHES_TABLE to its table.")
    queues: dict[str, Queue] = {name: services.queue(url) for name, url in _routes().items()}
    told = told_of(services.ledger, queues, time.time())
    back = raised = 0
    if services.money is not None:
        back = services.money.reclaim(time.time())
        raised = raise_again(services.ledger, queues, services.money)
    counts = {"reclaimed": back, "raised": raised}
    said: dict[str, Any] = {"told": told, **{name: count for name, count in counts.items() if count}}
    if trials := _trials():
        said |= {"trials": _looked_at(trials, services)}
        if handed := _handed_back(trials, services, queues):
            said["handed back"] = handed
    return said


def _trials() -> dict[str, str]:
    """Functions of which a new version is tried, with their old ones."""
    from rushes.engines.aws.access.settings import pairs_of  # noqa: PLC0415 - as above

    return pairs_of(os.environ.get("RUSHES_TRIALS", ""))


def _kept_trials(services: Services) -> Trials:
    from rushes.engines.aws.called.trial import Trials  # noqa: PLC0415 - where something is tried

    return Trials(services.client("dynamodb"), services.settings.table)


def _looked_at(trials: Iterable[str], services: Services) -> dict[str, str]:
    """Decide what becomes of new versions; gives what was decided."""
    found: dict[str, str] = {}
    kept = _kept_trials(services)
    for function in trials:
        verdict = kept.look(function)
        if verdict is not None:
            found[function] = verdict.act
            if verdict.act not in {"wait", "ask"}:
                services.say(verdict.act, function=function, share=verdict.share, reason=verdict.reason)
    return found


def _handed_back(trials: Iterable[str], services: Services, queues: Mapping[str, Queue]) -> int:
    """What waits for hosts that tried a version which went back goes to the others; gives how much."""
    from rushes.engines.aws.notices.returning import hand_back  # noqa: PLC0415 - where something is tried

    shares = _kept_trials(services).shares(trials)
    if services.ledger is None or all(shares.values()):
        return 0
    return hand_back(queues, services.ledger, lambda function: shares.get(function) == 0)


def scale(event: Any, context: Any) -> dict[str, Any]:  # noqa: ARG001 - as Lambda calls it
    """Looks at queues and hosts, and says how many hosts there are to be."""
    from rushes.engines.aws.access.settings import pairs_of  # noqa: PLC0415 - as above
    from rushes.engines.aws.fleet.scaler_lambda import scaled_once, scaling_of  # noqa: PLC0415 - as above

    services = _services("scaler")
    sources = pairs_of(os.environ.get("RUSHES_SOURCES", ""))
    definitions = pairs_of(os.environ.get("RUSHES_TASKS", ""))
    scaling = scaling_of(
        services,
        _said("RUSHES_ENV"),
        _said("RUSHES_FLEETS"),
        sources,
        definitions=definitions,
        trials=lambda: _kept_trials(services),
    )
    return scaled_once(scaling, services)


def tell(event: Any, context: Any) -> dict[str, Any]:  # noqa: ARG001 - as Lambda calls it
    """Tells EventBridge of changes that the stream of the ledger's table brings."""
    again = _telling().tell(event.get("Records", ()))
    return {"batchItemFailures": [{"itemIdentifier": one} for one in again]}


@cache
def _telling() -> Telling:
    from rushes.engines.aws.called.telling import Telling  # noqa: PLC0415 - not for `work`

    services = _services("teller")
    if services.ledger is None:
        raise CallerError("the teller has no ledger.", code="no-ledger", fix="Set RUSHES_TABLE to its table.")
    trials = _trials()
    return Telling(
        services.client("events") if os.environ.get("RUSHES_TELLS") else None,
        services.ledger.spec,
        _said("RUSHES_ENV"),
        _kept_trials(services) if trials else None,
        trials,
        on_hosts=tuple(filter(None, os.environ.get("RUSHES_TRIED_ON_HOSTS", "").split(","))),
        say=services.say,
    )


@cache
def _worker() -> Callable[[Any, Any], Any]:
    from rushes.engines.aws.called.first_call import begin  # noqa: PLC0415 - nothing before the first event

    begin()  # before the function is imported

    from rushes import catalog  # noqa: PLC0415 - as `_router`

    return catalog.find(_said("RUSHES_FUNCTION")).lambda_handler


@cache
def _router() -> EventRouter:
    from rushes import catalog  # noqa: PLC0415 - not for `sweep`
    from rushes.engines.aws.access.settings import pairs_of  # noqa: PLC0415 - as above
    from rushes.engines.aws.called.router import EventRouter  # noqa: PLC0415 - not for `work`

    functions = [catalog.find(one) for one in _said("RUSHES_FUNCTIONS").split(",")]
    buckets = pairs_of(os.environ.get("RUSHES_BUCKETS", ""))
    shows = [one for one in os.environ.get("RUSHES_SHOWS", "").split(",") if one]
    return EventRouter(
        functions,
        _routes(),
        _services("router"),
        buckets=buckets,
        shows=shows,
        intakes=pairs_of(os.environ.get("RUSHES_INTAKES", "")),
        events=os.environ.get("RUSHES_EVENTS_QUEUE", ""),
        trials=_trials(),
        tiers=os.environ.get("RUSHES_TIERS", ""),
        before=pairs_of(os.environ.get("RUSHES_BEFORE", "")),
    )


@cache
def _services(name: str) -> Services:
    from rushes.engines.aws.access.services import Services  # noqa: PLC0415 - as above
    from rushes.engines.aws.access.settings import aws_settings  # noqa: PLC0415 - as above

    return Services(aws_settings(), name)


def _routes() -> dict[str, str]:
    from rushes.engines.aws.access.settings import places_of  # noqa: PLC0415 - as above

    return places_of(_said("RUSHES_ROUTES"))


def _said(variable: str) -> str:
    found = os.environ.get(variable, "")
    if not found:
        raise CallerError(
            f"{variable} is not set.", code="not-deployed", fix="Let `rushes infra deploy` make this Lambda."
        )
    return found
