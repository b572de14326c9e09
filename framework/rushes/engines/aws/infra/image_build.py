"""Makes the folder that an image is built of, and runs the commands of its plan.

Rushes goes into the image as it runs here: a release by its version, a checkout as a wheel of it. Functions
go in by requirement, as a wheel, or as a wheel of their project's folder. This module must not decide what an
image is called, nor which commands make it.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, code_of, sent
from rushes.engines.aws.infra.image import Image, Step, requirements_of
from rushes.errors import CallerError, PlatformError

__all__ = ["files_of", "make_folder", "make_repository", "password_of", "run_steps"]

_PARTS: Final = ("Dockerfile", "entrypoint.sh")
KEPT_IMAGES: Final = 20
"""Of a repository that we made: the newest; those before them are removed by ECR."""


def make_folder(folder: Path, wanted: Sequence[str]) -> None:
    """Put everything that an image is made of into an empty folder.

    Args:
        folder: where.
        wanted: what has the functions: requirements, wheels, folders of projects.

    Raises:
        CallerError: the folder is not empty, or one of them cannot be used.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CallerError(
            f"the folder {folder} is not empty.", code="bad-package", fix="Name another, or none."
        )
    for one in wanted:
        if not one.endswith(".whl") and not Path(one).expanduser().is_dir():
            requirements_of("rushes", [one])  # before a wheel of anything is made
    wheels = folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    names = [_named(one, wheels) for one in wanted]
    (folder / "requirements.txt").write_text(requirements_of(_rushes(wheels), names), encoding="utf-8")
    for part in _PARTS:
        shutil.copyfile(_shipped(part), folder / part)


def files_of(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, by its path there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def run_steps(
    all_: Sequence[Step],
    *,
    secret: Callable[[str], str],
    say: Callable[[str], None],
    run: Callable[..., Any] = subprocess.run,
) -> None:
    """Run commands one after the other, each told of before.

    Args:
        all_: of a plan.
        secret: gives a password by the name that a step has for it; it goes through standard input alone.
        say: hears each command.
        run: as `subprocess.run`.

    Raises:
        CallerError: the tool is not installed.
        PlatformError: a command failed.
    """
    for step in all_:
        say(f"$ {step.text}")
        tool = step.argv[0]
        try:
            text = secret(step.secret) if step.secret else None
            done = run(list(step.argv), input=text, text=True, check=False)
        except FileNotFoundError as error:
            raise CallerError(
                f"{tool} is not installed.",
                code="missing-tool",
                fix="Install it, or say --tool podman; --context DIR makes the folder alone.",
            ) from error
        if done.returncode != 0:
            raise PlatformError(
                f"`{step.text}` ended with {done.returncode}.",
                code="package-failed",
                fix="What it said stands above. Mend that, and do it again: what was done is found again.",
            )


def make_repository(ecr: Any, image: Image, say: Callable[[str], None]) -> None:
    """See to it that ECR has the repository of an image; one that it has stays as it is.

    Raises:
        CallerError: it is not permitted.
    """
    name, act = image.repository.partition("/")[2], f"make the repository {image.repository}"
    rule = {
        "rulePriority": 1,
        "description": f"the newest {KEPT_IMAGES}",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": KEPT_IMAGES},
        "action": {"type": "expire"},
    }
    try:
        with sent(act):
            ecr.create_repository(
                repositoryName=name,
                imageTagMutability="IMMUTABLE",
                imageScanningConfiguration={"scanOnPush": True},
            )
            ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps({"rules": [rule]}))
    except ClientError as error:
        if code_of(error) != "RepositoryAlreadyExistsException":
            raise answer_error(error, act) from error
        return
    say(f"made the repository {image.repository}")


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


def _rushes(wheels: Path) -> str:
    """The requirement of Rushes as it runs here; of a checkout, a wheel is made."""
    version = metadata.version("rushes")
    if (checkout := _checkout()) is not None:
        _wheel_of(checkout, wheels)
    return f"rushes[aws]=={version}"


def _checkout() -> Path | None:
    """The folder that Rushes runs from, where it is installed as an editable checkout."""
    said = metadata.distribution("rushes").read_text("direct_url.json")
    data = json.loads(said) if said else {}
    if not data.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(data["url"]).path))


def _named(one: str, wheels: Path) -> str:
    """The requirement for what was named; a wheel, or a project's folder, is put beside it."""
    path = Path(one).expanduser()
    if one.endswith(".whl"):
        if not path.is_file():
            raise CallerError(f"there is no wheel {one}.", code="not-found", fix="Check its name.")
        shutil.copyfile(path, wheels / path.name)
        return _requirement(path)
    if path.is_dir():
        return _requirement(_wheel_of(path, wheels))
    return one


def _requirement(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    return f"{name}=={version}"


def _wheel_of(project: Path, wheels: Path) -> Path:
    """Make a wheel of a project's folder."""
    before = set(wheels.iterdir())
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--disable-pip-version-check"]
    # An absolute path: of `./dailies` a Path leaves `dailies`, which pip would look for in a registry.
    folder = str(project.absolute())
    done = subprocess.run(
        [*argv, "--wheel-dir", str(wheels), folder], capture_output=True, text=True, check=False
    )
    made = [one for one in wheels.iterdir() if one not in before]
    if done.returncode != 0 or len(made) != 1:
        raise CallerError(
            f"no wheel can be made of {project}: {done.stderr.strip()[-400:]}",
            code="bad-package",
            fix="Give the project a pyproject.toml with which `pip wheel --no-deps FOLDER` makes one.",
        )
    return made[0]


def _shipped(part: str) -> Path:
    """A file of the image: in the wheel beside this module, in a checkout in its own folder."""
    place = resources.files("rushes.engines.aws.infra").joinpath("image_files", part)
    if isinstance(place, Path) and place.is_file():
        return place
    checkout = _checkout()
    if checkout is not None and (checkout / "infra" / part).is_file():
        return checkout / "infra" / part
    raise CallerError(f"this installation has no {part}.", code="bad-package", fix="Install Rushes again.")
