"""DynamoDB and SQS in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from rushes.shared_ledger.dynamo_items import TABLE

_NOBODY = {"region_name": "eu-west-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}


@pytest.fixture(scope="session")
def clients() -> dict[str, Any]:
    """Clients with credentials of nobody, so that a mistake reaches nobody's account."""
    return {name: boto3.client(name, **_NOBODY) for name in ("dynamodb", "sqs")}


@pytest.fixture
def aws(clients: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those clients, of an AWS in this process with one table and one queue."""
    with mock_aws():
        clients["dynamodb"].create_table(TableName="rushes-test", **TABLE)
        clients["sqs"].create_queue(QueueName="urgent", Attributes={"VisibilityTimeout": "60"})
        yield clients
