"""The shared ledger's items: how a table of DynamoDB holds batches, invocations, counts and known results.

One table. ``pk`` and ``sk`` say what an item is:

    B#<batch>            B       the batch: its spec, how many were added, whether it is sealed or cancelled
    B#<batch>            C#<k>   of every sixteenth invocation, how many ended in which state, and the sums
    I#<batch>#<group>    <n>     an invocation; a group has 256 of them, so no partition grows without end
    K#<show>#<key>       K       the invocation whose success has a key
    L#<function>         …       what its runs took (`rushes.shared_ledger.dynamo_runs`)

The index ``wake`` (``wk``, ``wa``) has what somebody has to look at some day: under ``OPEN`` the batches of
which something may be left to do, under ``W#<batch>#<k>`` the invocations that are claimed or wait for their
next try, each by the time at which that ends; those of batches that stand alone are together in ``W#e#<k>``.
It has what has ended for those who follow: under ``D#<batch>#<k>`` invocations by when they ended, under
``DONE`` batches by when they were opened.

An attempt that did not end its invocation stands in one of the fields ``t0`` to ``t15``, by its fence: the
latest of them are kept, and none costs a request.

An item is at most 400 KB
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html), so what a result says is
packed. Times are whole milliseconds, for DynamoDB has no floats. Items that somebody has changed by hand may
be anything: what cannot be read is an error that names the item (``bad-item``). This module must not know
requests.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from rushes.core.states import State
from rushes.errors import CallerError
from rushes.ledger import LONE, Claim, End, Entry, Routed, WorkItem
from rushes.runtime.sending.shareable import as_told, require_shareable
from rushes.shared_ledger.dynamo_shape import TABLE
from rushes.shared_ledger.dynamo_tries import tries_of

__all__ = [
    "BAD_ITEM",
    "COUNTERS",
    "GROUP",
    "TABLE",
    "WAKERS",
    "batch_key",
    "cancelled",
    "claim_of",
    "count_key",
    "done_key",
    "end_fields",
    "entry_of",
    "group_key",
    "item_read",
    "known_key",
    "ms",
    "new_item",
    "number_of",
    "numbered",
    "packed",
    "plain",
    "routed_fields",
    "spec_text",
    "state_of",
    "sums_of",
    "typed",
    "wake_key",
    "work_key",
]

BAD_ITEM: Final = "bad-item"
GROUP: Final = 256
COUNTERS: Final = 16
"""Counts of one batch: one item takes 1,000 writes a second, and a transaction counts twice."""
WAKERS: Final = 8
"""Partitions of the index for one batch: each takes 1,000 writes a second."""
MOST_BYTES: Final = 350_000
"""Of a packed result, so that the whole item stays below 400 KB."""

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize
_WORK: Final = ("source", "key", "params", "subdir", "tag", "fingerprint")


def ms(seconds: float) -> int:
    """UTC epoch milliseconds."""
    return round(seconds * 1000)


def typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as DynamoDB wants them."""
    return {name: _typed(value) for name, value in values.items()}


def _typed(value: Any) -> dict[str, Any]:
    """Nearly all are texts and whole numbers, which the SDK finds out by trying other types first."""
    kind = type(value)
    if kind is str:
        return {"S": value}
    if kind is int:
        return {"N": str(value)}
    found: dict[str, Any] = _serialize(value)
    return found


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item's values."""
    return {name: value["S"] if "S" in value else _deserialize(value) for name, value in item.items()}


def batch_key(batch: str) -> dict[str, Any]:
    """Where a batch is."""
    return typed({"pk": f"B#{batch}", "sk": "B"})


def count_key(batch: str, n: int) -> dict[str, Any]:
    """Where the ends of an invocation of this number are counted, one of `COUNTERS` places a batch."""
    return typed({"pk": f"B#{batch}", "sk": f"C#{n % COUNTERS:02}"})


def known_key(show: str, key: str) -> dict[str, Any]:
    """Where it is known which invocation has succeeded with a key, within a show."""
    return typed({"pk": f"K#{show}#{key}", "sk": "K"})


def group_key(batch: str, group: int) -> str:
    """The partition of so many invocations that follow one another."""
    return f"I#{batch}#{group}"


def work_key(batch: str, n: int) -> dict[str, Any]:
    """Where an invocation is."""
    return typed({"pk": group_key(batch, n // GROUP), "sk": f"{n:010}"})


def wake_key(batch: str, number: int) -> str:
    """The partition of the index for an invocation of this number, or for the `number`-th of all."""
    if batch.startswith(LONE) and batch != LONE:
        batch, number = LONE, zlib.crc32(batch.encode())
    return f"W#{batch}#{number % WAKERS}"


def done_key(batch: str, number: int) -> str:
    """The partition of the index where an invocation of this number is once it has ended."""
    return f"D#{batch}#{number % WAKERS}"


def number_of(item: Mapping[str, Any]) -> tuple[str, int]:
    """The batch and the n that an invocation's key says."""
    return item["pk"].split("#")[1], int(item["sk"])


def numbered(items: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str, int]]:
    """Of what the index has, the invocations, each with its batch and its n.

    What somebody has put there whose key is of none is passed over: there is nothing to be told of it.
    """
    for item in items:
        match str(item["pk"]).split("#"):
            case ["I", batch, _] if str(item["sk"]).isdecimal():
                yield item, batch, int(item["sk"])


def new_item(work: WorkItem, ttl: int | None, end: End | None = None, at: float = 0.0) -> dict[str, Any]:
    """An invocation that waits; with `end` one that ended before it began, at that time."""
    item = {name: value for name in _WORK if (value := getattr(work, name))}
    require_shareable(work.params or "")
    if work.frames is not None:
        item["frames"] = list(work.frames)
    if work.size_bytes:
        item["size_bytes"] = work.size_bytes
    if work.routed is not None:
        item |= routed_fields(work.routed)
    if ttl is not None:
        item["ttl"] = ttl
    if end is not None:
        item |= {**end_fields(end), "wk": done_key(work.batch, work.n), "wa": ms(at)}
    state = State.queued if end is None else end.state
    return {
        **work_key(work.batch, work.n),
        **typed({**item, "state": state.value, "attempt": 0, "losses": 0, "fence": 0}),
    }


def sums_of(ends: Iterable[End]) -> dict[str, int]:
    """What ends add to a count."""
    total: Counter[str] = Counter()
    for end in ends:
        fields = _figures(end)
        total.update({name: int(value) for name, value in fields.items()})
        total[end.state.value] += 1
    return dict(total)


def routed_fields(routed: Routed) -> dict[str, Any]:
    """The fields of an item that say where it is to run; the tier alone where nobody knows why."""
    found: dict[str, Any] = {"tier": routed.tier}
    if routed.reason:
        seconds = (routed.expected_s, routed.late_s, routed.limit_s)
        found["route"] = [routed.reason, *(None if one is None else ms(one) for one in seconds)]
    return found


def _routed_of(item: Mapping[str, Any]) -> Routed | None:
    if "tier" not in item:
        return None
    reason, *seconds = item.get("route") or ("", None, None, None)
    expected_s, late_s, limit_s = (None if one is None else int(one) / 1000 for one in seconds)
    return Routed(str(item["tier"]), str(reason), expected_s, late_s, limit_s)


def _work_of(item: Mapping[str, Any]) -> WorkItem:
    batch, n = number_of(item)
    frames = item.get("frames")
    return WorkItem(
        f"{batch}.{n}",
        item.get("source", ""),
        item.get("key", ""),
        (int(frames[0]), int(frames[1])) if frames else None,
        item.get("params"),
        item.get("subdir", ""),
        item.get("tag", ""),
        item.get("fingerprint", ""),
        int(item.get("size_bytes", 0)),
        _routed_of(item),
    )


@contextmanager
def item_read(item: Mapping[str, Any]) -> Iterator[None]:
    """What is read of an item here may be missing, or something else.

    Raises:
        CallerError: it is (``bad-item``).
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, zlib.error) as error:
        raise CallerError(
            f"item {item.get('pk')} {item.get('sk')} of the ledger cannot be read: "
            f"{type(error).__name__} {str(error)[:80]}.",
            code="bad-item",
            fix="Somebody has changed it by hand: restore it, or remove it; the other work goes on.",
        ) from error


def state_of(item: Mapping[str, Any]) -> State:
    """How an invocation stands.

    Raises:
        CallerError: it cannot be read (``bad-item``).
    """
    with item_read(item):
        return State(item["state"])


def claim_of(item: Mapping[str, Any]) -> Claim:
    """The claim that an item holds.

    Raises:
        CallerError: it cannot be read (``bad-item``).
    """
    with item_read(item):
        return Claim(
            _work_of(item),
            int(item["fence"]),
            item["holder"],
            int(item["until"]) / 1000,
            int(item["attempt"]),
            int(item["losses"]),
            int(item.get("spent", 0)),
            zlib.decompress(bytes(item["intent"])).decode() if "intent" in item else "",
            int(item.get("since", 0)) / 1000,
            str(item.get("priority", "")),
        )


def cancelled(item: Mapping[str, Any]) -> End:
    """The end of an invocation that nobody works on, with what its attempts have cost.

    Raises:
        CallerError: that cannot be read (``bad-item``).
    """
    with item_read(item):
        return End(State.cancelled, "{}", cost_nano=int(item.get("spent", 0)) + int(item.get("so_far", 0)))


def packed(text: str) -> bytes:
    """What an end says, or an intent, small.

    Raises:
        CallerError: it is too large for the ledger (``result-too-big``).
    """
    data = zlib.compress(as_told(text).encode(), 6)
    if len(data) > MOST_BYTES:
        raise CallerError(
            f"a result of {len(text):,} characters is too large for the ledger.",
            code="result-too-big",
            fix="Write it into an output file.",
        )
    return data


def end_fields(end: End) -> dict[str, Any]:
    """The fields of an item that say how it ended."""
    return {"data": packed(end.data), **_figures(end)}


def _figures(end: End) -> dict[str, Any]:
    return {
        "seconds_us": round(end.seconds * 1e6),
        "media_us": round(end.media_s * 1e6),
        "cost_nano": end.cost_nano,
        "cached": end.cached,
    }


def entry_of(item: Mapping[str, Any]) -> Entry:
    """An invocation as an item has it.

    Raises:
        CallerError: it cannot be read (``bad-item``).
    """
    with item_read(item):
        return _entry(item)


def _entry(item: Mapping[str, Any]) -> Entry:
    state = State(item["state"])
    end = None
    if state.ended:
        end = End(
            state,
            zlib.decompress(bytes(item["data"])).decode(),
            int(item["seconds_us"]) / 1e6,
            int(item["media_us"]) / 1e6,
            int(item["cost_nano"]),
            bool(item["cached"]),
        )
    until = item.get("until")
    return Entry(
        _work_of(item),
        state,
        int(item["attempt"]),
        int(item["losses"]),
        item.get("holder", ""),
        None if until is None or state.ended else int(until) / 1000,
        item.get("reason", ""),
        end,
        int(item["since"]) / 1000 if "since" in item else None,
        tries_of(item),
    )


def spec_text(spec: Mapping[str, Any]) -> str:
    """A batch's spec as it is kept.

    Raises:
        CallerError: something in it gives access (``signed-link``).
    """
    return require_shareable(json.dumps(spec, sort_keys=True, separators=(",", ":")))
