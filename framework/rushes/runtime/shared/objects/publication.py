"""Outputs in a store: for each the receipt, then the output, by conditional writes.

The rules are those of `publication`. What differs is what a store can do. An object appears whole, and only
where nothing is, so no claim and no exchange is needed. A folder is many objects: its nested files go first
and those at its top last, a playlist among them, so that who finds the top finds the rest; its receipt goes
last of all and is the proof that it is whole.

Every object says whose work it is (``rushes-key``). What an attempt left that was overtaken before it could
say so is known by that: where its receipt describes it, it is the result; where not, it is written over. What
has no such mark, or another, is somebody else's and is left alone. This module must not know who runs
attempts, nor which store it is.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rushes.errors import CallerError
from rushes.runtime.attempts.task import Made, elsewhere
from rushes.runtime.ownership import receipt_name
from rushes.runtime.sending.shareable import as_told
from rushes.runtime.shared.objects.intent import intent_text
from rushes.runtime.shared.objects.marks import HOPS, KEY, hops_of, mark_of
from rushes.runtime.shared.objects.receipts import ReceiptPlace, made_of, read_receipt, stored_at, taken
from rushes.runtime.sources.fingerprint import sha256_file
from rushes.stored import Stored

if TYPE_CHECKING:
    from rushes.ports import Store

__all__ = ["Target", "publish_made"]

_VERSION: Final = "?versionId="
"""Before the version that a URI names, if it names one."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an attempt's outputs are to be.

    Args:
        store: which one.
        out: the URI below which they go.
        folder: where the attempt has put them, with their receipts.
        key: of the work.
        source: what they were made of.
        invocation: which made them, as whoever asked knows it.
        attempt: which try that was.
        routed: on which tier it was to run, and why; None where there was no choice.
    """

    store: Store
    out: str
    folder: Path
    key: str
    source: Stored
    invocation: str = ""
    attempt: int = 1
    routed: Mapping[str, Any] | None = None

    @property
    def about(self) -> dict[str, str]:
        """What every output says of itself: whose work it is, and how many steps from somebody's clip."""
        return {KEY: self.key, HOPS: str(hops_of(self.source) + 1)}

    def uri(self, path: str) -> str:
        """The place of what is at a path."""
        return f"{self.out.rstrip('/')}/{Path(path).relative_to(self.folder).as_posix()}"


class _MadeBeforeError(Exception):
    """An attempt of the same work has published all of it already."""

    def __init__(self, receipt: Mapping[str, Any], uri: str) -> None:
        super().__init__()
        self.receipt, self.uri = receipt, uri


def publish_made(made: Made, target: Target, gate: Callable[[str], None] = lambda _: None) -> Made:
    """Make visible in a store what an attempt has put into a folder of its own.

    Args:
        made: what it leaves; every place in it is a path.
        target: where it is to be.
        gate: told what is about to be published, before any of it; raises where this attempt may not.

    Returns:
        The same, every place in it a URI.

    Raises:
        CallerError: something else is at a target (``target-exists``); it was left alone.
        PlatformError: the store is at fault; said again, it goes on where it stopped.
    """
    places = {fact["path"]: target.uri(fact["path"]) for fact in made.published}
    text = _receipt_text(made, places, target)
    coming = _coming(made, places, target)
    folders = [uri for path, uri in places.items() if Path(path).is_dir()]
    gate(intent_text(coming, folders, hashlib.sha256(text.encode("ascii")).hexdigest() if text else ""))
    if target.attempt > 1:
        _abandon(places, target.store)
    try:
        for fact, there in zip(made.published, coming.published, strict=True):
            there["mark"] = _publish(fact, there["path"], there["receipt"], text, target)
    except _MadeBeforeError as before:
        return made_of(before.receipt, before.uri)
    return coming


def _coming(made: Made, places: Mapping[str, str], target: Target) -> Made:
    """What an attempt leaves, with URIs for places."""
    published = [
        {
            "name": fact["name"],
            "path": places[fact["path"]],
            "sha256": fact["sha256"],
            "size_bytes": fact["size_bytes"],
            "receipt": target.uri(fact["receipt"]) if fact["receipt"] else None,
        }
        for fact in made.published
    ]
    return replace(
        made,
        result=elsewhere(made.result, places),
        published=published,
        outputs=tuple(places[path] for path in made.outputs),
        receipt=published[0]["receipt"] if published else None,
    )


def _abandon(places: Mapping[str, str], store: Store) -> None:
    """End the uploads that an attempt before this one has left: it was killed, or has lost its claim."""
    for path, uri in places.items():
        try:
            store.abandon(f"{uri}/" if Path(path).is_dir() else uri)
        except CallerError as error:
            if error.code != "not-permitted":  # then the bucket's own rule ends them
                raise


def _receipt_text(made: Made, places: Mapping[str, str], target: Target) -> str:
    """The receipt with URIs for places, or "" where none is wanted."""
    if made.receipt is None:
        return ""
    text = Path(made.receipt).read_text(encoding="ascii")
    for path, uri in places.items():
        text = text.replace(json.dumps(path), json.dumps(uri))
    data = json.loads(text)
    data["source"] |= {"uri": target.source.uri, "fingerprint": mark_of(target.source)}
    # A host's own pool has another key and other names for it; who takes over goes by this key.
    data |= {"key": target.key or data["key"], "invocation": target.invocation or data["invocation"]}
    data |= {"attempt": target.attempt, "routed": target.routed}
    return as_told(json.dumps(data, indent=1, ensure_ascii=True)) + "\n"


def _publish(fact: Mapping[str, Any], uri: str, receipt: str | None, text: str, target: Target) -> str:
    """One output; gives its mark, "" for a folder."""
    path = Path(fact["path"])
    if not path.is_dir():
        return _place(path, uri, fact["sha256"], target, receipt=receipt, text=text).mark
    _place_folder(path, uri, receipt, target)
    if receipt is not None:
        beside = ReceiptPlace(receipt, target.store, target.about, target.folder)
        beside.look()
        beside.put(text)
    return ""


def _place(
    path: Path, uri: str, sha256: str, target: Target, *, receipt: str | None = None, text: str = ""
) -> Stored:
    """One file, its receipt before it.

    The receipt that was there is looked at before the output: so whoever published between those two has
    changed it, and ours is refused. Mostly neither is there: then ours is put on the condition that no other
    is, which says as much, and a request less; where that is refused, both are looked at.
    """
    beside = None if receipt is None else ReceiptPlace(receipt, target.store, target.about, target.folder)
    there = stored_at(uri, target.store)
    first = there is None and beside is not None and beside.put_first(text)
    if beside is not None and not first:
        beside.look()
        there = stored_at(uri, target.store)
    if there is not None and there.sha256 != sha256:
        if there.about.get(KEY) == target.key != "":
            _take(receipt, uri, there.sha256, target)
        else:
            _require_replaceable(there, uri, receipt, target)
    if beside is not None and not first:
        beside.put(text)
    if there is not None and there.sha256 == sha256:
        return there
    try:
        made = target.store.publish(path, uri, sha256, over=there, about=target.about)
    except CallerError as error:
        if beside is not None:
            beside.put_back()
        if error.code != "target-exists":
            raise
        raise taken(uri) from error
    if beside is not None:
        beside.keep(text)
    return made


def _require_replaceable(there: Stored, uri: str, receipt: str | None, target: Target) -> None:
    """Go on only where what is there is ours, of this very clip, and as we left it, by other options.

    Its receipt says so; or it is of this work already, by an attempt that died between it and its output.
    Cards begin to count anew, so another clip often has the same name. A folder is many objects, and no
    request exchanges them together: one of its files is left alone.

    Raises:
        CallerError: it is not (``target-exists``).
    """
    what = "is not ours"
    if there.about.get(KEY):
        found = read_receipt(receipt, target.store) if receipt is not None else None
        outputs = () if found is None else found.get("outputs", ())
        as_left = any((one.get("path"), one.get("sha256")) == (uri, there.sha256) for one in outputs)
        if found is not None and found.get("key") == target.key != "":
            return
        source = found.get("source") if found is not None else None
        clip = str(source.get("uri", "")) if isinstance(source, dict) else ""
        if as_left and _unversioned(clip) == _unversioned(target.source.uri):
            return
        what = "no receipt beside it says that it is as Rushes left it" if found is None else "was changed"
        what = f"was made of {clip}" if as_left else what
        what = "is of a folder that was made with other options" if receipt is None else what
    raise CallerError(
        f"{uri} exists and {what}; it was left alone.",
        code="target-exists",
        fix="Move it away, or choose another --out or --name; a trigger's out may have a {part} of the key.",
        details={"path": uri},
    )


def _unversioned(uri: str) -> str:
    """What names a clip, whatever version of it: of one that came again the output is replaced."""
    name, _, version = uri.rpartition(_VERSION)
    return name if name and "/" not in version else uri


def _take(receipt: str | None, uri: str, sha256: str, target: Target) -> None:
    """Where the receipt of what an overtaken attempt left describes it, that is the result."""
    found = read_receipt(receipt, target.store) if receipt is not None else None
    if found is None or found.get("key") != target.key:
        return
    outputs = found.get("outputs", ())
    if not any((one.get("path"), one.get("sha256")) == (uri, sha256) for one in outputs):
        return
    # It may have died before its next output: then ours replaces what there is of it.
    if all(_is_there(one, target) for one in outputs if one.get("path") != uri):
        raise _MadeBeforeError(found, receipt or "")


def _is_there(output: Mapping[str, Any], target: Target) -> bool:
    """Whether an output of a receipt is what that says."""
    uri = str(output.get("path"))
    if not output.get("folder"):
        there = stored_at(uri, target.store)
        return there is not None and there.sha256 == output.get("sha256")
    head, slash, name = uri.rpartition("/")
    beside = read_receipt(f"{head}{slash}{receipt_name(name)}", target.store)  # goes last of all
    return beside is not None and beside.get("key") == target.key and output in beside.get("outputs", ())


def _place_folder(folder: Path, uri: str, receipt: str | None, target: Target) -> None:
    found = read_receipt(receipt, target.store) if receipt is not None else None
    if (
        found is not None
        and found.get("key") == target.key != ""
        # A folder's receipt is there once all of it is; another output of that attempt may not be.
        and all(_is_there(one, target) for one in found.get("outputs", ()) if one.get("path") != uri)
    ):
        raise _MadeBeforeError(found, receipt or "")
    files = list(_deepest_first(folder))
    if not files:
        raise CallerError(
            f"the folder {folder.name} is empty, and a store has no empty folders.",
            code="bad-output",
            fix="Write a file into it.",
        )
    for file in files:
        _place(file, f"{uri}/{file.relative_to(folder).as_posix()}", sha256_file(file), target)


def _deepest_first(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, topdown=False):
        folders.sort()
        for name in sorted(names):
            yield Path(place, name)
