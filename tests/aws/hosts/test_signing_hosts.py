"""Hosts whose bodies talk to S3: a real host and pool, before a wall that knows which session may what."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from aws_server import AwsServer
from lambda_account import Account
from session_wall import SessionWall, walled
from waiting import until

from rushes.core.states import State
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.engines.local import LocalEngine
from rushes.ledger import WorkItem
from rushes.notices import Notice
from rushes.runtime.attempts.signed_in import PASS
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE, plain

TESTS = Path(__file__).parents[2]
_RUSHES = "from rushes.cli import main; main()"
HOST = {
    "AWS_ACCESS_KEY_ID": "AKIAOFTHEHOST0000000",
    "AWS_SECRET_ACCESS_KEY": "secretOfTheHost/0123456789abcdefghijklmn",
    "AWS_SESSION_TOKEN": "tokenOfTheHost//////////wEaCXVzLWVhc3QtMQ",
}
"""What the host itself signs in with; a profile of its own user stands in the same home."""
PROFILE = ("AKIAOFTHEUSER0000000", "secretOfTheUser/0123456789abcdefghijklmn")


class Place:
    """A host as a process of its own, with a work role, and the clips that it works on."""

    def __init__(self, aws: AwsServer, wall: SessionWall, name: str, folder: Path) -> None:
        self.wall, self._name, self.folder = wall, name, folder
        self.s3, self.dynamodb, self._sqs = (aws.client(one) for one in ("s3", "dynamodb", "sqs"))
        self.cards, self.out = f"{name}-cards", f"{name}-proxies"
        for bucket in (self.cards, self.out):
            self.s3.create_bucket(Bucket=bucket)
        self.dynamodb.create_table(TableName=name, **TABLE)
        self._url = self._sqs.create_queue(QueueName=f"{name}-urgent")["QueueUrl"]
        self.ledger = DynamoLedger(self.dynamodb, name)
        self.scratch, self.home = folder / "scratch", folder / "home"
        self.scratch.mkdir()
        user = folder / "user" / ".aws"
        user.mkdir(parents=True)
        (user / "credentials").write_text(
            f"[default]\naws_access_key_id = {PROFILE[0]}\naws_secret_access_key = {PROFILE[1]}\n"
        )
        self._environ = {
            **os.environ, **HOST, "HOME": str(folder / "user"), "RUSHES_TABLE": name, "RUSHES_LEASE": "5s",
            "RUSHES_WORK_ROLE": "arn:aws:iam::000000000000:role/work", "RUSHES_CPU": "1",
            "RUSHES_SCRATCH": str(self.scratch), "RUSHES_HOME": str(self.home), "RUSHES_POLL": "1s",
            "RUSHES_QUEUES": f"hosts/urgent={self._url}", "RUSHES_PASS_ENV": ",".join(HOST),
            "AWS_ENDPOINT_URL": wall.endpoint, "AWS_DEFAULT_REGION": "us-east-1",
            "PYTHONPATH": os.pathsep.join(map(str, (TESTS, TESTS.parent / "framework"))),
        }  # fmt: skip
        self.log = folder / "host.log"
        self.hosts: list[subprocess.Popen[bytes]] = []

    def uri(self, key: str, body: bytes = b"clip") -> str:
        """An object of the cards."""
        self.s3.put_object(Bucket=self.cards, Key=key, Body=body)
        return f"s3://{self.cards}/{key}"

    def submit(self, batch: str, function: str, *clips: str, **params: Any) -> None:
        spec = {
            "function": f"{TESTS / 'aws' / 'signing_bodies.py'}:{function}", "version": "1",
            "source_digest": "", "params": "{}", "show": "dune", "priority": "urgent", "deadline": None,
            "out": f"s3://{self.out}/{batch}", "name": None, "receipts": "beside", "retries": 0,
        }  # fmt: skip
        self.ledger.open(batch, spec, time.time())
        work = [
            WorkItem(f"{batch}.{n}", clip, f"{batch}{n:08x}", params=json.dumps(params))
            for n, clip in enumerate(clips, 1)
        ]
        self.ledger.add(batch, work)
        self.ledger.seal(batch)
        self.tell(*(one.invocation for one in work))

    def tell(self, *invocations: str) -> None:
        services = Services(AwsSettings(self._name), "test", {"sqs": self._sqs}.__getitem__)
        services.queue(self._url).send([Notice(one, "urgent", "dune") for one in invocations])

    def host(self) -> subprocess.Popen[bytes]:
        """The command that people run."""
        argv = [sys.executable, "-c", _RUSHES, "worker", "--engine", "aws"]
        with self.log.open("ab") as log:
            self.hosts.append(subprocess.Popen(argv, env=self._environ, stdout=log, stderr=log))
        return self.hosts[-1]

    def ends(self, batch: str, count: int = 1) -> list[Any]:
        """The results of a batch; what failed fails the test, and says why."""

        def ended() -> int:
            tally = self.ledger.tally(batch)
            assert self.hosts[-1].poll() is None, self.log.read_text()
            return sum(tally.ended.values()) if tally else 0

        until(lambda: ended() == count, seconds=180, pause_s=0.1)
        found = self.ledger.results(batch, 0, count)
        assert [one.state for one in found] == [State.succeeded] * count, [one.end for one in found]
        return [json.loads(one.end.data)["result"] for one in found if one.end]

    def keys(self) -> list[str]:
        """Of the sessions of attempts: by the first of all the host has looked whether it can have any."""
        return [one.key for one in self.wall.given[1:]]

    def refused(self) -> list[tuple[str, str, str]]:
        return [one[:3] for one in self.wall.asked if not one[3]]

    def passes(self) -> list[Path]:
        return list(self.folder.rglob(PASS))

    def stop_pool(self) -> None:
        engine = LocalEngine({**os.environ, "RUSHES_HOME": str(self.home)})
        engine.control("stop")
        engine.close()

    def close(self) -> None:
        for host in self.hosts:
            host.terminate()
            host.wait(60)
        self.stop_pool()


@pytest.fixture
def wall(aws: AwsServer) -> Iterator[SessionWall]:
    with walled(aws.endpoint) as made:
        yield made


@pytest.fixture
def place(aws: AwsServer, wall: SessionWall, unique: str, tmp_path: Path) -> Iterator[Place]:
    made = Place(aws, wall, unique, tmp_path)
    yield made
    made.close()


def test_a_body_reads_and_writes_by_itself_what_its_attempt_may_and_nothing_else(place: Place) -> None:
    clip, other = place.uri("A001.mov"), place.uri("A002.mov")
    notes = place.uri("A001.xml", b"scene 12")
    out, elsewhere = (f"s3://{place.out}/{one}/beside.txt" for one in ("k7m2qx", "bbbbbb"))
    place.host()
    place.submit("k7m2qx", "write", clip, reads=[clip, notes, other], writes=out, notes=notes)
    (told,) = place.ends("k7m2qx")
    assert told["read"] == {clip: "clip", notes: "scene 12", other: "AccessDenied", out: "written"}
    assert [told["key"]] == place.keys()  # one session, for its transfers and for itself
    place.submit("cccccc", "describe", clip, writes=elsewhere)
    (told,) = place.ends("cccccc")
    assert told["read"] == {elsewhere: "AccessDenied"}
    assert {key for key, *_ in place.wall.asked} == set(
        place.keys()
    )  # and nobody signed with what the host has


@pytest.mark.xdist_group("lambda")
def test_the_same_body_does_the_same_on_a_lambda(account: Account, package: Path, wall: SessionWall) -> None:
    shutil.copy(TESTS / "aws" / "signing_bodies.py", package)
    clip, other = account.put("A001.mov"), account.put("A002.mov")
    out = f"s3://{account.proxies}/dune/beside.txt"
    wall.others_read = True
    function = account.of("signing_bodies:write", {"AWS_ENDPOINT_URL": wall.endpoint, **HOST})
    (answer,) = function.invoke({"source": clip, "params": {"reads": [clip, other], "writes": out}})
    assert answer["result"]["read"] == {clip: "clip", other: "AccessDenied", out: "written"}


def test_bodies_that_follow_each_other_on_a_slot_have_each_its_own_session(place: Place) -> None:
    clips = [place.uri(f"A00{n}.mov", b"clip %d" % n) for n in range(1, 4)]
    place.host()
    place.submit("k7m2qx", "describe", *clips, reads=clips)
    told = place.ends("k7m2qx", 3)
    assert len({one["key"] for one in told}) == 3
    for n, one in enumerate(told):  # with the client that the first has made
        assert [one["read"][clip] for clip in clips] == [
            f"clip {m + 1}" if m == n else "AccessDenied" for m in range(3)
        ]


def test_parts_sign_in_as_who_mapped_them(place: Place) -> None:
    clip, other = place.uri("A001.mov"), place.uri("A002.mov")
    place.host()
    place.submit("k7m2qx", "maps", clip, reads=[other])
    (told,) = place.ends("k7m2qx")
    assert told["keys"] == place.keys() * 2


def test_a_session_that_ends_while_a_body_runs_is_followed_by_another(place: Place, tmp_path: Path) -> None:
    clip, gate = place.uri("A001.mov"), tmp_path / "gate"
    place.wall.lasts_s = 1.0
    place.host()
    place.submit("k7m2qx", "write", clip, reads=[clip], gate=str(gate))
    until(lambda: Path(f"{gate}.begun").exists(), seconds=120)
    first = json.loads(until(Path(f"{gate}.begun").read_text))
    gate.touch()
    (told,) = place.ends("k7m2qx")
    assert first["read"] == told["read"] == {clip: "clip"}
    assert first["key"] != told["key"]
    assert {first["key"], told["key"]} <= set(place.keys())


def test_a_pool_that_is_killed_does_not_sign_a_body_out_and_a_host_that_goes_does(
    place: Place, tmp_path: Path
) -> None:
    clip, gate = place.uri("A001.mov"), tmp_path / "gate"
    begun = Path(f"{gate}.begun")
    host = place.host()
    place.submit("k7m2qx", "write", clip, reads=[clip], gate=str(gate))
    until(begun.exists, seconds=120)
    engine = LocalEngine({**os.environ, "RUSHES_HOME": str(place.home)})
    os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)
    engine.close()
    begun.unlink()
    until(begun.exists, seconds=120)  # on the next pool, which the host has started
    gate.touch()
    (told,) = place.ends("k7m2qx")
    assert told["read"] == {clip: "clip"}
    gate.unlink()
    begun.unlink()
    place.submit("cccccc", "write", clip, reads=[clip], gate=str(gate))
    until(begun.exists, seconds=120)
    assert len(place.passes()) == 1
    host.terminate()
    host.wait(120)
    assert place.passes() == []


# -- what may not be seen ---------------------------------------------------------------------------------


def secrets_of(place: Place, shown: Sequence[str]) -> list[str]:
    """All that gives access to something."""
    own = [*HOST.values(), *PROFILE]
    return [*own, *(part for one in place.wall.given for part in (one.secret, one.token)), *shown]


def leaks(place: Place, shown: Sequence[str], text: str) -> list[str]:
    return [one for one in secrets_of(place, shown) if one in text]


def processes(place: Place) -> list[psutil.Process]:
    """The host, its pool and slots, and what those have started.

    Which home a host has only who may trace every process can read.
    """
    home = os.fsencode(str(place.home))
    hosts = {one.pid for one in place.hosts if one.poll() is None}
    found = [psutil.Process(pid) for pid in hosts]
    for one in psutil.process_iter():
        try:
            if one.pid not in hosts and home in Path(f"/proc/{one.pid}/environ").read_bytes():
                found.append(one)
        except OSError:
            continue
    return found


def everything(place: Place) -> Iterator[tuple[str, str]]:
    """All that is written anywhere, but for the passes themselves and the user's own file."""
    for file in place.folder.rglob("*"):
        if file.is_file() and file.name not in {PASS, "credentials"}:
            yield str(file), file.read_bytes().decode(errors="replace")
    for bucket in (place.cards, place.out):
        for one in place.s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            got = place.s3.get_object(Bucket=bucket, Key=one["Key"])
            yield one["Key"], got["Body"].read().decode(errors="replace") + str(got["Metadata"])
    for item in place.dynamodb.scan(TableName=place._name)["Items"]:
        values = plain(item)
        yield f"the ledger, {values['pk']}", str({name: repr(one) for name, one in values.items()})


@pytest.mark.skipif(sys.platform != "linux", reason="left out: needs /proc")
def test_no_secret_is_in_a_log_a_receipt_a_row_a_box_or_the_list_of_processes(
    place: Place, tmp_path: Path
) -> None:
    clip, gate = place.uri("A001.mov"), tmp_path / "gate"
    host = place.host()
    place.submit("cccccc", "peek", clip)
    (seen,) = place.ends("cccccc")
    # Without namespaces and Landlock a tool reads what its user can.
    assert seen["level"] == "rlimits" or "THE PASS" not in seen["boxed"]
    assert "FULL_URI=" not in seen["boxed"]
    assert "TOKEN_FILE=" not in seen["boxed"]
    assert seen["started"]["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert leaks(place, [], json.dumps(seen)) == []
    place.submit("k7m2qx", "write", clip, reads=[clip], gate=str(gate))
    until(lambda: Path(f"{gate}.begun").exists(), seconds=120)
    (pass_,) = place.passes()
    assert pass_.stat().st_mode & 0o777 == 0o600
    shown = [pass_.read_text()]
    there = processes(place)
    assert len(there) >= 3  # the host, its pool, a slot
    for one in there:
        try:
            own = Path(f"/proc/{one.pid}/environ").read_bytes().decode()
        except PermissionError:
            own = ""
        if one.pid == host.pid:
            assert not own or os.geteuid() == 0  # who may trace every process may read it all the same
            own = ""
        assert leaks(place, shown, f"{' '.join(one.cmdline())}\n{own}") == []
    gate.touch()
    place.ends("k7m2qx")
    until(lambda: place.passes() == [])
    place.submit("bbbbbb", "fails", clip)
    until(lambda: _tally(place, "bbbbbb") == {State.failed: 1}, seconds=120)
    found = list(everything(place))
    assert [(where, which) for where, text in found if (which := leaks(place, shown, text))] == []
    assert any("rushes.json" in where for where, _ in found)
    assert any("journal.sqlite3" in where for where, _ in found)


def _tally(place: Place, batch: str) -> dict[State, int]:
    tally = place.ledger.tally(batch)
    return dict(tally.ended) if tally else {}


def test_a_host_and_a_pool_that_are_killed_leave_a_pass_that_opens_nothing_and_the_next_host_removes_it(
    place: Place, tmp_path: Path
) -> None:
    clip, gate = place.uri("A001.mov"), tmp_path / "gate"
    host = place.host()
    place.submit("k7m2qx", "write", clip, reads=[clip], gate=str(gate))
    until(lambda: Path(f"{gate}.begun").exists(), seconds=120)
    (left,) = place.passes()
    for one in processes(place):
        one.send_signal(signal.SIGKILL)
    host.wait(60)
    assert left.exists()
    long_ago = time.time() - 3600
    os.utime(left.parent, (long_ago, long_ago))  # what is new is let alone: it may be locked in a moment
    gate.touch()
    place.host()
    until(lambda: place.log.read_text().count(" takes ") == 2)
    until(lambda: (place.ledger.entry("k7m2qx.1").until or 0.0) < time.time())  # type: ignore[union-attr]
    place.tell("k7m2qx.1")  # a sweep would, a minute later
    (told,) = place.ends("k7m2qx")
    assert told["read"] == {clip: "clip"}
    until(lambda: place.passes() == [])
    assert not left.parent.exists()
