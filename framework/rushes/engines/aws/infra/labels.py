"""The labels of an image in ECR, read without fetching it: its manifest, and the settings that this names.

Their address is signed for whoever asks, and stands in no message. This module must not know what labels say.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, sent
from rushes.engines.aws.infra.image import named
from rushes.errors import PlatformError

__all__ = ["MANIFESTS", "labels_of"]

MANIFESTS: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
"""Kinds of manifest that Lambda takes; without them ECR may answer in another."""
_MOST_BYTES: Final = 4 * 1024**2
_WAIT_S: Final = 20.0


def labels_of(ecr: Any, uri: str) -> Mapping[str, str]:
    """The labels of an image.

    Args:
        ecr: a boto3 client for ``ecr``.
        uri: by its digest.

    Raises:
        CallerError: it is not permitted.
        PlatformError: it cannot be read.
    """
    repository, _, digest = uri.partition("@")
    image, act = named(repository), f"look into the image {uri}"
    whose = {"registryId": image.account, "repositoryName": image.name}
    try:
        with sent(act):
            asked = {**whose, "imageIds": [{"imageDigest": digest}], "acceptedMediaTypes": [*MANIFESTS]}
            manifest = json.loads(ecr.batch_get_image(**asked)["images"][0]["imageManifest"])
            settings = manifest["config"]["digest"]
            url = ecr.get_download_url_for_layer(**whose, layerDigest=settings)["downloadUrl"]
        with urllib.request.urlopen(url, timeout=_WAIT_S) as answer:  # noqa: S310 - ECR says where
            said = json.loads(answer.read(_MOST_BYTES))
        return dict(said.get("config", {}).get("Labels") or {})
    except ClientError as error:
        raise answer_error(error, act) from error
    except (urllib.error.URLError, OSError, ValueError, LookupError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        raise PlatformError(
            f"could not {act} ({type(error).__name__}).",
            code="image-unread",
            fix="Deploying goes on without it.",
        ) from None
