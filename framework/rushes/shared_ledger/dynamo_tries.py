"""The attempts of an invocation, in its own item: each in a field by its fence, so that the latest are kept.

An attempt that did not end its invocation is written with what became of it, by the request that says so;
the one that did is what the item says anyway. So none costs a request of its own. This module must not know
requests.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from rushes.core.states import State
from rushes.ledger import LAPSED, TRIES_KEPT, Claim, PastAttempt
from rushes.runtime.sending.shareable import as_told

__all__ = ["lapsed_try", "last_try", "tries_of", "try_field", "try_of"]

MESSAGE: Final = 300
"""Letters of what an attempt failed of that are remembered."""


def try_field(fence: int) -> str:
    """Where an attempt of this fence is remembered."""
    return f"t{(fence - 1) % TRIES_KEPT}"


def try_of(claim: Claim, error: Mapping[str, Any], at: float, cost_nano: int) -> dict[str, Any]:
    """An attempt that ended of something, as it is remembered."""
    code = str(error.get("code", ""))
    return _kept(PastAttempt(claim.attempt, claim.holder, claim.since, at, code, cost_nano, error))


def lapsed_try(item: Mapping[str, Any]) -> dict[str, Any]:
    """The attempt of an item whose claim has lapsed, as it is remembered."""
    said = {"kind": "platform", "code": "lapsed", "message": "its claim lapsed: who had it fell silent"}
    began, ended = int(item.get("since", 0)) / 1000, int(item["until"]) / 1000
    cost_nano = int(item.get("so_far", 0))
    return _kept(PastAttempt(int(item["attempt"]), item["holder"], began, ended, LAPSED, cost_nano, said))


def last_try(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """The attempt that ended an item's invocation, as it is remembered; None where none did."""
    state = State(item["state"])
    worked = item.get("holder") and int(item["attempt"]) and not item.get("cached")
    if not state.ended or not worked or (state is State.cancelled and not int(item["seconds_us"])):
        return None
    error: Mapping[str, Any] = {}
    if state is State.failed:
        error = json.loads(zlib.decompress(bytes(item["data"]))).get("error", {})
    began = int(item.get("since", 0)) / 1000
    ended = began + int(item["seconds_us"]) / 1e6
    outcome = str(error.get("code") or state.value)
    cost_nano = int(item["cost_nano"]) - int(item.get("spent", 0))
    return _kept(PastAttempt(int(item["attempt"]), item["holder"], began, ended, outcome, cost_nano, error))


def tries_of(item: Mapping[str, Any]) -> tuple[PastAttempt, ...]:
    """The attempts that an item tells of, the earliest first."""
    kept = [item[name] for number in range(TRIES_KEPT) if (name := f"t{number}") in item]
    last = last_try(item)
    return tuple(sorted(map(_tried, [*kept, last] if last else kept), key=lambda one: one.began))


def _kept(one: PastAttempt) -> dict[str, Any]:
    """Short names: they are paid for with every write of the item."""
    kept: dict[str, Any] = {
        "a": one.attempt, "h": one.holder, "b": round(one.began * 1000), "e": round(one.ended * 1000),
        "o": one.outcome, "c": one.cost_nano,
    }  # fmt: skip
    if one.error:
        message = as_told(str(one.error.get("message", "")))[:MESSAGE]
        kept |= {"k": str(one.error.get("kind", "")), "m": message}
    return kept


def _tried(kept: Mapping[str, Any]) -> PastAttempt:
    code, times = str(kept["o"]), (int(kept["b"]) / 1000, int(kept["e"]) / 1000)
    error = {"kind": kept["k"], "code": code, "message": kept["m"]} if "k" in kept else {}
    return PastAttempt(int(kept["a"]), str(kept["h"]), *times, code, int(kept["c"]), error)
