"""Quotes of what would run in an environment: what its runs took, its prices, and how many it may do at once.

What a run takes is known by the size of its clip once some have run there (`core.learning.sized_runs`);
before that headers are read where the clips are, and the encoder catalogue says. A composition root, as
`rushes.engines.aws.engine`, which asks this only when somebody wants a quote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from rushes.core.learning.estimates import Estimates
from rushes.core.learning.sized_estimates import SizedEstimates
from rushes.core.learning.sized_runs import ENOUGH
from rushes.engines.aws.infra.deployment import group_of
from rushes.engines.aws.infra.environment import stack_name
from rushes.engines.aws.infra.executor import Stack
from rushes.engines.aws.laptop.offers import Offered, offers_of
from rushes.engines.aws.laptop.placing import sender_of
from rushes.engines.aws.laptop.refusals import place_of_outputs
from rushes.engines.aws.laptop.sending import LOOKERS, Sender
from rushes.errors import CallerError, RushesError
from rushes.media.describing.inspection import describe
from rushes.media.priors import prior_of_all
from rushes.media.readers.ranged import RangedAsset
from rushes.runtime.configuration.price_files import price_book
from rushes.runtime.sending.quoting import BatchQuote, Wishes, quote_batch
from rushes.runtime.shared.objects.frames import frames_of
from rushes.runtime.sources.headers import AskedHeader, Header

if TYPE_CHECKING:
    from rushes.core.learning.sized_runs import SizedRuns
    from rushes.declaration import Params
    from rushes.engines.aws.laptop.connection import Connection
    from rushes.engines.aws.laptop.outbox import Outbox
    from rushes.function import Function, Options
    from rushes.invocation import Invocation
    from rushes.ports import Store
    from rushes.runtime.sources.inputs import Found

__all__ = ["quote_of_found", "quote_there"]

_SEEN: Final = 1
"""Bytes of a clip: whether anything at all is expected of a function."""
_PAGE: Final = 512


def quote_of_found(
    there: Connection,
    outbox: Outbox,
    function: Function[Any, Any],
    options: Options,
    params: Params,
    *,
    found: Iterable[Found],
    **wishes: Any,
) -> BatchQuote:
    """Quote what a batch of clips would take in an environment, and cost.

    Args:
        there: the environment.
        outbox: what would send it.
        function: that would run.
        options: how it would be dispatched; ``slots`` are of hosts that nobody knows of.
        params: that its invocations share.
        found: the clips.
        wishes: as of `quote_there`.

    Raises:
        CallerError: the environment takes no such work, or there is nothing to quote (``no-quote``).
    """
    outbox.check(function, replace(options, slots=None))
    out = place_of_outputs(options.out) if options.out and function.makes_outputs else None
    spec = {
        "title": function.name, "group": group_of(function), "priority": options.priority,
        "function": function.ref, "version": function.version, "show": options.show, "out": out,
        "name": options.name, "receipts": options.receipts, "force": options.force,
    }  # fmt: skip
    book = price_book(there.environ)
    return quote_there(
        function,
        params,
        outbox.invocations(function, options, params, found),
        spec=spec,
        sender=sender_of(there, spec),
        offered=offers_of(
            there.deployment, function, options, template=_template(there), book=book, region=there.region
        ),
        runs=there.runs.of(function.name, function.version),
        **wishes,
    )


def _template(there: Connection) -> Mapping[str, Any]:
    """What an environment was deployed as; empty where nobody may say."""
    name = there.deployment.name
    if name:
        with suppress(CallerError):  # who sends need not be permitted to read it
            return Stack(there.plain.client("cloudformation"), stack_name(name)).template() or {}
    return {}


def quote_there(
    function: Function[Any, Any],
    params: Params,
    invocations: Iterable[Invocation],
    *,
    spec: Mapping[str, Any],
    sender: Sender,
    offered: Mapping[str, Offered],
    runs: Mapping[str, SizedRuns],
    within_s: float | None = None,
    max_cost: int | None = None,
) -> BatchQuote:
    """Quote a batch for an environment.

    Args:
        function: that would run.
        params: that its invocations share.
        invocations: as they would be sent.
        spec: what a batch of them would be opened with, as far as it says what is known already.
        sender: knows what that is.
        offered: who would work on it, by tier; the first of them where nobody chooses.
        runs: what runs of the function took there, by tier.
        within_s: seconds from now in which all has to be done; None: whenever.
        max_cost: nano-dollars; None: whatever.

    Raises:
        CallerError: there is nothing to quote (``no-quote``).
    """
    first = next(iter(offered))
    parts: dict[str, list[Invocation]] = {}
    for one in invocations:
        routed = sender.place(one.size_bytes) if one.problem is None else None
        tier = routed.tier if routed is not None and routed.tier in offered else first
        parts.setdefault(tier, []).append(one)
    quotes = []
    for tier, some in (parts or {first: []}).items():
        its, learnt = offered[tier], runs.get(tier)
        by_size = learnt if learnt is not None and learnt.expected(_SEEN) is not None else None
        known = _Known(sender, spec)
        found = quote_batch(
            function,
            params,
            known.noted(some),
            wishes=Wishes(
                its.here, its.elsewhere, within_s=within_s, max_cost=max_cost, slots=function.max_concurrency
            ),
            estimator=_Estimator(by_size, its.cores),
            headers=_Headers(
                sender.store, {one.source: one.size_bytes for one in some}, reads=by_size is None
            ),
            known=known,
        )
        quotes.append(replace(found.with_notes(its.notes), enough=ceil(ENOUGH)))
    return quotes[0] if len(quotes) == 1 else quotes[0].beside_of(quotes[1], max_cost)


class _Known:
    """Which keys have a result that still stands, of invocations that went by."""

    def __init__(self, sender: Sender, spec: Mapping[str, Any]) -> None:
        self._sender = sender
        self._spec = spec
        self._of: dict[str, Invocation] = {}

    def noted(self, invocations: Iterable[Invocation]) -> Iterator[Invocation]:
        """The same, remembered until their keys are asked about."""
        for one in invocations:
            if one.key and one.problem is None:
                self._of[one.key] = one
            yield one

    def __call__(self, keys: Sequence[str]) -> frozenset[str]:
        return self._sender.known_keys(self._spec, [self._of.pop(key) for key in {*keys} if key in self._of])


@dataclass(frozen=True, slots=True)
class _Estimator:
    """In the place of `rushes.runtime.sending.estimating.Estimator`: of an environment's runs."""

    learnt: SizedRuns | None
    cores: float

    def reads_headers(self, _function: str) -> bool:
        """Always: at least how large a clip is has to be known."""
        return True

    def of(self, _function: str) -> Estimates | SizedEstimates:
        if self.learnt is not None:
            return SizedEstimates(self.learnt)
        return Estimates(lambda work: prior_of_all(work.makes, cores=self.cores))


@dataclass(frozen=True, slots=True)
class _Headers:
    """Looks at clips where they are: how large they are, and what their headers say where that is wanted."""

    store: Store
    sizes: Mapping[str, int]
    reads: bool

    def __call__(self, asked: Iterable[AskedHeader]) -> Iterator[Header]:
        source = iter(asked)
        with ThreadPoolExecutor(LOOKERS) as threads:
            while page := list(islice(source, _PAGE)):
                yield from threads.map(self._look, page)

    def _look(self, asked: AskedHeader) -> Header:
        uri, size_bytes = asked.clip.uri, self.sizes.get(asked.clip.uri, 0)
        if not self.reads or frames_of(uri) is not None:  # of a shot each frame would have to be fetched
            return Header(RangedAsset(uri, asked.clip.frames, known_bytes=size_bytes), None)
        try:
            clip = RangedAsset(uri, asked.clip.frames, ranges=self.store.reader(uri))
            with clip.telling():
                return Header(clip, describe(clip))
        except RushesError as error:
            return Header(asked.clip, None, error)
