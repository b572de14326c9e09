"""The image of an environment: what is in its folder, which commands make it, and that its steps work."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from rushes import CallerError, PlatformError
from rushes.cli.app import app
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.image import Image, Step, image_name, requirements_of, steps
from rushes.engines.aws.infra.image_build import make_repository, password_of, run_steps

ROOT = Path(__file__).parents[3]
ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
# Wheels are made of checkouts by the build back-end that is here: nothing is asked of an index.
pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "false")
    monkeypatch.setenv("PIP_NO_INDEX", "1")


# -- the plan ---------------------------------------------------------------------------------------------


def test_a_tag_follows_from_what_is_in_the_image_and_whose_it_is() -> None:
    files = {"Dockerfile": b"FROM x", "wheels/a.whl": b"a"}
    dev, prod = (image_name(f"{ECR}/rushes", Environment(one), files).tag for one in ("dev", "prod"))
    assert dev.startswith("dev-")
    assert dev.removeprefix("dev-") == prod.removeprefix("prod-")
    assert image_name(f"{ECR}/rushes", Environment("dev"), dict(reversed(files.items()))).tag == dev
    assert image_name(f"{ECR}/rushes", Environment("dev"), files | {"wheels/a.whl": b"b"}).tag != dev


def test_a_repository_has_no_tag() -> None:
    with pytest.raises(CallerError, match="has a tag"):
        image_name(f"{ECR}/rushes:1", Environment("dev"), {})


@pytest.mark.parametrize(
    ("repository", "push", "verbs"),
    [
        (f"{ECR}/rushes-dev", True, ["build", "login", "push"]),
        (f"{ECR}/rushes-dev", False, ["build"]),
        ("registry.example.org/rushes", True, ["build", "push"]),
    ],
)
def test_the_commands_of_an_image(repository: str, push: bool, verbs: list[str]) -> None:  # noqa: FBT001
    found = steps(Image(repository, "dev-1"), "/ctx", "podman", push=push)
    assert [one.argv[1] for one in found] == verbs
    assert found[0].argv == (
        "podman", "build", "--platform", "linux/amd64", "--tag", f"{repository}:dev-1", "/ctx",
    )  # fmt: skip


@pytest.mark.parametrize("one", ["studio dailies", "-r other.txt", "a; b", "git+https://x/y", "a\nb"])
def test_what_is_no_package_gets_into_no_image(one: str) -> None:
    with pytest.raises(CallerError, match="is no package"):
        requirements_of("rushes[aws]==1", [one])


# -- carried out ------------------------------------------------------------------------------------------


def test_a_password_goes_through_standard_input_and_stands_nowhere() -> None:
    ran, said = [], []  # type: ignore[var-annotated]

    def run(argv: list[str], **more: Any) -> Any:
        ran.append((argv, more["input"]))
        return SimpleNamespace(returncode=0)

    all_ = [Step(("docker", "login", "--password-stdin", ECR), "ecr"), Step(("docker", "push", "x"))]
    run_steps(all_, secret=lambda name: f"canary of {name}", say=said.append, run=run)
    assert [given for _, given in ran] == ["canary of ecr", None]
    assert "canary" not in " ".join([*said, *(" ".join(argv) for argv, _ in ran)])


def test_a_command_that_fails_ends_it_and_is_named() -> None:
    with pytest.raises(PlatformError, match="ended with 3") as caught:
        run_steps(
            [Step((sys.executable, "-c", "raise SystemExit(3)"))], secret=lambda _: "", say=lambda _: None
        )
    assert caught.value.code == "package-failed"


def test_a_tool_that_is_not_installed_is_named() -> None:
    with pytest.raises(CallerError) as caught:
        run_steps([Step(("no-such-tool", "build"))], secret=lambda _: "", say=lambda _: None)
    assert caught.value.code == "missing-tool"


def test_a_repository_is_made_once_and_keeps_the_newest() -> None:
    with mock_aws():
        ecr = boto3.client(
            "ecr",
            region_name="eu-west-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",  # noqa: S106
        )
        said: list[str] = []
        for _ in range(2):
            make_repository(ecr, Image(f"{ECR}/rushes-dev", "t"), said.append)
        (found,) = ecr.describe_repositories()["repositories"]
        assert (found["repositoryName"], found["imageTagMutability"], len(said)) == (
            "rushes-dev",
            "IMMUTABLE",
            1,
        )
        assert (
            "imageCountMoreThan"
            in ecr.get_lifecycle_policy(repositoryName="rushes-dev")["lifecyclePolicyText"]
        )
        assert password_of(ecr)


# -- the folder -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("offline")
def test_what_the_steps_of_the_image_install_is_rushes_and_starts(tmp_path: Path) -> None:
    context, project = tmp_path / "context", tmp_path / "studio"
    (project / "studio_dailies").mkdir(parents=True)
    (project / "studio_dailies" / "__init__.py").write_text("NAME = 'dailies'\n")
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "studio-dailies"\nversion = "1.4"\n'
    )
    asked = [
        "infra",
        "package",
        "--env",
        "dev",
        "--repository",
        f"{ECR}/rushes-dev",
        "--dry-run",
        str(project),
    ]
    made = CliRunner().invoke(app, [*asked, "--push", "--context", str(context)])
    assert made.exit_code == 0, made.output
    uri = made.stdout.strip()
    assert uri.startswith(f"{ECR}/rushes-dev:dev-")
    assert f"$ docker push {uri}" in made.stderr
    assert sorted(path.name for path in context.iterdir()) == [
        "Dockerfile", "entrypoint.sh", "requirements.txt", "wheels",
    ]  # fmt: skip
    # The steps of the Dockerfile, where they need no daemon: what it copies is there, and what it installs
    # from the folder comes from there. Everything else is borrowed from this environment.
    lines = (context / "Dockerfile").read_text().replace("\\\n", "").splitlines()
    copied = [line.split()[-2] for line in lines if line.startswith("COPY")]
    assert sorted(copied) == ["entrypoint.sh", "requirements.txt", "wheels"]
    (install,) = (line for line in lines if line.startswith("RUN pip install"))
    assert "--find-links /build/wheels --requirement /build/requirements.txt" in install
    wanted = [one for one in (context / "requirements.txt").read_text().split() if "==" in one]
    env = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", env], check=True)
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        env / "bin/python",
        "install",
        "--quiet",
        "--no-deps",
    ]
    subprocess.run([*pip, "--find-links", context / "wheels", *wanted], check=True, cwd=tmp_path)
    (site,) = env.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    (entry,) = (line for line in lines if line.startswith("ENTRYPOINT"))
    assert "rushes-entrypoint" in entry
    check = "import rushes, studio_dailies, rushes.engines.aws.entry as e; print(rushes.__file__, e.work)"
    variables = {"PATH": f"{env / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    started = ["sh", str(context / "entrypoint.sh"), "python", "-c", check]
    said = subprocess.run(started, env=variables, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert str(site) in said.stdout

    # Who has no checkout finds the same files in the wheel.
    (wheel,) = (context / "wheels").glob("rushes-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in ("Dockerfile", "entrypoint.sh"):
            place = f"rushes/engines/aws/infra/image_files/{name}"
            assert archive.read(place) == (ROOT / "infra" / name).read_bytes()


@pytest.mark.parametrize(
    ("what", "said"),
    [("./nothing.whl", "there is no wheel"), ("EMPTY", "no wheel can be made"), ("a b", "is no package")],
)
@pytest.mark.usefixtures("offline")
def test_a_package_that_cannot_be_had_is_refused(tmp_path: Path, what: str, said: str) -> None:
    name = str(tmp_path) if what == "EMPTY" else what
    made = CliRunner().invoke(app, ["infra", "package", "--env", "dev", "--dry-run", name])
    assert made.exit_code == 2
    assert said in made.output
