"""Counts what a process asks of AWS, by service and operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.client import BaseClient

__all__ = ["counted"]


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Requests by ``service:Operation``, and ``…:index`` where one is of an index, while it lasts."""
    counts: Counter[str] = Counter()
    ask = BaseClient._make_api_call  # noqa: SLF001 - every client's, whoever made it

    def counting(self: Any, operation: str, asked: Any) -> Any:
        index = ":index" if "IndexName" in asked else ""
        counts[f"{self.meta.service_model.service_name}:{operation}{index}"] += 1
        return ask(self, operation, asked)

    BaseClient._make_api_call = counting  # noqa: SLF001 - as above
    try:
        yield counts
    finally:
        BaseClient._make_api_call = ask  # noqa: SLF001 - as above
