"""Whether a bucket is there, asked before work is sent that would publish into it.

This module must not know what is published.
"""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from rushes.aws_errors import code_of, sent
from rushes.errors import CallerError
from rushes.storage.s3_uri import place_of

__all__ = ["require_bucket"]

_NOT_THERE: Final = frozenset({"404", "NoSuchBucket", "NotFound"})


def require_bucket(client: Any, uri: str) -> None:
    """Refuse a place for outputs whose bucket does not exist, with one request.

    Only S3's own word that it is not there counts. Who may not look (403) may still be one for whom others
    write, and a bucket of another region (301) is there.

    Args:
        client: a boto3 client for ``s3``.
        uri: the place, ``s3://bucket/prefix``.

    Raises:
        CallerError: there is no such bucket (``not-found``), or no credentials.
        PlatformError: S3 cannot be reached.
    """
    bucket = place_of(f"{uri.rstrip('/')}/output").bucket
    try:
        with sent(f"look for bucket {bucket}"):
            client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if code_of(error) not in _NOT_THERE:
            return
        raise CallerError(
            f"there is no bucket {bucket}, of --out {uri}; nothing was sent.",
            code="not-found",
            fix=f"Check its name, the account and AWS_ENDPOINT_URL; or make it: aws s3 mb s3://{bucket}",
        ) from error
