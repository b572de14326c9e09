"""The shape of the shared ledger's table, apart from its items: a template needs it, and no SDK.

What the keys say stands in `rushes.shared_ledger.dynamo_items`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["RUNS", "TABLE"]

RUNS: Final = "L#"
"""What the keys of items begin with that say what runs of a function took: permissions go by it."""

TABLE: Final[Mapping[str, Any]] = {
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
        {"AttributeName": "wk", "AttributeType": "S"},
        {"AttributeName": "wa", "AttributeType": "N"},
    ],
    "KeySchema": [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "wake",
            "KeySchema": [
                {"AttributeName": "wk", "KeyType": "HASH"},
                {"AttributeName": "wa", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
"""What the table is made of, as ``create_table`` and a template take it."""
