"""Credentials that cannot be had, of every kind that people have: one line, and the next step."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from rushes.aws_errors import sent
from rushes.engines.aws.access import credential_process
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.errors import CallerError
from rushes.shared_ledger.sqs import LONGEST_POLL_S

START = "https://studio.awsapps.com/start"
SSO = f"sso_start_url={START}\nsso_region=eu-west-1\nsso_account_id=123456789012\nsso_role_name=R\n"
ENDED = {"accessToken": "t", "expiresAt": "2020-01-01T00:00:00Z", "region": "eu-west-1", "startUrl": START}
ROLE = "role_arn=arn:aws:iam::1:role/x\nsource_profile="
PROGRAM = """#!/bin/sh
{}
"""


class Machine:
    """A home without anybody's credentials but those that a test puts there."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._home, self._patch = home, monkeypatch
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        (home / ".aws/sso/cache").mkdir(parents=True)

    def profile(self, text: str) -> None:
        (self._home / ".aws/config").write_text(f"[profile dev]\n{text}")
        self.set(AWS_PROFILE="dev", AWS_REGION="eu-west-1")

    def program(self, text: str) -> None:
        """The profile's credentials come from a program."""
        file = self._home / "program"
        file.write_text(PROGRAM.format(text))
        file.chmod(0o755)
        self.profile(f"credential_process={file}\n")

    def token(self, key: str) -> None:
        """What `aws sso login` has left, a while ago."""
        name = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()
        (self._home / f".aws/sso/cache/{name}.json").write_text(json.dumps(ENDED))

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._patch.setenv(name, value)

    def asks(self) -> CallerError:
        """What it says when it is to reach AWS."""
        with pytest.raises(CallerError) as caught:
            _list_queues()
        return caught.value


def _list_queues() -> None:
    settings = AwsSettings(region=os.environ.get("AWS_REGION", ""))
    client: Any = Services(settings, "test").client("sqs")
    with sent("list queues"):
        client.list_queues()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_session_that_has_ended_is_to_be_begun_again(machine: Machine) -> None:
    machine.token(START)
    machine.profile(SSO)
    error = machine.asks()
    assert error.code == "no-credentials"
    assert "have expired" in error.message
    assert "aws sso login" in error.fix


def test_a_session_of_the_newer_kind_too(machine: Machine) -> None:
    machine.token("s")
    about = SSO.split("sso_account_id")
    machine.profile(f"sso_session=s\nsso_account_id{about[1]}[sso-session s]\n{about[0]}")
    error = machine.asks()
    assert error.code == "no-credentials"
    assert "have expired" in error.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo 'vault: sealed' >&2; exit 3", "custom-process: vault: sealed"),
        ("echo https://u:p@vault/x?token=abc >&2; exit 3", "https://[redacted]@vault/x?[redacted]"),
        ("echo hello", "Expecting value"),
        ("""echo '{"Version": 2}'""", "Unsupported version '2'"),
        ("""echo '{"Version": 1}'""", "Missing required key"),
    ],
)
def test_a_program_that_gives_none_is_said_with_what_it_says(machine: Machine, text: str, why: str) -> None:
    machine.program(text)
    error = machine.asks()
    assert error.code == "no-credentials"
    assert why in error.message
    assert "abc" not in error.message
    assert "\n" not in error.message
    assert "credential_process" in error.fix


def test_a_program_that_does_not_answer_is_ended(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential_process, "LIMIT_S", 0.2)
    machine.program("exec sleep 600")
    assert "it had not answered after" in machine.asks().message


def test_a_program_that_answers_is_asked_once_by_whoever_needs_it(machine: Machine, tmp_path: Path) -> None:
    said = json.dumps({"Version": 1, "AccessKeyId": "key", "SecretAccessKey": "secret"})
    machine.program(f"echo asked >> {tmp_path}/asked; echo '{said}'")
    services = Services(AwsSettings(region="eu-west-1"), "test")
    clients = [services.client(name) for name in ("sqs", "s3", "dynamodb")]
    assert {one._request_signer._credentials.access_key for one in clients} == {"key"}
    assert (tmp_path / "asked").read_text() == "asked\n"


@pytest.mark.parametrize("missing", ["program", "token"])
def test_what_is_not_there_is_named(machine: Machine, missing: str) -> None:
    if missing == "program":
        machine.profile("credential_process=/nowhere/to-be-found\n")
    else:
        machine.set(AWS_REGION="eu-west-1", AWS_ROLE_ARN="arn:aws:iam::1:role/x")
        machine.set(AWS_WEB_IDENTITY_TOKEN_FILE="/nowhere/to-be-found")  # noqa: S106 - a path
    error = machine.asks()
    assert error.code == "no-credentials"
    assert "/nowhere/to-be-found" in error.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{ROLE}base\n", 'source_profile "base"'),
        (f"{ROLE}other\n[profile other]\n{ROLE}dev\n", "Infinite loop"),
        ("region\n", "Unable to parse config file"),
    ],
)
def test_a_profile_that_is_wrong_is_no_network_that_is_away(machine: Machine, text: str, why: str) -> None:
    machine.profile(text)
    error = machine.asks()
    assert (error.kind, error.code) == ("caller", "bad-value")
    assert why in error.message


@pytest.mark.parametrize(
    ("variable", "value"), [("AWS_REGION", "eu west 1"), ("AWS_ENDPOINT_URL", "localhost:4566")]
)
def test_so_is_a_variable(machine: Machine, variable: str, value: str) -> None:
    machine.set(AWS_REGION="eu-west-1", AWS_ACCESS_KEY_ID="key")
    machine.set(**{"AWS_SECRET_ACCESS_KEY": "secret", variable: value})
    error = machine.asks()
    assert (error.kind, error.code) == ("caller", "bad-value")
    assert value in error.message
    assert variable in error.fix


@pytest.mark.parametrize(("service", "read_s"), [("dynamodb", 20.0), ("sqs", 60.0), ("s3", 60.0)])
def test_where_packets_vanish_nobody_waits_for_minutes_before_it_is_said(
    machine: Machine, service: str, read_s: float
) -> None:
    machine.set(AWS_ACCESS_KEY_ID="key")
    machine.set(AWS_SECRET_ACCESS_KEY="secret")  # noqa: S106 - nobody's
    config = Services(AwsSettings(region="eu-west-1"), "test").client(service).meta.config
    assert (config.connect_timeout, config.read_timeout) == (10.0, read_s)
    assert read_s > LONGEST_POLL_S or service == "dynamodb"


def test_what_a_disk_says_while_something_is_fetched_is_no_word_of_credentials() -> None:
    with pytest.raises(OSError, match="No space left"), sent("read s3://cards/a.mov"):
        raise OSError(28, "No space left on device")
