"""Receipts in a store: read with doubt, and written so that none describes the output of another.

This module must not know outputs.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rushes.errors import CallerError, PlatformError
from rushes.runtime.attempts.task import Made
from rushes.runtime.ownership import RECEIPT_KIND
from rushes.runtime.sources.fingerprint import sha256_file

if TYPE_CHECKING:
    from rushes.ports import Store
    from rushes.stored import Stored

__all__ = ["ReceiptPlace", "made_of", "read_receipt", "stored_at", "taken"]

_RECEIPT_BYTES: Final = 16 * 1024 * 1024
_WITHDRAWN: Final = json.dumps({"kind": RECEIPT_KIND, "withdrawn": True, "outputs": []}, indent=1) + "\n"
"""Describes nothing, and may be written over like any receipt: its output was not the first to be there."""


class ReceiptPlace:
    """Where a receipt is to be, and what was there when it was looked at.

    An attempt that was overtaken may stop between its receipt and its output, for as long as it likes. So
    neither it nor who overtook it may leave the receipt of one beside the output of the other.

    Args:
        uri: its place.
        store: which one.
        about: what it says of itself, as its output does.
        folder: of the attempt, where it is written first: what a killed attempt leaves goes with that.
    """

    def __init__(self, uri: str, store: Store, about: Mapping[str, str], folder: Path) -> None:
        self._uri, self._store, self._about, self._folder = uri, store, about, folder
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
        self._before = stored_at(self._uri, self._store)

    def put(self, text: str) -> None:
        """Put a receipt here, also over one of ours, if what is here is still what was.

        Raises:
            CallerError: something else is here.
            PlatformError: another attempt was faster.
        """
        if self._before is not None:
            self._text = _text_of(self._uri, self._store)
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
            raise taken(self._uri) from error

    def keep(self, text: str) -> None:
        """Now that the output is there: see that its receipt is the one beside it."""
        now = stored_at(self._uri, self._store)
        if now is not None and self._put is not None and now.sha256 != self._put.sha256:
            self._write(text, now)

    def put_back(self) -> None:
        """The output beside is another's: so is the receipt that was here; where none was, none is left.

        What was put is not removed, for a role that may delete could delete everything.
        """
        now = stored_at(self._uri, self._store) if self._put is not None else None
        if now is None or self._put is None or now.sha256 != self._put.sha256:
            return
        try:
            self._write(self._text or _WITHDRAWN, now)
        except CallerError as error:
            if error.code != "target-exists":  # then another's is here by now, which is as good
                raise

    def _write(self, text: str, over: Stored | None) -> Stored:
        with tempfile.NamedTemporaryFile("w", encoding="ascii", prefix=".receipt-", dir=self._folder) as file:
            file.write(text)
            file.flush()
            place = Path(file.name)
            return self._store.publish(place, self._uri, sha256_file(place), over=over, about=self._about)


def taken(uri: str) -> PlatformError:
    """What an attempt is told that was overtaken."""
    return PlatformError(
        f"{uri} was published by another meanwhile.", code="target-taken", fix="It is tried again by itself."
    )


def stored_at(uri: str, store: Store) -> Stored | None:
    """What is at a place; None where nothing is."""
    try:
        return store.look(uri)
    except CallerError as error:
        if error.code == "not-found":
            return None
        raise


def made_of(receipt: Mapping[str, Any], uri: str) -> Made:
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


def read_receipt(uri: str, store: Store) -> Mapping[str, Any] | None:
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
