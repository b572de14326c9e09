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
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rushes.errors import CallerError, PlatformError
from rushes.runtime.attempts.task import Made
from rushes.runtime.ownership import RECEIPT_KIND, receipt_name
from rushes.runtime.sending.shareable import as_told
from rushes.runtime.shared.remote_intent import intent_text
from rushes.runtime.sources.fingerprint import sha256_file
from rushes.stored import Stored

if TYPE_CHECKING:
    from rushes.ports import Store

__all__ = [
    "HOPS",
    "KEY",
    "Target",
    "hops_of",
    "is_what_it_was",
    "mark_of",
    "object_mark",
    "publish_made",
]

KEY: Final = "rushes-key"
HOPS: Final = "rushes-hops"
_RECEIPT_BYTES: Final = 16 * 1024 * 1024
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


def hops_of(stored: Stored) -> int:
    """How many functions of ours stand between an object and a clip that somebody brought."""
    said = stored.about.get(HOPS, "")
    if said.isascii() and said.isdigit():
        return int(said)
    return 1 if KEY in stored.about else 0


def mark_of(stored: Stored) -> str:
    """What an object was, as a fingerprint: its content where that is known, else its version or its mark."""
    if stored.sha256:
        return f"sha256:{stored.sha256}"
    return f"version:{stored.version}" if stored.version else object_mark(stored)


def object_mark(stored: Stored) -> str:
    """What an object was, by what a listing says of it, too."""
    return f"mark:{stored.mark.strip(chr(34))}"


def is_what_it_was(mark: str, stored: Stored) -> bool:
    """Whether an object is what a fingerprint of any of these kinds says."""
    return mark in {mark_of(stored), object_mark(stored), f"version:{stored.version}"}


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
        return _made_of(before.receipt, before.uri)
    return coming


def _coming(made: Made, places: Mapping[str, str], target: Target) -> Made:
    """What an attempt leaves, with URIs for places."""
    result = made.result
    for path, uri in places.items():
        result = result.replace(json.dumps(path), json.dumps(uri))
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
        result=result,
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
        beside = _ReceiptPlace(receipt, target)
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
    beside = None if receipt is None else _ReceiptPlace(receipt, target)
    there = _there(uri, target)
    first = there is None and beside is not None and beside.put_first(text)
    if beside is not None and not first:
        beside.look()
        there = _there(uri, target)
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
        raise _taken(uri) from error
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
        found = _read_receipt(receipt, target.store) if receipt is not None else None
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
    found = _read_receipt(receipt, target.store) if receipt is not None else None
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
        there = _there(uri, target)
        return there is not None and there.sha256 == output.get("sha256")
    head, slash, name = uri.rpartition("/")
    beside = _read_receipt(f"{head}{slash}{receipt_name(name)}", target.store)  # goes last of all
    return beside is not None and beside.get("key") == target.key and output in beside.get("outputs", ())


def _place_folder(folder: Path, uri: str, receipt: str | None, target: Target) -> None:
    found = _read_receipt(receipt, target.store) if receipt is not None else None
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


class _ReceiptPlace:
    """Where a receipt is to be, and what was there when it was looked at.

    An attempt that was overtaken may stop between its receipt and its output, for as long as it likes. So
    neither it nor who overtook it may leave the receipt of one beside the output of the other.
    """

    def __init__(self, uri: str, target: Target) -> None:
        self._uri, self._target = uri, target
        self._before: Stored | None = None
        self._text = ""
        self._put: Stored | None = None

    def put_first(self, text: str) -> bool:
        """Put a receipt here if nothing is here; whether that was so."""
        try:
            self._put = self._write(text, None)
        except CallerError as error:
            if error.code != "target-exists":
                raise
            return False
        return True

    def look(self) -> None:
        """See what is here."""
        self._before = _there(self._uri, self._target)

    def put(self, text: str) -> None:
        """Put a receipt here, also over one of ours, if what is here is still what was.

        Raises:
            CallerError: something else is here.
            PlatformError: another attempt was faster.
        """
        if self._before is not None:
            self._text = _text_of(self._uri, self._target.store)
            if _receipt_in(self._text) is None:
                raise CallerError(
                    f"{self._uri} exists and is no receipt of Rushes; it was left alone.",
                    code="target-exists",
                    fix="Move it away, or choose another --out or --receipts.",
                    details={"path": self._uri},
                )
        try:
            self._put = self._write(text, self._before)
        except CallerError as error:
            if error.code != "target-exists":
                raise
            raise _taken(self._uri) from error

    def keep(self, text: str) -> None:
        """Now that the output is there: see that its receipt is the one beside it."""
        now = _there(self._uri, self._target)
        if now is not None and self._put is not None and now.sha256 != self._put.sha256:
            self._write(text, now)

    def put_back(self) -> None:
        """The output beside is another's: so is the receipt that was here."""
        now = _there(self._uri, self._target) if self._text else None
        if now is not None and self._put is not None and now.sha256 == self._put.sha256:
            self._write(self._text, now)

    def _write(self, text: str, over: Stored | None) -> Stored:
        target = self._target
        with tempfile.TemporaryDirectory(prefix="rushes-receipt-") as folder:
            file = Path(folder) / "receipt.json"
            file.write_text(text, encoding="ascii")
            return target.store.publish(file, self._uri, sha256_file(file), over=over, about=target.about)


def _taken(uri: str) -> PlatformError:
    return PlatformError(
        f"{uri} was published by another meanwhile.", code="target-taken", fix="It is tried again by itself."
    )


def _there(uri: str, target: Target) -> Stored | None:
    try:
        return target.store.look(uri)
    except CallerError as error:
        if error.code == "not-found":
            return None
        raise


def _made_of(receipt: Mapping[str, Any], uri: str) -> Made:
    """What the attempt left whose receipt this is."""
    outputs = receipt["outputs"]
    return Made(
        json.dumps(receipt.get("result"), separators=(",", ":")),
        outputs=tuple(one["path"] for one in outputs),
        receipt=uri,
        encoder=receipt.get("encoder"),
        warnings=tuple(receipt.get("warnings") or ()),
        published=[{name: one[name] for name in ("name", "path", "sha256", "size_bytes")} for one in outputs],
    )


def _read_receipt(uri: str, store: Store) -> Mapping[str, Any] | None:
    """The receipt at a place; None where there is none, or something else."""
    return _receipt_in(_text_of(uri, store))


def _text_of(uri: str, store: Store) -> str:
    """What is at a place; "" where nothing is, or what cannot be a receipt."""
    try:
        if store.look(uri).size_bytes > _RECEIPT_BYTES:
            return ""
        with store.reader(uri) as file:
            return (file.readall() or b"").decode("ascii")
    except (CallerError, ValueError):
        return ""


def _receipt_in(text: str) -> Mapping[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and data.get("kind") == RECEIPT_KIND else None
