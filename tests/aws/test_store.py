"""S3 over HTTP: names, versions, keys of encryption, ranges, and what a killed upload leaves."""

from __future__ import annotations

import hashlib
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsServer

from rushes import Asset
from rushes.media.running.builds import bundled_ffmpeg
from rushes.runtime.attempts.task import Made, Task
from rushes.runtime.shared.objects.attempt import run_remote
from rushes.storage.s3 import S3Options, S3Store
from rushes.storage.s3_transfers import PART_BYTES
from rushes.storage.s3_uri import local_name, place_of, uri_of
from rushes.testing.store_contract import HOSTILE_KEYS
from rushes_functions.inspect import inspect

# The upload of a process that is killed while it has sent one part of two.
_STUCK = """
import sys, time
from pathlib import Path
import boto3
from rushes.storage.s3 import S3Store

class Stuck:
    def __init__(self, client):
        self._client = client
    def __getattr__(self, name):
        return getattr(self._client, name)
    def upload_part(self, **asked):
        answer = self._client.upload_part(**asked)
        print("sent", flush=True)
        time.sleep(600)
        return answer

endpoint, uri, path = sys.argv[1:]
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1",
                      aws_access_key_id="test", aws_secret_access_key="test")
S3Store(Stuck(client)).publish(Path(path), uri, "0" * 64)
"""


@pytest.fixture
def bucket(clients: dict[str, Any], unique: str) -> str:
    clients["s3"].create_bucket(Bucket=unique)
    return unique


def ran(task: Task, store: S3Store, scratch: Path) -> Made:
    return run_remote(
        task,
        store,
        scratch,
        report=lambda *_: None,
        may_publish=lambda _: None,
        cancelled=lambda: False,
        local_name=lambda uri: local_name(place_of(uri).key),
    )


def left_open(clients: dict[str, Any], bucket: str) -> list[str]:
    found = clients["s3"].list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return [one["Key"] for one in found]


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_a_hostile_key_goes_there_and_back_over_http(
    clients: dict[str, Any], bucket: str, tmp_path: Path, key: str
) -> None:
    store, uri = S3Store(clients["s3"]), uri_of(bucket, key)
    made, folder = tmp_path / "made", tmp_path / "scratch"
    made.write_bytes(b"hostile")
    folder.mkdir()
    store.publish(made, uri, hashlib.sha256(b"hostile").hexdigest())
    if not key.endswith("/"):
        assert [one.uri for one in store.listing(f"s3://{bucket}/")] == [uri]
    store.fetch(uri, folder / local_name(key))
    assert [one.read_bytes() for one in folder.iterdir()] == [b"hostile"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["made", "scratch"]


def test_the_version_that_was_submitted_is_read_and_named_in_the_receipt(
    clients: dict[str, Any], bucket: str, tmp_path: Path
) -> None:
    s3, store = clients["s3"], S3Store(clients["s3"])
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="a b+c.mov", Body=b"first")
    submitted = store.look(f"s3://{bucket}/a b+c.mov")
    s3.put_object(Bucket=bucket, Key="a b+c.mov", Body=b"second")
    write = importlib.import_module("runtime.remote").write
    out = f"s3://{bucket}/out"
    task = Task(write, Asset(submitted.uri), write.params(None), key="ab" * 32, out=out)
    made = ran(task, store, tmp_path)
    assert json.loads(made.result)["read"] == "first"
    with store.reader(f"{made.receipt}") as file:
        source = json.loads(file.read())["source"]
    assert source["uri"] == submitted.uri == f"s3://{bucket}/a b+c.mov?versionId={submitted.version}"


def test_what_is_published_is_encrypted_with_the_key_that_was_named(
    clients: dict[str, Any], bucket: str, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    made.write_bytes(b"proxy")
    options = S3Options(storage_class="STANDARD_IA", kms_key="alias/dailies")
    S3Store(clients["s3"], options).publish(made, f"s3://{bucket}/proxy.mov", "0" * 64)
    found = clients["s3"].head_object(Bucket=bucket, Key="proxy.mov")
    assert (found["ServerSideEncryption"], found["StorageClass"]) == ("aws:kms", "STANDARD_IA")
    assert found["SSEKMSKeyId"].endswith("alias/dailies")


def test_a_clip_is_inspected_where_it_is(clients: dict[str, Any], bucket: str, tmp_path: Path) -> None:
    clip = tmp_path / "A001.mov"
    picture = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=3", "-c:v", "prores_ks", "-qscale:v", "1")
    command = [str(bundled_ffmpeg()), "-v", "error", "-nostdin", *picture, str(clip)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    clients["s3"].upload_file(str(clip), bucket, "day 1/A001.mov")
    uri = f"s3://{bucket}/day 1/A001.mov"
    made = ran(Task(inspect, Asset(uri), inspect.params(None)), S3Store(clients["s3"]), tmp_path)
    assert made.result == inspect(str(clip)).model_dump_json()
    assert made.read is not None
    assert made.read["fetched_bytes"] < 1_000_000 < made.read["size_bytes"] == clip.stat().st_size


def test_an_upload_whose_process_was_killed_is_ended_by_the_next_attempt(
    aws: AwsServer, clients: dict[str, Any], bucket: str, tmp_path: Path
) -> None:
    clients["s3"].put_object(Bucket=bucket, Key="clip.mov", Body=b"clip")
    out, large = f"s3://{bucket}/out", tmp_path / "large"
    large.write_bytes(bytes(PART_BYTES * 2))
    argv = [sys.executable, "-c", _STUCK, aws.endpoint, f"{out}/clip.txt", str(large)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"sent\n"
        process.kill()
    assert left_open(clients, bucket) == ["out/clip.txt"]
    write = importlib.import_module("runtime.remote").write
    clip = Asset(f"s3://{bucket}/clip.mov")
    task = Task(write, clip, write.params(None), key="ab" * 32, out=out, attempt=2)
    made = ran(task, S3Store(clients["s3"]), tmp_path)
    assert made.outputs == (f"{out}/clip.txt",)
    assert left_open(clients, bucket) == []
