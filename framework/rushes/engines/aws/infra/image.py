"""The image of an environment as a plan: what is in it, what it is called, which commands make it. Pure.

One image is for Lambda and for hosts alike. Its tag follows from what is in it, so the same functions are the
same image, and an environment that goes back to an earlier one names it again. This module must not run
anything, nor read a file.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from rushes.engines.aws.infra.environment import Environment
from rushes.errors import CallerError

__all__ = [
    "BASE",
    "Image",
    "Step",
    "Tool",
    "image_name",
    "is_pinned",
    "named",
    "requirements_of",
    "steps",
    "with_base",
]

Tool = Literal["docker", "podman", "buildah"]
BASE: Final = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)
"""The line of the Dockerfile that names what an image is built on."""
RUNTIME: Final = "awslambdaric>=3"
"""What Lambda starts a Python image with."""
_REQUIREMENT: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9,._ -]+\])?(?:[=<>!~]=?[^\s;#]+)?"
)
_ECR: Final = re.compile(
    r"(?P<account>[0-9]{12}|ACCOUNT)\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?"
)
_HASHED: Final = re.compile(r"^[^#\n]*--hash=sha256:[0-9a-f]{64}", re.MULTILINE)


class Step(NamedTuple):
    """One command; `secret` says whose password it reads on its standard input, "" for nobody's."""

    argv: tuple[str, ...]
    secret: str = ""

    @property
    def text(self) -> str:
        """It as a person would type it."""
        return shlex.join(self.argv)


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

    @property
    def account(self) -> str:
        """Whose a registry of AWS is; "" of another."""
        found = _ECR.fullmatch(self.registry)
        return found["account"] if found else ""

    @property
    def name(self) -> str:
        """What the repository is called in its registry."""
        return self.repository.partition("/")[2]

    def pinned(self, digest: str) -> str:
        """It by its digest, which nobody can give to another: ``REPOSITORY@sha256:…``."""
        return f"{self.repository}@{digest}"


def named(uri: str) -> Image:
    """An image by its name; without a tag it is ``latest``, as everywhere."""
    repository, colon, tag = uri.rpartition(":")
    return Image(repository, tag) if colon and "/" not in tag else Image(uri, "latest")


def is_pinned(uri: str) -> bool:
    """Whether a name says which bytes are meant."""
    return "@sha256:" in uri


def requirements_of(
    rushes: str, wanted: Sequence[str], *, lock: str = "", hashes: Mapping[str, str] = MappingProxyType({})
) -> str:
    """What is installed into the image, as a file of requirements.

    Args:
        rushes: the requirement of Rushes itself.
        wanted: what has the functions: requirements; wheels that lie in the folder are found by name.
        lock: requirements with the hashes of everything that an index serves; "" to take what it has today.
        hashes: SHA-256 of wheels in the folder, by their requirement.

    Raises:
        CallerError: one is no requirement, or the lock has no hashes.
    """
    for one in wanted:
        if not _REQUIREMENT.fullmatch(one):
            raise CallerError(
                f"{one!r} is no package.",
                code="bad-package",
                fix="Name a distribution (studio-dailies==1.4), a wheel, or the folder of a project.",
            )
    if not lock:
        return "".join(f"{one}\n" for one in (rushes, RUNTIME, *wanted))
    if not _HASHED.search(lock):
        raise CallerError(
            "the lock has no hashes, so it holds nothing.",
            code="bad-package",
            fix="Take that of an image: /opt/rushes/requirements.lock; or `pip-compile --generate-hashes`.",
        )
    # With one hash pip asks for those of all. What the lock names itself is not named twice.
    made = [f"{one} --hash=sha256:{hashes[one]}" for one in (rushes, *wanted) if one in hashes]
    return "".join(f"{one}\n" for one in made) + lock


def with_base(dockerfile: str, base: str) -> str:
    """The Dockerfile of an image that is built on another base.

    Raises:
        CallerError: it is no name of an image.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*", base):
        raise CallerError(
            f"{base!r} is no image to build on.",
            code="bad-package",
            fix="Name one as FROM takes it: registry.example.org/python:3.12-slim@sha256:…",
        )
    return BASE.sub(lambda _: f"ARG BASE={base}", dockerfile)


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


def steps(
    image: Image,
    folder: str,
    tool: Tool,
    *,
    push: bool,
    secrets: Mapping[str, str] = MappingProxyType({}),
    labels: Mapping[str, str] = MappingProxyType({}),
    again: bool = False,
) -> list[Step]:
    """The commands that make an image of a folder, in their order.

    Args:
        image: what it is to be called.
        folder: what it is made of.
        tool: that builds.
        push: to its registry.
        secrets: files that the build may read and the image has not, by the names that the Dockerfile has.
        labels: that the image says of itself.
        again: of fresh parts: the base as it is now, and nothing that an earlier build has left.
    """
    argv = [tool, "build", "--platform", "linux/amd64"]
    if tool == "docker":
        # Else it pushes a list of an image and its attestation, and Lambda takes no lists
        # (https://docs.aws.amazon.com/lambda/latest/dg/python-image.html).
        argv.append("--provenance=false")
    if again:
        argv += ["--pull", "--no-cache"]
    for name, path in sorted(secrets.items()):
        argv += ["--secret", f"id={name},src={path}"]
    for name, text in sorted(labels.items()):
        argv += ["--label", f"{name}={text}"]
    found = [Step((*argv, "--tag", image.uri, folder))]
    if push and image.region:
        found.append(Step((tool, "login", "--username", "AWS", "--password-stdin", image.registry), "ecr"))
    if push:
        found.append(Step((tool, "push", image.uri)))
    return found
