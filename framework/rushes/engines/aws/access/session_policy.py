"""The policy of one attempt: it reads its clip, publishes below its place, and reaches nothing else. Pure.

A session has what its role permits *and* this says
(https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session). Such a policy has
2,048 characters, none of them above U+00FF (https://docs.aws.amazon.com/STS/latest/APIReference/
API_AssumeRole.html). In a key ``*`` stands for others, and for the end of one that is too long: as narrow as
a policy can say it. Of a sequence the frames are named, by names in which ``?`` is any one character. This
module must not know requests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from rushes.asset import IMAGE_SUFFIXES
from rushes.engines.aws.access.frame_names import names_of
from rushes.storage.s3_uri import Place, place_of

if TYPE_CHECKING:
    from rushes.runtime.shared.objects.attempt import StoreReach

__all__ = ["MOST_CHARACTERS", "session_policy"]

MOST_CHARACTERS: Final = 2048
_SHORTEST: Final = 24
"""Of a key that is cut short, so many characters are kept at least."""
_SPECIAL: Final = re.compile(r"[*?$]")
_FRAMES: Final = re.compile(
    r"(?P<head>.*)\[(?P<first>[0-9]+)-(?P<last>[0-9]+)\](?P<suffix>\.[A-Za-z0-9]+)", re.DOTALL
)
_NAMES: Final = 12
"""Of a sequence at most: so many say 1001 to 1096 but for the ends of decades."""
_UNSAYABLE: Final = re.compile(r"[^\x20-\xff]+")
_READ: Final = ["s3:GetObject", "s3:GetObjectVersion"]
_WRITE: Final = ["s3:PutObject", *_READ, "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
_LIST: Final = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]


def session_policy(
    reach: StoreReach,
    partition: str = "aws",
    kms_key: str = "",
    clip_keys: Sequence[str] = (),
    most: int = MOST_CHARACTERS,
) -> str:
    """The policy of an attempt as JSON.

    Args:
        reach: what it has to reach.
        partition: ``aws``, ``aws-cn`` …: the first part of an ARN.
        kms_key: ARN of the key that outputs are encrypted with, or "".
        clip_keys: ARNs of those that clips are encrypted with, where they are others.
        most: characters; fewer than AWS says where it has said that it is too large all the same.
    """
    text = ""
    for longest, names in _narrower():
        text = _text(reach, partition, (kms_key, clip_keys), longest, names)
        if len(text) <= most:
            break
    return text


def _narrower() -> Iterator[tuple[int, int]]:
    """How long a key may be, and how many names a sequence may have, less and less."""
    longest = 1024
    for names in (_NAMES, _NAMES // 2, 0):
        yield longest, names
    while longest > _SHORTEST:
        longest = longest * 3 // 4
        yield longest, 0


def _text(
    reach: StoreReach, partition: str, keys: tuple[str, Sequence[str]], longest: int, names: int
) -> str:
    kms_key, clip_keys = keys
    reads = [one for uri in reach.reads for one in _read(partition, place_of(uri), longest, names)]
    statements = [_allow(_READ, reads)]
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
    if clip_keys:
        statements.append(_allow(["kms:Decrypt"], list(clip_keys)))
    return json.dumps(
        {"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"), ensure_ascii=False
    )


def _read(partition: str, place: Place, longest: int, names: int) -> list[str]:
    """A clip; of a sequence all frames, and as few others as so many names can say."""
    found = _FRAMES.fullmatch(place.key)
    if found is None or found["suffix"].lower() not in IMAGE_SUFFIXES or _ends(found)[1] < _ends(found)[0]:
        return [_arn(partition, place.bucket, place.key, longest)]
    head = _arn(partition, place.bucket, found["head"], longest)
    frames = names_of(*_ends(found), len(found["first"]), names) if names else []
    if not 0 < len(frames) <= names or len(found["head"]) > longest:
        return [f"{head.rstrip('*')}*{found['suffix']}"]
    return [f"{head}{one}{found['suffix']}" for one in frames]


def _ends(found: re.Match[str]) -> tuple[int, int]:
    return int(found["first"]), int(found["last"])


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
