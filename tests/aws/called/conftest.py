"""What tests of who is called stand on: the services that all of them ask, played within the process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto_cloud import clients_of


@pytest.fixture(scope="module")
def mocked() -> Iterator[dict[str, Any]]:
    with clients_of("s3", "dynamodb", "sqs") as found:
        yield found
