"""The commands of `infra` where AWS is not asked, or cannot be: what they say before anything is made."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from click.testing import CliRunner

from rushes.aws_errors import sent
from rushes.cli.app import app
from rushes.cli.infra_options import region_option
from rushes.errors import PlatformError

SMALL = ("deployed:small", "--bucket", "cards=c", "--bucket", "proxies=p", "--own", "c", "--own", "p")


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nobody has signed in; gives the file of profiles."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # one that others made remembers their credentials
    return config


def said(*args: str, status: int = 2) -> str:
    made = CliRunner().invoke(app, ["infra", *args])
    assert made.exit_code == status, made.output
    return made.output


@pytest.mark.usefixtures("nobody")
def test_an_image_for_an_account_that_nobody_signed_in_to_is_refused_in_a_line() -> None:
    lines = said("package", "--env", "dev", "--push", ".").splitlines()
    assert lines == [
        "error: there are no credentials to ask whose account it is.",
        "  Sign in (`aws configure sso`), or give this host a role.",
    ]


@pytest.mark.usefixtures("nobody")
def test_a_project_below_the_working_folder_is_a_folder_and_no_name_in_a_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dailies").mkdir()
    monkeypatch.chdir(tmp_path)
    text = said("package", "--env", "dev", "--dry-run", "./dailies")
    assert "setup.py" in text  # what pip looks for in a folder


@pytest.mark.parametrize(
    ("variables", "args", "region"),
    [
        ({}, (), "eu-west-1"),
        ({"AWS_PROFILE": "far"}, (), "ap-south-1"),
        ({"AWS_PROFILE": "bare"}, (), "us-east-1"),
        ({"AWS_PROFILE": "far", "AWS_REGION": "us-west-2"}, (), "us-west-2"),
        ({"AWS_REGION": "us-west-2"}, ("--region", "eu-north-1"), "eu-north-1"),
    ],
)
def test_the_region_is_that_of_the_profile_where_nothing_else_names_one(
    nobody: Path, variables: dict[str, str], args: tuple[str, ...], region: str
) -> None:
    nobody.write_text("[default]\nregion = eu-west-1\n[profile far]\nregion = ap-south-1\n[profile bare]\n")
    made = CliRunner(env=variables).invoke(_where, args)
    assert made.output == f"{region}\n"


@click.command()
@region_option
def _where(region: str) -> None:
    click.echo(region)


def test_a_profile_that_is_not_there_is_named(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody.write_text("")
    monkeypatch.setenv("AWS_PROFILE", "else")
    text = said("diff", "--env", "dev", *SMALL)
    assert text.startswith("error: there is no profile 'else' to read a region from.")


@pytest.mark.parametrize(
    ("error", "host"),
    [
        (
            EndpointConnectionError(endpoint_url="https://sqs.eu-west-1.amazonaws.com/x?Signature=1"),
            "sqs.eu-west-1.amazonaws.com: ",
        ),
        (ReadTimeoutError(endpoint_url="http://user:word@127.0.0.1:4566/"), "127.0.0.1:4566: "),
    ],
)
def test_who_does_not_answer_is_named_and_nothing_more_of_the_link(error: Exception, host: str) -> None:
    with pytest.raises(PlatformError) as caught, sent("look at a stack"):
        raise error
    assert str(caught.value).startswith(f"could not look at a stack: {host}")
    assert "Signature" not in str(caught.value)
    assert "word" not in str(caught.value)
