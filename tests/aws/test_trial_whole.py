"""A version that hosts try, whole: deployed to a local server, with a host of each version as a process.

What is run is what is deployed: the router, the sweep, the scaler and the teller are Lambdas of the server,
and each host has the command and the variables of its task. The server starts no containers, so they are
started here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsServer
from capacity_files import WHOLE, with_fleets
from waiting import until
from zipped import as_zip, package

from rushes import catalog
from rushes.core.rollout import RolloutPolicy
from rushes.engines.aws.called.trial import Trials
from rushes.engines.aws.infra.executor import Stack
from rushes.engines.aws.infra.template import template_of
from rushes.engines.aws.infra.vacancy import leaving
from rushes.ledger import ON_HOSTS
from rushes.shared_ledger.dynamo import DynamoLedger

pytestmark = pytest.mark.soak

ROOT = Path(__file__).parents[2]
FLEET: dict[str, Any] = {
    "most_per_hour": 1,
    "tiers": {"cpu": WHOLE["tiers"]["cpu"]},
    "fleets": {"cpu": {"maximum": 3, "steps": [{"from": 1, "hosts": 3}]}},
}
MODULE = """
import time
from pathlib import Path

from rushes import Asset, Context, Output, Params, Result, function, on_s3


class Wrote(Result):
    file: Output


@function(
    version="{version}", timeout_s=7200, stall_s=600,
    triggers=[on_s3("cards/**", kinds="video", out="s3://proxies", priority="urgent")],
)
def lengthy(clip: Asset, params: Params, ctx: Context) -> Wrote:
    \"\"\"Takes longer than a Lambda has: some clips until they are let go.\"\"\"
    gate = Path({gate!r})
    if clip.stem.startswith("held"):
        (gate / f"{{clip.stem}}.{version}").touch()
        while not (gate / "open").exists():
            ctx.progress(-1.0)
            time.sleep(0.02)
    out = ctx.output(f"{{clip.stem}}.txt")
    out.path.write_text("{version}")
    return Wrote(file=out)
"""


class Studio:
    """An environment in which version 2 of a function is tried beside version 1."""

    def __init__(self, server: AwsServer, name: str, folder: Path) -> None:
        self.server, self.name, self.folder = server, name, folder
        self.gate = folder / "gate"
        self.gate.mkdir()
        for version in ("1", "2"):
            place = folder / version
            place.mkdir()
            (place / "lengthy_studio.py").write_text(MODULE.format(version=version, gate=str(self.gate)))
        self.clients = {one: server.client(one) for one in ("s3", "sqs", "dynamodb", "lambda", "ecs")}
        self.buckets = {one: f"{name}-{one}" for one in ("cards", "proxies", "code")}
        s3 = self.clients["s3"]
        for bucket in ("proxies", "code"):
            s3.create_bucket(Bucket=self.buckets[bucket])
        s3.put_bucket_versioning(
            Bucket=self.buckets["proxies"], VersioningConfiguration={"Status": "Enabled"}
        )
        for key, version in (("package.zip", "2"), ("stable.zip", "1")):
            body = package(places=[str(folder / version)])
            s3.put_object(Bucket=self.buckets["code"], Key=key, Body=body)
        self.stack = Stack(
            server.client("cloudformation"), f"rushes-{name}", sleep=lambda _: time.sleep(0.05)
        )
        self.environment = with_fleets(
            FLEET, name=name, buckets=self.buckets, owned=(self.buckets["cards"],),
            trials={"lengthy": "1"}, stable={"lengthy": "1"},
        )  # fmt: skip
        self.template = template_of([catalog.find("lengthy_studio:lengthy")], self.environment)
        self.stack.deploy(
            as_zip(self.template, server, self.buckets["code"]),
            {"ImageUri": "new", "StableImageUri": "old"},
            {},
        )
        self.ledger = DynamoLedger(self.clients["dynamodb"], self.environment.table)
        self.trials = Trials(
            self.clients["dynamodb"], self.environment.table, RolloutPolicy((50.0,), least=1000)
        )
        self.trials.begin("lengthy", "1", "2", on_hosts=True)
        self._hosts: dict[str, subprocess.Popen[bytes]] = {}
        self._came = 0

    # -- hosts ---------------------------------------------------------------------------------------------

    def host(self, version: str) -> None:
        """A host as the task of its tier starts it."""
        tier = {"1": "cpu", "2": "cpu-trial"}[version]
        task = self.clients["ecs"].describe_task_definition(taskDefinition=f"rushes-{self.name}-hosts-{tier}")
        (container,) = task["taskDefinition"]["containerDefinitions"]
        assert container["image"] == {"1": "old", "2": "new"}[version]
        places = [self.folder / version, *(ROOT / one for one in ("framework", "functions", "tests"))]
        own = self.folder / f"home-{version}"
        scratch = self.folder / f"scratch-{version}"
        scratch.mkdir(exist_ok=True)
        environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "RUSHES_"))},
            **{one["name"]: one["value"] for one in container["environment"]},
            "PYTHONPATH": os.pathsep.join(map(str, places)), "RUSHES_HOME": str(own), "RUSHES_CPU": "4",
            "RUSHES_SCRATCH": str(scratch), "RUSHES_POLL": "1s", "AWS_ENDPOINT_URL": self.server.endpoint,
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
            "POWERTOOLS_METRICS_DISABLED": "true",
        }  # fmt: skip
        environ.pop("RUSHES_WORK_ROLE", None)  # roles are looked at where permissions are
        command = [sys.executable, str(ROOT / "tests" / "trial_host.py"), *container["command"][1:]]
        with (self.folder / f"host-{version}.log").open("ab") as log:
            self._hosts[version] = subprocess.Popen(
                [*command, "--width", "2"], env=environ, stdout=log, stderr=log, cwd=self.folder
            )

    def end(self, version: str) -> None:
        """A host is told to go."""
        host = self._hosts.pop(version)
        host.terminate()
        host.wait(120)

    def stop(self) -> None:
        for host in self._hosts.values():
            host.terminate()
        for host in self._hosts.values():
            with suppress(subprocess.TimeoutExpired):
                host.wait(60)
            if host.poll() is None:
                host.kill()
                host.wait()
        for version in ("1", "2"):
            environ = {**os.environ, "RUSHES_HOME": str(self.folder / f"home-{version}")}
            argv = [sys.executable, "-c", "from rushes.cli import main; main()", "worker", "--stop"]
            subprocess.run(argv, env=environ, check=True, capture_output=True, timeout=120)

    # -- what comes, and what became of it -----------------------------------------------------------------

    def comes(self, count: int, stem: str = "clip") -> dict[str, str]:
        """As many clips come; gives the version that each was given, once the router has them."""
        keys = [f"{stem}{self._came + n:03}" for n in range(count)]
        self._came += count
        before = set(self.ledger_rows())
        for key in keys:
            self.clients["s3"].put_object(Bucket=self.buckets["cards"], Key=f"{key}.mov", Body=key.encode())
        until(lambda: len(set(self.ledger_rows()) - before) == count, seconds=120, pause_s=0.2)
        rows = self.ledger_rows()
        return {rows[one][0]: rows[one][1] for one in set(rows) - before}

    def ledger_rows(self) -> dict[str, tuple[str, str]]:
        """Of each invocation the clip and the version that it was sent for."""
        found = {}
        pages = self.clients["dynamodb"].get_paginator("scan").paginate(TableName=self.environment.table)
        for item in (one for page in pages for one in page["Items"]):
            if item["pk"]["S"].startswith("I#"):
                batch = item["pk"]["S"].split("#")[1].split(".")[0]
                invocation = f"{batch}.1"
                entry, spec = self.ledger.entry(invocation), self.ledger.spec(batch)
                if entry is not None and spec is not None:
                    found[invocation] = Path(entry.work.source).stem, str(spec["version"])
        return found

    def made(self) -> dict[str, str]:
        """By which version each output was made."""
        s3, bucket = self.clients["s3"], self.buckets["proxies"]
        found = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        keys = [one["Key"] for one in found if one["Key"].endswith(".txt")]
        return {Path(key).stem: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys}

    def receipt(self, stem: str) -> dict[str, Any]:
        key = f"{stem}.txt.rushes.json"
        body = self.clients["s3"].get_object(Bucket=self.buckets["proxies"], Key=key)["Body"]
        return dict(json.loads(body.read()))

    def warnings(self, stem: str) -> list[str]:
        """What the result of a clip says of itself."""
        (invocation,) = (one for one, (clip, _) in self.ledger_rows().items() if clip == stem)
        entry = self.ledger.entry(invocation)
        assert entry is not None
        assert entry.end is not None
        return list(json.loads(entry.end.data).get("warnings", []))

    def published(self) -> Counter[str]:
        """How often each output was."""
        found = self.clients["s3"].list_object_versions(Bucket=self.buckets["proxies"])["Versions"]
        return Counter(one["Key"] for one in found)

    def all_made(self, clips: Sequence[str]) -> None:
        until(lambda: set(clips) <= set(self.made()) or self._died(), seconds=240, pause_s=0.5)
        assert not self._died(), [one.read_text()[-3000:] for one in self.folder.glob("*.log")]

    def _died(self) -> bool:
        return any(one.poll() is not None for one in self._hosts.values())

    def calls(self, name: str) -> Any:
        answer = self.clients["lambda"].invoke(FunctionName=f"rushes-{self.name}-{name}")
        said = json.loads(answer["Payload"].read())
        assert answer.get("FunctionError") is None, said
        return said

    def decides(self, share: float) -> None:
        """A share, that routers which read it seldom know of, too."""
        self.trials.decide("lengthy", share)
        client = self.clients["lambda"]
        its = client.get_function_configuration(FunctionName=f"rushes-{self.name}-router")
        variables = {**its["Environment"]["Variables"], "FRESH": str(time.time())}
        client.update_function_configuration(
            FunctionName=f"rushes-{self.name}-router", Environment={"Variables": variables}
        )


@pytest.fixture
def studio(aws: AwsServer, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    (tmp_path / "2").mkdir(exist_ok=True)
    monkeypatch.syspath_prepend(str(tmp_path / "studio" / "2"))
    (tmp_path / "studio").mkdir()
    made = Studio(aws, f"t{unique[-8:]}", tmp_path / "studio")
    yield made
    made.stop()
    sys.modules.pop("lengthy_studio", None)


def of(clips: dict[str, str], version: str) -> list[str]:
    return [clip for clip, its in clips.items() if its == version]


def test_a_trial_on_hosts_loses_nothing_and_does_nothing_twice_whatever_is_decided(
    studio: Studio,
) -> None:
    # Half of what comes is for the new version, and each kind of host has its own queue.
    clips = studio.comes(12)
    assert min(Counter(clips.values()).values()) >= 1
    assert studio.calls("scaler")["hosts"] == {"cpu-trial": 1, "cpu": 2}
    studio.host("1")
    studio.host("2")
    studio.all_made([*clips])
    assert studio.made() == clips
    assert {clip: studio.receipt(clip)["version"] for clip in clips} == clips

    # What hosts did is compared by version.
    def counted() -> dict[str, int]:
        return {name: one.ended for name, one in studio.trials.figures("lengthy", ON_HOSTS).items()}

    until(lambda: counted() == Counter(clips.values()), seconds=120, pause_s=0.5)
    assert not studio.trials.figures("lengthy")
    assert studio.calls("sweep")["trials"] == {"lengthy": "wait"}

    # It takes over while both work: what has begun ends on its version, and hosts get the old one until they
    # are deployed.
    held = studio.comes(12, "held")
    assert of(held, "2")
    until(lambda: {one.suffix for one in studio.gate.iterdir()} >= {".1", ".2"}, seconds=120)
    studio.decides(100.0)
    after = studio.comes(4, "later")
    assert set(after.values()) == {"1"}
    (studio.gate / "open").touch()
    studio.all_made([*held, *after])
    assert studio.made() == {**clips, **held, **after}

    # It goes back while its host works, and while more waits than that has: that is for the others.
    (studio.gate / "open").unlink()
    for one in studio.gate.iterdir():
        one.unlink()
    studio.decides(50.0)
    begun = studio.comes(8, "held")
    assert of(begun, "2")
    until(lambda: any(one.suffix == ".2" for one in studio.gate.iterdir()), seconds=120)
    studio.decides(0.0)
    studio.calls("sweep")
    (studio.gate / "open").touch()
    studio.all_made([*begun])
    studio.end("2")
    studio.decides(50.0)
    waits = studio.comes(8, "waits")
    assert of(waits, "2")
    studio.decides(0.0)
    assert studio.calls("sweep")["handed back"] == len(of(waits, "2"))
    studio.all_made([*waits])
    made = studio.made()
    ended_by_its_own = [one for one in of(begun, "2") if made[one] == "2"]
    assert ended_by_its_own
    for clip, version in {**begun, **waits}.items():
        assert studio.receipt(clip)["version"] == made[clip]
        said = [] if made[clip] == version else ["sent for version 2, made by version 1"]
        assert studio.warnings(clip) == said, clip
    assert {made[one] for one in waits} == {"1"}

    # Nothing was published twice, and nobody is kept.
    assert set(studio.published().values()) == {1}
    assert studio.calls("scaler")["hosts"]["cpu-trial"] == 0
    over = template_of([catalog.find("lengthy_studio:lengthy")], with_fleets(FLEET, name=studio.name))
    assert leaving(studio.template, over) == [f"rushes-{studio.name}-hosts-cpu-trial"]
    assert studio.stack.destroy()
