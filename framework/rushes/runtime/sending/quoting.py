"""A quote for a batch before it is sent: its clips' headers, what was learnt, and what machines cost.

The same stream of invocations that would be sent is quoted, so what is known already costs nothing, and what
cannot be read is counted and left out. This module must not know command lines, nor where anything is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, Protocol, cast

from rushes.asset import Asset, FrameRange
from rushes.core.learning.durations import Estimate, Interval
from rushes.core.learning.work import HERE, WorkTraits
from rushes.core.money import format_dollars
from rushes.core.spending.quote import Lot, Offer, Quote, Taken, both, quote
from rushes.core.spending.solving import Declined, fits, solve
from rushes.declaration import Params
from rushes.errors import CallerError
from rushes.function import Function
from rushes.invocation import Invocation
from rushes.runtime.sending.workload import work_of
from rushes.runtime.sources.headers import AskedHeader, Header
from rushes.units import format_duration

__all__ = ["BatchQuote", "Elsewhere", "Unreadable", "Wishes", "kept_quote", "quote_batch"]

_NAMED: Final = 20
"""Of the clips that cannot be read, so many are named."""
# Nobody has measured this work there: it takes as long as the tier's stated speed says, give or take this.
_ELSEWHERE_SPREAD: Final = 1.4


class Estimating(Protocol):
    """What invocations of one function take."""

    def grouped(self, works: Iterable[WorkTraits]) -> list[tuple[int, Estimate]]:
        """How many works take about the same, with what such a one takes."""

    def runs_of(self, function: str, on: str) -> int:
        """How many runs that rests on."""


class Knowing(Protocol):
    """Who knows that, of every function: `rushes.runtime.sending.estimating.Estimator`."""

    def reads_headers(self, function: str) -> bool:
        """Whether clips have to be looked at for it."""

    def of(self, function: str) -> Estimating:
        """The estimates."""


class Unreadable(NamedTuple):
    """A clip that cannot be worked on, and why."""

    asset: str
    message: str


class Elsewhere(NamedTuple):
    """Slots of another tier, and how fast a host of it is against this one."""

    offer: Offer
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a quote is to keep to.

    Args:
        here: the slots of this machine.
        elsewhere: what other machines may be asked.
        within_s: seconds from now in which all has to be done; None: whenever.
        max_cost: nano-dollars; None: whatever.
        slots: at once at most; None: as many as there are.
        barred: which machines that were asked about the class may not use, a sentence each.
    """

    here: Offer
    elsewhere: tuple[Elsewhere, ...] = ()
    within_s: float | None = None
    max_cost: int | None = None
    slots: int | None = None
    barred: tuple[str, ...] = ()

    @property
    def solves(self) -> bool:
        """Whether width and tiers are to be found."""
        return self.within_s is not None or self.max_cost is not None


@dataclass(frozen=True, slots=True)
class BatchQuote:
    """What a batch will take, or why it cannot be as it is wished.

    Args:
        function: its name.
        invocations: that would run.
        known: whose result is there already: they cost nothing.
        unreadable: how many cannot be worked on.
        named: the first of those.
        work_s: seconds of slots.
        runs: how many runs of this function the estimates rest on.
        answer: the quote itself.
        beside: the same with all the machines that were asked about; None where none were, or where `answer`
            was to choose among them.
        left_out: those of them that have no part in it, and why, in one sentence each.
        enough: runs of the function after which estimates rest on what it took.
    """

    function: str
    invocations: int
    known: int
    unreadable: int
    named: tuple[Unreadable, ...]
    work_s: Interval
    runs: int
    answer: Quote | Declined
    beside: Quote | None = None
    left_out: tuple[str, ...] = ()
    enough: int = 1

    def beside_of(self, other: BatchQuote, max_cost: int | None = None) -> BatchQuote:
        """Both together, of one function, on slots of their own; what cannot be kept to stays refused.

        Args:
            other: the other one.
            max_cost: nano-dollars, for both; None: whatever.
        """
        answers = [one for one in (self.answer, other.answer) if isinstance(one, Declined)]
        answer: Quote | Declined
        if answers:
            answer = answers[0]
        else:
            answer = both(cast("Quote", self.answer), cast("Quote", other.answer))
            if max_cost is not None and answer.cost.high > max_cost:
                most = format_dollars(round(answer.cost.high))
                answer = Declined(f"not for {format_dollars(max_cost)}: it may cost {most}.", (answer,))
        work = (a + b for a, b in zip(self.work_s, other.work_s, strict=True))
        return replace(
            self,
            invocations=self.invocations + other.invocations,
            known=self.known + other.known,
            unreadable=self.unreadable + other.unreadable,
            named=(*self.named, *other.named)[:_NAMED],
            work_s=Interval(*work),
            runs=self.runs + other.runs,
            answer=answer,
            beside=None,
            left_out=(*self.left_out, *other.left_out),
        )

    def with_notes(self, notes: Sequence[str]) -> BatchQuote:
        """The same, with what else a person should know of those who would work on it."""
        return replace(self, left_out=(*self.left_out, *notes))

    @property
    def ok(self) -> bool:
        """Whether what was wished can be kept to."""
        return isinstance(self.answer, Quote)

    def to_json(self) -> dict[str, Any]:
        """What ``rushes quote --json`` prints, schema 1; also kept with a batch."""
        declined = self.answer if isinstance(self.answer, Declined) else None
        offered = [self.answer] if isinstance(self.answer, Quote) else []
        return {
            "schema": 1,
            "function": self.function,
            "invocations": self.invocations,
            "known": self.known,
            "unreadable": self.unreadable,
            "work_s": self.work_s._asdict(),
            "runs": self.runs,
            "quote": next(map(_quote_json, offered), None),
            "declined": declined.sentence if declined else None,
            "beside": None if self.beside is None else _quote_json(self.beside),
            "left_out": list(self.left_out),
            "instead": [_quote_json(one) for one in declined.instead] if declined else [],
        }


def _quote_json(one: Quote) -> dict[str, Any]:
    return {
        "slots": dict(one.slots),
        "seconds": one.seconds._asdict(),
        "cost_usd": {bound: round(nano / 1e9, 9) for bound, nano in one.cost._asdict().items()},
        "joules": one.joules._asdict(),
        "basis": one.basis,
    }


def quote_batch(
    function: Function[Any, Any],
    params: Params,
    invocations: Iterable[Invocation],
    *,
    wishes: Wishes,
    estimator: Knowing,
    headers: Callable[[Iterable[AskedHeader]], Iterator[Header]],
    known: Callable[[Sequence[str]], frozenset[str]],
) -> BatchQuote:
    """Quote a batch that has not been sent.

    Args:
        function: that would run.
        params: that its invocations share.
        invocations: as they would be sent.
        wishes: what the quote is to keep to, and which machines there are.
        estimator: what invocations take.
        headers: reads those of clips, in order.
        known: which of some keys have a result already.

    Raises:
        CallerError: there is nothing to quote (``no-quote``).
    """
    found = _Works(function, params, estimator.reads_headers(function.ref), headers)
    found.add_all(invocations, known)
    if not (found.works or found.known or found.bad):
        raise CallerError(
            "there is nothing to quote: no clip was named.", code="no-quote", fix="Name one or more."
        )
    estimates = estimator.of(function.ref)
    lots = _lots(estimates, found.works, wishes)
    beside: Quote | None = None
    left_out: tuple[str, ...] = ()
    if not lots:
        answer: Quote | Declined = quote([], [Taken(wishes.here, 1)])
    elif wishes.solves:
        offers = [wishes.here, *(one.offer for one in wishes.elsewhere)]
        answer = solve(lots, offers, within_s=wishes.within_s, max_cost=wishes.max_cost, most=wishes.slots)
        left_out = _without(lots, wishes, answer)
    else:
        width = min(wishes.here.most, wishes.slots or wishes.here.most)
        answer = quote(lots, [Taken(wishes.here, width)])
        others = [one.offer for one in wishes.elsewhere if fits(lots, one.offer)]
        if others:
            beside = quote(lots, [Taken(wishes.here, width), *(Taken(one, one.most) for one in others)])
        left_out = tuple(_too_long(one.offer) for one in wishes.elsewhere if one.offer not in others)
    return BatchQuote(
        function=function.name,
        invocations=len(found.works),
        known=found.known,
        unreadable=found.bad,
        named=tuple(found.named),
        work_s=_together([(lot.count, lot.estimates[wishes.here.tier.name]) for lot in lots]),
        runs=estimates.runs_of(function.ref, HERE),
        answer=answer,
        beside=beside,
        left_out=(*wishes.barred, *left_out),
    )


def _without(lots: Sequence[Lot], wishes: Wishes, answer: Quote | Declined) -> tuple[str, ...]:
    """Which machines that were asked about are not in an answer, and why."""
    used = {name for name, _ in answer.slots} if isinstance(answer, Quote) else set()
    found = []
    for one in wishes.elsewhere:
        name = one.offer.tier.name
        if not fits(lots, one.offer):
            found.append(_too_long(one.offer))
        elif isinstance(answer, Quote) and name not in used:
            found.append(f"{name} is not needed: what is taken keeps to your wishes, and costs no more")
    return tuple(found)


def _too_long(offer: Offer) -> str:
    limit = format_duration(offer.limit_s or 0.0)
    return f"{offer.tier.name} is left out: it stops work after {limit}, and some of this may take longer"


@dataclass(slots=True)
class _Works:
    """The works of a stream of invocations; what of it is known, and what cannot be read."""

    function: Function[Any, Any]
    params: Params
    reads: bool
    headers: Callable[[Iterable[AskedHeader]], Iterator[Header]]
    works: list[WorkTraits] = field(default_factory=list)
    known: int = 0
    bad: int = 0
    named: list[Unreadable] = field(default_factory=list)

    def add_all(
        self, invocations: Iterable[Invocation], known: Callable[[Sequence[str]], frozenset[str]]
    ) -> None:
        to_do = list(self._to_do(invocations, known))
        clips = [Asset(one.source, FrameRange(*one.frames) if one.frames else None) for one in to_do]
        if self.reads:
            asked = (AskedHeader(clip, one.fingerprint) for clip, one in zip(clips, to_do, strict=True))
            for one, header in zip(to_do, self.headers(asked), strict=True):
                if header.error is not None:
                    self._leave_out(one.source, header.error.message)
                else:
                    self.works.append(work_of(self.function, self._params_of(one), header.clip, header.info))
        else:
            for one, clip in zip(to_do, clips, strict=True):
                self.works.append(work_of(self.function, self._params_of(one), clip, None))

    def _to_do(
        self, invocations: Iterable[Invocation], known: Callable[[Sequence[str]], frozenset[str]]
    ) -> Iterator[Invocation]:
        page: list[Invocation] = []
        for one in invocations:
            if one.problem is not None:
                self._leave_out(one.source, str(one.problem.get("message", "")))
                continue
            page.append(one)
            if len(page) == 512:
                yield from self._not_known(page, known)
                page = []
        yield from self._not_known(page, known)

    def _not_known(
        self, page: Sequence[Invocation], known: Callable[[Sequence[str]], frozenset[str]]
    ) -> Iterator[Invocation]:
        there = known([one.key for one in page])
        self.known += sum(one.key in there for one in page)
        yield from (one for one in page if one.key not in there)

    def _params_of(self, one: Invocation) -> Params:
        if one.params is None:
            return self.params
        own: Params = self.function.params_model.model_validate_json(one.params)
        return own

    def _leave_out(self, asset: str, message: str) -> None:
        self.bad += 1
        if len(self.named) < _NAMED:
            self.named.append(Unreadable(asset, message))


def _lots(estimates: Estimating, works: Sequence[WorkTraits], wishes: Wishes) -> list[Lot]:
    """Alike works together, with what each takes on every tier that is offered."""
    lots = []
    for count, estimate in estimates.grouped(works):
        by_tier: dict[str, Estimate] = {wishes.here.tier.name: estimate}
        for other in wishes.elsewhere:
            name = other.offer.tier.name
            by_tier.setdefault(name, estimate.elsewhere(1.0 / other.speed, _ELSEWHERE_SPREAD))
        lots.append(Lot(count, by_tier))
    return lots


def _together(each: Sequence[tuple[int, Estimate]]) -> Interval:
    """Seconds of slots of all of it, with the bounds of what is not known of their means."""
    bounds = [(count, estimate.mean_interval) for count, estimate in each]
    low, likely, high = (sum(count * bound[place] for count, bound in bounds) for place in range(3))
    return Interval(low, likely, high)


def kept_quote(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What of a quote is kept with its batch; None of one that was declined."""
    if data["quote"] is None:
        return None
    return {**data["quote"], "work_s": data["work_s"], "invocations": data["invocations"]}
