"""The image of an environment: what is in its folder, which commands make it, and that its steps work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from rushes import CallerError, PlatformError
from rushes.cli.app import app
from rushes.engines.aws.infra import image_build, own_wheel
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.image import Image, Step, image_name, named, requirements_of, steps, with_base
from rushes.engines.aws.infra.image_build import run_steps
from rushes.engines.aws.infra.lock import lock_of
from rushes.engines.aws.infra.registry import (
    digest_of,
    keep_deployed,
    make_repository,
    password_of,
    pinned_of,
)

ROOT = Path(__file__).parents[3]
ACCOUNT = "123456789012"  # whose moto takes everybody for
ECR = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
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


def test_docker_makes_one_image_and_no_list_of_it_and_its_attestation() -> None:
    """Lambda takes no lists: "image manifest, config or layer media type … is not supported"."""
    (made,) = steps(Image(f"{ECR}/rushes-dev", "t"), "/ctx", "docker", push=False)
    assert "--provenance=false" in made.argv


def test_what_only_the_build_may_read_is_handed_to_it_and_is_not_in_the_folder() -> None:
    (made,) = steps(Image("r/i", "t"), "/ctx", "buildah", push=False, secrets={"pip": "/home/a/pip.conf"})
    assert made.text == (
        "buildah build --platform linux/amd64 --secret id=pip,src=/home/a/pip.conf --tag r/i:t /ctx"
    )
    mounted = (ROOT / "infra" / "Dockerfile").read_text()
    assert "--mount=type=secret,id=pip," in mounted
    assert "--mount=type=secret,id=ca," in mounted


def test_built_again_nothing_old_is_used() -> None:
    (made,) = steps(Image("r/i", "t"), "/ctx", "podman", push=False, again=True)
    assert {"--pull", "--no-cache"} <= {*made.argv}


def test_another_base_stands_in_the_folder_and_in_the_name() -> None:
    shipped = (ROOT / "infra" / "Dockerfile").read_text()
    other = with_base(shipped, "mirror.example.org/python:3.12-slim@sha256:" + "0" * 64)
    assert "ARG BASE=mirror.example.org/python:3.12-slim@sha256:000" in other
    names = {
        image_name("r/i", Environment("dev"), {"Dockerfile": one.encode()}).tag for one in (shipped, other)
    }
    assert len(names) == 2
    with pytest.raises(CallerError, match="is no image to build on"):
        with_base(shipped, "a b\nRUN x")


REPORT = {
    "install": [
        {
            "download_info": {
                "url": "https://index.example.org/click-8.5.1-py3-none-any.whl",
                "archive_info": {"hashes": {"sha256": "ab" * 32}},
            },
            "metadata": {"name": "Click", "version": "8.5.1"},
        },
        {
            "download_info": {
                "url": "file:///build/wheels/studio_dailies-1.4-py3-none-any.whl",
                "archive_info": {"hashes": {"sha256": "cd" * 32}},
            },
            "metadata": {"name": "studio-dailies", "version": "1.4"},
        },
    ]
}


def test_a_lock_has_what_indexes_served_and_the_folder_has_the_rest() -> None:
    lock = lock_of(REPORT)
    assert lock == f"click==8.5.1 --hash=sha256:{'ab' * 32}\n"
    said = requirements_of(
        "rushes[aws]==1", ["studio_dailies==1.4"], lock=lock,
        hashes={"rushes[aws]==1": "11", "studio_dailies==1.4": "22"},
    )  # fmt: skip
    assert said.splitlines() == [
        "rushes[aws]==1 --hash=sha256:11",
        "studio_dailies==1.4 --hash=sha256:22",
        lock.strip(),
    ]


def test_a_lock_without_hashes_is_none() -> None:
    with pytest.raises(CallerError, match="has no hashes"):
        requirements_of("rushes[aws]==1", [], lock="click==8.5.1\n")


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


def test_a_build_of_docker_that_fails_says_what_a_docker_without_buildx_wants() -> None:
    def run(*_: object, **__: object) -> Any:
        return SimpleNamespace(returncode=125)

    for argv, is_said in ((("docker", "build", "."), True), (("podman", "build", "."), False)):
        with pytest.raises(PlatformError) as caught:
            run_steps([Step(argv)], secret=lambda _: "", say=lambda _: None, run=run)
        assert ("docker-buildx" in caught.value.fix) is is_said


def test_a_tool_that_is_not_installed_is_named() -> None:
    with pytest.raises(CallerError) as caught:
        run_steps([Step(("no-such-tool", "build"))], secret=lambda _: "", say=lambda _: None)
    assert caught.value.code == "missing-tool"


@pytest.fixture
def ecr() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client(
            "ecr",
            region_name="eu-west-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",  # noqa: S106
        )


def pushed(ecr: Any, tag: str) -> str:
    """An image as a tool pushes it; gives its digest."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "c", "size": 1, "digest": f"sha256:{tag}"},
        "layers": [],
    }
    made = ecr.put_image(
        registryId=ACCOUNT, repositoryName="rushes-dev", imageManifest=json.dumps(manifest), imageTag=tag
    )
    return str(made["image"]["imageId"]["imageDigest"])


def test_a_repository_is_made_once_keeps_the_newest_and_lets_lambda_fetch(ecr: Any) -> None:
    said: list[str] = []
    for _ in range(2):
        make_repository(ecr, Image(f"{ECR}/rushes-dev", "t"), said.append)
    (found,) = ecr.describe_repositories()["repositories"]
    assert (found["repositoryName"], found["imageTagMutability"], len(said)) == (
        "rushes-dev",
        "IMMUTABLE",
        1,
    )
    text = ecr.get_lifecycle_policy(repositoryName="rushes-dev")["lifecyclePolicyText"]
    deployed, rest = (one["selection"] for one in json.loads(text)["rules"])
    assert (deployed["tagPrefixList"], rest["tagStatus"]) == (["deployed-"], "any")
    policy = json.loads(ecr.get_repository_policy(repositoryName="rushes-dev")["policyText"])
    assert policy["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert password_of(ecr)


def test_what_is_deployed_is_named_by_its_digest(ecr: Any) -> None:
    make_repository(ecr, Image(f"{ECR}/rushes-dev", "t"), lambda _: None)
    assert digest_of(ecr, named(f"{ECR}/rushes-dev:dev-1")) == ""
    digest = pushed(ecr, "dev-1")
    uri = pinned_of(f"{ECR}/rushes-dev:dev-1", "eu-west-1", lambda _: ecr)
    assert uri == f"{ECR}/rushes-dev@{digest}"
    assert pinned_of(uri, "eu-west-1", lambda _: ecr) == uri
    assert pinned_of("none", "eu-west-1", lambda _: ecr) == "none"


@pytest.mark.parametrize(
    ("uri", "region", "why"),
    [
        (f"{ECR}/rushes-dev:dev-2", "eu-west-1", "there is no image"),
        (f"{ECR}/other:dev-1", "eu-west-1", "there is no image"),
        (f"{ECR}/rushes-dev@sha256:{'0' * 64}", "eu-west-2", "lies in eu-west-1"),
    ],
)
def test_an_image_that_lambda_could_not_fetch_is_refused(ecr: Any, uri: str, region: str, why: str) -> None:
    make_repository(ecr, Image(f"{ECR}/rushes-dev", "t"), lambda _: None)
    with pytest.raises(CallerError, match=why):
        pinned_of(uri, region, lambda _: ecr)


def test_an_image_that_is_deployed_is_kept_whatever_is_pushed_later(ecr: Any) -> None:
    make_repository(ecr, Image(f"{ECR}/rushes-dev", "t"), lambda _: None)
    uri = f"{ECR}/rushes-dev@{pushed(ecr, 'dev-1')}"
    for _ in range(2):
        keep_deployed(ecr, uri, "dev")
    (found,) = ecr.describe_images(repositoryName="rushes-dev")["imageDetails"]
    digest = uri.partition("@sha256:")[2]
    assert sorted(found["imageTags"]) == [f"deployed-dev-{digest[:16]}", "dev-1"]


def test_what_is_in_the_registry_is_not_built_again_unless_one_says_so(
    ecr: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A second build would be other bytes under a name that stays: ECR would refuse it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    built: list[list[str]] = []

    def run_steps_(all_: list[Step], **_: Any) -> None:
        built.append([one.argv[1] for one in all_])
        pushed(ecr, named(all_[-1].argv[-1]).tag)

    monkeypatch.setattr(image_build, "run_steps", run_steps_)
    monkeypatch.setattr(own_wheel, "requirement", lambda *_: "rushes[aws]==1")

    def package(*more: str) -> str:
        asked = ["infra", "package", "--env", "dev", "--region", "eu-west-1", "--push", *more, "studio==1"]
        made = CliRunner().invoke(app, asked)
        assert made.exit_code == 0, made.output
        assert made.stdout.startswith(f"{ECR}/rushes-dev@sha256:")
        return made.stdout

    first = package()
    assert package() == first
    assert built == [["build", "login", "push"]]
    package("--again")
    assert len(built) == 2
    assert len(ecr.list_images(repositoryName="rushes-dev")["imageIds"]) == 2


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
    (install,) = (line for line in lines if "pip install" in line)
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

    # Who has no checkout finds the same files in the wheel, and makes the same wheel of its installation.
    (wheel,) = (context / "wheels").glob("rushes-*.whl")
    again = tmp_path / "again"
    again.mkdir()
    subprocess.run([*pip, "--force-reinstall", wheel], check=True, cwd=tmp_path)
    program = (
        "import sys, pathlib; from rushes.engines.aws.infra import own_wheel; "
        "print(own_wheel.requirement(pathlib.Path(sys.argv[1]), None), own_wheel.checkout())"
    )
    said = subprocess.run(
        [env / "bin/python", "-I", "-c", program, again], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == [next(one for one in wanted if one.startswith("rushes[")), "None"]
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again / wheel.name) as second:
        assert sorted(first.namelist()) == sorted(second.namelist())
        for name in first.namelist():
            if not name.endswith("/RECORD"):
                assert first.read(name) == second.read(name), name
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
