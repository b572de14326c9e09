"""One document in the ledger's table, for somebody who has to remember something between two looks.

It is written by conditions on its version: of two that read the same one, the second to write is refused, and
has to look again. This module must not know what a document says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from rushes.errors import PlatformError
from rushes.shared_ledger.dynamo_items import item_read, typed
from rushes.shared_ledger.dynamo_table import Table

__all__ = ["DynamoDocument"]


class DynamoDocument:
    """A document.

    Args:
        client: a boto3 client for ``dynamodb``.
        table: its name.
        name: of the document, ``F#scaler``.
        sleep: as `Table` has it.
    """

    def __init__(
        self, client: Any, table: str, name: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._table = Table(client, table, sleep)
        self._name = name
        self._version = 0
        self._text = ""

    def read(self) -> dict[str, Any]:
        """What it says; nothing where it was never written.

        Raises:
            CallerError: somebody has changed it by hand so that it cannot be read (``bad-item``).
            PlatformError: the table does not answer.
        """
        item = self._table.item(self._key()) or {"pk": self._name, "sk": "S", "version": 0, "text": "{}"}
        with item_read(item):
            self._version, self._text = int(item["version"]), str(item["text"])
            found = json.loads(self._text)
            if not isinstance(found, dict):
                raise TypeError("its text is no object")
        return found

    def write(self, data: Mapping[str, Any]) -> None:
        """Let it say something else; the same once more is not written.

        Raises:
            PlatformError: somebody else wrote it since it was read (``overtaken``), or it does not answer.
        """
        text = json.dumps(data, separators=(",", ":"), sort_keys=True)
        if text == self._text:
            return
        values: dict[str, Any] = {":next": self._version + 1, ":text": text}
        condition = "attribute_not_exists(pk)"
        if self._version:
            condition, values = "#version=:was", {**values, ":was": self._version}
        written, _ = self._table.attempt(
            self._key(),
            "SET #version=:next, #text=:text",
            values,
            condition,
            {"#version": "version", "#text": "text"},
        )
        if written is None:
            raise PlatformError(
                f"somebody else wrote {self._name} meanwhile.",
                code="overtaken",
                fix="It is looked at again by itself.",
            )
        self._version, self._text = self._version + 1, text

    def _key(self) -> dict[str, Any]:
        return typed({"pk": self._name, "sk": "S"})
