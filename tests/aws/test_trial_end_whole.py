"""A trial ends while work comes without a pause: by the command, on a local server, with Lambdas that run.

A clip comes every fifth of a second before, while and after the command deploys what came of the trial. Each
is to be done exactly once, by the version that it was sent for.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsServer
from click.testing import CliRunner
from waiting import until
from zipped import as_zip, package

from rushes import catalog
from rushes.cli.app import app
from rushes.engines.aws.called.trial import Trials
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.executor import Done, Stack
from rushes.engines.aws.infra.trial_end import ENDING
from rushes.shared_ledger.dynamo import DynamoLedger

pytestmark = pytest.mark.soak

EACH_S = 0.2
HIDDEN_S = 8
"""The server ends what runs when its function is changed, as AWS does not: that comes again soon."""
QUIET_S = 14.0
"""What comes again does so while the trial ends."""
FUNCTION = "steady_studio:steady"
REGISTRY = "1.dkr.ecr.us-east-1.amazonaws.com/rushes"
MODULE = """
import time

from rushes import Asset, Context, Output, Params, Result, function, on_s3


class Wrote(Result):
    file: Output


@function(
    version="{version}",
    triggers=[on_s3("cards/**", kinds="video", out="s3://proxies", priority="urgent")],
)
def steady(clip: Asset, params: Params, ctx: Context) -> Wrote:
    \"\"\"Takes a moment, so that something is always under way.\"\"\"
    time.sleep(0.5)
    out = ctx.output(f"{{clip.stem}}.txt")
    out.path.write_text("{version}")
    return Wrote(file=out)
"""


class Studio:
    """An environment in which clips come without a pause."""

    def __init__(self, server: AwsServer, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.name = server, name
        self.s3, self.dynamodb = server.client("s3"), server.client("dynamodb")
        self.buckets = {one: f"{name}-{one}" for one in ("cards", "proxies", "code")}
        self.table = Environment(name).table
        for bucket in ("proxies", "code"):
            self.s3.create_bucket(Bucket=self.buckets[bucket])
        self.s3.put_bucket_versioning(
            Bucket=self.buckets["proxies"], VersioningConfiguration={"Status": "Enabled"}
        )
        for version in ("1", "2"):
            place = folder / version
            place.mkdir()
            (place / "steady_studio.py").write_text(MODULE.format(version=version))
            body = package(places=[str(place)])
            self.s3.put_object(Bucket=self.buckets["code"], Key=f"{version}.zip", Body=body)
        monkeypatch.syspath_prepend(str(folder / "1"))
        self._monkeypatch = monkeypatch
        self._function = catalog.find(FUNCTION)
        self.steps: list[tuple[dict[str, Any], float]] = []
        self._stand_in()
        self.sent: list[str] = []
        self._over = threading.Event()
        self._comes = threading.Thread(target=self._come)

    def _stand_in(self) -> None:
        """The command deploys as it does, with a zip in place of each image."""
        real, studio = Stack.deploy, self

        def deploy(stack: Stack, template: Mapping[str, Any], parameters: Mapping[str, str],
                   *rest: Any, **more: Any) -> Done:  # fmt: skip
            keys = {name: f"{image[-1]}.zip" for name, image in parameters.items()}
            made = as_zip(template, studio.server, studio.buckets["code"], keys)
            for one in made["Resources"].values():
                if one["Type"] == "AWS::SQS::Queue":
                    one["Properties"]["VisibilityTimeout"] = HIDDEN_S
            studio.steps.append((made, time.monotonic()))
            return real(stack, made, parameters, *rest, **more)

        self._monkeypatch.setattr(Stack, "deploy", deploy)
        self._monkeypatch.setattr(catalog, "find", lambda _: self._function)
        self._monkeypatch.setattr(catalog, "body_digest", lambda one: f"source {one.version}")
        self._monkeypatch.setattr("rushes.engines.aws.infra.executor.POLL_S", 0.05)
        self._monkeypatch.setattr("rushes.engines.aws.infra.trial_drain.QUIET_S", QUIET_S)

    def deploys(self, version: str, *more: str) -> str:
        """Somebody deploys a version, in the image that has it."""
        declared = replace(self._function._declared, version=version)
        self._monkeypatch.setattr(self._function, "_declared", declared)
        pairs = [f"--bucket={name}={self.buckets[name]}" for name in ("cards", "proxies")]
        argv = ["infra", "deploy", "--env", self.name, *pairs, "--own", self.buckets["cards"], FUNCTION]
        said = CliRunner().invoke(app, [*argv, "--image", f"{REGISTRY}:{version}", *more])
        assert said.exit_code == 0, said.output
        return said.output

    def decides(self, share: float) -> None:
        Trials(self.dynamodb, self.table).decide("steady", share)
        client = self.server.client("lambda")  # routers read a share seldom
        router = f"rushes-{self.name}-router"
        variables = client.get_function_configuration(FunctionName=router)["Environment"]["Variables"]
        client.update_function_configuration(
            FunctionName=router, Environment={"Variables": {**variables, "FRESH": str(time.time())}}
        )

    def begin(self) -> None:
        self._comes.start()

    def _come(self) -> None:
        while not self._over.wait(EACH_S):
            key = f"clip{len(self.sent):04}"
            self.s3.put_object(Bucket=self.buckets["cards"], Key=f"{key}.mov", Body=key.encode())
            self.sent.append(key)

    def comes_on(self, count: int) -> None:
        """So many more clips come."""
        wanted = len(self.sent) + count
        until(lambda: len(self.sent) >= wanted, seconds=120, pause_s=0.1)

    def end(self) -> None:
        self._over.set()
        if self._comes.is_alive():
            self._comes.join()

    def published(self) -> Counter[str]:
        """How often each output was."""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.buckets["proxies"])
        keys = [one["Key"] for page in pages for one in page.get("Versions", [])]
        return Counter(key.removesuffix(".txt") for key in keys if key.endswith(".txt"))

    def done(self) -> dict[str, tuple[str, str, list[str]]]:
        """Of each clip the version that it was sent for, the one that made it, and what its result says."""
        ledger, found = DynamoLedger(self.dynamodb, self.table), dict[str, tuple[str, str, list[str]]]()
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table)
        names = {one["pk"]["S"] for page in pages for one in page["Items"] if one["pk"]["S"].startswith("I#")}
        for batch in {one.split("#")[1].split(".")[0] for one in names}:
            entry, spec = ledger.entry(f"{batch}.1"), ledger.spec(batch)
            assert entry is not None
            assert spec is not None
            assert entry.end is not None, f"{entry.work.source} has not ended"
            clip = Path(entry.work.source).stem
            assert clip not in found, f"{clip} was done twice"
            body = self.s3.get_object(Bucket=self.buckets["proxies"], Key=f"{clip}.txt")["Body"].read()
            found[clip] = (
                str(spec["version"]),
                body.decode(),
                json.loads(entry.end.data).get("warnings", []),
            )
        return found

    def all_done(self) -> None:
        """All that came has ended; somebody sweeps meanwhile, once in a while."""
        for _ in range(12):
            with suppress(AssertionError):
                until(lambda: len(self.published()) == len(self.sent), seconds=20, pause_s=0.5)
                until(lambda: not self._open(), seconds=20, pause_s=0.5)
                return
            self.server.client("lambda").invoke(FunctionName=f"rushes-{self.name}-sweep")
        pytest.fail(f"{set(self.sent) - set(self.published())} never came about")

    def _open(self) -> list[str]:
        """What has not ended."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table)
        items = [one for page in pages for one in page["Items"] if one["pk"]["S"].startswith("I#")]
        return [one["pk"]["S"] for one in items if one.get("state", {}).get("S") != "succeeded"]

    def queues(self) -> set[str]:
        found = self.server.client("sqs").list_queues(QueueNamePrefix=f"rushes-{self.name}-steady")
        return {one.rpartition("/")[2].removeprefix(f"rushes-{self.name}-") for one in found["QueueUrls"]}


@pytest.fixture
def studio(aws: AwsServer, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    for name, value in {
        "AWS_ENDPOINT_URL": aws.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert os.environ.get("AWS_REGION", "us-east-1") == "us-east-1"
    made = Studio(aws, f"e{unique[-8:]}", tmp_path, monkeypatch)
    yield made
    made.end()
    sys.modules.pop("steady_studio", None)


@pytest.mark.parametrize(("share", "wins", "loses"), [(100.0, "2", "1"), (0.0, "1", "2")],
                         ids=["taken over", "gone back"])  # fmt: skip
def test_a_trial_ends_while_work_comes_and_each_clip_is_done_once_by_its_version(
    studio: Studio, share: float, wins: str, loses: str
) -> None:
    studio.deploys("1")
    studio.deploys("2", "--trial", "steady")
    studio.decides(50.0)
    studio.begin()
    studio.comes_on(30)
    studio.decides(share)
    studio.comes_on(20)

    said = studio.deploys(wins)
    after = len(studio.sent)
    studio.comes_on(10)
    studio.end()

    assert "The trial of steady ends" in said
    assert "Ctrl-C loses nothing" in said
    (meanwhile, begun), (last, ended) = studio.steps[-2:]
    assert ENDING in meanwhile["Metadata"]["Rushes"]
    assert ENDING not in last["Metadata"]["Rushes"]
    studio.all_done()
    done = studio.done()
    assert {*done} == {*studio.sent}
    assert {*studio.published().values()} == {1}
    assert {sent_for for sent_for, _, _ in done.values()} == {"1", "2"}
    assert [clip for clip, (sent_for, made_by, _) in done.items() if sent_for != made_by] == []
    assert not [warnings for _, _, warnings in done.values() if warnings]
    assert {done[clip][0] for clip in studio.sent[after:]} == {wins}
    assert studio.queues() == {"steady-urgent", "steady-dead"}
    assert ended - begun >= QUIET_S
