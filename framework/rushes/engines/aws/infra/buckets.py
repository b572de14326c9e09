"""Buckets that an environment makes: they tell of what comes, are nobody else's, and stay when it goes. Pure.

This module must not know what comes into them.
"""

from __future__ import annotations

from typing import Any, Final

from rushes.engines.aws.infra.environment import Environment, logical
from rushes.engines.aws.infra.parts import arn, ref

__all__ = ["buckets"]

UNFINISHED_DAYS: Final = 2
"""After so long an upload that nobody ended is removed: longer than any attempt can last."""


def buckets(environment: Environment) -> dict[str, Any]:
    """All of them, each with its policy."""
    ids = {logical("Bucket", name): name for name in environment.owned}
    policies = {f"{id_}Encrypted": _encrypted_only(id_) for id_ in ids}
    return {id_: _bucket(name) for id_, name in ids.items()} | policies


def _bucket(name: str) -> dict[str, Any]:
    """A bucket that tells EventBridge of what comes, and that a stack never takes with it.

    But for a stack that comes to nothing: an empty bucket that it left would be in the way of the next try.
    """
    return {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BucketName": name,
            "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "LifecycleConfiguration": {
                "Rules": [
                    {
                        "Id": "unfinished-uploads",
                        "Status": "Enabled",
                        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS},
                    }
                ]
            },
        },
    }


def _encrypted_only(bucket_id: str) -> dict[str, Any]:
    """What is asked of a bucket without TLS is refused, whoever asks. It stays with the bucket."""
    there = arn(bucket_id)
    return {
        "Type": "AWS::S3::BucketPolicy",
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "Bucket": ref(bucket_id),
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:*",
                        "Resource": [there, {"Fn::Join": ["", [there, "/*"]]}],
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                ],
            },
        },
    }
