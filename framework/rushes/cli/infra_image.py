"""The image of `infra deploy`: its digest, whether it has what is planned, and that it stays.

Of another registry than ECR nothing is known but the name. This module must not know how one is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from rushes.errors import CallerError, RushesError
from rushes.printing import printable

if TYPE_CHECKING:
    from rushes.engines.aws.infra.environment import Environment

__all__ = ["chosen", "keep"]


def chosen(uri: str, region: str, template: Mapping[str, Any]) -> str:
    """The image that was named, by its digest.

    Raises:
        CallerError: it is not there, cannot be fetched by Lambda, or has other functions than the template.
    """
    from rushes.engines.aws.infra.contents import LABEL, check_contents  # noqa: PLC0415 - not for help
    from rushes.engines.aws.infra.executor import client_of  # noqa: PLC0415 - botocore
    from rushes.engines.aws.infra.labels import labels_of  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.registry import pinned_of  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.versions import versions_of  # noqa: PLC0415 - not for help

    image = pinned_of(uri, region, lambda place: client_of("ecr", place))
    if not _in_ecr(image):
        return image
    try:
        label = labels_of(client_of("ecr", region), image).get(LABEL, "")
    except RushesError as error:
        _say(f"What the image has was not compared with what is here: {error}")
        return image
    planned = {name: (one.ref, one.source) for name, one in versions_of(template).items()}
    if unknown := check_contents(label, planned):
        _say(f"The image does not say which source it has of {', '.join(unknown)}.")
    return image


def keep(image: str, environment: Environment) -> None:
    """Mark an image of ECR as deployed; without the permission it stays as long as the newest do."""
    from rushes.engines.aws.infra.executor import client_of  # noqa: PLC0415 - botocore
    from rushes.engines.aws.infra.registry import keep_deployed  # noqa: PLC0415 - as above

    if not _in_ecr(image):
        return
    try:
        keep_deployed(client_of("ecr", environment.region), image, environment.name)
    except CallerError as error:
        _say(f"The image is kept as long as it is among the newest: {error}")


def _in_ecr(image: str) -> bool:
    from rushes.engines.aws.infra.image import is_pinned, named  # noqa: PLC0415 - not for help

    return is_pinned(image) and bool(named(image.partition("@")[0]).account)


def _say(text: str) -> None:
    click.echo(printable(text), err=True)
