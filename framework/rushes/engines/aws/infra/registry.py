"""The registry of images, ECR: a repository that is made, signing in, and which bytes a tag stands for.

A tag is a name; what is deployed is named by its digest, so that what runs is what was pushed, whoever pushes
next. This module must not know what is in an image, nor how it is built.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, code_of, sent
from rushes.engines.aws.infra.image import Image, is_pinned, named
from rushes.engines.aws.infra.labels import MANIFESTS
from rushes.errors import CallerError

__all__ = ["account_of", "digest_of", "keep_deployed", "make_repository", "password_of", "pinned_of"]

KEPT_IMAGES: Final = 20
"""Of a repository that we made: the newest that were pushed, and the newest that were deployed."""
_DEPLOYED: Final = "deployed-"
"""What the second name of an image begins with that was deployed."""
_GONE: Final = frozenset({"ImageNotFoundException", "RepositoryNotFoundException"})
_LAMBDA: Final = {
    "Sid": "LambdaECRImageRetrievalPolicy",
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
}
"""Without it Lambda adds the same by itself, if whoever deploys may change it
(https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#gettingstarted-images-permissions)."""


def make_repository(ecr: Any, image: Image, say: Callable[[str], None]) -> None:
    """See to it that ECR has the repository of an image; one that it has stays as it is.

    Raises:
        CallerError: it is not permitted.
    """
    name, act = image.name, f"make the repository {image.repository}"
    try:
        with sent(act):
            ecr.create_repository(
                repositoryName=name,
                imageTagMutability="IMMUTABLE",
                imageScanningConfiguration={"scanOnPush": True},
            )
            ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps(_kept()))
            policy = {"Version": "2012-10-17", "Statement": [_LAMBDA]}
            ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(policy))
    except ClientError as error:
        if code_of(error) != "RepositoryAlreadyExistsException":
            raise answer_error(error, act) from error
        return
    say(f"made the repository {image.repository}")


def digest_of(ecr: Any, image: Image) -> str:
    """The digest of what a tag stands for in ECR; "" where there is none.

    Raises:
        CallerError: it is not permitted.
    """
    act = f"look at the image {image.uri}"
    try:
        with sent(act):
            found = ecr.describe_images(**_whose(image), imageIds=[{"imageTag": image.tag}])
    except ClientError as error:
        if code_of(error) in _GONE:
            return ""
        raise answer_error(error, act) from error
    return str(found["imageDetails"][0]["imageDigest"])


def pinned_of(uri: str, region: str, ecr: Callable[[str], Any]) -> str:
    """The name of an image by its digest; one of another registry than ECR stays as it was named.

    Args:
        uri: as it was named.
        region: of the environment that is to have it.
        ecr: a boto3 client for ``ecr`` of a region.

    Raises:
        CallerError: it is not there, lies in another region, or may not be looked at.
    """
    image = named(uri.partition("@")[0])
    if not image.account:
        return uri
    if image.region != region:
        raise CallerError(
            f"the image {uri} lies in {image.region}, and Lambda in {region} takes none from there.",
            code="no-image",
            fix=f"Push it to {region}: rushes infra package --push --region {region} …",
        )
    if is_pinned(uri):
        return uri
    digest = digest_of(ecr(region), image)
    if not digest:
        raise CallerError(
            f"there is no image {uri}.",
            code="no-image",
            fix="Name what `rushes infra package --push` prints last.",
        )
    return image.pinned(digest)


def keep_deployed(ecr: Any, uri: str, environment: str) -> None:
    """Give an image that is deployed a second name, under which those that are only pushed remove none.

    Args:
        ecr: a boto3 client for ``ecr``.
        uri: by its digest.
        environment: that has it.

    Raises:
        CallerError: it is not permitted.
    """
    repository, _, digest = uri.partition("@")
    image, act = Image(repository, ""), f"mark the image {uri} as deployed"
    tag = f"{_DEPLOYED}{environment}-{digest.partition(':')[2][:16]}"
    try:
        with sent(act):
            asked = {"imageIds": [{"imageDigest": digest}], "acceptedMediaTypes": [*MANIFESTS]}
            found = ecr.batch_get_image(**_whose(image), **asked)["images"]
            if not found:
                return
            manifest = {"imageManifest": found[0]["imageManifest"]}
            if kind := found[0].get("imageManifestMediaType"):
                manifest["imageManifestMediaType"] = kind
            ecr.put_image(**_whose(image), **manifest, imageTag=tag)
    except ClientError as error:
        if code_of(error) not in {"ImageAlreadyExistsException", "ImageTagAlreadyExistsException"}:
            raise answer_error(error, act) from error


def account_of(sts: Any) -> str:
    """The number of the account that the credentials are of.

    Raises:
        CallerError: there are none, or they are not valid.
    """
    act = "ask whose account it is"
    try:
        with sent(act):
            return str(sts.get_caller_identity()["Account"])
    except ClientError as error:
        raise answer_error(error, act) from error


def password_of(ecr: Any) -> str:
    """A password for the registry, good for twelve hours.

    Raises:
        CallerError: it is not permitted.
    """
    act = "sign in to the registry"
    try:
        with sent(act):
            token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    except ClientError as error:
        raise answer_error(error, act) from error
    return base64.b64decode(token).decode().partition(":")[2]


def _whose(image: Image) -> dict[str, str]:
    if not image.account:
        raise CallerError(
            f"{image.repository} is no repository of ECR.", code="bad-package", fix="Name one of the account."
        )
    return {"registryId": image.account, "repositoryName": image.name}


def _kept() -> dict[str, Any]:
    """Which images stay. What the first rule matches is nothing for the second, however many are pushed."""
    newest = {"countType": "imageCountMoreThan", "countNumber": KEPT_IMAGES}
    deployed = {"tagStatus": "tagged", "tagPrefixList": [_DEPLOYED], **newest}
    rules = [(1, "deployed", deployed), (2, "pushed", {"tagStatus": "any", **newest})]
    return {
        "rules": [
            {
                "rulePriority": priority,
                "description": f"the newest {KEPT_IMAGES} that were {what}",
                "selection": selection,
                "action": {"type": "expire"},
            }
            for priority, what, selection in rules
        ]
    }
