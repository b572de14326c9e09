"""Every role may do all that who has it asks for: work from its event to its result, under the policies.

Local servers permit everything, so that what a role lacks would be found in an account alone.
"""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import deployed
import pytest
from aws_double import EcsDouble
from botocore import xform_name
from botocore.session import get_session
from capacity_files import WHOLE, with_fleets
from moto import mock_aws
from permitted import Permits, RoleServices
from stream_records import record

import rushes
from rushes.core.accounts import Scope
from rushes.core.states import State
from rushes.engines.aws.access.settings import AwsSettings
from rushes.engines.aws.called.handler import LambdaHandler
from rushes.engines.aws.called.router import EventRouter
from rushes.engines.aws.called.telling import Telling
from rushes.engines.aws.called.trial import Trials
from rushes.engines.aws.fleet.ecs_fleet import EcsFleet
from rushes.engines.aws.fleet.fleet_notes import Done, FleetNotes
from rushes.engines.aws.fleet.scaler_lambda import AwsAround
from rushes.engines.aws.infra.template import template_of
from rushes.engines.aws.notices.returning import hand_back
from rushes.engines.aws.notices.sweeping import raise_again, sweep
from rushes.ledger import Claim, End, LetGo, WorkItem
from rushes.notices import Notice, notice_text
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_document import DynamoDocument
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.shared_ledger.sqs import SqsQueue

NOW = 1_700_000_000.0
FARGATE: dict[str, Any] = {
    "tiers": {"cpu": WHOLE["tiers"]["cpu"]}, "fleets": {"cpu": {"maximum": 4}}, "most_per_hour": 3,
}  # fmt: skip
PLAIN = {"cards": "cards", "proxies": "proxies"}


class Account:
    """What a template makes of buckets, queues and the table, and roles that are held to it."""

    def __init__(self, folder: Path) -> None:
        environment = with_fleets(FARGATE, buckets=PLAIN, tells=True, trials={"small": "0"})
        self.template = template_of([deployed.small, deployed.look], environment)
        self.permits = Permits(self.template)
        self.scratch = folder
        self.table = environment.table
        self.s3, dynamodb, self.sqs = (self.make(one) for one in ("s3", "dynamodb", "sqs"))
        for bucket in ("cards", "proxies", "sound"):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        dynamodb.create_table(TableName=self.table, **TABLE)
        self.urls = {
            id_: self.sqs.create_queue(QueueName=one["Properties"]["QueueName"])["QueueUrl"]
            for id_, one in self.template["Resources"].items()
            if one["Type"] == "AWS::SQS::Queue"
        }

    @staticmethod
    def make(service: str) -> Any:
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        return boto3.client(service, region_name="us-east-1", **keys)

    def services(self, role: str, **settings: Any) -> RoleServices:
        said = AwsSettings(self.table, scratch=self.scratch, region="us-east-1", **settings)
        work = "WorkSmall" if settings.get("work_role") else ""
        return RoleServices(said, role, self.permits, self.make, work_role=work)

    def put(self, key: str) -> dict[str, Any]:
        self.s3.put_object(Bucket="cards", Key=key, Body=b"clip")
        return {"source": "aws.s3", "detail": {"bucket": {"name": "cards"}, "object": {"key": key}}}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    with mock_aws():
        yield Account(tmp_path)


def routed(account: Account, key: str = "dune/day1/A001.mov") -> list[Notice]:
    queues = {
        "small/urgent": account.urls["QueueSmallUrgent"],
        "look/standard": account.urls["QueueLookStandard"],
    }
    router = EventRouter(
        [deployed.small, deployed.look], queues, account.services("RoleRouter"), time.time, buckets=PLAIN,
        trials={"small": "1"},
    )  # fmt: skip
    (invocation,) = router(account.put(key), None)
    return [Notice(invocation, "urgent", "dune")]


def message(notice: Notice) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": "1", "receiptHandle": "h", "body": notice_text(notice), "attributes": {},
                "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs", "awsRegion": "us-east-1",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:rushes-dev-small-urgent",
            }
        ]
    }  # fmt: skip


def test_what_comes_is_routed_and_its_output_published_by_who_may_no_more_than_that(account: Account) -> None:
    (notice,) = routed(account)
    worker = account.services(
        "RoleSmall",
        queue=f"urgent={account.urls['QueueSmallUrgent']}",
        longer=f"urgent={account.urls['QueueHostsUrgent']}",
        work_role="arn:aws:iam::123456789012:role/rushes-dev-WorkSmall",
        memory_mb=1769,
    )
    answer = LambdaHandler(deployed.small, worker, time.time)(message(notice), None)

    assert account.permits.refused == []
    assert answer == {"batchItemFailures": []}
    keys = [one["Key"] for one in account.s3.list_objects_v2(Bucket="proxies")["Contents"]]
    assert keys == ["dune/A001.txt", "dune/A001.txt.rushes.json"]
    # Again, by another version of the same clip: what is there is read, by its version, and replaced.
    account.put("dune/day1/A001.mov")
    assert LambdaHandler(deployed.small, worker, time.time)(message(*routed(account)), None) is not None
    assert account.permits.refused == []


def test_a_large_output_goes_up_in_parts(account: Account) -> None:
    account.s3.put_object(Bucket="cards", Key="dune/day1/B001.mov", Body=b"x" * (17 << 20))
    account.s3.create_multipart_upload(Bucket="proxies", Key="dune/B001.txt")  # that one who died has left
    event = {"source": "s3://cards/dune/day1/B001.mov", "out": "s3://proxies/dune"}
    worker = account.services(
        "RoleSmall", work_role="arn:aws:iam::123456789012:role/rushes-dev-WorkSmall", memory_mb=1769
    )
    LambdaHandler(deployed.small, worker, time.time)(event, None)
    assert account.permits.refused == []
    assert ("WorkSmall", "s3:AbortMultipartUpload") in account.permits.asked
    assert account.s3.list_multipart_uploads(Bucket="proxies").get("Uploads", []) == []


def test_the_sweep_may_tell_of_all_that_lapsed_and_look_after_money_and_trials(account: Account) -> None:
    services = account.services("RoleSweep")
    ledger, money = services.ledger, services.money
    assert ledger is not None
    assert money is not None
    person = DynamoLedger(account.make("dynamodb"), account.table, clock=lambda: NOW)
    (notice,) = routed(account)
    assert isinstance(person.claim(notice.invocation, "dead", NOW, NOW + 60), Claim)
    spec = {
        "function": "deployed:small",
        "version": "1",
        "show": "dune",
        "priority": "urgent",
        "title": "small",
    }
    person.open("k7m2qx", spec, NOW)
    person.add("k7m2qx", [WorkItem("k7m2qx.1", "s3://cards/a.mov")])
    queues = {"small/urgent": services.queue(account.urls["QueueSmallUrgent"])}

    assert sweep(ledger, queues, NOW + 5000) == 2
    money.set_cap(Scope("show", "dune"), 1000)
    money.take(Scope("show", "dune"), "dead", 1, 10, NOW, first=True)
    assert money.reclaim(NOW + 5000) == 1
    raise_again(ledger, queues, money)
    trials = Trials(services.client("dynamodb"), account.table)
    trials.begin("small", "0", "1")
    trials.look("small")
    of_hosts = {
        f"{group}/urgent": services.queue(account.urls[id_])
        for group, id_ in {"hosts": "QueueHostsUrgent", "hosts-trial": "QueueHostsTrialUrgent"}.items()
    }
    of_hosts["hosts-trial/urgent"].send([notice])
    assert hand_back(of_hosts, ledger, lambda _: True) == 1
    assert account.permits.refused == []


def test_the_teller_may_tell_and_count_and_change_nothing_else(account: Account) -> None:
    services = account.services("RoleTeller")
    assert services.ledger is not None
    person = DynamoLedger(account.make("dynamodb"), account.table, clock=lambda: NOW)
    spec = {"function": "deployed:small", "version": "1", "show": "dune", "submitted": NOW}
    person.open("k7m2qx", spec, NOW)
    trials = Trials(services.client("dynamodb"), account.table)
    told = Telling(services.client("events"), services.ledger.spec, "dev", trials, {"small": "0"})
    assert told.tell([record("running", "succeeded"), record("running", "failed", number=2)]) == []
    assert account.permits.refused == []
    assert ("RoleTeller", "dynamodb:UpdateItem") in account.permits.asked


def test_the_scaler_may_look_at_queues_hosts_and_mappings_and_remember(account: Account) -> None:
    services = account.services("RoleScaler")
    double = EcsDouble("rushes-dev", ["rushes-dev-hosts-cpu"], time.time)
    ecs = account.permits.guard(double.client("ecs"), "RoleScaler")
    dynamo = services.client("dynamodb")
    notes = FleetNotes(dynamo, account.table)
    groups = account.permits.guard(double.client("autoscaling"), "RoleScaler")
    fleet = EcsFleet(
        ecs, groups, "rushes-dev", services={"cpu": "rushes-dev-hosts-cpu"},
        machines={"cpu": "rushes-dev-hosts-cpu"}, kept=DynamoDocument(dynamo, account.table, "F#fleet"),
        drained=notes.drain, resumed=notes.resume, clock=time.time, definitions={"cpu": "host:2"},
    )  # fmt: skip
    fleet.order("cpu", 1, "t1")
    double.settle()
    hosts = [one.id for one in fleet.hosts()]
    fleet.drain(hosts)
    fleet.refusals()
    around = AwsAround(services, "dev", {"small/urgent": "SourceSmallUrgent"}, fleet)
    around.lingering()
    around.depths(["small/urgent", "hosts/urgent", "look/standard"])
    around.heard()
    around.write({**around.read(), "done": {}})
    Trials(account.make("dynamodb"), account.table).begin("small", "0", "1", on_hosts=True)
    trials = Trials(dynamo, account.table)
    assert trials.shares(["small"]) == {"small": 5.0}
    assert trials.give_up("small", "No host came.")
    around.depths(["hosts-trial/urgent"])
    assert account.permits.refused == []
    assert ("RoleScaler", "iam:PassRole") in account.permits.asked
    statements = account.permits.statements("RoleScaler")
    mapping = "arn:aws:lambda:us-east-1:123456789012:event-source-mapping:SourceSmallUrgent"
    (mappings,) = (one for one in statements if "lambda:UpdateEventSourceMapping" in one["Action"])
    assert mapping in mappings["Resource"]


def test_a_host_may_take_work_end_it_send_it_on_and_tell_of_itself(account: Account) -> None:
    services = account.services("RoleHost")
    (notice,) = routed(account)
    ledger, money = services.ledger, services.money
    assert ledger is not None
    assert money is not None
    queue = SqsQueue(services.client("sqs"), account.urls["QueueHostsUrgent"])
    queue.send([notice])
    (taken,) = queue.receive(1, 0)
    queue.extend([taken], 60)
    queue.done([taken])
    queue.waiting()
    first = ledger.claim(notice.invocation, "host", NOW, NOW + 60)
    assert isinstance(first, Claim)
    assert ledger.extend(first, NOW + 90) == "kept"
    assert ledger.give_back(first, LetGo("spot"))
    again = ledger.claim(notice.invocation, "host", NOW, NOW + 60)
    assert isinstance(again, Claim)
    assert ledger.finish(again, End(State.succeeded, json.dumps({})))
    money.set_cap(Scope("show", "dune"), 1000)
    money.take(Scope("show", "dune"), "host", 1, 10, NOW, first=True)
    money.close(Scope("show", "dune"), "host", 5)
    money.reclaim(NOW + 5000)
    notes = FleetNotes(services.client("dynamodb"), account.table)
    notes.add({"hosts/urgent": Done(1, 2.0)})
    notes.is_drained("arn:aws:ecs:r:1:task/c/abc")
    sweep(ledger, {"urgent": queue}, NOW + 5000)
    services.store.look("s3://cards/dune/day1/A001.mov")
    assert account.permits.refused == []
    assert account.permits.trusts("WorkHosts", "RoleHost")


# -- all requests that there are in the code -----------------------------------------------------------------

_SERVICES = ("s3", "dynamodb", "sqs", "ecs", "autoscaling", "lambda", "events", "sts", "ssm",
             "cloudformation", "ecr", "iam")  # fmt: skip
_PLACES = ("engines/aws/**/*.py", "shared_ledger/*.py", "storage/*.py", "cli/infra*.py")
_COUNTED = "storage/s3_metered.py"
"""It names requests that it counts, and makes none."""
_TRUSTED = {"sts:AssumeRole"}
"""By the trust of the role that is had, not by a policy of who has it."""
_OF_PEOPLE = {"s3:RestoreObject"}
"""`rushes restore`: asked for with the rights of who types it."""
_ACTIONS = {
    "dynamodb:TransactWriteItems": ("dynamodb:PutItem", "dynamodb:UpdateItem"),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "s3:CreateMultipartUpload": ("s3:PutObject",),
    "s3:UploadPart": ("s3:PutObject",),
    "s3:CompleteMultipartUpload": ("s3:PutObject",),
    "s3:GetBucketNotificationConfiguration": ("s3:GetBucketNotification",),
    "sqs:SendMessageBatch": ("sqs:SendMessage",),
    "sqs:DeleteMessageBatch": ("sqs:DeleteMessage",),
    "sqs:ChangeMessageVisibilityBatch": ("sqs:ChangeMessageVisibility",),
}
"""What a request takes whose name is not that of its action."""


def _asked_in_code() -> set[str]:
    """Requests that modules name, as ``service:Operation``."""
    sdk = get_session()
    names: dict[str, list[str]] = {}
    for service in _SERVICES:
        for operation in sdk.get_service_model(service).operation_names:
            names.setdefault(xform_name(operation), []).append(f"{service}:{operation}")
    root = Path(rushes.__file__).parent
    found: set[str] = set()
    for place in _PLACES:
        for file in root.glob(place):
            if file.relative_to(root).as_posix() == _COUNTED:
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                said = node.attr if isinstance(node, ast.Attribute) else getattr(node, "value", None)
                if isinstance(said, str) and "_" in said and said in names:
                    found.update(names[said])
    return found


def test_whatever_the_code_asks_of_aws_somebody_may() -> None:
    template = template_of([deployed.small, deployed.look], with_fleets(tells=True, buckets=PLAIN))
    permits = Permits(template)
    roles = [id_ for id_, one in template["Resources"].items() if one["Type"] == "AWS::IAM::Role"]
    may = {action for role in roles for one in permits.statements(role) for action in one["Action"]}
    deployer = json.loads((Path(__file__).parents[3] / "infra/policies/deployer.json").read_text())
    for one in deployer["Statement"]:
        may |= {one["Action"]} if isinstance(one["Action"], str) else set(one["Action"])
    asked = _asked_in_code() - _TRUSTED - _OF_PEOPLE
    assert len(asked) > 40
    nobody = {
        action
        for one in asked
        for action in _ACTIONS.get(one, (one,))
        if not any(fnmatchcase(action, permitted) for permitted in may)
    }
    assert nobody == set()
