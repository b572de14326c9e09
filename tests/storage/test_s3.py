"""The S3 adapter: the contract, and what only S3 can bring about."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ResponseStreamingError,
)
from botocore.parsers import ResponseParserError
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError, S3ValidationError

from rushes import CallerError, MediaError, PlatformError, RushesError
from rushes.ports import Store
from rushes.storage.s3 import SMALL_BYTES, S3Options, S3Store
from rushes.storage.s3_errors import BrokenOff, s3_errors
from rushes.storage.s3_transfers import PART_BYTES, transfers
from rushes.storage.s3_uri import local_name, place_of, uri_of
from rushes.testing.store_contract import HOSTILE_KEYS, StoreContract

ROOT = "s3://rushes-test/"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def made(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "made"
    path.write_bytes(data)
    return path


class TestS3Store(StoreContract):
    root = ROOT

    @pytest.fixture
    def store(self, s3: Any) -> Store:
        return S3Store(s3)

    def put(self, store: Store, uri: str, data: bytes) -> None:
        place = place_of(uri)
        store._client.put_object(Bucket=place.bucket, Key=place.key, Body=data)  # type: ignore[attr-defined]


class Refusing:
    """A client of which the next calls of a verb fail."""

    def __init__(self, client: Any, **failing: list[Exception]) -> None:
        self._client = client
        self._failing = failing
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in self._failing:
            return found

        def call(**asked: Any) -> Any:
            self.called.append(name)
            if self._failing[name]:
                raise self._failing[name].pop(0)
            return found(**asked)

        return call


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutObject")


def skewed(code: str) -> ClientError:
    """A refusal by somebody whose clock says otherwise."""
    error = refusal(code, 403)
    error.response["ResponseMetadata"]["HTTPHeaders"] = {"date": "Fri, 02 Jan 2015 00:00:00 GMT"}
    return error


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_a_hostile_key_is_listed_fetched_and_published_under_exactly_its_name(
    s3: Any, tmp_path: Path, key: str
) -> None:
    s3.put_object(Bucket="rushes-test", Key=key, Body=b"hostile")
    store, uri = S3Store(s3), uri_of("rushes-test", key)
    if not key.endswith("/"):
        assert [one.uri for one in store.listing(ROOT)] == [uri]
    folder = tmp_path / "scratch"
    folder.mkdir()
    store.fetch(uri, folder / local_name(key))
    assert [one.read_bytes() for one in folder.iterdir()] == [b"hostile"]
    assert [one.name for one in tmp_path.iterdir()] == ["scratch"]


def test_a_large_file_goes_in_parts_and_none_is_left_over(s3: Any, tmp_path: Path) -> None:
    data = b"0123456789abcdef" * (PART_BYTES // 16) + b"tail"
    store = S3Store(s3)
    stored = store.publish(made(tmp_path, data), f"{ROOT}large.mov", sha(data))
    assert stored.mark.endswith('-2"')
    assert s3.list_multipart_uploads(Bucket="rushes-test").get("Uploads", []) == []
    store.fetch(f"{ROOT}large.mov", tmp_path / "back")
    assert sha((tmp_path / "back").read_bytes()) == sha(data)


def test_an_upload_that_fails_is_aborted(s3: Any, tmp_path: Path) -> None:
    data = bytes(PART_BYTES + 1)
    client = Refusing(s3, upload_part=[refusal("AccessDenied", 403)] * 2)
    with pytest.raises(CallerError, match="not permitted to write"):
        S3Store(client).publish(made(tmp_path, data), f"{ROOT}x.mov", sha(data))
    assert s3.list_multipart_uploads(Bucket="rushes-test").get("Uploads", []) == []
    assert "Contents" not in s3.list_objects_v2(Bucket="rushes-test")


def test_two_writes_that_meet_are_sent_again_from_the_start(s3: Any, tmp_path: Path) -> None:
    client = Refusing(s3, put_object=[refusal("ConditionalRequestConflict", 409)] * 2)
    S3Store(client).publish(made(tmp_path, b"x"), f"{ROOT}x", sha(b"x"))
    assert client.called == ["put_object"] * 3


def test_a_write_over_what_was_removed_meanwhile_is_tried_again_later(s3: Any, tmp_path: Path) -> None:
    before = S3Store(s3).publish(made(tmp_path, b"old"), f"{ROOT}x", sha(b"old"))
    client = Refusing(s3, put_object=[refusal("NoSuchKey", 404)] * 99)
    (tmp_path / "made").unlink()
    with pytest.raises(PlatformError) as caught:
        S3Store(client).publish(made(tmp_path, b"new"), f"{ROOT}x", sha(b"new"), over=before)
    assert caught.value.code == "service-busy"


def test_writes_that_meet_for_ever_are_the_platforms_fault(s3: Any, tmp_path: Path) -> None:
    client = Refusing(s3, put_object=[refusal("ConditionalRequestConflict", 409)] * 99)
    with pytest.raises(PlatformError) as caught:
        S3Store(client).publish(made(tmp_path, b"x"), f"{ROOT}x", sha(b"x"))
    assert caught.value.code == "service-busy"


def test_an_upload_that_a_dead_attempt_left_is_ended_for_its_key_alone(s3: Any) -> None:
    for key in ("out.mov", "out.mov2"):
        s3.create_multipart_upload(Bucket="rushes-test", Key=key)
    assert S3Store(s3).abandon(f"{ROOT}out.mov") == 1
    left = s3.list_multipart_uploads(Bucket="rushes-test")["Uploads"]
    assert [one["Key"] for one in left] == ["out.mov2"]


def test_uploads_below_a_place_are_ended_together(s3: Any) -> None:
    for key in ("out_hls/main.m3u8", "out_hls/720p/1.m4s", "out_hls.mov"):
        s3.create_multipart_upload(Bucket="rushes-test", Key=key)
    assert S3Store(s3).abandon(f"{ROOT}out_hls/") == 2
    left = s3.list_multipart_uploads(Bucket="rushes-test")["Uploads"]
    assert [one["Key"] for one in left] == ["out_hls.mov"]


def test_what_intelligent_tiering_has_archived_says_so(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket="rushes-test", Key="old.mov", Body=b"x", StorageClass="INTELLIGENT_TIERING")

    class Archived:
        def __getattr__(self, name: str) -> Any:
            return getattr(s3, name)

        def head_object(self, **asked: Any) -> Any:
            return {**s3.head_object(**asked), "ArchiveStatus": "DEEP_ARCHIVE_ACCESS"}

    with pytest.raises(CallerError, match="is in DEEP_ARCHIVE_ACCESS") as caught:
        S3Store(Archived()).fetch(f"{ROOT}old.mov", tmp_path / "old.mov")
    assert caught.value.code == "archived"


def test_a_range_whose_answer_breaks_off_is_asked_for_again(s3: Any) -> None:
    data, waited = bytes(range(256)) * 4000, list[float]()
    s3.put_object(Bucket="rushes-test", Key="a.mov", Body=data)
    reset = ResponseStreamingError(error="reset")
    client = Refusing(s3, get_object=[reset, refusal("SlowDown", 503), reset])
    file = S3Store(client, sleep=waited.append).reader(f"{ROOT}a.mov")
    assert file.read(100) == data[:100]
    assert (len(client.called), len(waited), waited == sorted(waited)) == (4, 3, True)


def test_a_range_that_never_comes_is_the_platforms_fault(s3: Any) -> None:
    s3.put_object(Bucket="rushes-test", Key="a.mov", Body=b"x" * 100)
    client = Refusing(s3, get_object=[ResponseStreamingError(error="reset")] * 9)
    with pytest.raises(PlatformError) as caught:
        S3Store(client, sleep=lambda _: None).reader(f"{ROOT}a.mov").read(10)
    assert caught.value.code == "service-unreachable"
    assert "Work that was sent is tried again by itself; say a command again." in caught.value.fix


@pytest.mark.parametrize(
    ("total", "said", "code"),
    [
        (5000, r"a\.mov has 1000 B, and 999 B are free", "disk-full"),
        (999, r"a\.mov has 1000 B, and the disk of .* has 999 B in all", "scratch-too-small"),
    ],
)
def test_what_is_larger_than_the_disk_has_room_is_refused_before_a_byte_is_carried(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, total: int, said: str, code: str
) -> None:
    s3.put_object(Bucket="rushes-test", Key="a.mov", Body=bytes(1000))
    monkeypatch.setattr("rushes.storage.arrival.shutil.disk_usage", lambda _: (total, 0, 999))

    with pytest.raises(PlatformError, match=said) as refused:
        S3Store(s3).fetch("s3://rushes-test/a.mov", tmp_path / "a.mov")

    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_what_is_fetched_is_what_was_found(s3: Any, tmp_path: Path) -> None:
    """Another object that takes its place between the look and the first byte is not taken for it."""
    s3.put_object(Bucket="rushes-test", Key="a.mov", Body=b"first")

    class Late:
        def __getattr__(self, name: str) -> Any:
            return getattr(s3, name)

        def head_object(self, **asked: Any) -> Any:
            found = s3.head_object(**asked)
            s3.put_object(Bucket="rushes-test", Key="a.mov", Body=bytes(PART_BYTES * 2))
            return {**found, "ContentLength": PART_BYTES * 2}

    with pytest.raises(MediaError) as caught:
        S3Store(Late()).fetch(f"{ROOT}a.mov", tmp_path / "a.mov")
    assert caught.value.code == "source-changed"
    assert list(tmp_path.iterdir()) == []


def test_a_version_is_pinned_while_another_takes_its_place(s3: Any, tmp_path: Path) -> None:
    s3.put_bucket_versioning(Bucket="rushes-test", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="rushes-test", Key="a.mov", Body=b"first")
    store = S3Store(s3)
    seen = store.look(f"{ROOT}a.mov")
    s3.put_object(Bucket="rushes-test", Key="a.mov", Body=b"second")
    assert "?versionId=" in seen.uri
    store.fetch(seen.uri, tmp_path / "a.mov")
    assert (tmp_path / "a.mov").read_bytes() == b"first"
    assert store.look(f"{ROOT}a.mov").version != seen.version


def test_a_file_that_changes_while_it_is_read_is_the_medias_fault(s3: Any) -> None:
    s3.put_object(Bucket="rushes-test", Key="a.mov", Body=bytes(2_000_000))
    file = S3Store(s3).reader(f"{ROOT}a.mov")
    file.read(10)
    s3.put_object(Bucket="rushes-test", Key="a.mov", Body=b"1" * 2_000_000)
    file.seek(1_500_000)
    with pytest.raises(MediaError) as caught:
        file.read(10)
    assert caught.value.code == "source-changed"


def test_an_index_at_either_end_of_a_file_costs_two_small_requests(s3: Any) -> None:
    s3.put_object(Bucket="rushes-test", Key="a.mov", Body=bytes(20_000_000))
    file = S3Store(s3).reader(f"{ROOT}a.mov")
    file.read(32)
    file.seek(-50_000, 2)
    file.read(50_000)
    assert (file.requests, file.fetched_bytes <= 1_000_000) == (2, True)


def test_what_is_read_in_one_go_takes_few_requests(s3: Any) -> None:
    s3.put_object(Bucket="rushes-test", Key="a.mov", Body=bytes(8 * 1024 * 1024))
    file = S3Store(s3).reader(f"{ROOT}a.mov")
    while file.read(65_536):
        pass
    assert file.fetched_bytes == 8 * 1024 * 1024
    assert file.requests <= 8


def test_an_archived_object_says_so_and_is_brought_back_when_asked(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket="rushes-test", Key="old.mov", Body=b"x", StorageClass="GLACIER")
    store = S3Store(s3)
    for ask in (store.reader, lambda uri: store.fetch(uri, tmp_path / "old.mov")):
        with pytest.raises(CallerError, match="is in GLACIER") as caught:
            ask(f"{ROOT}old.mov")
        assert caught.value.code == "archived"
    assert store.restore(f"{ROOT}old.mov", days=2) is False
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_has_the_class_and_the_key_that_were_asked_for(s3: Any, tmp_path: Path) -> None:
    options = S3Options(storage_class="STANDARD_IA", kms_key="alias/dailies")
    S3Store(s3, options).publish(made(tmp_path, b"x"), f"{ROOT}x", sha(b"x"), about={"show": "dune"})
    found = s3.head_object(Bucket="rushes-test", Key="x")
    assert (found["StorageClass"], found["ServerSideEncryption"]) == ("STANDARD_IA", "aws:kms")
    assert found["SSEKMSKeyId"].endswith("alias/dailies")
    assert found["Metadata"] == {"show": "dune", "rushes-sha256": sha(b"x")}


@pytest.mark.parametrize("storage_class", ["", "STANDARD_IA", "GLACIER"])
@pytest.mark.parametrize("versioning", ["Enabled", "Suspended"])
def test_something_small_is_published_by_one_request_whose_answer_says_what_a_look_does(
    s3: Any, tmp_path: Path, storage_class: str, versioning: str
) -> None:
    s3.put_bucket_versioning(Bucket="rushes-test", VersioningConfiguration={"Status": versioning})
    asked: list[str] = []
    now = time.time()

    class Dated:
        """Says when, as S3 does and its double does not."""

        def __getattr__(self, name: str) -> Any:
            def ask(**more: Any) -> Any:
                asked.append(name)
                answer = getattr(s3, name)(**more)
                answer["ResponseMetadata"]["HTTPHeaders"]["date"] = formatdate(now, usegmt=True)
                return answer

            return ask

    store, heard = S3Store(Dated(), S3Options(storage_class=storage_class)), list[int]()
    data, about = made(tmp_path, b"small"), {"rushes-key": "ab"}
    told = store.publish(data, f"{ROOT}s", sha(b"small"), about=about, told=heard.append)
    assert asked == ["put_object"]
    assert heard == [5]
    found = store.look(f"{ROOT}s")
    assert replace(told, mtime=0.0) == replace(found, mtime=0.0)
    assert told.mtime == int(now)


def test_what_was_not_answered_wholly_is_looked_at(s3: Any, tmp_path: Path) -> None:
    class Terse:
        """Says of nothing when it was."""

        def put_object(self, **asked: Any) -> Any:
            return {"ETag": s3.put_object(**asked)["ETag"], "ResponseMetadata": {"HTTPHeaders": {}}}

        def __getattr__(self, name: str) -> Any:
            return getattr(s3, name)

    store = S3Store(Terse())
    assert store.publish(made(tmp_path, b"x"), f"{ROOT}x", sha(b"x")) == store.look(f"{ROOT}x")


@pytest.mark.parametrize(
    ("data", "damage"),
    [
        (b"sound", ("rushes.storage.s3.S3Store._range", b"found")),
        (b"sound", ("rushes.storage.s3.S3Store._range", b"soun")),
        (b"sound" * SMALL_BYTES, ("rushes.storage.s3_client.FetchingClient.crc32", 1)),
    ],
    ids=["in one request", "cut short", "in parts"],
)
def test_a_damaged_transfer_leaves_no_file(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, damage: tuple[str, object]
) -> None:
    store = S3Store(s3)
    store.publish(made(tmp_path, data), f"{ROOT}x", sha(data))
    (tmp_path / "made").unlink()
    of_it, damaged = damage
    monkeypatch.setattr(of_it, lambda *_: damaged)
    with pytest.raises(PlatformError) as caught:
        store.fetch(f"{ROOT}x", tmp_path / "x")
    assert caught.value.code == "damaged-transfer"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (refusal("NoSuchKey", 404), CallerError, "not-found"),
        (refusal("404", 404), CallerError, "not-found"),
        (refusal("NoSuchBucket", 404), CallerError, "not-found"),
        (refusal("AccessDenied", 403), CallerError, "not-permitted"),
        (refusal("403", 403), CallerError, "not-permitted"),
        (refusal("ExpiredToken"), CallerError, "no-credentials"),
        (refusal("SignatureDoesNotMatch", 403), CallerError, "no-credentials"),
        (refusal("InvalidObjectState", 403), CallerError, "archived"),
        (refusal("SlowDown", 503), PlatformError, "service-busy"),
        (refusal("InternalError", 500), PlatformError, "service-busy"),
        (refusal("BadDigest"), PlatformError, "damaged-transfer"),
        (
            EndpointConnectionError(endpoint_url="https://x/?X-Amz-Signature=abc"),
            PlatformError,
            "service-unreachable",
        ),
        (NoCredentialsError(), CallerError, "no-credentials"),
        (refusal("RequestTimeTooSkewed", 403), PlatformError, "clock-skewed"),
        (skewed("403"), PlatformError, "clock-skewed"),
        (skewed("InvalidSignatureException"), PlatformError, "clock-skewed"),
        (refusal("503", 503), PlatformError, "service-busy"),
        (refusal("KMS.DisabledException", 400), PlatformError, "service-refused"),
        (BrokenOff(), PlatformError, "service-unreachable"),
        (ResponseParserError("x"), PlatformError, "service-unreachable"),
    ],
)
def test_what_s3_says_is_split_by_who_acts(raised: Exception, kind: type[Exception], code: str) -> None:
    with pytest.raises(kind) as caught, s3_errors(f"{ROOT}x", "read"):
        raise raised
    assert caught.value.code == code  # type: ignore[attr-defined]
    assert "Signature=" not in str(caught.value)


def test_a_refusal_that_no_table_knows_is_told_in_its_own_words_without_secrets() -> None:
    raised = refusal("KMS.DisabledException")
    raised.response["Error"]["Message"] = "Key k-1 is disabled;\n see https://x/?X-Amz-Signature=abc."
    with pytest.raises(PlatformError) as caught, s3_errors(f"{ROOT}x", "read"):
        raise raised
    assert "PutObject answered KMS.DisabledException (Key k-1 is disabled; see " in str(caught.value)
    assert "Signature=abc" not in str(caught.value)


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (RetriesExceededError(ValueError("x")), "service-unreachable"),
        (S3DownloadFailedError("x"), "source-changed"),
        (S3ValidationError("x"), "damaged-transfer"),
    ],
)
def test_a_transfer_that_comes_to_no_good_end_is_told_as_what_it_is(
    s3: Any, raised: Exception, code: str
) -> None:
    with pytest.raises(RushesError) as caught, s3_errors(f"{ROOT}x", "read"), transfers(s3, 1, 1):
        raise raised
    assert caught.value.code == code
