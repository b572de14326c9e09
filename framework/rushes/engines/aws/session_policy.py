"""The policy of one attempt: it reads its clip, publishes below its place, and reaches nothing else. Pure.

A session has what its role permits *and* this says
(https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session). Such a policy has
2,048 characters, none of them above U+00FF (https://docs.aws.amazon.com/STS/latest/APIReference/
API_AssumeRole.html). In a key ``*`` stands for others, and for the end of one that is too long: as narrow as
a policy can say it. This module must not know requests.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from rushes.asset import IMAGE_SUFFIXES
from rushes.storage.s3_uri import Place, place_of

if TYPE_CHECKING:
    from rushes.runtime.shared.remote_attempt import StoreReach

__all__ = ["MOST_CHARACTERS", "session_policy"]

MOST_CHARACTERS: Final = 2048
_SHORTEST: Final = 24
"""Of a key that is cut short, so many characters are kept at least."""
_SPECIAL: Final = re.compile(r"[*?$]")
_FRAMES: Final = re.compile(r"(?P<head>.*)\[[0-9]+-[0-9]+\](?P<suffix>\.[A-Za-z0-9]+)", re.DOTALL)
_UNSAYABLE: Final = re.compile(r"[^\x20-\xff]+")
_READ: Final = ["s3:GetObject", "s3:GetObjectVersion"]
_WRITE: Final = ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
_LIST: Final = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]


def session_policy(reach: StoreReach, partition: str = "aws", kms_key: str = "") -> str:
    """The policy of an attempt as JSON.

    Args:
        reach: what it has to reach.
        partition: ``aws``, ``aws-cn`` …: the first part of an ARN.
        kms_key: ARN of the key that outputs are encrypted with, or "".
    """
    longest = 1024
    while len(text := _text(reach, partition, kms_key, longest)) > MOST_CHARACTERS and longest > _SHORTEST:
        longest = longest * 3 // 4
    return text


def _text(reach: StoreReach, partition: str, kms_key: str, longest: int) -> str:
    reads = [place_of(uri) for uri in reach.reads]
    statements = [_allow(_READ, [_read(partition, one, longest) for one in reads])]
    if reach.out is not None:
        place = place_of(reach.out)
        below = f"{place.key.rstrip('/')}/" if place.key else ""
        # Who may not list hears *forbidden* of what is not there: a free place would look like a taken one.
        statements += [
            _allow(_WRITE, [f"{_arn(partition, place.bucket, below, longest).rstrip('*')}*"]),
            _allow(_LIST, [_bucket(partition, place.bucket)]),
        ]
    if kms_key:
        statements.append(_allow(["kms:GenerateDataKey", "kms:Decrypt"], [kms_key]))
    return json.dumps(
        {"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"), ensure_ascii=False
    )


def _read(partition: str, place: Place, longest: int) -> str:
    """A clip; of a sequence all frames, and whatever else is named like them."""
    found = _FRAMES.fullmatch(place.key)
    if found is None or found["suffix"].lower() not in IMAGE_SUFFIXES:
        return _arn(partition, place.bucket, place.key, longest)
    return f"{_arn(partition, place.bucket, found['head'], longest).rstrip('*')}*{found['suffix']}"


def _bucket(partition: str, bucket: str) -> str:
    return bucket if bucket.startswith("arn:") else f"arn:{partition}:s3:::{bucket}"


def _arn(partition: str, bucket: str, key: str, longest: int) -> str:
    inside = "/object" if bucket.startswith("arn:") else ""  # through an access point
    return f"{_bucket(partition, bucket)}{inside}/{_literal(key, longest)}"


def _literal(key: str, longest: int) -> str:
    """A key as a policy names it: what means something there stands for itself."""
    cut = _UNSAYABLE.sub("*", _SPECIAL.sub(lambda one: f"${{{one[0]}}}", key[:longest]))
    return cut if len(key) <= longest else f"{cut}*"


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}
