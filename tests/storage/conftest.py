"""S3 in this process, and a real server of it on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws


@pytest.fixture(scope="session")
def s3_client() -> Any:
    """A client with credentials of nobody, so that a mistake reaches nobody's account."""
    return boto3.client(
        "s3",
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - nobody's
    )


@pytest.fixture
def s3(s3_client: Any) -> Iterator[Any]:
    """That client, of an S3 in this process that is empty but for the bucket ``rushes-test``."""
    with mock_aws():
        place = {"LocationConstraint": "eu-west-1"}
        s3_client.create_bucket(Bucket="rushes-test", CreateBucketConfiguration=place)
        yield s3_client
