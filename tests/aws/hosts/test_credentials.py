"""Credentials that end while an attempt runs: what is made is kept, and published once somebody signs in."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsServer
from botocore import exceptions
from botocore.credentials import CredentialResolver, RefreshableCredentials
from botocore.session import Session

from rushes import CallerError
from rushes.aws_errors import _ENDED, sent
from rushes.core.states import State
from rushes.ledger import Claim, WorkItem
from rushes.runtime.attempts.attempt import run_attempt
from rushes.runtime.shared.claims.run import ClaimRunner
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.storage.s3 import S3Store
from rushes.testing.clock import FakeClock

FUNCTIONS = Path(__file__).parents[2] / "runtime" / "claimed.py"
ONE = "k7m2qx.1"
HOUR_S = 3600.0


class SignedIn:
    """A person's credentials: they last an hour, and others are had only while they are signed in."""

    METHOD, CANONICAL_NAME = "test", None

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.here = True
        self.refused = 0

    def load(self) -> RefreshableCredentials:
        """As botocore's own providers give them."""
        return RefreshableCredentials(
            "test", "test", "t", self._until(), self._refresh, self.METHOD, time_fetcher=self._now
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def _until(self) -> datetime:
        return self._now() + timedelta(seconds=HOUR_S)

    def _refresh(self) -> dict[str, str]:
        if not self.here:
            self.refused += 1
            raise exceptions.UnauthorizedSSOTokenError
        names = ("access_key", "secret_key", "token")
        return {**dict.fromkeys(names, "test"), "expiry_time": self._until().isoformat()}


class Place:
    """A ledger and buckets of a server, by credentials that end."""

    def __init__(self, aws: AwsServer, name: str, scratch: Path) -> None:
        self.clock = FakeClock()
        self.person = SignedIn(self.clock)
        session = Session()
        session.register_component("credential_provider", CredentialResolver([self.person]))
        endpoint = aws.client("s3").meta.endpoint_url
        self._clients = {
            one: session.create_client(one, region_name="us-east-1", endpoint_url=endpoint)
            for one in ("s3", "dynamodb")
        }
        self.own = aws.client("s3")
        self.out = f"{name}-proxies"
        for bucket in (f"{name}-cards", self.out):
            self.own.create_bucket(Bucket=bucket)
        self.own.put_object(Bucket=f"{name}-cards", Key="A001.mov", Body=b"clip")
        aws.client("dynamodb").create_table(TableName=name, **TABLE)
        self.ledger = DynamoLedger(aws.client("dynamodb"), name, clock=self.clock.now)
        self.tally = scratch.parent / "ran"
        self._submit(f"s3://{name}-cards/A001.mov")
        self.runner = ClaimRunner(
            DynamoLedger(self._clients["dynamodb"], name, clock=self.clock.now),
            S3Store(self._clients["s3"]),
            scratch,
            "host-a",
            lambda uri: uri.rpartition("/")[2],
            clock=self.clock.now,
            sleep=self.clock.advance,
        )

    def _submit(self, clip: str) -> None:
        spec = {
            "function": f"{FUNCTIONS}:several", "version": "1", "source_digest": "", "params": "{}",
            "show": "dune", "priority": "urgent", "deadline": None, "out": f"s3://{self.out}/dune",
            "name": None, "receipts": "beside", "retries": 0,
        }  # fmt: skip
        self.ledger.open("k7m2qx", spec, self.clock.now())
        params = json.dumps({"tally": str(self.tally), "folder": False})
        self.ledger.add("k7m2qx", [WorkItem(ONE, clip, "ab" * 32, params=params)])
        self.ledger.seal("k7m2qx")

    def runs_for(self, seconds: float, then: Callable[[], None] = lambda: None) -> None:
        """Let an attempt take so long, after which something happens."""

        def run(*args: Any, **more: Any) -> Any:
            made = run_attempt(*args, **more)
            self.clock.advance(seconds)
            then()
            return made

        self.runner.run_here = run

    def outputs(self) -> list[str]:
        found = self.own.list_objects_v2(Bucket=self.out).get("Contents", ())
        return [one["Key"] for one in found if not one["Key"].endswith(".json")]


@pytest.fixture
def place(aws: AwsServer, unique: str, tmp_path: Path) -> Place:
    (tmp_path / "scratch").mkdir()
    return Place(aws, unique, tmp_path / "scratch")


def test_credentials_that_are_had_anew_are_nothing_that_an_encode_of_three_hours_hears_of(
    place: Place,
) -> None:
    place.runs_for(3 * HOUR_S)
    assert place.runner.run(ONE).state is State.succeeded
    assert len(place.outputs()) == 3


def test_who_signs_in_half_an_hour_after_the_encode_has_its_outputs_without_another(place: Place) -> None:
    def sign_out() -> None:
        place.person.here = False

    place.runs_for(3 * HOUR_S, sign_out)
    began = place.clock.now()

    def sleep(seconds: float) -> None:
        place.clock.advance(seconds)
        place.person.here = place.clock.now() - began > 3 * HOUR_S + 1800

    place.runner.sleep = sleep
    assert place.runner.run(ONE).state is State.succeeded
    assert place.person.refused > 1
    assert place.tally.read_text() == "ran\n"
    assert len(place.outputs()) == 3
    entry = place.ledger.entry(ONE)
    assert entry is not None
    assert (entry.state, entry.attempt) == (State.succeeded, 1)


def test_who_never_signs_in_publishes_nothing_and_another_makes_it(place: Place) -> None:
    def sign_out() -> None:
        place.person.here = False

    place.runs_for(3 * HOUR_S, sign_out)
    with pytest.raises(CallerError) as caught:
        place.runner.run(ONE)
    assert caught.value.code == "no-credentials"
    assert "have expired" in caught.value.message
    assert place.outputs() == []
    claim = place.ledger.claim(ONE, "host-b", place.clock.now(), place.clock.now() + 60)
    assert isinstance(claim, Claim)
    assert claim.losses == 1


def test_who_signs_in_when_another_has_it_publishes_nothing(place: Place) -> None:
    def overtaken() -> None:
        now = place.clock.now()
        assert isinstance(place.ledger.claim(ONE, "host-b", now, now + HOUR_S), Claim)

    place.runs_for(3 * HOUR_S, overtaken)
    assert place.runner.run(ONE).state is State.running
    assert place.outputs() == []
    assert len(list(place.runner.scratch.iterdir())) == 0


@pytest.mark.parametrize(
    "error",
    [
        exceptions.UnauthorizedSSOTokenError(),
        exceptions.SSOTokenLoadError(error_msg="no"),
        exceptions.TokenRetrievalError(provider="sso", error_msg="expired"),
        exceptions.RefreshWithMFAUnsupportedError(),
        RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
    ],
)
def test_credentials_that_have_ended_say_so_whoever_gave_them(error: Exception) -> None:
    with pytest.raises(CallerError, match="have expired") as caught, sent("read s3://cards/A001.mov"):
        raise error
    assert caught.value.code == "no-credentials"


def test_an_error_of_nobodys_credentials_passes() -> None:
    with pytest.raises(RuntimeError), sent("read"):
        raise RuntimeError


def test_every_class_that_botocore_has_for_it_is_known_by_its_name() -> None:
    assert len(_ENDED) == 6  # of those that are installed here; a name that is none is left out in silence
