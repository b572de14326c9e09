"""`infra package`: the image of an environment, built by Docker or Podman.

What is in it, and which commands make it, is decided elsewhere. This module must not know templates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rushes.cli.infra_options import env_option, region_option
from rushes.printing import printable

__all__ = ["package"]


@click.command(short_help="Build the image of an environment, and push it.")
@env_option
@region_option
@click.option("--repository", metavar="URI", help="Of images, without a tag.  [default: rushes-NAME in ECR]")
@click.option(
    "--tool",
    type=click.Choice(["docker", "podman"]),
    default="docker",
    show_default=True,
    help="That builds.",
)
@click.option("--push", is_flag=True, help="Push it, and make its repository in ECR where there is none.")
@click.option(
    "--context", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Keep the folder."
)
@click.option("--dry-run", is_flag=True, help="Make the folder, and print the commands.")
@click.argument("packages", nargs=-1, required=True, metavar="PACKAGE…")
def package(
    *,
    name: str,
    region: str,
    repository: str | None,
    tool: Any,
    push: bool,
    context: Path | None,
    dry_run: bool,
    packages: tuple[str, ...],
) -> None:
    """Build the image of an environment: Rushes as it runs here, and PACKAGEs that have the functions.

    A PACKAGE is a distribution (studio-dailies==1.4), a wheel, or the folder of a project. The last line says
    what the image is called: --image of deploy.
    """
    import tempfile  # noqa: PLC0415 - not for help

    from rushes.engines.aws.infra import image_build  # noqa: PLC0415 - botocore
    from rushes.engines.aws.infra.environment import Environment  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.executor import client_of  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.image import image_name, steps  # noqa: PLC0415 - as above

    def say(text: str) -> None:
        click.echo(printable(text), err=True)

    environment = Environment(name, region)
    if repository is None:
        account = "ACCOUNT" if dry_run else image_build.account_of(client_of("sts", region))
        repository = f"{account}.dkr.ecr.{region}.amazonaws.com/{environment.called()}"
    with tempfile.TemporaryDirectory(prefix="rushes-image-") as made:
        folder = context or Path(made)
        image_build.make_folder(folder, packages)
        image = image_name(repository, environment, image_build.files_of(folder))
        all_ = steps(image, str(folder), tool, push=push)
        if dry_run:
            for step in all_:
                say(f"$ {step.text}")
        else:
            if push and image.region:
                image_build.make_repository(client_of("ecr", image.region), image, say)
            image_build.run_steps(
                all_, secret=lambda _: image_build.password_of(client_of("ecr", image.region)), say=say
            )
    click.echo(image.uri)
