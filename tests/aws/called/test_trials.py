"""New versions: refused where the version is the old one, tried with a share, and decided about by rule."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import deployed
import pytest
from aws_server import AwsServer
from capacity_files import WHOLE, with_fleets
from click.testing import CliRunner
from infra_reading import all_of, may
from moto_cloud import empty
from stream_records import record
from waiting import until
from zipped import as_zip, package

from rushes import Asset, CallerError, Params, Result, catalog, function, on_s3
from rushes.cli.app import app
from rushes.core.rollout import Figures, RolloutPolicy
from rushes.core.states import State
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.engines.aws.called.router import EventRouter
from rushes.engines.aws.called.telling import Telling
from rushes.engines.aws.called.trial import Trials
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.executor import Stack
from rushes.engines.aws.infra.template import template_of
from rushes.engines.aws.infra.versions import (
    Version,
    check_versions,
    stable_of,
    tried_on_hosts,
    versions_of,
)
from rushes.ledger import ON_HOSTS, ON_LAMBDA, Claim, End
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.shared_ledger.dynamo_tries import lapsed_try, try_field
from rushes.shared_ledger.sqs import SqsQueue
from rushes.testing.clock import FakeClock

BUCKETS = {"cards": "acme-cards", "proxies": "acme-proxies"}


def planned(version: str = "1", source: str = "a", **more: Any) -> dict[str, Any]:
    """The template of `small` as it would be in a version."""
    one = copy.copy(deployed.small)
    one._declared = replace(one._declared, version=version)
    environment = Environment("dev", buckets=BUCKETS, sources={"small": source}, **more)
    return template_of([one], environment)


# -- versions ---------------------------------------------------------------------------------------------


def test_a_changed_source_under_an_unchanged_version_is_refused() -> None:
    with pytest.raises(CallerError, match="the source of small has changed, and its version is 1") as caught:
        check_versions(planned("1", "a"), planned("1", "b"))
    assert caught.value.code == "changed-source"


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (None, planned("1", "a")),
        (planned("1", "a"), planned("1", "a")),
        (planned("1", "a"), planned("2", "b")),
        (planned("2", "b"), planned("1", "a")),  # back to an earlier one
        (planned("1", ""), planned("1", "b")),  # nobody wrote down what it was
        ({"Resources": {}}, planned("1", "b")),
    ],
)
def test_every_other_deployment_is_not(before: Any, now: Any) -> None:
    check_versions(before, now)


def test_a_template_says_which_versions_it_has() -> None:
    assert versions_of(planned("2", "b")) == {"small": Version("2", "b", "deployed:small")}


def test_a_stack_tells_by_which_version_what_a_machine_sends_is_done() -> None:
    assert json.loads(planned("2", "b")["Outputs"]["Versions"]["Value"]) == {"small": "2"}
    tried = planned("2", "b", trials={"small": "1"})
    assert json.loads(tried["Outputs"]["Versions"]["Value"]) == {"small": "1"}


def test_the_source_of_a_function_is_its_module_with_those_beside_it_that_it_imports() -> None:
    found = catalog.body_digest(catalog.find("inspect"))
    assert len(found) == 64
    assert found != catalog.body_digest(catalog.find("proxy"))


# -- the template -----------------------------------------------------------------------------------------


def test_a_version_that_is_tried_has_a_lambda_queues_and_an_image_of_its_own() -> None:
    made = planned("2", "b", trials={"small": "1"})
    functions = all_of(made, "Lambda::Function")
    assert functions["FunctionSmall"]["Code"] == {"ImageUri": {"Ref": "StableImageUri"}}
    assert functions["FunctionSmallTrial"]["Code"] == {"ImageUri": {"Ref": "ImageUri"}}
    assert functions["FunctionSmall"]["Description"].startswith("deployed:small version 1")
    assert functions["FunctionRouter"]["Environment"]["Variables"]["RUSHES_TRIALS"] == "small=1"
    assert functions["FunctionRouter"]["Code"] == {"ImageUri": {"Ref": "ImageUri"}}
    names = {one["QueueName"] for one in all_of(made, "SQS::Queue").values()}
    assert {"rushes-dev-small-urgent", "rushes-dev-small-trial-urgent"} <= names
    assert made["Metadata"]["Rushes"]["trials"] == {"small": "1"}
    assert may(made, "Teller", "dynamodb:GetItem", "arn:of:Ledger")
    assert not may(made, "Teller", "events:PutEvents", "arn:aws:events:r:1:event-bus/default")


def test_what_nothing_starts_cannot_be_tried() -> None:
    with pytest.raises(CallerError, match="no new version of asked can be tried"):
        template_of([deployed.asked], Environment("dev", trials={"asked": "0"}))


def test_a_trial_whose_lambda_could_not_be_called_so_is_refused_before_anything_is_made() -> None:
    one, other = copy.copy(deployed.small), copy.copy(deployed.look)
    one._declared = replace(one._declared, version="2")
    other.name = "small_trial"  # on AWS that is small-trial
    tried = Environment("dev", buckets=BUCKETS, trials={"small": "1"})
    with pytest.raises(CallerError, match="the function small_trial is called"):
        template_of([one, other], tried)
    assert template_of([one, other], replace(tried, trials={}))
    name = "s" * (64 - len("rushes-dev-") - len("-trial"))
    for known, fits in ((name, True), (f"{name}s", False)):
        one.name = known
        with nullcontext() if fits else pytest.raises(CallerError, match="too long for a Lambda's name"):
            template_of([one], replace(tried, trials={known: "1"}))


# -- hosts beside it --------------------------------------------------------------------------------------


def beside_hosts(look: str = "3", **more: Any) -> dict[str, Any]:
    """The template of a trial of `small` in an environment with hosts, which has `look`, too."""
    new, other = copy.copy(deployed.small), copy.copy(deployed.look)
    new._declared = replace(new._declared, version="2")
    other._declared = replace(other._declared, version=look)
    stable = {"small": "1", "look": "3", "gone": "1"}
    wanted = {"trials": {"small": "1"}, "stable": stable, **more}
    return template_of([new, other], with_fleets(**wanted))


def no_room() -> dict[str, Any]:
    """A file of capacity whose fleets have room for one host each."""
    return {**WHOLE, "fleets": {name: {**one, "maximum": 1} for name, one in WHOLE["fleets"].items()}}


def without_room(**more: Any) -> dict[str, Any]:
    """The template of a trial of `small` where hosts cannot try it."""
    new = copy.copy(deployed.small)
    new._declared = replace(new._declared, version="2")
    return template_of([new], with_fleets(no_room(), trials={"small": "1"}, stable={"small": "1"}, **more))


def images(template: dict[str, Any]) -> dict[str, str]:
    tasks = all_of(template, "ECS::TaskDefinition")
    return {id_: task["ContainerDefinitions"][0]["Image"]["Ref"] for id_, task in tasks.items()}


def test_hosts_stay_on_the_image_of_what_is_not_tried_until_the_trial_is_over() -> None:
    tried = {id_ for id_, image in images(beside_hosts()).items() if image == "ImageUri"}
    assert tried == {"TaskCpuSpotTrial", "TaskLargeTrial"}  # of the fleet that `small` may run on
    assert set(images(without_room()).values()) == {"StableImageUri"}
    assert set(images(beside_hosts(trials={})).values()) == {"ImageUri"}


def test_hosts_that_try_a_version_have_their_own_service_and_queues_and_no_other_machines() -> None:
    made, before = beside_hosts(), beside_hosts(trials={})
    new = {id_: one["Type"] for id_, one in made["Resources"].items() if id_ not in before["Resources"]}
    assert {id_ for id_, kind in new.items() if kind == "AWS::ECS::Service"} == {
        "ServiceCpuSpotTrial", "ServiceLargeTrial",
    }  # fmt: skip
    assert not {"AWS::AutoScaling::AutoScalingGroup", "AWS::ECS::CapacityProvider"} & {*new.values()}
    services = all_of(made, "ECS::Service")
    for name in ("ServiceCpuSpot", "ServiceLarge"):
        one, other = services[name], services[f"{name}Trial"]
        assert other["CapacityProviderStrategy"] == one["CapacityProviderStrategy"]
        assert other["DesiredCount"] == 0
    task = all_of(made, "ECS::TaskDefinition")["TaskCpuSpotTrial"]
    variables = {one["Name"]: one["Value"] for one in task["ContainerDefinitions"][0]["Environment"]}
    said = json.dumps(variables["RUSHES_QUEUES"])
    assert "hosts-trial/urgent=" in said
    assert '"QueueHostsTrialUrgent"' in said
    assert '"QueueHostsUrgent"' not in said
    queues = all_of(made, "SQS::Queue")
    assert queues["QueueHostsTrialUrgent"]["RedrivePolicy"] == queues["QueueHostsUrgent"]["RedrivePolicy"]
    assert "AlarmQueueHostsTrialUrgent" in new
    assert made["Metadata"]["Rushes"]["on_hosts"] == ["small"]
    assert tried_on_hosts(made) == ("small",)
    assert tried_on_hosts(before) == tried_on_hosts(without_room()) == ()


def test_those_who_route_count_scale_and_sweep_know_hosts_that_try_a_version() -> None:
    made = beside_hosts()
    functions = all_of(made, "Lambda::Function")
    of = {name: json.dumps(one["Environment"]["Variables"]) for name, one in functions.items()}
    for name in ("FunctionRouter", "FunctionSweep"):
        assert "hosts-trial/urgent=" in of[name]
    assert functions["FunctionTeller"]["Environment"]["Variables"]["RUSHES_TRIED_ON_HOSTS"] == "small"
    assert "cpu-spot-trial=" in of["FunctionScaler"]
    document = json.loads(made["Resources"]["Fleets"]["Properties"]["Value"])
    assert document["tried"] == {"hosts-trial": ["small"]}
    assert may(made, "Router", "sqs:SendMessage", "arn:of:QueueHostsTrialUrgent")
    assert may(made, "Sweep", "sqs:ReceiveMessage", "arn:of:QueueHostsTrialUrgent")
    assert not may(made, "Sweep", "sqs:ReceiveMessage", "arn:of:QueueHostsUrgent")
    assert may(made, "Scaler", "ecs:UpdateService", "ref:ServiceCpuSpotTrial")
    assert "V#*" in json.dumps(all_of(made, "IAM::Role")["RoleScaler"])
    assert may(made, "Scaler", "sqs:GetQueueAttributes", "arn:of:QueueHostsTrialUrgent")


def test_hosts_of_the_same_version_get_what_a_lambda_cannot_do() -> None:
    made = beside_hosts()

    def longer(template: dict[str, Any], id_: str) -> Any:
        functions = all_of(template, "Lambda::Function")
        return json.dumps(functions[id_]["Environment"]["Variables"].get("RUSHES_LONGER_QUEUE_URL"))

    assert '"QueueHostsUrgent"' in longer(made, "FunctionSmall")
    assert '"QueueHostsTrialUrgent"' in longer(made, "FunctionSmallTrial")
    assert may(made, "Small", "sqs:SendMessage", "arn:of:QueueHostsUrgent")
    assert not may(made, "SmallTrial", "sqs:SendMessage", "arn:of:QueueHostsUrgent")
    assert may(made, "SmallTrial", "sqs:SendMessage", "arn:of:QueueHostsTrialUrgent")
    assert longer(without_room(), "FunctionSmallTrial") == "null"  # hosts have the other version alone


def test_what_hosts_alone_can_do_is_tried_where_they_have_room_for_it() -> None:
    one = copy.copy(deployed.heavy)
    one._declared = replace(one._declared, version="2")
    made = template_of([one], with_fleets(trials={"heavy": "1"}, stable={"heavy": "1"}))
    routes = json.dumps(all_of(made, "Lambda::Function")["FunctionRouter"]["Environment"])
    for name in ("heavy", "hosts-nvenc", "heavy-trial", "hosts-nvenc-trial"):
        assert f"{name}/background=" in routes
    assert "ServiceGpuTrial" in made["Resources"]
    assert "FunctionHeavyTrial" not in made["Resources"]
    for environment in (
        with_fleets(no_room(), trials={"heavy": "1"}),
        Environment("dev", hosts=True, trials={"heavy": "1"}),
    ):
        with pytest.raises(CallerError, match="no fleet for it with room for two"):
            template_of([one], environment)


def test_a_tier_that_has_the_name_of_one_that_tries_versions_is_named() -> None:
    twice = {
        **WHOLE,
        "tiers": {**WHOLE["tiers"], "gpu-trial": WHOLE["tiers"]["gpu"]},
        "fleets": {"gpu": {"maximum": 4, "fallback": "gpu-trial"}},
    }
    one = copy.copy(deployed.heavy)
    one._declared = replace(one._declared, version="2")
    with pytest.raises(CallerError, match="has a tier 'gpu-trial', which hosts that try"):
        template_of([one], with_fleets(twice, trials={"heavy": "1"}))


def test_another_function_does_not_come_in_a_version_that_hosts_have_not() -> None:
    with pytest.raises(CallerError, match="version 4 of look cannot come while small is tried") as caught:
        beside_hosts(look="4")
    assert "which has version 3 of it" in str(caught.value)
    with pytest.raises(CallerError, match="which has no such function"):
        beside_hosts(stable={"small": "1"})
    assert beside_hosts(look="4", trials={})  # without a trial hosts get the new image


def test_what_hosts_have_is_known_for_as_long_as_the_trial_goes_on() -> None:
    assert stable_of(planned("1", "a")) == {"small": "1"}
    begun = beside_hosts()
    assert stable_of(begun) == {"small": "1", "look": "3", "gone": "1"}
    del begun["Metadata"]["Rushes"]["stable"]  # as it was deployed before hosts were held back
    assert stable_of(begun) == {"small": "1", "look": "3"}
    assert stable_of(None) == {}


def test_where_the_router_cannot_know_what_is_for_hosts_nothing_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rushes.engines.aws.infra.template.MOST_ROUTES", 1)
    with pytest.raises(CallerError, match="more tiers or queues than its router can be told of"):
        beside_hosts()
    assert beside_hosts(trials={})


# -- a trial ----------------------------------------------------------------------------------------------


@function(version="2", retries=0, triggers=[on_s3("cards/**", priority="urgent")])
def look(clip: Asset, params: Params) -> Result:
    """An inspection."""
    raise AssertionError


class Cloud:
    def __init__(self, clients: dict[str, Any]) -> None:
        self.clients = clients
        self.clients["s3"].create_bucket(Bucket="cards")
        self.clients["dynamodb"].create_table(TableName="rushes", **TABLE)
        self.urls = {
            name: self.clients["sqs"].create_queue(QueueName=name.replace("/", "-"))["QueueUrl"]
            for name in ("look/urgent", "look-trial/urgent")
        }
        self.ledger = DynamoLedger(self.clients["dynamodb"], "rushes")
        self.clock = FakeClock()
        self.trials = self.fresh()

    def fresh(self) -> Trials:
        policy = RolloutPolicy((25.0, 50.0), least=3)
        return Trials(self.clients["dynamodb"], "rushes", policy, self.clock.now)

    def router(self, function: Any = look, **more: Any) -> EventRouter:
        services = Services(AwsSettings("rushes"), "router", self.clients.__getitem__)
        return EventRouter(
            [function], self.urls, services, self.clock.now, **more or {"trials": {"look": "1"}}
        )

    def comes(self, router: EventRouter, number: int, titles: Mapping[str, str] | None = None) -> str:
        """A clip comes; gives the version that it goes to, as its spec says."""
        key = f"{number:03}.mov"
        self.clients["s3"].put_object(Bucket="cards", Key=key, Body=b"%d" % number)
        detail = {"bucket": {"name": "cards"}, "object": {"key": key}}
        (invocation,) = router({"source": "aws.s3", "detail": detail}, None)
        spec = self.ledger.spec(invocation.rpartition(".")[0])
        assert spec is not None
        assert spec["title"] == (titles or {"1": "look", "2": "look-trial"})[spec["version"]]
        return str(spec["version"])

    def told(self, queue: str) -> int:
        return len(SqsQueue(self.clients["sqs"], self.urls[queue]).receive(100, 0))


@pytest.fixture
def cloud(mocked: dict[str, Any]) -> Iterator[Cloud]:
    yield Cloud(mocked)
    empty()


def test_a_share_of_the_work_goes_to_the_new_version_and_to_its_queue(cloud: Cloud) -> None:
    assert {cloud.comes(cloud.router(), number) for number in range(3)} == {"1"}  # not begun yet
    cloud.trials.begin("look", "1", "2")
    router = cloud.router()
    versions = [cloud.comes(router, number) for number in range(100, 140)]
    assert 3 <= versions.count("2") <= 18
    assert (cloud.told("look/urgent"), cloud.told("look-trial/urgent")) == (
        3 + versions.count("1"), versions.count("2"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"share": 50}', '{"old":"1","new":"2","share":1e9,"since":0,"before":{}}']
)
def test_a_trial_that_somebody_has_changed_by_hand_leaves_the_work_to_the_old_version(
    cloud: Cloud, text: str
) -> None:
    cloud.trials.begin("look", "1", "2")
    cloud.clients["dynamodb"].update_item(
        TableName="rushes", Key={"pk": {"S": "V#look"}, "sk": {"S": "S"}}, UpdateExpression="SET #text=:text",
        ExpressionAttributeNames={"#text": "text"}, ExpressionAttributeValues={":text": {"S": text}},
    )  # fmt: skip
    assert {cloud.comes(cloud.router(), number) for number in range(8)} == {"1"}
    with pytest.raises(CallerError, match="item V#look S of the ledger cannot be read"):
        cloud.fresh().of("look")


def test_an_event_that_comes_again_stays_with_its_version_when_the_share_has_changed(cloud: Cloud) -> None:
    cloud.trials.begin("look", "1", "2")
    router = cloud.router()
    before = [cloud.comes(router, number) for number in range(12)]
    for share in (100.0, 0.0):
        cloud.trials.decide("look", share)
        cloud.clock.advance(60)
        assert [cloud.comes(router, number) for number in range(12)] == before


@pytest.mark.parametrize("wanted", ["1", "2", "3"])
def test_an_event_that_comes_again_while_a_trial_ends_stays_with_its_version_and_the_rest_is_for_the_one(
    cloud: Cloud, wanted: str
) -> None:
    cloud.trials.begin("look", "1", "2")
    first = {number: cloud.comes(cloud.router(), number) for number in range(40)}
    assert {*first.values()} == {"1", "2"}
    one = copy.copy(look)
    one._declared = replace(one._declared, version=wanted)
    router = cloud.router(one, before={"look": "1", "look-trial": "2"})
    assert cloud.told("look/urgent") + cloud.told("look-trial/urgent") == 40  # and is hidden from now on
    assert {number: cloud.comes(router, number) for number in first} == first
    of_trial = 0 if wanted == "2" else [*first.values()].count("2")
    assert (cloud.told("look/urgent"), cloud.told("look-trial/urgent")) == (40 - of_trial, of_trial)
    for number in range(40, 50):
        assert cloud.comes(router, number, {wanted: "look"}) == wanted


def test_a_trial_widens_and_takes_over_by_what_both_have_done_since(cloud: Cloud) -> None:
    trials = cloud.trials
    trials.count("look", "1", Figures(50, 40, 5000.0, 50_000))  # long before it began
    trials.begin("look", "1", "2")
    acts = []
    for _ in range(3):
        for version in ("1", "2"):
            trials.count("look", version, Figures(2, 0, 20.0, 2000))
        first = cloud.fresh().look("look")
        for version in ("1", "2"):
            trials.count("look", version, Figures(2, 0, 20.0, 2000))
        cloud.clock.advance(60)
        second = cloud.fresh().look("look")
        acts.append((first and first.act, second and second.act))
    assert acts == [("wait", "widen"), ("wait", "promote"), (None, None)]
    found = trials.of("look")
    assert found is not None
    assert (found.share, found.over) == (100.0, True)


def test_a_version_that_fails_goes_back_and_gets_no_more_work(cloud: Cloud) -> None:
    cloud.trials.begin("look", "1", "2")
    router = cloud.router()
    cloud.trials.count("look", "1", Figures(20, 0, 200.0, 20_000))
    cloud.trials.count("look", "2", Figures(20, 20, 200.0, 20_000))
    verdict = cloud.fresh().look("look")
    assert verdict is not None
    assert (verdict.act, verdict.share) == ("roll back", 0.0)
    assert "failed 100.0% of 20" in verdict.reason
    cloud.clock.advance(60)
    assert {cloud.comes(router, number) for number in range(12)} == {"1"}
    assert cloud.fresh().look("look") is None


def test_a_trial_that_is_deployed_again_goes_on(cloud: Cloud) -> None:
    cloud.trials.begin("look", "1", "2")
    cloud.trials.decide("look", 50.0)
    assert cloud.fresh().begin("look", "1", "2").share == 50.0
    assert cloud.fresh().begin("look", "1", "3").share == 25.0  # another version is another trial


def test_ends_are_counted_by_version_from_the_stream(cloud: Cloud) -> None:
    spec = {"function": "studio:look", "version": "2", "submitted": 1_700_000_000 - 30.0}
    other = {"function": "studio:other", "version": "2", "submitted": 1.0}
    told = Telling(None, lambda _: spec, "dev", cloud.trials, {"look": "1"})
    ends = ("succeeded", "succeeded", "failed", "cancelled", "held")
    assert told.tell([record("running", end, number=n) for n, end in enumerate(ends, 1)]) == []
    Telling(None, lambda _: other, "dev", cloud.trials, {"look": "1"}).tell([record("running", "failed")])
    assert cloud.trials.figures("look") == {"2": Figures(3, 1, 90.0, 21)}


def test_what_hosts_did_is_not_compared_for_only_the_old_version_has_it(cloud: Cloud) -> None:
    spec = {"function": "studio:look", "version": "1", "submitted": 1_700_000_000 - 30.0}
    told = Telling(None, lambda _: spec, "dev", cloud.trials, {"look": "1"})
    told.tell([record("running", "succeeded", tier=ON_HOSTS), record("running", "succeeded", number=2)])
    assert cloud.trials.figures("look") == {"1": Figures(1, 0, 30.0, 7)}


def test_what_hosts_did_is_compared_by_itself_where_they_try_a_version_too(cloud: Cloud) -> None:
    spec = {"function": "studio:look", "version": "2", "submitted": 1_700_000_000 - 30.0}

    def told(compared: str, tier: str, number: int = 1) -> None:
        marked = {**spec, "compared": compared} if compared else spec
        telling = Telling(None, lambda _: marked, "dev", cloud.trials, {"look": "1"}, on_hosts=("look",))
        assert telling.tell([record("running", "succeeded", tier=tier, number=number)]) == []

    told(ON_HOSTS, ON_HOSTS)
    told(ON_HOSTS, "")  # of a function that hosts alone do
    told(ON_LAMBDA, ON_HOSTS)  # a Lambda began it, and handed it on
    told("", ON_LAMBDA)  # it came before the trial
    # How long it waited for a host says nothing of a version: there the time is that of the work.
    assert cloud.trials.figures("look", ON_HOSTS) == {"2": Figures(2, 0, 5.0, 14)}
    assert cloud.trials.figures("look") == {"2": Figures(1, 0, 30.0, 7)}


def test_what_a_lambda_handed_on_did_not_take_as_long_as_it_waited_for_a_host(cloud: Cloud) -> None:
    at = 1_700_000_000
    spec = {"function": "studio:look", "version": "2", "submitted": at - 500.0, "compared": ON_LAMBDA}
    handed_on = lapsed_try(
        {"attempt": 1, "holder": "lambda:r", "since": (at - 490) * 1000, "until": (at - 440) * 1000}
    )
    more = {"fence": 2, "attempt": 2, "holder": "box:7", "since": (at - 40) * 1000, try_field(1): handed_on}
    telling = Telling(None, lambda _: spec, "dev", cloud.trials, {"look": "1"}, on_hosts=("look",))
    assert telling.tell([record("running", "succeeded", tier=ON_HOSTS, more=more)]) == []
    assert cloud.trials.figures("look") == {"2": Figures(1, 0, 100.0, 7)}


def test_a_trial_is_judged_by_what_hosts_did_too(cloud: Cloud) -> None:
    cloud.trials.count("look", "2", Figures(9, 9, 9.0, 9), ON_HOSTS)  # before it began
    trial = cloud.trials.begin("look", "1", "2", on_hosts=True)
    for version in ("1", "2"):
        cloud.trials.count("look", version, Figures(3, 0, 30.0, 3000))
        cloud.trials.count("look", version, Figures(2, 0, 9000.0, 9000), ON_HOSTS)
    verdict = cloud.fresh().look("look")
    assert verdict is not None
    assert verdict.act == "wait"
    assert verdict.reason.startswith("hosts: 2 of the new version and 2 of the old")
    assert cloud.fresh().compared("look", trial)[ON_HOSTS][1] == Figures(2, 0, 9000.0, 9000)

    for version, cost in (("1", 4500), ("2", 9000)):
        cloud.trials.count("look", version, Figures(1, 0, 4500.0, cost), ON_HOSTS)
    verdict = cloud.fresh().look("look")
    assert verdict is not None
    assert (verdict.act, verdict.share) == ("roll back", 0.0)
    assert verdict.reason.startswith("hosts: The new version costs")


def test_a_trial_is_given_up_once_and_not_where_somebody_has_decided(cloud: Cloud) -> None:
    assert not cloud.trials.give_up("look", "No host came.")
    cloud.trials.begin("look", "1", "2", on_hosts=True)
    assert cloud.trials.give_up("look", "No host came.")
    assert not cloud.trials.give_up("look", "Nor now.")
    found = cloud.trials.of("look")
    assert found is not None
    assert (found.share, found.reason) == (0.0, "No host came.")


def test_a_trial_that_gets_hosts_keeps_its_share_and_counts_anew(cloud: Cloud) -> None:
    cloud.trials.begin("look", "1", "2")
    cloud.trials.decide("look", 50.0)
    cloud.trials.count("look", "2", Figures(9, 9, 9.0, 9), ON_HOSTS)
    found = cloud.trials.begin("look", "1", "2", on_hosts=True)
    assert (found.share, found.on_hosts) == (50.0, True)
    assert cloud.trials.compared("look", found)[ON_HOSTS] == (Figures(), Figures())


def test_an_invocation_of_the_old_version_says_so_wherever_it_is_worked_on(cloud: Cloud) -> None:
    router = cloud.router()
    cloud.comes(router, 1)
    (message,) = SqsQueue(cloud.clients["sqs"], cloud.urls["look/urgent"]).receive(10, 0)
    claim = cloud.ledger.claim(message.notice.invocation, "host", 1.0, 2.0)
    assert isinstance(claim, Claim)
    assert cloud.ledger.finish(claim, End(State.succeeded, "{}"))
    spec = cloud.ledger.spec(message.notice.invocation.rpartition(".")[0])
    assert spec is not None
    assert spec["version"] == "1"


@pytest.mark.soak
def test_each_clip_is_worked_on_by_the_version_that_it_was_given(
    aws: AwsServer, clients: dict[str, Any], unique: str
) -> None:
    """Both versions run for real; a receipt says which made what, and the stream is counted."""
    s3, name = clients["s3"], f"w{unique[-8:]}"
    buckets = {one: f"{unique}-{one}" for one in ("cards", "proxies", "code")}
    for bucket in ("proxies", "code"):
        s3.create_bucket(Bucket=buckets[bucket])
    for key, version in (("package.zip", "2"), ("stable.zip", "1")):
        s3.put_object(Bucket=buckets["code"], Key=key, Body=package({"small": version}))
    new = copy.copy(deployed.small)
    new._declared = replace(deployed.small._declared, version="2")
    environment = Environment(name, buckets=buckets, owned=(buckets["cards"],), trials={"small": "1"})
    stack = Stack(aws.client("cloudformation"), f"rushes-{name}", sleep=lambda _: time.sleep(0.05))
    template = as_zip(template_of([new], environment), aws, buckets["code"])
    stack.deploy(template, {"ImageUri": "new", "StableImageUri": "old"}, {})
    trials = Trials(clients["dynamodb"], environment.table, RolloutPolicy((50.0,), least=1000))
    trials.begin("small", "1", "2")

    for number in range(12):
        s3.put_object(Bucket=buckets["cards"], Key=f"dune/day1/A{number:03}.mov", Body=b"clip %d" % number)

    def receipts() -> list[str]:
        found = s3.list_objects_v2(Bucket=buckets["proxies"]).get("Contents", [])
        return [one["Key"] for one in found if one["Key"].endswith(".rushes.json")]

    until(lambda: len(receipts()) == 12, seconds=300)
    made = [
        json.loads(s3.get_object(Bucket=buckets["proxies"], Key=key)["Body"].read()) for key in receipts()
    ]
    ledger = DynamoLedger(clients["dynamodb"], environment.table)
    specs = [ledger.spec(one["invocation"].rpartition(".")[0]) or {} for one in made]
    assert [one["version"] for one in made] == [one["version"] for one in specs]

    def counted() -> dict[str, int]:
        return {version: one.ended for version, one in trials.figures("small").items()}

    versions = [one["version"] for one in made]
    until(lambda: counted() == {one: versions.count(one) for one in set(versions)}, seconds=120)
    answer = aws.client("lambda").invoke(FunctionName=environment.called("sweep"))
    assert json.loads(answer["Payload"].read())["trials"] == {"small": "wait"}
    assert stack.destroy()


# -- the commands -----------------------------------------------------------------------------------------


def test_the_commands_refuse_try_show_and_decide(
    aws: AwsServer, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": aws.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    env = f"v{unique[-8:]}"
    registry = "1.dkr.ecr.us-east-1.amazonaws.com/rushes"

    def said(*args: str, status: int = 0) -> str:
        made = CliRunner().invoke(app, ["infra", *args, "--env", env])
        assert made.exit_code == status, made.output
        return made.output

    def deploy(image: str, *more: str, status: int = 0) -> str:
        return said("deploy", "deployed:small", "--image", f"{registry}:{image}", *more, status=status)

    assert "not deployed yet" in deploy("1", "--trial", "small", status=2)
    deploy("1")
    assert "there is only version 1" in deploy("1", "--trial", "small", status=2)
    monkeypatch.setattr("rushes.catalog.body_digest", lambda _: "another")
    assert "Raise it: @function(version=" in deploy("2", status=2)

    one = catalog.find("deployed:small")
    changed = replace(one._declared, version="2")
    monkeypatch.setattr(one, "_declared", changed)
    monkeypatch.setattr("rushes.catalog.find", lambda _: one)
    assert "+ Resources.FunctionSmallTrial" in said("diff", "deployed:small", "--trial", "small")
    assert "small: version 2 has 5 % of the work." in deploy("2", "--trial", "small")
    parameters = aws.client("cloudformation").describe_stacks(StackName=f"rushes-{env}")["Stacks"][0][
        "Parameters"
    ]
    assert {one["ParameterKey"]: one["ParameterValue"] for one in parameters} == {
        "ImageUri": f"{registry}:2", "StableImageUri": f"{registry}:1",
    }  # fmt: skip
    assert said("trial", "small").splitlines() == [
        "version 2 has 5 % of the work.",
        "  lambda  1             0 ended",  # and no share, time or cost of nothing
        "  lambda  2             0 ended",
    ]
    assert "version 2 has 0 % of the work. A person decided." in said("trial", "small", "--back")
    assert "there is no trial of look" in said("trial", "look", status=2)
    deploy("3", "--trial", "small")  # another build of it: the old version stays on its image
    body = aws.client("cloudformation").get_template(StackName=f"rushes-{env}")["TemplateBody"]
    assert stable_of(body if isinstance(body, dict) else json.loads(body)) == {"small": "1"}
    assert said("destroy", "--yes")


def test_the_command_ends_a_trial_in_as_many_goes_as_it_takes(
    aws: AwsServer, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": aws.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("rushes.engines.aws.infra.trial_drain.QUIET_S", 0.2)
    monkeypatch.setattr("rushes.engines.aws.infra.trial_drain.LOOK_S", 0.1)
    env, sqs, one = f"n{unique[-8:]}", aws.client("sqs"), catalog.find("deployed:small")
    monkeypatch.setattr("rushes.catalog.body_digest", lambda it: it.version)
    monkeypatch.setattr("rushes.catalog.find", lambda _: one)

    def deploy(version: str, *more: str, status: int = 0) -> str:
        monkeypatch.setattr(one, "_declared", replace(one._declared, version=version))
        image = f"1.dkr.ecr.us-east-1.amazonaws.com/rushes:{version}"
        argv = ["infra", "deploy", "--env", env, "deployed:small", "--image", image, *more]
        made = CliRunner().invoke(app, argv)
        assert made.exit_code == status, made.output
        return made.output

    def queues() -> set[str]:
        found = sqs.list_queues(QueueNamePrefix=f"rushes-{env}-small")["QueueUrls"]
        return {place.rpartition("/")[2].removeprefix(f"rushes-{env}-") for place in found}

    deploy("1")
    deploy("2", "--trial", "small")
    waits = sqs.get_queue_url(QueueName=f"rushes-{env}-small-trial-urgent")["QueueUrl"]
    sqs.send_message(QueueUrl=waits, MessageBody="{}", DelaySeconds=900)

    # What waits keeps what it needs, and is named, whoever ends the wait.
    said = deploy("2", "--wait", "1s", status=2)
    assert "The trial of small ends" in said
    assert f"rushes-{env}-small-trial-urgent has 1 still" in said
    assert "another version cannot be tried yet" in deploy("3", "--trial", "small", status=2)
    with monkeypatch.context() as patched:
        patched.setattr("rushes.engines.aws.infra.trial_drain.wait_until_drained", _interrupted)
        assert "say the same again" in deploy("2", status=130)
    assert queues() == {"small-urgent", "small-dead", "small-trial-urgent", "small-trial-dead"}

    # Once there is nothing, the same command takes the rest away.
    sqs.purge_queue(QueueUrl=waits)
    assert "nothing changes" in deploy("2")
    assert queues() == {"small-urgent", "small-dead"}
    assert "The trial of" not in deploy("2")
    assert CliRunner().invoke(app, ["infra", "destroy", "--env", env, "--yes"]).exit_code == 0


def _interrupted(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt
