"""Bodies on a host that sign in: each as its own attempt, for as long as that lasts, and as nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.credentials import ContainerProvider
from botocore.exceptions import CredentialRetrievalError

from rushes import Asset, PlatformError, catalog
from rushes.engines.aws.access.granting import Session
from rushes.engines.aws.hosts.body_sessions import BodySessions, body_environ
from rushes.engines.aws.hosts.own_secrets import without_secrets
from rushes.runtime.attempts.signed_in import PASS, SIGNED_IN_BY, SignedIn, pass_here, signing_in
from rushes.runtime.attempts.task import Made, Task
from rushes.runtime.sending.submission import environment
from rushes.runtime.shared.objects.attempt import StoreReach, lending
from rushes.runtime.shared.objects.scratch import SOURCE, KeptFolders
from rushes.testing.clock import FakeClock

REACH = StoreReach(("s3://cards/A001.mov",), "s3://proxies/dune")
OTHER = StoreReach(("s3://cards/A002.mov",), "s3://proxies/dune")
URI, FILE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"


# -- the address ------------------------------------------------------------------------------------------


class Sessions:
    """Sessions by what they reach; each time another, where that is said."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.lasts_s = 3600.0
        self.failure: Exception | None = None
        self.count = 0

    def living(self, reach: StoreReach) -> Callable[[], Session]:
        def session() -> Session:
            if self.failure is not None:
                raise self.failure
            self.count += 1
            name = reach.reads[0].rpartition("/")[2]
            return Session(
                f"key-{name}", f"secret-{name}", f"token-{self.count}", self.clock.now() + self.lasts_s
            )

        return session


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(FakeClock(time.time()))


@pytest.fixture
def desk(sessions: Sessions) -> Iterator[BodySessions]:
    made = BodySessions(sessions.living, sessions.clock.now)
    yield made
    made.close()


def asked(uri: str, shown: str | None) -> tuple[int, dict[str, str]]:
    place = urlsplit(uri)
    link = HTTPConnection(place.hostname or "", place.port or 0, timeout=30)
    try:
        link.request("GET", place.path, headers={} if shown is None else {"Authorization": shown})
        answer = link.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        link.close()


def test_who_shows_the_pass_of_an_attempt_has_its_session_until_that_ends(
    desk: BodySessions, tmp_path: Path
) -> None:
    with desk.lend(REACH, tmp_path):
        place = tmp_path / PASS
        assert place.stat().st_mode & 0o777 == 0o600
        shown = place.read_text()
        status, told = asked(desk.uri, shown)
        assert (status, told["AccessKeyId"], told["SecretAccessKey"]) == (
            200,
            "key-A001.mov",
            "secret-A001.mov",
        )
    assert not place.exists()
    assert asked(desk.uri, shown) == (
        401,
        {"code": "no-pass", "message": "no attempt that is here has this pass"},
    )


def test_who_shows_none_or_asks_for_something_else_has_nothing(desk: BodySessions, tmp_path: Path) -> None:
    with desk.lend(REACH, tmp_path):
        shown = (tmp_path / PASS).read_text()
        assert [asked(desk.uri, one)[0] for one in (None, "", "x", shown.lower(), f"{shown}x")] == [401] * 5
        assert asked(desk.uri.replace("/session", "/"), shown)[0] == 404


def test_each_attempt_has_a_pass_of_its_own(desk: BodySessions, tmp_path: Path) -> None:
    one, other = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    other.mkdir()
    with desk.lend(REACH, one), desk.lend(OTHER, other):
        keys = [asked(desk.uri, (folder / PASS).read_text())[1]["AccessKeyId"] for folder in (one, other)]
    assert keys == ["key-A001.mov", "key-A002.mov"]


def test_a_pass_is_gone_however_its_attempt_ends(desk: BodySessions, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), desk.lend(REACH, tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_which_nothing_can_be_written_is_the_machines_fault(
    desk: BodySessions, tmp_path: Path
) -> None:
    with pytest.raises(PlatformError) as caught, desk.lend(REACH, tmp_path / "gone"):
        raise AssertionError
    assert caught.value.code == "no-scratch"


def test_why_there_is_no_session_is_said_without_what_gives_access(
    desk: BodySessions, sessions: Sessions, tmp_path: Path
) -> None:
    sessions.failure = PlatformError(
        "STS at https://sts/?X-Amz-Signature=abc0def is busy.", code="service-busy", fix="Wait."
    )
    with desk.lend(REACH, tmp_path):
        status, told = asked(desk.uri, (tmp_path / PASS).read_text())
    assert (status, told["code"]) == (503, "service-busy")
    assert "is busy" in told["message"]
    assert "abc0def" not in told["message"]


@pytest.mark.parametrize(("lasts_s", "said_s"), [(3600, 595), (700, 595), (90, 90), (-7200, 595)])
def test_a_session_is_said_to_last_so_long_that_an_sdk_asks_again_before_each_request(
    desk: BodySessions, sessions: Sessions, tmp_path: Path, lasts_s: float, said_s: float
) -> None:
    sessions.lasts_s = lasts_s  # the last as seen by a clock that is two hours fast
    with desk.lend(REACH, tmp_path):
        _, told = asked(desk.uri, (tmp_path / PASS).read_text())
    until = datetime.strptime(told["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    assert until == pytest.approx(sessions.clock.now() + said_s, abs=1.0)


def test_a_client_that_a_module_made_once_signs_with_the_session_of_the_attempt_that_runs(
    desk: BodySessions, tmp_path: Path
) -> None:
    one, other = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    other.mkdir()
    environ = {URI: desk.uri, FILE: str(one / PASS)}
    with desk.lend(REACH, one):
        kept = ContainerProvider(environ).load()
        assert kept.get_frozen_credentials().access_key == "key-A001.mov"
    with desk.lend(OTHER, other):
        environ[FILE] = str(other / PASS)
        assert kept.get_frozen_credentials().access_key == "key-A002.mov"
    (other / PASS).write_text("of nobody any more")
    provider: Any = ContainerProvider(environ)
    provider._fetcher._sleep = lambda _: None
    with pytest.raises(CredentialRetrievalError, match="401"):
        provider.load()


def test_a_session_that_ends_is_followed_by_the_next(desk: BodySessions, tmp_path: Path) -> None:
    with desk.lend(REACH, tmp_path):
        kept = ContainerProvider({URI: desk.uri, FILE: str(tmp_path / PASS)}).load()
        tokens = [kept.get_frozen_credentials().token for _ in range(3)]
    assert len(set(tokens)) == 3


def test_once_it_is_closed_nobody_answers(sessions: Sessions, tmp_path: Path) -> None:
    desk = BodySessions(sessions.living)
    with desk.lend(REACH, tmp_path):
        shown = (tmp_path / PASS).read_text()
        desk.close()
        with pytest.raises(ConnectionRefusedError):
            asked(desk.uri, shown)


def test_many_ask_at_the_same_time(desk: BodySessions, tmp_path: Path) -> None:
    found: list[int] = []
    with desk.lend(REACH, tmp_path):
        shown = (tmp_path / PASS).read_text()
        threads = [
            threading.Thread(target=lambda: found.append(asked(desk.uri, shown)[0])) for _ in range(80)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert found == [200] * 80


def test_a_pass_does_not_keep_a_folder_from_being_kept_for_the_next_attempt(
    desk: BodySessions, tmp_path: Path
) -> None:
    folders = KeptFolders()
    folder_of = lending(folders.attempt, desk.lend, REACH)
    seen = []
    for _ in range(2):
        with folder_of(tmp_path, "k7m2qx.1") as made:
            (made / SOURCE).mkdir(exist_ok=True)
            seen.append((made, (made / PASS).read_text()))
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] != seen[1][1]
    folders.close()
    assert list(tmp_path.iterdir()) == []


# -- the variables ----------------------------------------------------------------------------------------


OWN = {
    "AWS_ACCESS_KEY_ID": "AKIAHOST", "AWS_SECRET_ACCESS_KEY": "host's", "AWS_SESSION_TOKEN": "host's",
    "AWS_PROFILE": "studio", "AWS_DEFAULT_PROFILE": "studio", "AWS_CONFIG_FILE": "/home/s/.aws/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/home/s/.aws/credentials", "AWS_ROLE_ARN": "arn:aws:iam::1:role/host",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "host's", "AWS_CREDENTIAL_EXPIRATION": "2026-11-22T00:00:00Z",
    "AWS_CREDENTIAL_FILE": "/old", "BOTO_CONFIG": "/home/s/.boto", "AWS_BEARER_TOKEN_BEDROCK": "host's",
}  # fmt: skip


def test_by_the_variables_of_a_slot_an_sdk_finds_its_session_and_nothing_of_the_hosts() -> None:
    host = {
        **OWN, "PATH": "/bin", "AWS_ENDPOINT_URL_S3": "http://minio:9000", "AWS_CA_BUNDLE": "/ca.pem",
        "RUSHES_PASS_ENV": f"STUDIO, {','.join(OWN)}", "STUDIO": "berlin",
    }  # fmt: skip
    found = environment(body_environ(host, "http://127.0.0.1:1/session", "eu-west-1"))["variables"]
    del found["RUSHES_PASS_ENV"]  # which names what is not there, as somebody has asked for
    assert found == {
        "PATH": "/bin",
        "STUDIO": "berlin",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_S3": "http://minio:9000",
        "AWS_CA_BUNDLE": "/ca.pem",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "BOTO_CONFIG": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        URI: "http://127.0.0.1:1/session",
        SIGNED_IN_BY: FILE,
    }


def test_a_region_that_nobody_knows_is_left_as_it_is() -> None:
    assert body_environ({"AWS_REGION": "eu-west-1"}, "u", "")["AWS_REGION"] == "eu-west-1"
    assert "AWS_REGION" not in body_environ({}, "u", "")


def test_a_pool_that_a_host_starts_is_not_told_what_the_host_signs_in_with() -> None:
    found = without_secrets({**OWN, "PATH": "/bin", "AWS_REGION": "eu-west-1"})
    kept = {name for name, value in found.items() if value}
    assert kept == {
        "PATH", "AWS_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_ROLE_ARN",
        "BOTO_CONFIG",
    }  # fmt: skip


_CLOSED = """
import ctypes, subprocess, sys
from rushes.engines.aws.hosts.own_secrets import close_to_others
close_to_others(sys.argv[1])
look = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)
subprocess.run([sys.executable, "-c", look], check=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="left out: needs Linux")
@pytest.mark.parametrize(("platform", "own"), [("linux", "0"), ("darwin", "1")])
def test_nobody_reads_the_memory_of_a_host_and_what_it_starts_is_as_ever(platform: str, own: str) -> None:
    argv = [sys.executable, "-c", _CLOSED, platform]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert said.split() == [own, "1"]


# -- in a slot --------------------------------------------------------------------------------------------


FUNCTION = catalog.find(f"{Path(__file__).parents[1] / 'signing_bodies.py'}:describe")


def seen_by_a_body(signed: SignedIn, environ: dict[str, str], task: Task) -> str | None:
    seen: list[str | None] = []

    def run(*_: Any) -> Made:
        seen.append(environ.get("FILE"))
        return Made("{}")

    signed._run = run
    signed(task, lambda *_: None, lambda _: None, lambda: False)
    return seen[0]


def task_of(clip: Path, invocation: str = "k7m2qx.1") -> Task:
    return Task(FUNCTION, Asset(str(clip)), FUNCTION.params(), invocation)


def test_a_body_finds_the_pass_beside_its_clip_and_the_next_one_not_that_of_the_last(tmp_path: Path) -> None:
    environ = {SIGNED_IN_BY: "FILE"}
    signed = signing_in(lambda *_: Made("{}"), environ)
    assert signed is not None
    for name in ("a", "b"):
        (tmp_path / name / "source").mkdir(parents=True)
    (tmp_path / "a" / PASS).write_text("x")
    assert seen_by_a_body(signed, environ, task_of(tmp_path / "a/source/A001.mov")) == str(
        tmp_path / "a" / PASS
    )
    assert "FILE" not in environ
    assert seen_by_a_body(signed, environ, task_of(tmp_path / "b/source/A002.mov")) is None
    assert seen_by_a_body(signed, environ, task_of(Path())) is None


def test_parts_have_the_pass_of_who_mapped_them_wherever_their_clips_are(tmp_path: Path) -> None:
    environ = {SIGNED_IN_BY: "FILE"}
    signed = signing_in(lambda *_: Made("{}"), environ)
    assert signed is not None
    signed.learn({"id": "pppppp", "pass": "/a/pass"})
    signed.learn({"id": "qqqqqq"})
    assert seen_by_a_body(signed, environ, task_of(tmp_path / "x.mov", "pppppp.3")) == "/a/pass"
    assert seen_by_a_body(signed, environ, task_of(tmp_path / "x.mov", "qqqqqq.3")) is None
    signed.forget()
    assert seen_by_a_body(signed, environ, task_of(tmp_path / "x.mov", "pppppp.3")) is None


def test_a_pass_is_taken_away_from_a_body_that_raises(tmp_path: Path) -> None:
    environ = {SIGNED_IN_BY: "FILE"}
    signed = signing_in(lambda *_: 1 / 0, environ)  # type: ignore[arg-type]
    assert signed is not None
    signed.learn({"id": "k7m2qx", "pass": "/a/pass"})
    with pytest.raises(ZeroDivisionError):
        signed(task_of(tmp_path / "x.mov"), lambda *_: None, lambda _: None, lambda: False)
    assert environ == {SIGNED_IN_BY: "FILE"}


def test_slots_of_nobody_who_signs_in_look_for_no_pass() -> None:
    assert signing_in(lambda *_: Made("{}"), {"PATH": "/bin"}) is None
    assert pass_here({"PATH": "/bin"}) == ""
    assert pass_here({SIGNED_IN_BY: "FILE"}) == ""
    assert pass_here({SIGNED_IN_BY: "FILE", "FILE": "/a/pass"}) == "/a/pass"
