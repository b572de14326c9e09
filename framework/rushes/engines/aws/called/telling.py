"""State changes of the shared ledger as events of EventBridge: what the table's stream says, told on.

The stream of the table is the outbox: a change is in it once it is in the ledger, whoever made it and
whatever became of them, in the order of an invocation's life. An event is told at least once, under an id
that follows from the record, so that who hears it twice can know. What it says is what webhooks of the
embedded worker hear (`rushes.runtime.telling.state_event`). This module must not know who listens.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, sent
from rushes.core.rollout import Figures
from rushes.core.sinks import BATCH_ENDED
from rushes.errors import CallerError, PlatformError
from rushes.invocation import function_name
from rushes.ledger import ON_HOSTS, ON_LAMBDA
from rushes.runtime.telling.state_event import OF_RESULT, envelope
from rushes.shared_ledger.dynamo_items import BAD_ITEM, entry_of, item_read, number_of, plain

if TYPE_CHECKING:
    from rushes.engines.aws.called.trial import Trials
    from rushes.ledger import End

__all__ = ["SOURCE", "TOLD", "Telling", "change_of"]

SOURCE: Final = "rushes"
TOLD: Final = ("succeeded", "failed", "cancelled", "held")
"""States that are told of, as a webhook hears by default."""
_SIZED: Final = ("Source", "DetailType", "Detail")
COUNTED: Final = frozenset({"succeeded", "failed"})
TEN: Final = 10
MOST_BYTES: Final = 240_000
"""Of an event, and of all that are sent together: a request may have 256 KB with all that is around them
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html)."""


class Change(NamedTuple):
    """One change of state.

    Args:
        kind: of `rushes.core.sinks.KINDS`.
        batch: its id.
        subject: of the invocation, or the batch.
        at: when, UTC epoch seconds.
        id: of the record.
        item: as it is now.
    """

    kind: str
    batch: str
    subject: str
    at: float
    id: str
    item: Mapping[str, Any]


def change_of(record: Mapping[str, Any]) -> Change | None:
    """The change that a record of the stream tells of; None for one that is no change of state."""
    said = record.get("dynamodb", {})
    new, old = _image(said.get("NewImage")), _image(said.get("OldImage"))
    if new is None:
        return None
    at, id_, pk = (
        float(said.get("ApproximateCreationDateTime", 0)),
        str(record["eventID"]),
        str(new.get("pk", "")),
    )
    if pk.startswith("B#") and new.get("sk") == "B":
        open_before = old is not None and old.get("wk") == "OPEN"
        if not open_before or new.get("wk") == "OPEN":
            return None
        batch = pk.removeprefix("B#")
        return Change(BATCH_ENDED, batch, batch, at, id_, new)
    state = new.get("state")
    if not pk.startswith("I#") or state not in TOLD or (old is not None and old.get("state") == state):
        return None
    batch, n = number_of(new)
    return Change(str(state), batch, f"{batch}.{n}", at, id_, new)


class _Told(NamedTuple):
    """A change as it is told: its number in the stream, what EventBridge gets, the end that trials count.

    Args:
        by: who did it in the end, a Lambda or hosts, as far as there was a choice.
        waited_s: between its attempts, all together.
    """

    number: str
    change: Change
    entry: dict[str, Any]
    end: End | None
    by: str = ""
    waited_s: float = 0.0


def _key_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Which item a record is about."""
    keys = record.get("dynamodb", {}).get("Keys") or {}
    return {name: value.get("S") for name, value in keys.items()}


def _together(told: Iterable[_Told]) -> Iterator[list[_Told]]:
    """What goes in one request: ten at most, and no more bytes than one may have."""
    some, size = list[_Told](), 0
    for one in told:
        texts = [one.entry[name] for name in _SIZED if name in one.entry]
        own = sum(len(text.encode()) for text in (*texts, *one.entry.get("Resources", ())))
        if some and (len(some) == TEN or size + own > MOST_BYTES):
            yield some
            some, size = [], 0
        some.append(one)
        size += own
    if some:
        yield some


class Telling:
    """Tells changes on.

    Args:
        client: a boto3 client for ``events``; None where nobody is told.
        spec: what a batch was opened with.
        environment: its name.
        trials: counts what versions that are compared have ended; None where none are.
        tried: functions of which a new version is tried.
        on_hosts: of these, those of which hosts have it, too.
        say: writes a line of the log.
    """

    def __init__(
        self,
        client: Any,
        spec: Callable[[str], Mapping[str, Any] | None],
        environment: str,
        trials: Trials | None = None,
        tried: Container[str] = (),
        *,
        on_hosts: Container[str] = (),
        say: Callable[..., None] = lambda *_, **__: None,
    ) -> None:
        self._client = client
        self._spec = spec
        self._environment = environment
        self._trials = trials
        self._tried = tried
        self._on_hosts = on_hosts
        self._say = say

    def tell(self, records: Sequence[Mapping[str, Any]]) -> list[str]:
        """Tell of what a batch of records says; gives the numbers of those that have to come again.

        The first that could not be told ends it, for what follows it in its life may not be told before it.
        What cannot be read, as somebody has changed it by hand, is passed over: it would never be told, and
        all others would wait for it for a day.
        """
        told = [one for record in records if (one := self._told_of(record)) is not None]
        for some in _together(told):
            try:
                if self._client is not None:
                    self._put([one.entry for one in some])
                self._count(some)
            except PlatformError:
                return [some[0].number]
        return []

    def _told_of(self, record: Mapping[str, Any]) -> _Told | None:
        """What a record tells of; None for nothing, and for what cannot be read."""
        try:
            with item_read(_key_of(record)):
                change = change_of(record)
                if change is None:
                    return None
                entry = self._entry(change) if self._client is not None else {}
                number = str(record["dynamodb"]["SequenceNumber"])
                return _Told(number, change, entry, *_counted(change))
        except CallerError as error:
            if error.code != BAD_ITEM:
                raise
            self._say("untold", error=error.to_dict())
            return None

    def _count(self, told: Sequence[_Told]) -> None:
        """Count ends for trials, one write a version. What is told twice is counted twice, of either."""
        if self._trials is None:
            return
        sums: dict[tuple[str, str, str], Figures] = {}
        for _, change, _, end, by, waited_s in told:
            if end is None:
                continue
            spec = self._spec(change.batch) or {}
            name = function_name(str(spec.get("function", "")))
            place = self._place(name, spec, by)
            if not place or "submitted" not in spec:
                continue
            took_s = max(change.at - float(spec["submitted"]), 0.0)
            if place == ON_HOSTS:  # how long it waited says how many hosts there were, and not what it is
                took_s = end.seconds
            elif by == ON_HOSTS:  # nor does it of what a Lambda could not finish
                took_s = max(took_s - waited_s, 0.0)
            one = Figures(1, int(change.kind == "failed"), took_s, end.cost_nano)
            key = (name, str(spec.get("version", "")), place)
            sums[key] = sums.get(key, Figures()).plus(one)
        for (name, version, place), figures in sums.items():
            self._trials.count(name, version, figures, place)

    def _place(self, function: str, spec: Mapping[str, Any], by: str) -> str:
        """Where an end counts; "" for nowhere.

        Where hosts have both versions it is where both would have begun it: what one of them could not finish
        there, and handed on, counts against it. Where they have the old one alone, what hosts did does not
        count: beside the longest clips any version would be quick.
        """
        if function not in self._tried:
            return ""
        if function in self._on_hosts:
            return str(spec.get("compared") or "")
        return "" if by == ON_HOSTS else ON_LAMBDA

    def _entry(self, change: Change) -> dict[str, Any]:
        text = envelope(
            change.kind,
            change.subject,
            change.at,
            self._data(change),
            id=change.id,
            source=f"rushes://{self._environment}",
        )
        if len(text.encode()) > MOST_BYTES:
            short = {**self._data(change), "outputs": [], "truncated": True}
            short.pop("error", None)
            text = envelope(
                change.kind,
                change.subject,
                change.at,
                short,
                id=change.id,
                source=f"rushes://{self._environment}",
            )
        return {
            "Source": SOURCE,
            "DetailType": json.loads(text)["type"],
            "Detail": text,
            "Resources": [f"rushes:{self._environment}:{change.subject}"],
        }

    def _data(self, change: Change) -> dict[str, Any]:
        spec = self._spec(change.batch) or {}
        data: dict[str, Any] = {
            "batch": change.batch,
            "function": function_name(str(spec.get("function", ""))),
            "version": spec.get("version", ""),
            "show": spec.get("show", ""),
            "priority": spec.get("priority", ""),
            "tags": spec.get("tags") or {},
        }
        if change.kind == BATCH_ENDED:
            return {**data, "out": spec.get("out")}
        entry = entry_of(change.item)
        result = json.loads(entry.end.data) if entry.end is not None else {}
        return {
            **data,
            "invocation": change.subject,
            "asset": entry.work.source,
            "state": change.kind,
            "attempt": entry.attempt,
            **({"reason": entry.reason} if entry.reason else {}),
            **(
                {"seconds": round(entry.end.seconds, 3), "cost_nano": entry.end.cost_nano}
                if entry.end
                else {}
            ),
            **{name: result[name] for name in OF_RESULT if result.get(name)},
        }

    def _put(self, entries: list[dict[str, Any]]) -> None:
        act = "tell EventBridge of what happened"
        try:
            with sent(act):
                answer = self._client.put_events(Entries=entries)
        except ClientError as error:
            raise answer_error(error, act) from error
        if answer.get("FailedEntryCount"):
            codes = {str(one.get("ErrorCode")) for one in answer["Entries"] if one.get("ErrorCode")}
            raise PlatformError(
                f"could not {act}: {', '.join(sorted(codes))}.",
                code="service-busy",
                fix="It is tried again by itself; a listener may hear of some of it twice.",
            )


def _counted(change: Change) -> tuple[End | None, str, float]:
    """The end that a change is, where trials count it, who it was for then, and how long it waited."""
    if change.kind not in COUNTED:
        return None, "", 0.0
    entry = entry_of(change.item)
    waited_s = sum(max(after.began - before.ended, 0.0) for before, after in pairwise(entry.tried))
    return entry.end, entry.work.tier, waited_s


def _image(image: Any) -> dict[str, Any] | None:
    """An item of a stream, whose bytes are text on their way through a Lambda."""
    return None if not image else plain(dict(_bytes(image)))


def _bytes(image: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in image.items():
        yield name, ({"B": base64.b64decode(value["B"])} if isinstance(value.get("B"), str) else value)
