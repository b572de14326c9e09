"""A host that takes work from shared queues: a machine of ECS, a workstation, anything with credentials.

It has one poller for each class, so an urgent message is heard however much other work is here; the work
itself goes to the machine's own pool, whose scheduler makes room for it (`rushes.engines.aws.hosts.taker`).
What lapses, and what waits for its next try, is told of again by a sweep. On SIGTERM, or a notice that a spot
host is taken back, everything is given back at once and loses no try. A host that cannot do its work gives it
back untouched, rests, and says so (`rushes.core.host_health`). While something is here the host is protected,
so that nobody who makes the fleet smaller ends it. This module must not know how the pool works, nor who
protects it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from rushes.core.retry import MOST_LAPSES
from rushes.engines.aws.hosts.body_sessions import BodySessions, body_environ
from rushes.engines.aws.hosts.host_log import HostLog
from rushes.engines.aws.hosts.taker import Taker
from rushes.engines.aws.notices import sweeping
from rushes.engines.aws.notices.lowering import sent_lower
from rushes.errors import CallerError, PlatformError, RushesError
from rushes.ledger import ON_HOSTS
from rushes.runtime.attempts.raised import as_error
from rushes.runtime.shared.claims.run import ClaimRunner
from rushes.runtime.shared.hosts.pool_run import PoolRun, cancel_left_behind
from rushes.runtime.shared.objects.scratch import KeptFolders, is_held, sign_of_life, sweep_scratch
from rushes.runtime.shared.runs.log import RunLog
from rushes.storage.s3_uri import local_name, place_of

if TYPE_CHECKING:
    from rushes.engines.aws.access.services import Services
    from rushes.notices import Notice
    from rushes.ports import Ledger
    from rushes.runtime.shared.hosts.fitness import HostFitness
    from rushes.runtime.shared.hosts.pool_run import OwnPool

__all__ = ["AwsHost", "NoProtection", "Protection"]

SWEEP_S: Final = 60.0
"""Between two looks at what lapsed."""
LOOK_S: Final = 1.0
"""Between two looks at whether a host is still busy."""


class Protection(Protocol):
    """Keeps a host from being ended while it is busy. Neither verb raises."""

    def hold(self) -> None:
        """Something is here; said before it is begun, and again while it lasts."""
        ...

    def release(self) -> None:
        """Nothing is here; said again while that lasts."""
        ...


class NoProtection:
    """Of a host that nobody ends."""

    def hold(self) -> None:
        return

    def release(self) -> None:
        return


class AwsHost:
    """Works for shared queues until it is stopped.

    Args:
        services: the ledger, the store, the log.
        engine: this machine's own pool.
        queues: URL of the queue of each class; of a group of hosts by ``<group>/<class>``.
        name: of this host.
        width: invocations of one class that are worked on at a time.
        clock: UTC epoch seconds; None: by the ledger's service.
        protection: keeps it from being ended while it is busy.
        told: called once a minute with what was done of each class since the last time, and the seconds of
            that; gives whether the host is to take no more work.
        fitness: of this machine; None: nobody doubts it.
        leaves: whether it ends when it has rested for long, for another to take its place.
        logs: the folder of what attempts in its pool log, which is told to the log of the host as well; None:
            it is read where it is.
        environ: variables, of which its pool gives bodies what they are to have.
    """

    def __init__(
        self,
        services: Services,
        engine: OwnPool,
        queues: Mapping[str, str],
        *,
        name: str,
        width: int,
        clock: Callable[[], float] | None = None,
        protection: Protection | None = None,
        told: Callable[[Mapping[str, tuple[int, float]]], bool] = lambda _: False,
        fitness: HostFitness | None = None,
        leaves: bool = False,
        logs: Path | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        if services.ledger is None:
            raise CallerError("a host has no ledger.", code="no-ledger", fix="Set RUSHES_TABLE to its table.")
        self._services = services
        self._ledger: Ledger = services.ledger
        self._clock = clock or services.clock
        self._protection = protection or NoProtection()
        self._told = told
        self._fitness, self._leaves = fitness, leaves
        self._said_why = ""
        self.left = ""
        """Why it left the fleet by itself."""
        self._stopping = threading.Event()
        self._money = services.share(name, self._clock)
        self._log = RunLog(services.runs, ON_HOSTS, self._clock)
        self._pool, self._life = engine, ExitStack()
        sign = self._life.enter_context(sign_of_life(services.settings.scratch))
        folders = self._life.enter_context(closing(KeptFolders()))
        self._words = None if logs is None else HostLog(services.say, logs)
        logged = None if self._words is None else self._words.ended
        sessions = self._sessions()
        if sessions is not None:
            environ = body_environ(environ, sessions.uri, services.own_region)
        self._runs = {key: PoolRun(engine, key.rpartition("/")[2], sign, logged, environ) for key in queues}
        self._takers = [
            Taker(
                key,
                services.queue(url),
                ClaimRunner(
                    self._ledger,
                    services.store,
                    services.settings.scratch,
                    name,
                    lambda uri: local_name(place_of(uri).key),
                    clock=self._clock,
                    lease_s=services.settings.lease_s,
                    most_lapses=MOST_LAPSES,
                    run_here=self._runs[key],
                    grant=services.grant,
                    price=services.price,
                    region=services.region,
                    money=self._money,
                    unfit=_asked_of(fitness, key),
                    lacks=self._lacks,
                    tier=ON_HOSTS,
                    runs=self._log,
                    folder_of=folders.attempt,
                    lend=sessions.lend if sessions is not None else None,
                ),
                width,
                poll_s=services.settings.poll_s,
                protection=self._protection,
                say=services.say,
                lower=partial(self._lower, key.rpartition("/")[0]),
                is_over=self._is_over,
                fitness=fitness,
            )
            for key, url in queues.items()
        ]

    @property
    def here(self) -> int:
        """Invocations that are here."""
        return sum(one.here for one in self._takers)

    def run(self) -> None:
        """Work until `stop` is called; returns when everything that was here has ended or was given back."""
        with suppress(RushesError):
            self._ledger.spec("-")  # its answer puts the clock right, before anything is timed
        self._try(lambda: cancel_left_behind(self._pool, is_held))
        self._look_after_itself()  # before it takes anything
        for one in self._takers:
            one.start()
        queues = {one.key: one.queue for one in self._takers}
        swept_at = time.monotonic()
        while not self._stopping.wait(LOOK_S):
            (self._protection.hold if self.here else self._protection.release)()
            self._look_after_itself()
            if self._words is not None:
                self._try(self._words.tend)
            if time.monotonic() - swept_at < SWEEP_S:
                continue
            swept_at = time.monotonic()
            sweep_scratch(self._services.settings.scratch)
            for look in (lambda: sweeping.sweep(self._ledger, queues, self._clock()), self._tend, self._tell):
                self._try(look)
        for one in self._takers:
            one.join()
        for run in self._runs.values():
            self._try(run.close)  # what is left open there is taken to be complete a minute later
        for look in (lambda: self._tend(ends=True), self._tell):
            self._try(look)
        self._log.tend(ends=True)
        if self._words is not None:
            self._words.tend(ends=True)
        self._protection.release()
        self._life.close()

    def _sessions(self) -> BodySessions | None:
        """What lets bodies sign in; None where attempts have no session of their own."""
        if not self._services.settings.work_role:
            return None
        return self._life.enter_context(closing(BodySessions(self._services.grant.living)))

    def _look_after_itself(self) -> None:
        """Rest, or work again; leave where it has rested for long, and nothing is here any more."""
        if self._fitness is None:
            return
        self._try(self._fitness.tend)
        if (why := self._fitness.why) != self._said_why:
            self._said_why = why
            self._try(self._tell)
        if self._leaves and self._fitness.is_to_leave and not self.here:
            self.left = self._fitness.why
            self._services.say("leaves", reason=self.left)
            self.stop()

    def _is_over(self, notice: Notice) -> bool:
        entry = self._ledger.entry(notice.invocation)
        return entry is None or entry.state.ended

    def _lacks(self, function: str, why: str) -> None:
        """Work of a function came that is not to be had here."""
        if self._fitness is not None:
            self._fitness.lacks(function, why)

    def _try(self, look: Callable[[], object]) -> None:
        """Do what is done again a minute later; whatever goes wrong, what is here goes on and is guarded."""
        try:
            look()
        except PlatformError:
            return
        except Exception as error:  # noqa: BLE001 - a host whose own thread ends works on unguarded
            self._services.say("fault", error=as_error(error, "the host").to_dict())

    def stop(self) -> None:
        """Give everything back and return: also from a signal handler."""
        self._stopping.set()
        for one in self._takers:
            one.stop()

    def drain(self, *, drained: bool = True) -> None:
        """Take no more work, or take work again; what is here goes on."""
        for one in self._takers:
            one.drained = drained

    def _lower(self, group: str, notice: Notice) -> str:
        """Send a notice on to the class below, if this host takes that; why, or "" where it stays."""
        queues = {one.key: one.queue for one in self._takers}
        prefix = f"{group}/" if group else ""
        return sent_lower(
            notice, self._money, lambda name: queues.get(f"{prefix}{name}"), self._services.settings.ranks
        )

    def _tend(self, *, ends: bool = False) -> None:
        """Look after the money that is here; what cannot be said now is said later, or found out."""
        own, shared = self._money, self._services.money
        if own is not None:
            self._try(own.close if ends else own.tend)
        if shared is not None:
            queues = {one.key: one.queue for one in self._takers}
            self._try(lambda: shared.reclaim(self._clock()))
            self._try(lambda: sweeping.raise_again(self._ledger, queues, shared))

    def _tell(self) -> None:
        self._log.tend()
        done = {one.key: one.take_done() for one in self._takers}
        try:
            self.drain(drained=self._told(done))
        except RushesError:
            for one in self._takers:  # it is told the next time
                one.put_back(done[one.key])


def _asked_of(fitness: HostFitness | None, key: str) -> Callable[[RushesError, str, str], str]:
    """Asks a host whether it, and not the work of a taker, is at fault."""
    group = key.rpartition("/")[0]

    def unfit(failure: RushesError, invocation: str, function: str) -> str:
        return "" if fitness is None else fitness.unfit(failure, invocation, function, group)

    return unfit
