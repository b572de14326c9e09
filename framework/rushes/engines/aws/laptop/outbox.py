"""New batches of an environment: what is refused beforehand, what is kept of them, what they hold.

This module must not know who follows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from rushes import catalog
from rushes.core.accounts import Scope
from rushes.engines.aws.infra.deployment import group_of
from rushes.engines.aws.infra.host_tiers import PLAIN
from rushes.engines.aws.laptop.patience import Patiently, PatientStore
from rushes.engines.aws.laptop.placing import sender_of
from rushes.engines.aws.laptop.refusals import check_sendable, place_of_outputs
from rushes.engines.aws.laptop.sending import marked, sendable
from rushes.errors import PlatformError
from rushes.runtime.configuration.settings import settings_from
from rushes.runtime.sending.batch_ids import new_batch_id
from rushes.runtime.sending.sent_last import remember_sent
from rushes.runtime.sending.submission import batch_spec, invocations
from rushes.runtime.shared.objects.frames import look_clip
from rushes.runtime.shared.objects.inputs import expand_objects, local_input
from rushes.runtime.shared.objects.marks import object_mark
from rushes.runtime.sources.inputs import distinct
from rushes.storage.s3_bucket import require_bucket

if TYPE_CHECKING:
    from rushes.asset import Asset
    from rushes.batch import Items
    from rushes.engines.aws.laptop.connection import Connection
    from rushes.engines.aws.laptop.followed import Followed
    from rushes.function import Function, Options, Params
    from rushes.invocation import BatchSpec, Invocation
    from rushes.runtime.sources.inputs import Found
    from rushes.stored import Stored

__all__ = ["Outbox"]

MARKS_KEPT: Final = 1024
"""Of clips that are named again and again, with other options."""
_KEPT: Final = (
    "function", "version", "params", "source_digest", "out", "priority", "show", "deadline", "tags", "name",
    "receipts", "force", "retries", "title", "settle_s", "quote", "max_cost_nano",
)  # fmt: skip
"""Of what batches share, what whoever works on them has to know."""


class Outbox:
    """Sends batches to an environment.

    Args:
        there: the environment.
        followed: its batches, by the names that people know.
    """

    def __init__(self, there: Connection, followed: Followed) -> None:
        self._there = there
        self._followed = followed
        self._sent: dict[str, int] = {}
        self._patiently = Patiently()

    @property
    def waits(self) -> str:
        """Why what is being sent does not go on at the moment; "" where it does."""
        return self._patiently.waits

    def find(self, inputs: Sequence[str], *, out: str | None = None) -> Iterator[Found]:
        """The clips that INPUT arguments name in buckets."""
        return expand_objects(inputs, PatientStore(self._there.services.store, self._patiently), out=out)

    def check(self, function: Function[Any, Any], options: Options) -> None:
        """Refuse what an environment cannot do, or does not take.

        Raises:
            CallerError: an option means nothing there, or it takes no such work.
        """
        check_sendable(function, options)
        self._there.deployment.check_version(function.name, function.version)
        self._there.deployment.queue_of(function.name, group_of(function), options.priority)

    def spec_of(
        self, function: Function[Any, Any], options: Options, params: Params, title: str = ""
    ) -> BatchSpec:
        """What all invocations of a batch share.

        Raises:
            CallerError: as `check` does, or the bucket of its outputs is not there (``not-found``).
        """
        self.check(function, options)
        environ = self._there.environ
        spec = batch_spec(function, options, params, title=title, environ=environ, place=place_of_outputs)
        if spec.out is not None:
            require_bucket(self._there.services.client("s3"), spec.out)
        # An image has the function installed, from wherever: what it is there is said by its version.
        return replace(spec, source_digest="", environment={}, title=function.name)

    def invocations(
        self, function: Function[Any, Any], options: Options, params: Params, found: Iterable[Found]
    ) -> Iterator[Invocation]:
        """One a clip, with what that was."""
        look = lru_cache(maxsize=MARKS_KEPT)(self._look)
        there = marked(found, look)
        return invocations(function, options, params, there, lambda asset: object_mark(look(asset)))

    def _look(self, asset: Asset) -> Stored:
        if "://" not in asset.uri:
            raise local_input(asset.uri)
        return look_clip(PatientStore(self._there.services.store, self._patiently), asset.uri)

    def launch(
        self, function: Function[Any, Any], options: Options, items: Items, params: Params
    ) -> tuple[str, int]:
        """Open, submit and seal a batch; returns its id and how many invocations it has."""
        spec = self.spec_of(function, options, params)
        found = distinct(items)
        batch = self.open(spec)
        try:
            total = self.submit(batch, self.invocations(function, options, params, found))
        except BaseException:  # half a list is not what was asked for
            self._there.ledger.cancel(self._followed.inner(batch))
            raise
        self.seal(batch)
        if not self._there.is_given:  # what others made for it may be nobody's machine
            with suppress(PlatformError):  # without a state folder nothing is remembered: it was sent
                remember_sent(settings_from(self._there.environ).home, batch)
        return batch, total

    def open(self, spec: BatchSpec) -> str:
        """Open a batch and return its id; nothing runs yet."""
        batch = new_batch_id()
        kept = {name: getattr(spec, name) for name in _KEPT}
        group = group_of(catalog.find(spec.function))
        kept |= {
            "tags": dict(spec.tags),
            "group": group if self._there.deployment.of_hosts(group) else PLAIN,
        }
        if spec.max_cost_nano is not None:  # before anybody can work on it
            self._there.money.set_cap(Scope("batch", batch), spec.max_cost_nano)
        self._there.ledger.open(batch, kept, self._there.clock())
        return self._followed.outer(batch)

    def submit(self, batch: str, items: Iterable[Invocation]) -> int:
        """Add invocations durably, in order, streaming; returns how many."""
        inner = self._followed.inner(batch)
        tally = self._patiently(lambda: self._followed.tally(inner, fresh=True, active=False))
        spec, sent = tally.spec, self._sent.get(inner, tally.total)
        sender = sender_of(self._there, spec, self._patiently)
        count = sender.send(inner, spec, sendable(items), sent + 1)
        self._sent[inner] = sent + count
        return count

    def seal(self, batch: str) -> None:
        """Say that the batch is complete."""
        inner = self._followed.inner(batch)
        self._patiently(lambda: self._there.ledger.seal(inner))
        self._followed.forget(inner)
