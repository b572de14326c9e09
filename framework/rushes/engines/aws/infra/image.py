"""The image of an environment as a plan: what is in it, what it is called, which commands make it. Pure.

One image is for Lambda and for hosts alike. Its tag follows from what is in it, so the same functions are the
same image, and an environment that goes back to an earlier one names it again. This module must not run
anything, nor read a file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from rushes.engines.aws.infra.environment import Environment
from rushes.errors import CallerError

__all__ = ["Image", "Step", "Tool", "image_name", "requirements_of", "steps"]

Tool = Literal["docker", "podman"]
RUNTIME: Final = "awslambdaric>=3"
"""What Lambda starts a Python image with."""
_REQUIREMENT: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9,._ -]+\])?(?:[=<>!~]=?[^\s;#]+)?"
)
_ECR: Final = re.compile(r"(?:[0-9]{12}|ACCOUNT)\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


class Step(NamedTuple):
    """One command; `secret` says whose password it reads on its standard input, "" for nobody's."""

    argv: tuple[str, ...]
    secret: str = ""

    @property
    def text(self) -> str:
        """It as a person would type it."""
        return " ".join(self.argv)


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is to be made.

    Args:
        repository: without a tag: ``111122223333.dkr.ecr.eu-west-1.amazonaws.com/rushes-dev``.
        tag: of it.
    """

    repository: str
    tag: str

    @property
    def uri(self) -> str:
        return f"{self.repository}:{self.tag}"

    @property
    def registry(self) -> str:
        """The host of the registry, or "" where the repository names none."""
        host = self.repository.partition("/")[0]
        return host if "." in host or ":" in host else ""

    @property
    def region(self) -> str:
        """The region of a registry of AWS; "" of another."""
        found = _ECR.fullmatch(self.registry)
        return found["region"] if found else ""


def requirements_of(rushes: str, wanted: Sequence[str]) -> str:
    """What is installed into the image, as a file of requirements.

    Args:
        rushes: the requirement of Rushes itself.
        wanted: what has the functions: requirements; wheels that lie in the folder are found by name.

    Raises:
        CallerError: one is no requirement.
    """
    for one in wanted:
        if not _REQUIREMENT.fullmatch(one):
            raise CallerError(
                f"{one!r} is no package.",
                code="bad-package",
                fix="Name a distribution (studio-dailies==1.4), a wheel, or the folder of a project.",
            )
    return "".join(f"{one}\n" for one in (rushes, RUNTIME, *wanted))


def image_name(repository: str, environment: Environment, files: Mapping[str, bytes]) -> Image:
    """What an image is called that is made of these files.

    Args:
        repository: without a tag.
        environment: whose it is: its name begins the tag.
        files: of the folder, by their paths in it.
    """
    if ":" in repository.rpartition("/")[2] or repository.endswith("/"):
        raise CallerError(
            f"the repository {repository!r} has a tag, or no name.",
            code="bad-package",
            fix="Write it without a tag: ACCOUNT.dkr.ecr.REGION.amazonaws.com/rushes-dev.",
        )
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode())
        digest.update(files[name])
    return Image(repository, f"{environment.name}-{digest.hexdigest()[:16]}")


def steps(image: Image, folder: str, tool: Tool, *, push: bool) -> list[Step]:
    """The commands that make an image of a folder, in their order."""
    found = [Step((tool, "build", "--platform", "linux/amd64", "--tag", image.uri, folder))]
    if push and image.region:
        found.append(Step((tool, "login", "--username", "AWS", "--password-stdin", image.registry), "ecr"))
    if push:
        found.append(Step((tool, "push", image.uri)))
    return found
