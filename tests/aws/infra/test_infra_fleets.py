"""Hosts on ECS as a template has them: what there may be, what it costs, and who may do what."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import deployed
import pytest
from capacity_files import WHOLE, book, policy_of, with_fleets
from infra_reading import all_of, linted, may

from rushes import CallerError
from rushes.core.capacity.capacity_file import capacity_from
from rushes.core.capacity.elastic import Memory, Plan
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import METRICS, aws_settings
from rushes.engines.aws.fleet.scaler_lambda import scaled_once
from rushes.engines.aws.fleet.scaling import Turned
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.host_tiers import counted_by, document_of, host_tiers
from rushes.engines.aws.infra.template import template_of
from rushes.runtime.configuration.price_files import price_book
from rushes.runtime.scaling.scaler import Scaled

FUNCTIONS = (deployed.small, deployed.look, deployed.heavy)
FARGATE = {
    "tiers": {"cpu": WHOLE["tiers"]["cpu"]}, "fleets": {"cpu": {"maximum": 4}}, "most_per_hour": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return template_of(FUNCTIONS, with_fleets())


def test_the_linter_of_cloudformation_finds_nothing_in_fleets(
    template: dict[str, Any], tmp_path: Path
) -> None:
    there = {"subnets": ("subnet-0123456789abcdef0",), "security_groups": ("sg-0123456789abcdef0",)}
    other = template_of(FUNCTIONS, with_fleets(FARGATE, **there))
    queues = {"requests": "arn:aws:sqs:us-east-1:111122223333:asked"}
    started = template_of([deployed.often], Environment("dev", tells=True))
    there_already = template_of([deployed.often], Environment("dev", queues=queues))
    tried = template_of([deployed.small], Environment("dev", trials={"small": "0"}))
    beside = template_of(FUNCTIONS, with_fleets(FARGATE, trials={"small": "0"}))
    whole = template_of(FUNCTIONS, with_fleets(trials={"small": "0", "heavy": "0"}))
    assert {"ServiceCpuTrial", "ServiceGpuTrial"} <= {*beside["Resources"], *whole["Resources"]}
    all_ = [template, other, started, there_already, tried, beside, whole]
    assert linted(all_, tmp_path, "us-east-1") == ""


def test_no_host_and_no_machine_is_there_until_somebody_wants_one(template: dict[str, Any]) -> None:
    services = all_of(template, "ECS::Service")
    assert set(services) == {"ServiceCpuSpot", "ServiceLarge", "ServiceGpu", "ServiceVpu"}
    assert {one["DesiredCount"] for one in services.values()} == {0}
    machines = all_of(template, "AutoScaling::AutoScalingGroup")
    assert {id_: (one["MinSize"], one["MaxSize"]) for id_, one in machines.items()} == {
        "MachinesLarge": ("0", "3"), "MachinesGpu": ("0", "4"), "MachinesVpu": ("0", "2"),
    }  # fmt: skip
    billed = {"AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::ElasticLoadBalancingV2::LoadBalancer"}
    assert not billed & {one["Type"] for one in template["Resources"].values()}
    ways = all_of(template, "EC2::VPCEndpoint").values()
    assert all("VpcEndpointType" not in one for one in ways)  # gateways, which cost nothing


def test_a_busy_machine_is_not_ended_and_a_deployment_starts_no_host_beyond_the_cap(
    template: dict[str, Any],
) -> None:
    for one in all_of(template, "ECS::CapacityProvider").values():
        group = one["AutoScalingGroupProvider"]
        assert group["ManagedTerminationProtection"] == group["ManagedDraining"] == "ENABLED"
        assert group["ManagedScaling"]["Status"] == "ENABLED"
    for one in all_of(template, "AutoScaling::AutoScalingGroup").values():
        assert one["NewInstancesProtectedFromScaleIn"] is True
    for one in all_of(template, "ECS::Service").values():
        assert one["DeploymentConfiguration"] == {"MinimumHealthyPercent": 0, "MaximumPercent": 100}


def test_the_first_tier_on_ec2_takes_nothing_from_those_on_fargate(template: dict[str, Any]) -> None:
    before = template_of(FUNCTIONS, with_fleets(FARGATE))
    for one in (before, template):  # what a cluster names itself it would give up while it is in use
        assert all_of(one, "ECS::Cluster")["Cluster"] == {"ClusterName": "rushes-dev"}
        (providers,) = all_of(one, "ECS::ClusterCapacityProviderAssociations").values()
        assert providers["CapacityProviders"][:2] == ["FARGATE", "FARGATE_SPOT"]
        services = [it for it in one["Resources"].values() if it["Type"] == "AWS::ECS::Service"]
        assert all("Providers" in it["DependsOn"] for it in services)


def test_a_new_image_changes_no_service_for_a_stack_would_wait_for_busy_hosts(
    template: dict[str, Any],
) -> None:
    for id_, one in template["Resources"].items():
        if one["Type"] == "AWS::ECS::Service":
            task = id_.replace("Service", "Task", 1)
            family = template["Resources"][task]["Properties"]["Family"]
            assert one["Properties"]["TaskDefinition"] == family
            assert task in one["DependsOn"]
    scaler = all_of(template, "Lambda::Function")["FunctionScaler"]["Environment"]["Variables"]
    _, said = scaler["RUSHES_TASKS"]["Fn::Join"]
    tasks = {"Ref": "TaskCpuSpot"}, {"Ref": "TaskLarge"}, {"Ref": "TaskGpu"}, {"Ref": "TaskVpu"}
    assert [one for one in said if isinstance(one, dict)] == [*tasks]


def test_the_alarm_on_hosts_that_rest_hears_the_metric_that_the_scaler_sends(
    template: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    alarm = all_of(template, "CloudWatch::Alarm")["AlarmResting"]
    scaler = all_of(template, "Lambda::Function")["FunctionScaler"]["Environment"]["Variables"]
    services = Services(aws_settings({METRICS: scaler[METRICS]}), "scaler")
    turned = Turned(Scaled(Plan((), Memory())), {}, {}, resting=2)
    scaled_once(cast("Any", SimpleNamespace(turn=lambda: turned)), services)
    (sent,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "resting-hosts" in line]
    (metrics,) = sent["_aws"]["CloudWatchMetrics"]
    assert (metrics["Namespace"], sent[alarm["MetricName"]]) == (alarm["Namespace"], [2.0])
    there = {name: sent[name] for names in metrics["Dimensions"] for name in names}
    assert [{"Name": name, "Value": value} for name, value in there.items()] == alarm["Dimensions"]


def test_metrics_of_two_environments_are_apart(template: dict[str, Any]) -> None:
    for one in all_of(template, "Lambda::Function").values():
        assert one["Environment"]["Variables"][METRICS] == "rushes-dev"
    for task in all_of(template, "ECS::TaskDefinition").values():
        (container,) = task["ContainerDefinitions"]
        assert {"Name": METRICS, "Value": "rushes-dev"} in container["Environment"]
    board = template["Resources"]["Dashboard"]
    widgets = json.loads(board["Properties"]["DashboardBody"])["widgets"]
    shown = {metric[0] for one in widgets for metric in one["properties"]["metrics"] if len(metric) > 1}
    assert {one for one in shown if not one.startswith("AWS/")} == {"rushes-dev"}


def test_a_host_is_told_its_region_for_on_a_machine_nobody_else_says_it(template: dict[str, Any]) -> None:
    for task in all_of(template, "ECS::TaskDefinition").values():
        (container,) = task["ContainerDefinitions"]
        assert {"Name": "AWS_REGION", "Value": {"Ref": "AWS::Region"}} in container["Environment"]


def test_spot_is_spot_a_card_is_asked_for_and_machines_hold_one_host_each(template: dict[str, Any]) -> None:
    services = all_of(template, "ECS::Service")
    assert services["ServiceCpuSpot"]["CapacityProviderStrategy"][0]["CapacityProvider"] == "FARGATE_SPOT"
    assert services["ServiceGpu"]["PlacementConstraints"] == [{"Type": "distinctInstance"}]
    tasks = all_of(template, "ECS::TaskDefinition")
    (gpu,), (vpu,) = (tasks[one]["ContainerDefinitions"] for one in ("TaskGpu", "TaskVpu"))
    assert gpu["ResourceRequirements"] == [{"Type": "GPU", "Value": "1"}]
    assert (vpu["Privileged"], gpu.get("Privileged")) == (True, None)
    assert (vpu["User"], gpu.get("User")) == ("0", None)  # of NETINT's nodes root alone opens one
    assert tasks["TaskCpuSpot"]["EphemeralStorage"] == {"SizeInGiB": 100}
    launch = all_of(template, "EC2::LaunchTemplate")["LaunchVpu"]["LaunchTemplateData"]
    assert launch["ImageId"] == "ami-0123456789abcdef0"
    assert launch["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}


def test_work_for_a_card_has_queues_of_its_own(template: dict[str, Any]) -> None:
    names = {one["QueueName"] for one in all_of(template, "SQS::Queue").values()}
    assert {"rushes-dev-hosts-background", "rushes-dev-hosts-nvenc-background"} <= names
    router = all_of(template, "Lambda::Function")["FunctionRouter"]["Environment"]["Variables"]
    texts = router["RUSHES_ROUTES"]["Fn::Join"][1]
    assert ",heavy/background=~rushes-dev-hosts-nvenc-background" in texts[2]
    (gpu,) = all_of(template, "ECS::TaskDefinition")["TaskGpu"]["ContainerDefinitions"]
    told = {one["Name"]: one["Value"] for one in gpu["Environment"]}
    assert {"Ref": "QueueHostsNvencBackground"} in told["RUSHES_QUEUES"]["Fn::Join"][1]
    assert {"Ref": "QueueHostsBackground"} not in told["RUSHES_QUEUES"]["Fn::Join"][1]


def test_a_host_knows_its_price_and_gives_attempts_sessions_of_a_role_that_is_its_own(
    template: dict[str, Any],
) -> None:
    prices = {}
    for name, task in all_of(template, "ECS::TaskDefinition").items():
        told = {one["Name"]: one["Value"] for one in task["ContainerDefinitions"][0]["Environment"]}
        prices[name] = told["RUSHES_TIER"]
        assert told["RUSHES_WORK_ROLE"] == {"Fn::GetAtt": ["WorkHosts", "Arn"]}
    assert prices["TaskCpuSpot"] == "ours/fargate-4x8-spot"
    assert prices["TaskGpu"].startswith("ec2/")
    trust = all_of(template, "IAM::Role")["WorkHosts"]["AssumeRolePolicyDocument"]["Statement"]
    assert [one["Principal"] for one in trust] == [{"AWS": {"Fn::GetAtt": ["RoleHost", "Arn"]}}]


def test_the_scaler_is_told_what_machines_are_and_cost_whatever_prices_it_ships_with(
    template: dict[str, Any],
) -> None:
    document = json.loads(all_of(template, "SSM::Parameter")["Fleets"]["Value"])
    assert document["hourly_nano"] == {
        "cpu-spot": 60_000_000, "large": 357_000_000, "gpu": 804_800_000,
        "vpu": 650_000_000,
    }  # fmt: skip
    again = capacity_from(document["file"])
    assert again.scaling.fleets == policy_of(WHOLE).scaling.fleets[:-1]
    assert again.scaling.most_per_hour == 12_000_000_000
    assert again.tiers["gpu"].machine == policy_of(WHOLE).tiers["gpu"].machine
    assert document["hosts"]["gpu"] == "hosts-nvenc"
    assert document["sources"] == {"small/urgent": [207_305_103, 50], "look/standard": [103_652_552, 2]}


@pytest.mark.parametrize(
    ("who", "action", "resource", "permitted"),
    [
        ("Scaler", "ecs:UpdateService", "ref:ServiceGpu", True),
        ("Scaler", "ecs:UpdateService", "ref:Other", False),
        ("Scaler", "ecs:StopTask", "arn:aws:ecs:r:1:task/rushes-dev/a", False),
        ("Scaler", "ecs:RunTask", "*", False),
        ("Scaler", "sqs:GetQueueAttributes", "arn:of:QueueSmallUrgent", True),
        ("Scaler", "sqs:ReceiveMessage", "arn:of:QueueSmallUrgent", False),
        ("Scaler", "s3:GetObject", "arn:aws:s3:::acme-dev-cards/dune/day1/a.mov", False),
        ("Machine", "s3:GetObject", "arn:aws:s3:::acme-dev-cards/dune/day1/a.mov", False),
        ("Machine", "ecs:RegisterContainerInstance", "arn:of:Cluster", True),
        ("Host", "ecs:UpdateTaskProtection", "arn:aws:ecs:r:1:task/rushes-dev/a", True),
        ("Host", "ecs:UpdateTaskProtection", "arn:aws:ecs:r:1:task/rushes-prod/a", False),
        ("Host", "ecs:UpdateService", "ref:ServiceGpu", False),
        ("Start", "logs:PutLogEvents", "arn:of:LogHosts", True),
        ("Start", "s3:GetObject", "arn:aws:s3:::acme-dev-cards/dune/day1/a.mov", False),
    ],
)
def test_a_role_of_the_fleet_may_do_its_own_and_nothing_else(
    template: dict[str, Any], who: str, action: str, resource: str, *, permitted: bool
) -> None:
    assert may(template, who, action, resource) is permitted


def _changed(change: Any) -> dict[str, Any]:
    data: dict[str, Any] = deepcopy(WHOLE)
    change(data)
    return data


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["tiers"]["cpu-spot"].update(cpu=3), "3 cores and 8 GiB, which Fargate does not have"),
        (lambda d: d["tiers"]["cpu-spot"].update(memory="64GiB"), "which Fargate does not have"),
        (lambda d: d["tiers"]["cpu-spot"].update(scratch="500GiB"), "500 GiB of scratch"),
        (lambda d: d["tiers"]["cpu-spot"].update(devices={"nvenc": 1}), "Fargate has no devices"),
        (lambda d: d["tiers"]["here"].update(purchase="on-demand"), "no machine of AWS"),
        (lambda d: d["tiers"]["large"].update(devices={"vpu": 1}), "whose driver is in no image"),
        (lambda d: d["tiers"]["large"].update(devices={"vpu": 1, "nvenc": 1}), "several families"),
        (lambda d: d["fleets"].update(cpu={"maximum": 1}), "two fleets that take the same work"),
    ],
)
def test_a_tier_that_aws_does_not_have_is_refused_by_name(change: Any, said: str) -> None:
    with pytest.raises(CallerError, match=said) as caught:
        host_tiers(policy_of(_changed(change)), {"vpu": "ami-1"})
    assert caught.value.code == "bad-capacity"


def test_an_image_for_a_tier_that_is_not_there_is_refused() -> None:
    with pytest.raises(CallerError, match="an image for the tier 'other'"):
        host_tiers(policy_of(WHOLE), {"other": "ami-1"})


def test_a_cap_on_money_needs_the_price_of_every_tier() -> None:
    unpriced = {"cpu": 8, "memory": "16GiB", "price": "ours/c7i.2xlarge", "purchase": "on-demand"}
    data = _changed(lambda d: d["tiers"]["large"].update(unpriced, region="us-east-1"))
    policy = policy_of(data)
    with pytest.raises(CallerError) as caught:
        document_of(data, policy, book(), host_tiers(policy, {"vpu": "ami-1"}))
    assert caught.value.code == "no-price"


def test_a_host_counts_by_the_prices_that_its_image_has() -> None:
    tiers = host_tiers(policy_of(WHOLE), {"vpu": "ami-1"})
    counted = {one.name: one.price for one in counted_by(price_book({}).tiers, tiers)}
    assert counted["cpu-spot"] == ""
    assert counted["gpu"].startswith("ec2/")


def test_a_network_that_is_there_is_used_and_none_is_made() -> None:
    made = template_of(
        FUNCTIONS, with_fleets(FARGATE, subnets=("subnet-0aaa",), security_groups=("sg-0aaa",))
    )
    assert not all_of(made, "EC2::VPC")
    service = all_of(made, "ECS::Service")["ServiceCpu"]
    assert service["CapacityProviderStrategy"][0]["CapacityProvider"] == "FARGATE"
    assert service["NetworkConfiguration"]["AwsvpcConfiguration"] == {
        "AssignPublicIp": "DISABLED", "Subnets": ["subnet-0aaa"], "SecurityGroups": ["sg-0aaa"],
    }  # fmt: skip


def test_hours_and_messages_end_at_the_router() -> None:
    made = template_of([deployed.often], Environment("dev"))
    hour = all_of(made, "Events::Rule")["HourOften0"]
    assert "Name" not in hour  # long names of functions could come to one; a stack gives each its own
    assert hour["ScheduleExpression"] == "cron(0 20 * * ? *)"
    assert json.loads(hour["Targets"][0]["Input"]) == {"hour": "often/0"}
    names = {one["QueueName"] for one in all_of(made, "SQS::Queue").values()}
    assert {"rushes-dev-in-requests", "rushes-dev-in-requests-dead"} <= names
    source = all_of(made, "Lambda::EventSourceMapping")["SourceInRequests"]
    assert source["FunctionName"] == {"Ref": "FunctionRouter"}
    assert may(made, "Router", "sqs:ReceiveMessage", "arn:of:QueueInRequests")
    assert may(made, "Router", "s3:GetObject", "arn:aws:s3:::cards/reels/7/reel.csv")
    pattern = all_of(made, "Events::Rule")["Rule"]["EventPattern"]["detail"]["object"]["key"]
    assert pattern == [{"prefix": {"equals-ignore-case": "reels/"}}]


def test_a_queue_that_is_there_already_is_not_made() -> None:
    arn = "arn:aws:sqs:us-east-1:111122223333:asked"
    made = template_of([deployed.often], Environment("dev", queues={"requests": arn}))
    assert "QueueInRequests" not in made["Resources"]
    assert all_of(made, "Lambda::EventSourceMapping")["SourceInRequests"]["EventSourceArn"] == arn
    assert may(made, "Router", "sqs:ReceiveMessage", arn)
    variables = all_of(made, "Lambda::Function")["FunctionRouter"]["Environment"]["Variables"]
    assert variables["RUSHES_INTAKES"] == "requests=asked"
