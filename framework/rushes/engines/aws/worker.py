"""`rushes worker --engine aws`: this machine as a host of an environment, until it is told to go.

The composition root of a host: the ledger and queues of the environment, this machine's own pool, and who may
end it. The same on a task of ECS, an instance of EC2 and a workstation: what is not there is not asked. This
module must not know how a host works.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from rushes import catalog
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import aws_settings, pairs_of
from rushes.engines.aws.fleet.fleet_notes import Done, FleetNotes
from rushes.engines.aws.hosts.ecs_agent import EcsProtection, ecs_task
from rushes.engines.aws.hosts.host import AwsHost, NoProtection, Protection
from rushes.engines.aws.hosts.own_secrets import close_to_others
from rushes.engines.aws.hosts.spot import SpotWatch
from rushes.engines.aws.infra.deployment import Deployment, deployment_of
from rushes.engines.aws.infra.host_tiers import PLAIN
from rushes.errors import CallerError, PlatformError
from rushes.runtime.configuration.class_file import classes_of
from rushes.runtime.configuration.own_tier import barred_here
from rushes.runtime.configuration.settings import settings_from
from rushes.runtime.shared.hosts.fitness import HostFitness
from rushes.runtime.shared.hosts.looks import looks_of
from rushes.runtime.shared.hosts.pool_run import OwnPool

__all__ = ["lacking_here", "queues_of", "run_host"]


def run_host(
    environment: str,
    pool: OwnPool,
    *,
    width: int,
    groups: Sequence[str] = (),
    classes: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    say: Callable[[str], None] = lambda _: None,
    tell: Callable[[str, Mapping[str, Any]], None] | None = None,
) -> None:
    """Work for an environment until SIGTERM, SIGINT or a notice that a spot instance is taken back.

    Args:
        environment: its name; "" for what variables tell of.
        pool: this machine's own.
        width: invocations of one class that are worked on at a time.
        groups: of hosts, those that it is one of; none: those that take whatever wants no device.
        classes: that it takes; none: all.
        environ: variables.
        say: is told what it takes.
        tell: is told what its log would have, where a person reads it; None: it is written as JSON.

    Raises:
        CallerError: there is no such environment, or it has no queues for such hosts.
        PlatformError: this machine is not fit for the work (``host-unfit``, ``no-scratch``).
    """
    settings = aws_settings(environ)
    name = f"{socket.gethostname()}:{os.getpid()}"
    plain = Services(settings, name)
    deployment = deployment_of(environment, environ, plain.client)
    queues = queues_of(deployment, environ, groups, classes)
    if left := sorted({*deployment.ranks} - {one.name for one in classes_of(environ)}):
        say(f"no class of this host, and left to others: {', '.join(left)}; RUSHES_CLASSES names yours")
    its = replace(settings, table=deployment.table, ranks=deployment.ranks)
    services = Services(its, name, tell=tell)
    _say_by_what_right(services, say)
    if services.settings.work_role:
        close_to_others()
    if lacking := lacking_here(deployment):
        say(
            f"no package here declares {', '.join(lacking)}: what cannot be loaded when it comes is left to "
            "other hosts"
        )
    agent = environ.get("ECS_AGENT_URI", "")
    protection: Protection = EcsProtection(agent, services.say) if agent else NoProtection()
    fitness = _fitness_of(services, pool, queues)
    told = _telling(services, ecs_task(environ), name, fitness)
    host = AwsHost(
        services, pool, queues, name=name, width=width, protection=protection, told=told, fitness=fitness,
        # A task's disk goes with it; and who collects what a host writes wants that as well.
        logs=settings_from(environ).logs if tell is None else None,
        leaves=bool(agent),  # ECS puts another in its place; who stands in a studio is seen to by somebody
        environ=environ,
    )  # fmt: skip
    say(f"host {name} takes {', '.join(queues)}; Ctrl-C gives back what runs and ends it")
    with _stopped_by_signals(host), _watched_for_notices(host, environ, agent=agent):
        host.run()
    if host.left:
        raise PlatformError(
            f"host {name} has left: {host.left}.",
            code="host-unfit",
            fix="No work is lost, and another takes its place; see that this machine has what is named.",
        )


def queues_of(
    deployment: Deployment, environ: Mapping[str, str], groups: Sequence[str], classes: Sequence[str]
) -> dict[str, str]:
    """The queues that a host takes from, by ``<group>/<class>``: not those of classes that may not use it.

    Raises:
        CallerError: there is none (``no-queue``), or a file that says who may cannot be used.
    """
    told = (key.rpartition("/")[0] or PLAIN for key in pairs_of(environ.get("RUSHES_QUEUES", "")))
    asked = groups or tuple(dict.fromkeys(told)) or (PLAIN,)
    barred = barred_here(environ)
    known = {one.name for one in classes_of(environ)}
    found = {
        f"{group}/{name}": url
        for group in asked
        for name, url in deployment.of_hosts(group).items()
        if (not classes or name in classes) and name not in barred and name in known
    }
    if not found and barred:
        raise CallerError(
            f"no class that is asked for may use this host; {'; '.join(barred.values())}.",
            code="no-queue",
            fix="Correct RUSHES_TIER, or the tiers and purchase of the classes (RUSHES_CLASSES).",
        )
    if not found:
        raise CallerError(
            f"environment {deployment.name or 'of this machine'} has no queues for {', '.join(asked)}"
            f"{' of class ' + ', '.join(classes) if classes else ''}.",
            code="no-queue",
            fix="Give it hosts: rushes infra deploy --hosts, or --capacity; or correct --group and --class.",
        )
    return found


def lacking_here(deployment: Deployment) -> list[str]:
    """The functions of an environment that no installed package declares, by name.

    One that is named by a module may be here all the same: an environment tells its functions' names alone.
    """
    there = {one.name for one in catalog.installed()}
    return sorted({*deployment.versions} - there)


def _say_by_what_right(services: Services, say: Callable[[str], None]) -> None:
    """Say what attempts here may reach; a work role that cannot be had would fail all of them.

    Raises:
        CallerError: it cannot be had (``not-permitted``), or is none (``bad-role``).
    """
    if not services.settings.work_role:
        say(
            "attempts fetch and publish by all that this machine's credentials permit, and give a body none; "
            "RUSHES_WORK_ROLE names a role whose sessions reach one clip and one place"
        )
        return
    with suppress(PlatformError):  # what is busy now says later what there is to say
        services.grant.check()
    say(
        f"each attempt is fetched and published by a session of {services.settings.work_role} for its clip "
        "and its place; its body signs in with that, and with nothing else"
    )


def _fitness_of(services: Services, pool: OwnPool, queues: Mapping[str, str]) -> HostFitness:
    """What this machine knows of itself."""
    ledger = services.ledger

    def signed_in() -> None:
        if ledger is not None:
            ledger.spec("-")
        services.grant.check()

    looks = looks_of(services.settings.scratch, pool.pool, signed_in)
    return HostFitness(looks, {key.rpartition("/")[0] for key in queues}, say=services.say)


def _telling(
    services: Services, task: str, name: str, fitness: HostFitness
) -> Callable[[Mapping[str, tuple[int, float]]], bool]:
    """Tells the scaler what was done, and hears from it whether this task is to take no more.

    Who rests says so there, too.
    """
    notes = FleetNotes(services.client("dynamodb"), services.settings.table)
    rested = False

    def told(done: Mapping[str, tuple[int, float]]) -> bool:
        nonlocal rested
        notes.add({key: Done(*one) for key, one in done.items()})
        if why := fitness.why:
            whole = fitness.rests_s is not None
            since = time.time() - fitness.wanting_s
            notes.rest(name, why, since, whole=whole, task=task, lacks=fitness.lacking)
        elif rested:
            notes.work(name)
        rested = bool(why)
        return bool(task) and notes.is_drained(task)

    return told


@contextmanager
def _stopped_by_signals(host: AwsHost) -> Iterator[None]:
    """The first signal gives everything back; the second one ends the process as ever."""
    before: dict[int, Any] = {}

    def stop(number: int, _frame: Any) -> None:
        signal.signal(number, before[number])
        host.stop()

    for one in (signal.SIGTERM, signal.SIGINT):
        before[one] = signal.signal(one, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _watched_for_notices(host: AwsHost, environ: Mapping[str, str], *, agent: str) -> Iterator[None]:
    """Under ECS its agent hears of a notice and sends SIGTERM; else this process looks for itself."""
    if agent:
        yield
        return
    watch = SpotWatch(host.stop, environ)
    thread = threading.Thread(target=watch.watch, name="spot", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.stop()
        thread.join()
