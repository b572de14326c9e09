"""What one attempt may reach: its clip and its place, and not its neighbour's."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import deployed
import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import ClientError
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from moto.iam.access_control import IAMPolicy, PermissionResult

from rushes import CallerError, RushesError
from rushes.engines.aws.access.frame_names import names_of
from rushes.engines.aws.access.granting import Granting
from rushes.engines.aws.access.session_policy import MOST_CHARACTERS, session_policy
from rushes.engines.aws.access.settings import STOP_S, AwsSettings, aws_settings
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.template import template_of
from rushes.runtime.shared.money.meter import Meter
from rushes.runtime.shared.objects.attempt import StoreReach
from rushes.runtime.sources.fingerprint import sha256_file
from rushes.testing.clock import FakeClock

LONGEST_S = 900.0
"""That Lambda gives a call."""
ROLE = "arn:aws:iam::123456789012:role/rushes-dev-WorkSmall-1"
REACH = StoreReach(("s3://cards/dune/day1/A001.mov", "s3://luts/show.cube?versionId=v1"), "s3://proxies/dune")


def _may(policy: str, action: str, resource: str) -> bool:
    return bool(IAMPolicy(policy).is_action_permitted(action, resource) == PermissionResult.PERMITTED)


# -- the policy -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "resource", "may"),
    [
        ("s3:GetObject", "arn:aws:s3:::cards/dune/day1/A001.mov", True),
        ("s3:GetObjectVersion", "arn:aws:s3:::cards/dune/day1/A001.mov", True),
        ("s3:GetObject", "arn:aws:s3:::luts/show.cube", True),
        ("s3:GetObject", "arn:aws:s3:::cards/dune/day1/A002.mov", False),
        ("s3:GetObject", "arn:aws:s3:::cards/dune/day1/A001.mov.xml", False),
        ("s3:PutObject", "arn:aws:s3:::cards/dune/day1/A001.mov", False),
        ("s3:PutObject", "arn:aws:s3:::proxies/dune/A001.mov", True),
        ("s3:GetObject", "arn:aws:s3:::proxies/dune/A001.mov.rushes.json", True),
        ("s3:AbortMultipartUpload", "arn:aws:s3:::proxies/dune/A001.mov", True),
        ("s3:PutObject", "arn:aws:s3:::proxies/dunes/A001.mov", False),
        ("s3:PutObject", "arn:aws:s3:::proxies/blade/A001.mov", False),
        ("s3:DeleteObject", "arn:aws:s3:::proxies/dune/A001.mov", False),
        ("s3:ListBucket", "arn:aws:s3:::proxies", True),
        ("s3:ListBucket", "arn:aws:s3:::cards", False),
        ("kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/k", True),
        ("kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/other", False),
        ("dynamodb:UpdateItem", "arn:aws:dynamodb:eu-west-1:111122223333:table/rushes-dev-ledger", False),
        ("sts:AssumeRole", ROLE, False),
    ],
)
def test_an_attempt_may_reach_its_clip_and_its_place_and_nothing_else(
    action: str, resource: str, *, may: bool
) -> None:
    policy = session_policy(REACH, kms_key="arn:aws:kms:eu-west-1:111122223333:key/k")
    assert _may(policy, action, resource) is may


def test_one_attempt_of_a_function_cannot_read_the_clip_of_another() -> None:
    """Both are permitted to the function's work role, so it is the session alone that parts them."""
    template = template_of(
        [deployed.small], Environment("dev", buckets={"cards": "cards", "proxies": "proxies"})
    )
    (own,) = template["Resources"]["WorkSmall"]["Properties"]["Policies"]
    role = json.dumps(own["PolicyDocument"]).replace("${AWS::Partition}", "aws").replace('{"Fn::Sub": ', "")
    role = role.replace('"}', '"')
    session = session_policy(REACH)
    mine, other = (f"arn:aws:s3:::cards/dune/day1/{one}.mov" for one in ("A001", "A002"))
    assert [
        (_may(role, "s3:GetObject", one), _may(session, "s3:GetObject", one)) for one in (mine, other)
    ] == [
        (True, True),
        (True, False),
    ]


def test_a_function_without_outputs_may_write_nothing() -> None:
    said = json.loads(session_policy(StoreReach(("s3://cards/a.mov",), None)))
    assert [one["Action"] for one in said["Statement"]] == [["s3:GetObject", "s3:GetObjectVersion"]]


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("a*b?c$.mov", "a${*}b${?}c${$}.mov"),
        ("día 1/ü.mov", "día 1/ü.mov"),
        ("日本/日.mov", "*/*.mov"),
        ("a\nb", "a*b"),
        ("take [1-2].mov", "take [1-2].mov"),
        ("plate.[0101-0099].exr", "plate.[0101-0099].exr"),
    ],
)
def test_what_means_something_in_a_policy_stands_for_itself(key: str, named: str) -> None:
    said = json.loads(session_policy(StoreReach((f"s3://cards/{key}",), None)))
    assert said["Statement"][0]["Resource"] == [f"arn:aws:s3:::cards/{named}"]


def _named(key: str, *more: str) -> list[str]:
    reads = tuple(f"s3://cards/{one}" for one in (key, *more))
    said = json.loads(session_policy(StoreReach(reads, None)))
    return [one.removeprefix("arn:aws:s3:::cards/") for one in said["Statement"][0]["Resource"]]


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("sc 1/plate.[0099-0101].exr", ["sc 1/plate.0099.exr", "sc 1/plate.0100.exr", "sc 1/plate.0101.exr"]),
        ("plate.[1001-1096].exr", [f"plate.{ten}?.exr" for ten in range(100, 110)]),
        ("plate.[1000-1999].dpx", ["plate.1???.dpx"]),
        ("p*.[7-12].exr", ["p${*}.7.exr", "p${*}.8.exr", "p${*}.9.exr", "p${*}.10.exr", "p${*}.11.exr",
                           "p${*}.12.exr"]),
    ],
)  # fmt: skip
def test_of_a_sequence_its_frames_are_named_and_not_all_that_is_called_alike(
    key: str, named: list[str]
) -> None:
    assert _named(key) == named


def test_an_attempt_at_a_sequence_reads_its_frames_and_no_others() -> None:
    # As IAM reads a resource: ``*`` is any number of any characters, ``?`` is one of any.
    named = [re.escape(one).replace(r"\*", ".*").replace(r"\?", ".") for one in _named(
        "dune/plate.[1001-1096].exr")]  # fmt: skip

    def may(key: str) -> bool:
        return any(re.fullmatch(one, key) for one in named)

    assert all(may(f"dune/plate.{number}.exr") for number in range(1001, 1097))
    others = ["dune/plate.1100.exr", "dune/plate.999.exr", "dune/plate.v2.exr", "dune/plate.1001.exr.md5",
              "dune/plate.b/secret.exr", "dune/plate.11001.exr"]  # fmt: skip
    assert not any(may(one) for one in others)


def test_sequences_whose_names_find_no_room_are_named_more_shortly() -> None:
    long = "a" * 180
    assert _named(f"{long}.[1001-1096].exr") == [f"{long}.10??.exr"]
    all_ = [f"{long}/{n}.[1-1000].exr" for n in range(8)]
    assert _named(*all_) == [f"{long}/{n}.*.exr" for n in range(8)]
    assert _named(f"a.[1-{'9' * 400}].exr") == ["a.*.exr"]


@given(
    first=st.integers(0, 30_000),
    count=st.integers(1, 400),
    padding=st.integers(1, 8),
    most=st.integers(1, 16),
)
def test_each_frame_of_a_sequence_has_one_name_of_few(
    first: int, count: int, padding: int, most: int
) -> None:
    last = first + count - 1
    names = names_of(first, last, padding, most)
    patterns = [re.compile(one.replace("?", "[0-9]")) for one in names]
    for number in range(first, last + 1):
        assert sum(bool(one.fullmatch(f"{number:0{padding}d}")) for one in patterns) == 1
    lengths = {len(f"{number:0{padding}d}") for number in (first, last)}
    assert len(names) <= max(most, max(lengths) - min(lengths) + 1)
    assert {len(one) for one in names} >= lengths


def test_an_access_point_is_named_as_iam_names_it() -> None:
    point = "arn:aws:s3:eu-west-1:111122223333:accesspoint/day"
    said = json.loads(session_policy(StoreReach((f"s3://{point}/a.mov",), f"s3://{point}/out")))
    resources = [one["Resource"] for one in said["Statement"]]
    assert resources == [[f"{point}/object/a.mov"], [f"{point}/object/out/*"], [point]]


@given(
    keys=st.lists(
        st.text(min_size=1, max_size=1024).filter(lambda one: "?versionId=" not in one),
        min_size=1,
        max_size=4,
    ),
    out=st.one_of(st.none(), st.text(max_size=200)),
)
def test_a_policy_has_no_more_characters_than_sts_takes_and_none_that_it_refuses(
    keys: list[str], out: str | None
) -> None:
    def fits(key: str) -> bool:
        try:
            return len(key.encode()) <= 1024
        except UnicodeEncodeError:
            return False

    if not all(map(fits, [*keys, out or ""])):
        return
    reads = tuple(f"s3://cards/{key}" for key in keys)
    text = session_policy(StoreReach(reads, None if out is None else f"s3://proxies/{out}"))
    assert len(text) <= MOST_CHARACTERS
    assert all("\x20" <= one <= "\xff" for one in text)


# -- sessions ---------------------------------------------------------------------------------------------


class Sts:
    """STS, which hands out a session a request and remembers what was asked."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.asked: list[dict[str, Any]] = []
        self.refusal: ClientError | None = None

    def assume_role(self, **asked: Any) -> Any:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(asked)
        until = datetime.fromtimestamp(self._clock.now() + asked["DurationSeconds"], UTC)
        n = len(self.asked)
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        return {"Credentials": dict(zip(names, (f"ASIA{n}", f"s{n}", f"t{n}", until), strict=True))}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sts(clock: FakeClock) -> Sts:
    return Sts(clock)


@pytest.fixture
def meter(clock: FakeClock) -> Meter:
    return Meter(None, clock.now, clock.now())


def _s3(key: str) -> Any:
    nobody = {"aws_access_key_id": key, "aws_secret_access_key": "x"}
    return boto3.client("s3", region_name="us-east-1", **nobody)


def _granting(sts: Sts, clock: FakeClock, role: str = ROLE, environ: Any = None) -> Granting:
    def client(service: str, session: Any) -> Any:
        if service == "sts":
            return sts
        key = session.key if session else "own"
        return _s3(key)

    return Granting(AwsSettings(work_role=role), client, environ, clock.now)


@pytest.fixture
def buckets() -> Iterator[None]:
    with mock_aws():
        s3 = _s3("own")
        s3.create_bucket(Bucket="cards")
        s3.put_object(Bucket="cards", Key="dune/day1/A001.mov", Body=b"clip")
        yield


@pytest.mark.usefixtures("buckets")
def test_a_store_is_granted_with_a_session_of_its_own_and_asked_for_once(
    sts: Sts, clock: FakeClock, meter: Meter, tmp_path: Path
) -> None:
    granting = _granting(sts, clock)
    for _ in range(3):
        with granting(REACH, meter) as store:
            store.fetch(REACH.reads[0], tmp_path / "clip")
    (asked,) = sts.asked
    assert asked["RoleArn"] == ROLE
    assert asked["Policy"] == session_policy(REACH)
    assert meter.usage.gets >= 6  # looked at and read, three times
    with granting(REACH._replace(out="s3://proxies/blade"), meter):
        pass
    assert len(sts.asked) == 2


class Packed(Sts):
    """STS that finds policies too large when it has packed them, whatever their characters."""

    def assume_role(self, **asked: Any) -> Any:
        if len(asked["Policy"]) > 1024:
            answer: Any = {"Error": {"Code": "PackedPolicyTooLarge", "Message": ""}}
            raise ClientError(answer, "AssumeRole")
        return super().assume_role(**asked)


def test_a_policy_that_is_too_large_packed_is_said_more_shortly(clock: FakeClock, meter: Meter) -> None:
    sts = Packed(clock)
    reach = StoreReach(tuple(f"s3://cards/{'very-long-name-' * 20}{n}.mov" for n in range(5)), None)
    assert len(session_policy(reach)) > 1024
    with _granting(sts, clock)(reach, meter):
        pass
    (asked,) = sts.asked
    assert len(asked["Policy"]) <= 1024


def test_keys_of_clips_may_be_read_with_and_those_of_outputs_written_with() -> None:
    keys = [f"arn:aws:kms:eu-west-1:111122223333:key/{name}" for name in ("outputs", "cards", "sound")]
    said = json.loads(session_policy(REACH, "aws", keys[0], keys[1:]))
    permitted = [(one["Action"], one["Resource"]) for one in said["Statement"][-2:]]
    assert permitted == [
        (["kms:GenerateDataKey", "kms:Decrypt"], keys[:1]), (["kms:Decrypt"], keys[1:]),
    ]  # fmt: skip


def _signers(store: Any) -> list[str]:
    """Whose credentials requests are signed with, from now on."""
    found: list[str] = []

    def hear(request: Any, **_: Any) -> None:
        said = request.headers["Authorization"]
        found.append(said.partition(b"Credential=")[2].partition(b"/")[0].decode())

    store._client.meta.events.register("before-send", hear)
    return found


@pytest.mark.usefixtures("buckets")
def test_what_outlasts_a_session_goes_on_with_the_next(
    sts: Sts, clock: FakeClock, meter: Meter, tmp_path: Path
) -> None:
    with _granting(sts, clock)(REACH, meter) as store:
        signers = _signers(store)
        for _ in range(4):
            store.look(REACH.reads[0])
            clock.advance(1100)
    assert signers == ["ASIA1", "ASIA1", "ASIA1", "ASIA2"]
    assert len(sts.asked) == 2


@pytest.mark.usefixtures("buckets")
def test_one_upload_that_takes_hours_is_signed_with_sessions_that_live(
    sts: Sts, clock: FakeClock, meter: Meter, tmp_path: Path
) -> None:
    _s3("own").create_bucket(Bucket="proxies")
    made = tmp_path / "made.mov"
    made.write_bytes(bytes(24 * 2**20))
    out = f"{REACH.out}/made.mov"
    with _granting(sts, clock)(REACH, meter) as store:
        client: Any = store
        signers = _signers(store)
        client._client.meta.events.register("before-sign", lambda **_: clock.advance(1300))
        store.publish(made, out, sha256_file(made))
    assert len(set(signers)) >= 2
    assert _s3("own").head_object(Bucket="proxies", Key="dune/made.mov")["ContentLength"] == 24 * 2**20


@pytest.mark.usefixtures("buckets")
def test_a_session_that_lives_is_used_while_no_other_is_to_be_had(
    sts: Sts, clock: FakeClock, meter: Meter
) -> None:
    with _granting(sts, clock)(REACH, meter) as store:
        clock.advance(3300)
        sts.refusal = ClientError({"Error": {"Code": "ExpiredToken", "Message": "no"}}, "AssumeRole")
        store.look(REACH.reads[0])
        clock.advance(290)
        with pytest.raises(CallerError) as caught:
            store.look(REACH.reads[0])
        assert caught.value.code == "no-credentials"
        sts.refusal = None
        store.look(REACH.reads[0])
    assert len(sts.asked) == 2


@pytest.mark.usefixtures("buckets")
def test_many_attempts_at_a_time_ask_once_for_each_reach(sts: Sts, clock: FakeClock, meter: Meter) -> None:
    granting = _granting(sts, clock)

    def attempt(number: int) -> None:
        with granting(REACH._replace(out=f"s3://proxies/{number % 8}"), meter) as store:
            store.look(REACH.reads[0])

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(attempt, range(64)))
    assert len(sts.asked) == 8


def test_without_a_work_role_nobody_is_asked(sts: Sts, clock: FakeClock, meter: Meter) -> None:
    environ: dict[str, str] = {}
    with _granting(sts, clock, role="", environ=environ)(REACH, meter):
        assert environ == {}
    assert sts.asked == []


def test_a_body_finds_the_session_and_afterwards_the_process_has_its_own_again(
    sts: Sts, clock: FakeClock, meter: Meter
) -> None:
    own = {
        "AWS_ACCESS_KEY_ID": "OWN",
        "AWS_SECRET_ACCESS_KEY": "own",
        "AWS_SESSION_TOKEN": "own",
        "PATH": "/bin",
    }
    environ = dict(own)

    def body() -> None:
        with _granting(sts, clock, environ=environ)(REACH, meter):
            assert (environ["AWS_ACCESS_KEY_ID"], environ["AWS_SESSION_TOKEN"]) == ("ASIA1", "t1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        body()
    assert environ == own


def test_what_a_body_finds_lasts_as_long_as_an_attempt_and_is_always_looked_up_again(
    sts: Sts, clock: FakeClock, meter: Meter
) -> None:
    environ: dict[str, str] = {}
    with _granting(sts, clock, environ=environ)(REACH, meter):
        ends_at = datetime.fromisoformat(environ["AWS_CREDENTIAL_EXPIRATION"]).timestamp()
    assert LONGEST_S - STOP_S < ends_at - clock.now() < RefreshableCredentials._advisory_refresh_timeout


def test_a_body_that_keeps_a_client_never_works_with_the_session_of_another(
    sts: Sts, clock: FakeClock, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What boto3 has read of the environment it looks up again: the next attempt's session is another."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "own")
    now = datetime.now(UTC).timestamp()
    clock.advance(now - clock.now())
    granting = _granting(sts, clock, environ=os.environ)
    with granting(REACH, meter):
        kept = Session().get_credentials()
        assert kept.get_frozen_credentials().access_key == "ASIA1"
    with granting(REACH._replace(out="s3://proxies/blade"), meter):
        assert kept.get_frozen_credentials().access_key == "ASIA2"


def test_whether_a_role_can_be_had_is_found_out_before_anything_is_worked_on(
    sts: Sts, clock: FakeClock
) -> None:
    _granting(sts, clock, role="").check()
    assert sts.asked == []
    granting = _granting(sts, clock)
    granting.check()
    (asked,) = sts.asked
    assert not _may(asked["Policy"], "s3:GetObject", "arn:aws:s3:::cards/dune/day1/A001.mov")
    sts.refusal = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")
    with pytest.raises(CallerError, match="not permitted"):
        granting.check()


def test_a_role_that_is_none_is_refused_by_name(sts: Sts, clock: FakeClock, meter: Meter) -> None:
    with (
        pytest.raises(CallerError, match="'small'") as caught,
        _granting(sts, clock, role="small")(REACH, meter),
    ):
        pass
    assert caught.value.code == "bad-role"


@pytest.mark.parametrize(
    ("code", "ours"), [("AccessDenied", "not-permitted"), ("Throttling", "service-busy")]
)
def test_a_role_that_cannot_be_had_says_whose_policy_is_missing(
    sts: Sts, clock: FakeClock, meter: Meter, code: str, ours: str
) -> None:
    sts.refusal = ClientError({"Error": {"Code": code, "Message": "no"}}, "AssumeRole")
    with pytest.raises(RushesError) as caught, _granting(sts, clock)(REACH, meter):
        pass
    assert caught.value.code == ours
    assert ROLE in str(caught.value)


def test_the_environment_says_which_role_region_and_memory() -> None:
    found = aws_settings(
        {"RUSHES_WORK_ROLE": ROLE, "AWS_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048"}
    )
    assert (found.work_role, found.region, found.memory_mb) == (ROLE, "eu-west-1", 2048)
