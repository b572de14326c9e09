"""What an attempt is about to publish in a store, as the ledger keeps it from the gate to the end.

An attempt that died behind its gate may have published all, some or nothing of it. Whoever claims its
invocation next looks: where all of it is there, the invocation has its result, and the body is not run, nor
paid for, again. What was not published lay on a disk that is gone: where anything is missing, the body runs.
This module must not know which store it is, nor who keeps an intent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rushes.errors import CallerError
from rushes.runtime.attempts.task import Made

if TYPE_CHECKING:
    from rushes.ports import Store

__all__ = ["intent_text", "published_before"]


def intent_text(made: Made, folders: Iterable[str], receipt_sha256: str) -> str:
    """What will be there, as text.

    Args:
        made: what the attempt leaves, every place in it a URI.
        folders: those of its outputs that are folders.
        receipt_sha256: of its receipt, the same beside every output; "" where none is wanted.
    """
    data = {"made": json.loads(made.data()), "folders": sorted(folders), "receipt": receipt_sha256}
    return json.dumps(data, separators=(",", ":"))


def published_before(intent: str, store: Store) -> Made | None:
    """What the attempt of an intent has made, if all of it is in the store as it was to be; else None.

    Raises:
        PlatformError: the store does not answer.
    """
    data = json.loads(intent)
    made = data["made"]
    published = [_as_there(fact, data, store) for fact in made["published"]]
    facts = [fact for fact in published if fact is not None]
    if not facts or len(facts) < len(published):
        return None
    return Made(
        json.dumps(made["result"], separators=(",", ":")),
        outputs=tuple(made.get("outputs", ())),
        receipt=made.get("receipt"),
        encoder=made.get("encoder"),
        warnings=tuple(made.get("warnings", ())),
        media_s=made.get("media_s", 0.0),
        published=facts,
        work=made.get("work"),
        read=made.get("read"),
    )


def _as_there(fact: Mapping[str, Any], data: Mapping[str, Any], store: Store) -> dict[str, Any] | None:
    """An output that is what it was to be, with what a store says of it now; None where it is not."""
    uri, receipt = fact["path"], fact.get("receipt")
    if receipt and _mark(receipt, data["receipt"], store) is None:
        return None
    if uri in data["folders"]:
        # Its receipt goes last of all: it is the proof that the folder is whole, and nothing else is.
        return {**fact, "mark": ""} if receipt else None
    mark = _mark(uri, fact["sha256"], store)
    return None if mark is None else {**fact, "mark": mark}


def _mark(uri: str, sha256: str, store: Store) -> str | None:
    """The mark of an object of this content; None where there is none."""
    try:
        found = store.look(uri)
    except CallerError as error:
        if error.code == "not-found":
            return None
        raise
    return found.mark if found.sha256 == sha256 else None
