"""`infra package`: the image of an environment, built by Docker, Podman or Buildah.

What is in it, and which commands make it, is decided elsewhere. This module must not know templates.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from rushes.cli.infra_options import env_option, region_option
from rushes.printing import printable

__all__ = ["package"]

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(short_help="Build the image of an environment, and push it.")
@env_option
@region_option
@click.option("--repository", metavar="URI", help="Of images, without a tag.  [default: rushes-NAME in ECR]")
@click.option(
    "--tool",
    type=click.Choice(["docker", "podman", "buildah"]),
    default="docker",
    show_default=True,
    help="That builds.",
)
@click.option("--push", is_flag=True, help="Push it, and make its repository in ECR where there is none.")
@click.option("--base", metavar="IMAGE", default="", help="That it is built on.  [default: python:3.12-slim]")
@click.option("--lock", type=_FILE, metavar="FILE", help="What indexes serve, with hashes, and nothing else.")
@click.option("--pip-config", type=_FILE, metavar="FILE", help="Of a studio's index; stays out of the image.")
@click.option("--ca", type=_FILE, metavar="FILE", help="Whom pip trusts (PEM); stays out of the image.")
@click.option("--again", is_flag=True, help="Build what was built already, of fresh parts.")
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
    base: str,
    lock: Path | None,
    pip_config: Path | None,
    ca: Path | None,
    again: bool,
    context: Path | None,
    dry_run: bool,
    packages: tuple[str, ...],
) -> None:
    """Build the image of an environment: Rushes as it runs here, and PACKAGEs that have the functions.

    A PACKAGE is a distribution (studio-dailies==1.4), a wheel, or the folder of a project. The last line says
    what the image is called, with --push by its digest: --image of deploy.
    """
    from rushes.engines.aws.infra import image_build, registry  # noqa: PLC0415 - botocore
    from rushes.engines.aws.infra.contents import LABEL, label_of  # noqa: PLC0415 - not for help
    from rushes.engines.aws.infra.environment import Environment  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.executor import client_of  # noqa: PLC0415 - as above
    from rushes.engines.aws.infra.image import image_name, steps  # noqa: PLC0415 - as above
    from rushes.temporary import temporary_folder  # noqa: PLC0415 - as above

    environment = Environment(name, region)
    if repository is None:
        account = "ACCOUNT" if dry_run else registry.account_of(client_of("sts", region))
        repository = f"{account}.dkr.ecr.{region}.amazonaws.com/{environment.called()}"
    secrets = {id_: str(file.absolute()) for id_, file in (("pip", pip_config), ("ca", ca)) if file}
    stamp = f"built again {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" if again else ""
    with temporary_folder("image") as made:
        folder = context or made
        image_build.make_folder(folder, packages, base=base, lock=lock, stamp=stamp)
        image = image_name(repository, environment, image_build.files_of(folder))
        labels = {LABEL: label_of(folder / "wheels")}
        all_ = steps(image, str(folder), tool, push=push, secrets=secrets, labels=labels, again=again)
        if dry_run:
            for step in all_:
                _say(f"$ {step.text}")
            click.echo(image.uri)
            return
        if not push or not image.region:
            image_build.run_steps(all_, secret=lambda _: "", say=_say)
            click.echo(image.uri)
            return
        ecr = client_of("ecr", image.region)
        if digest := registry.digest_of(ecr, image):
            # Another build would be other bytes, which a repository whose tags stay refuses.
            _say(f"{image.uri} is there: it is what was tested. --again builds it anew.")
        else:
            registry.make_repository(ecr, image, _say)
            image_build.run_steps(all_, secret=lambda _: registry.password_of(ecr), say=_say)
            digest = registry.digest_of(ecr, image)
        click.echo(image.pinned(digest) if digest else image.uri)


def _say(text: str) -> None:
    click.echo(printable(text), err=True)
