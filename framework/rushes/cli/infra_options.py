"""What all commands of `infra` have: which environment, where, and its stack. It must not know commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from rushes.engines.aws.infra.executor import Stack

__all__ = ["env_option", "region_option", "stack_of"]

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


def stack_of(name: str, region: str) -> Stack:
    """The stack that an environment is."""
    from rushes.engines.aws.infra.environment import stack_name  # noqa: PLC0415 - not for help
    from rushes.engines.aws.infra.executor import Stack, client_of  # noqa: PLC0415 - botocore

    return Stack(client_of("cloudformation", region), stack_name(name))


env_option: Final = click.option(
    "--env", "name", required=True, metavar="NAME", help="The environment: dev, prod."
)
region_option: Final = click.option(
    "--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], callback=_region, metavar="REGION",
    help=f"Where.  [default: AWS_REGION, else the profile's, else {NOBODY_SAYS}]",
)  # fmt: skip
