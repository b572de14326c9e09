"""Requests to one table of DynamoDB: a condition that does not hold is an answer, not an error.

This module must not know what an item means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, code_of, sent
from rushes.core.retry import backoff_s
from rushes.errors import CallerError, PlatformError
from rushes.shared_ledger.dynamo_items import plain, typed

__all__ = ["MEETINGS", "ConditionFailed", "Table", "unless_refused"]

MEETINGS: Final = 12
"""Transactions that met another before it is taken for a fault; some 20 s."""


MOST_KEYS: Final = 100
"""That one request may ask for (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/
API_BatchGetItem.html)."""


class ConditionFailed(Exception):  # noqa: N818 - an outcome, not an error
    """A condition did not hold; `item` is what is there, None for nothing."""

    def __init__(self, item: Any) -> None:
        super().__init__()
        self.item = item


class _Met(Exception):  # noqa: N818 - as above
    """A transaction that was under way had an item of a request; nothing was written."""


class _Cancelled(Exception):  # noqa: N818 - as above
    """A transaction was cancelled; `codes` say why, part by part."""

    def __init__(self, codes: list[str]) -> None:
        super().__init__(codes)
        self.codes = codes


@contextmanager
def unless_refused() -> Iterator[list[bool]]:
    """A condition that does not hold is no error; the list is then not empty."""
    refused: list[bool] = []
    try:
        yield refused
    except ConditionFailed:
        refused.append(True)


class Table:
    """One table.

    Args:
        client: a boto3 client for ``dynamodb``.
        name: of the table.
        sleep: waits between transactions that met.
    """

    def __init__(self, client: Any, name: str, sleep: Callable[[float], None]) -> None:
        self._client = client
        self.name = name
        self._sleep = sleep

    def put(self, act: str, item: Mapping[str, Any], condition: str) -> None:
        """Put an item.

        Raises:
            Refused: the condition does not hold.
        """
        self._asked(
            act,
            self._client.put_item,
            {"TableName": self.name, "Item": item, "ConditionExpression": condition},
        )

    def send(self, act: str, asked: Mapping[str, Any]) -> None:
        """Send what `update` has made.

        Raises:
            Refused: the condition does not hold.
        """
        self._asked(act, self._client.update_item, asked)

    def update(
        self,
        key: Mapping[str, Any],
        change: str,
        values: Mapping[str, Any],
        condition: str = "",
        names: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        asked: dict[str, Any] = {"TableName": self.name, "Key": key, "UpdateExpression": change}
        if values:
            asked["ExpressionAttributeValues"] = typed(values)
        if condition:
            asked["ConditionExpression"] = condition
        if names:
            asked["ExpressionAttributeNames"] = dict(names)
        return asked

    def attempt(
        self,
        key: Mapping[str, Any],
        change: str,
        values: Mapping[str, Any],
        condition: str,
        names: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The item after a change; or None, and the item as it is where the condition did not hold."""
        asked = self.update(key, change, values, condition, names)
        asked |= {"ReturnValues": "ALL_NEW", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            done = self._asked("write to the ledger", self._client.update_item, asked)
        except ConditionFailed as refused:
            return None, plain(refused.item) if refused.item else None
        return plain(done["Attributes"]), None

    def _asked(self, act: str, request: Callable[..., Any], asked: Mapping[str, Any]) -> Any:
        """The answer to a request that writes one item.

        It is refused while a transaction has that item (https://docs.aws.amazon.com/amazondynamodb/latest/
        developerguide/transaction-apis.html#transaction-conflict-handling), and the SDK does not wait for it.
        """
        for meeting in range(1, MEETINGS + 1):
            try:
                with self.asking(act):
                    return request(**asked)
            except _Met:
                self._sleep(backoff_s(meeting, hash(act), first_s=0.02, longest_s=3.0))
        raise _busy(act)

    def transact(self, parts: Sequence[Mapping[str, Any]], act: str) -> list[bool]:
        """All of it, or nothing: then which conditions did not hold."""
        # The same token within ten minutes is the same transaction, whatever became of its answer.
        token = hashlib.sha256(repr(parts).encode()).hexdigest()[:36]
        for meeting in range(1, MEETINGS + 1):
            try:
                with self.asking(act):
                    self._client.transact_write_items(TransactItems=list(parts), ClientRequestToken=token)
            except _Cancelled as cancelled:
                refused = [code == "ConditionalCheckFailed" for code in cancelled.codes]
                if any(refused):
                    return refused
                self._sleep(backoff_s(meeting, hash(token), first_s=0.02, longest_s=3.0))
                token = hashlib.sha256(f"{token}{meeting}".encode()).hexdigest()[:36]
            else:
                return []
        raise _busy(act)

    def item(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        with self.asking("read the ledger"):
            found = self._client.get_item(TableName=self.name, Key=key, ConsistentRead=True)
        return plain(found["Item"]) if "Item" in found else None

    def query(
        self,
        act: str,
        *,
        pk: str = "",
        wk: str = "",
        upto: int | None = None,
        since: int | None = None,
        **more: Any,
    ) -> Iterator[dict[str, Any]]:
        """What is under a key of the table, or of the index, page by page as it is asked for."""
        condition, values = "pk=:p" if pk else "wk=:p", dict[str, Any]({":p": pk or wk})
        if upto is not None:
            condition, values[":upto"] = f"{condition} AND wa<=:upto", upto
        if since is not None:
            condition, values[":since"] = f"{condition} AND wa>=:since", since
        more |= {"ConsistentRead": True} if pk else {"IndexName": "wake"}
        pages = self._client.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=typed(values),
            **more,
        )
        with self.asking(act):
            for page in pages:
                for item in page["Items"]:
                    yield plain(item)

    def items(self, keys: Sequence[Mapping[str, Any]], act: str) -> list[dict[str, Any]]:
        """The items of these keys that there are, a hundred in a request, in no order."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(keys), MOST_KEYS):
            wanted: dict[str, Any] = {
                self.name: {"Keys": list(keys[start : start + MOST_KEYS]), "ConsistentRead": True}
            }
            for meeting in range(1, MEETINGS + 1):
                with self.asking(act):
                    answer = self._client.batch_get_item(RequestItems=wanted)
                found += [plain(one) for one in answer["Responses"].get(self.name, ())]
                wanted = answer.get("UnprocessedKeys") or {}
                if not wanted:
                    break
                self._sleep(backoff_s(meeting, start, first_s=0.05, longest_s=3.0))
            else:
                raise PlatformError(
                    f"the table is too busy to {act}.",
                    code="service-busy",
                    fix="It is tried again by itself.",
                )
        return found

    @contextmanager
    def asking(self, act: str) -> Iterator[None]:
        """Conditions that do not hold become answers of ours; everything else an error of ours."""
        try:
            with sent(act):
                yield
        except ClientError as error:
            code = code_of(error)
            if code == "ConditionalCheckFailedException":
                raise ConditionFailed(error.response.get("Item")) from error
            if code == "TransactionCanceledException":
                reasons: Any = error.response.get("CancellationReasons", ())
                raise _Cancelled([str(one.get("Code")) for one in reasons]) from error
            if code == "TransactionConflictException":
                raise _Met from error
            if code == "ResourceNotFoundException":
                raise CallerError(
                    f"there is no table {self.name!r} to {act}.",
                    code="not-found",
                    fix="Deploy the environment first, or check its name and region.",
                ) from error
            raise answer_error(error, act) from error


def _busy(act: str) -> PlatformError:
    return PlatformError(
        f"others write the same again and again; could not {act}.",
        code="service-busy",
        fix="It is tried again by itself.",
    )
