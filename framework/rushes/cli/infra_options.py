"""The options of all commands of `infra`: which environment, and where. It must not know commands."""

from __future__ import annotations

from typing import Final

import click

__all__ = ["env_option", "region_option"]

env_option: Final = click.option(
    "--env", "name", required=True, metavar="NAME", help="The environment: dev, prod."
)
region_option: Final = click.option(
    "--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], default="us-east-1", show_default=True,
    help="Where.",
)  # fmt: skip
