"""AWS in memory for a whole module: clients are dear to make, and what they see is emptied between tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto import mock_aws
from moto.moto_api._internal.models import moto_api_backend


@contextmanager
def clients_of(*services: str) -> Iterator[dict[str, Any]]:
    """Clients of these services, with credentials of nobody."""
    nobody = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    with mock_aws():
        yield {name: boto3.client(name, **nobody) for name in services}


def empty() -> None:
    """Nothing of what was made is there any more."""
    moto_api_backend.reset()
