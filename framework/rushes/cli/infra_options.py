"""The options of all commands of `infra`: which environment, and where. It must not know commands."""

from __future__ import annotations

from typing import Final

import click

__all__ = ["env_option", "region_option"]

NOBODY_SAYS: Final = "us-east-1"


def _region(_: click.Context, __: click.Parameter, said: str | None) -> str:
    """What is said here, else what the profile of the AWS tools says, as it counts for `rushes run`."""
    if said:
        return said
    try:
        from rushes.engines.aws.infra.executor import region_of_profile  # noqa: PLC0415 - botocore
    except ImportError:  # `synth` works without it
        return NOBODY_SAYS
    return region_of_profile() or NOBODY_SAYS


env_option: Final = click.option(
    "--env", "name", required=True, metavar="NAME", help="The environment: dev, prod."
)
region_option: Final = click.option(
    "--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], callback=_region, metavar="REGION",
    help=f"Where.  [default: AWS_REGION, else the profile's, else {NOBODY_SAYS}]",
)  # fmt: skip
