"""Makes the folder that an image is built of, and runs the commands of its plan.

Rushes goes into the image as it runs here. Functions go in by requirement, as a wheel, or as a wheel of their
project's folder. This module must not decide what an image is called, nor which commands make it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from rushes.engines.aws.infra import own_wheel
from rushes.engines.aws.infra.image import Step, requirements_of, with_base
from rushes.errors import CallerError, PlatformError

__all__ = ["files_of", "make_folder", "run_steps"]

_BUILT: Final = "1580601600"
"""The second that is written into wheels, that of hatchling: what is the same makes the same wheel."""

_MEND: Final = "What it said stands above. Mend that, and do it again: what was done is found again."
_BUILDX: Final = (
    " A docker that knows no --provenance has no buildx: install that (docker-buildx), or say --tool podman "
    "or --tool buildah."
)


def make_folder(
    folder: Path, wanted: Sequence[str], *, base: str = "", lock: Path | None = None, stamp: str = ""
) -> None:
    """Put everything that an image is made of into an empty folder.

    Args:
        folder: where.
        wanted: what has the functions: requirements, wheels, folders of projects.
        base: the image that it is built on; "" for the one that the Dockerfile names.
        lock: requirements with hashes, of what indexes serve; None to take what they have today.
        stamp: tells it from others that are made of the same.

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
    dockerfile = _shipped("Dockerfile").read_text(encoding="utf-8")
    if base:
        dockerfile = with_base(dockerfile, base)
    locked = "" if lock is None else lock.read_text(encoding="utf-8")
    wheels = folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    rushes, *names = own_wheel.requirement(wheels, _wheel_of), *(_named(one, wheels) for one in wanted)
    text = requirements_of(rushes, names, lock=locked, hashes=_hashes(wheels))
    (folder / "requirements.txt").write_text(text, encoding="utf-8")
    (folder / "Dockerfile").write_text(dockerfile + (f"# {stamp}\n" if stamp else ""), encoding="utf-8")
    shutil.copyfile(_shipped("entrypoint.sh"), folder / "entrypoint.sh")


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
                fix="Install it, or name another with --tool; --context DIR --dry-run makes a folder alone.",
            ) from error
        if done.returncode != 0:
            raise PlatformError(
                f"`{step.text}` ended with {done.returncode}.",
                code="package-failed",
                fix=_MEND + (_BUILDX if step.argv[:2] == ("docker", "build") else ""),
            )


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
    return f"{'rushes[aws]' if name == 'rushes' else name}=={version}"


def _hashes(wheels: Path) -> dict[str, str]:
    """The SHA-256 of each wheel, by its requirement."""
    return {_requirement(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in wheels.iterdir()}


def _wheel_of(project: Path, wheels: Path) -> Path:
    """Make a wheel of a project's folder."""
    before = set(wheels.iterdir())
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--disable-pip-version-check"]
    # An absolute path: of `./dailies` a Path leaves `dailies`, which pip would look for in a registry.
    folder = str(project.absolute())
    done = subprocess.run(
        [*argv, "--wheel-dir", str(wheels), folder],
        capture_output=True,
        text=True,
        check=False,
        env={"SOURCE_DATE_EPOCH": _BUILT, **os.environ},
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
    checkout = own_wheel.checkout()
    if checkout is not None and (checkout / "infra" / part).is_file():
        return checkout / "infra" / part
    raise CallerError(f"this installation has no {part}.", code="bad-package", fix="Install Rushes again.")
