"""The template of an environment, and what its policies let anybody do."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import deployed
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infra_reading import linted
from moto.iam.access_control import IAMPolicy, PermissionResult

from rushes import Asset, CallerError, Params, Resources, Result, function, on_s3
from rushes.engines.aws.access.settings import aws_settings
from rushes.engines.aws.entry import work
from rushes.engines.aws.infra import permissions
from rushes.engines.aws.infra.changes import changes_of
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.sizing import size_of, unfit
from rushes.engines.aws.infra.template import template_of
from rushes.triggers import OnS3

BUCKETS = {"cards": "acme-dev-cards", "proxies": "acme-dev-proxies"}
ALL = (deployed.small, deployed.look, deployed.heavy, deployed.asked)
FULL = Environment(
    "dev", "eu-west-1", BUCKETS, ("acme-dev-cards",), ("dune",), hosts=True, budget_usd=40.0,
    email="a@example.org", kept="90d", kms_key="arn:aws:kms:eu-west-1:111122223333:key/k",
    clip_keys=("arn:aws:kms:eu-west-1:111122223333:key/clips",),
)  # fmt: skip


def _all(template: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        id_: one["Properties"] for id_, one in template["Resources"].items() if one["Type"] == f"AWS::{kind}"
    }


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return template_of(ALL, FULL)


# -- the template -----------------------------------------------------------------------------------------


def test_the_linter_of_cloudformation_finds_nothing(template: dict[str, Any], tmp_path: Path) -> None:
    one = template_of([deployed.small], Environment("prod"))
    without_triggers = template_of([deployed.asked], Environment("x"))
    traced = template_of([deployed.small], Environment("dev", tracing=True))
    assert linted([template, one, without_triggers, traced], tmp_path, FULL.region) == ""


def test_a_template_is_the_same_each_time(template: dict[str, Any]) -> None:
    assert json.dumps(template_of(ALL, FULL)) == json.dumps(template)


def test_names_of_two_environments_have_nothing_in_common() -> None:
    def names(name: str) -> set[str]:
        made = template_of(ALL, Environment(name, hosts=True))
        kinds = (
            "QueueName",
            "TableName",
            "FunctionName",
            "LogGroupName",
            "AlarmName",
            "DashboardName",
            "Name",
        )
        return {
            one["Properties"][kind]
            for one in made["Resources"].values()
            for kind in kinds
            if isinstance(one["Properties"].get(kind), str)
        }

    assert len(names("dev")) > 30
    assert not names("dev") & names("prod")


def test_a_function_is_given_what_it_declares(template: dict[str, Any]) -> None:
    small, look = (_all(template, "Lambda::Function")[one] for one in ("FunctionSmall", "FunctionLook"))
    assert (small["MemorySize"], small["Timeout"], small["EphemeralStorage"]["Size"]) == (3538, 900, 4608)
    assert (look["MemorySize"], look["Timeout"]) == (1769, 180)
    assert look["ReservedConcurrentExecutions"] == 1
    assert small["ImageConfig"]["Command"] == ["rushes.engines.aws.entry.work"]
    assert small["Environment"]["Variables"]["RUSHES_FUNCTION"] == "deployed:small"
    assert small["Description"] == "deployed:small version 1, of dailies"


def test_each_class_of_a_function_has_a_queue_that_sets_aside(template: dict[str, Any]) -> None:
    queues = _all(template, "SQS::Queue")
    sources = _all(template, "Lambda::EventSourceMapping")
    assert {one["QueueName"] for id_, one in queues.items() if "RedrivePolicy" in one} == {
        "rushes-dev-small-urgent", "rushes-dev-look-standard", "rushes-dev-events",
        "rushes-dev-hosts-urgent", "rushes-dev-hosts-standard", "rushes-dev-hosts-background",
        "rushes-dev-hosts-nvenc-urgent", "rushes-dev-hosts-nvenc-standard",
        "rushes-dev-hosts-nvenc-background",
    }  # fmt: skip
    assert set(sources) == {"SourceSmallUrgent", "SourceLookStandard", "SourceEvents"}
    for one in sources.values():
        assert one["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert sources["SourceLookStandard"]["ScalingConfig"] == {"MaximumConcurrency": 2}
    for one in sources.values():
        hidden = queues[one["EventSourceArn"]["Fn::GetAtt"][0]]["VisibilityTimeout"]
        function = _all(template, "Lambda::Function")[one["FunctionName"]["Ref"]]
        assert hidden == 6 * function["Timeout"]


def test_what_lambda_cannot_hold_goes_to_hosts(template: dict[str, Any]) -> None:
    assert "FunctionHeavy" not in template["Resources"]
    parts = _all(template, "Lambda::Function")["FunctionRouter"]["Environment"]["Variables"]["RUSHES_ROUTES"]
    texts = parts["Fn::Join"][1]
    assert ",heavy/background=~rushes-dev-hosts-nvenc-background" in texts[2]


def test_hosts_take_the_classes_that_triggers_give_and_those_that_are_asked_for() -> None:
    def taken(*functions: Any, **more: Any) -> set[str]:
        made = template_of(functions, Environment("dev", buckets=BUCKETS, hosts=True, **more))
        names = {one["QueueName"] for one in _all(made, "SQS::Queue").values()}
        return {one.removeprefix("rushes-dev-hosts-") for one in names if "-hosts-" in one} - {"dead"}

    assert taken(deployed.small) == {"urgent"}
    assert taken(deployed.small, classes=("background", "standard")) == {"urgent", "standard", "background"}
    assert taken(deployed.asked) == {"standard"}
    assert taken(deployed.asked, classes=("urgent",)) == {"urgent"}
    with pytest.raises(CallerError, match="no hosts to take urgent"):
        Environment("dev", classes=("urgent",))
    with pytest.raises(CallerError, match="hosts of the class 'rush'"):
        Environment("dev", hosts=True, classes=("rush",))


@pytest.mark.parametrize(
    "asked",
    [{"buckets": {"cards": "*"}}, {"owned": ("a*b",)}, {"buckets": {"cards": 'x", "y'}}, {"kms_key": "*"},
     {"queues": {"requests": "*"}}, {"queues": {"requests": "arn:aws:sqs:us-east-1:111122223333:*"}},
     {"email": "a@b, c"}, {"kept": "0d"}, {"kept": "-5d"}, {"kept": "1h"}, {"budget_usd": float("nan")}],
    ids=str,
)  # fmt: skip
def test_what_would_permit_everything_or_keep_nothing_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(CallerError):
        Environment("dev", **asked)


def test_a_function_without_triggers_has_no_queue(template: dict[str, Any]) -> None:
    made = template_of([deployed.asked], Environment("dev"))
    assert not _all(made, "SQS::Queue")
    assert not _all(made, "Events::Rule")


def test_everything_is_watched(template: dict[str, Any]) -> None:
    alarms = _all(template, "CloudWatch::Alarm")
    for kind in ("SQS::Queue", "Lambda::Function"):
        assert {f"Alarm{id_}" for id_ in _all(template, kind)} <= set(alarms)
    assert all(one["AlarmActions"] == [{"Ref": "Alarms"}] for one in alarms.values())
    assert "AlarmResting" not in alarms  # there are no hosts that come
    assert {one["RetentionInDays"] for one in _all(template, "Logs::LogGroup").values()} == {30}
    body = json.loads(_all(template, "CloudWatch::Dashboard")["Dashboard"]["DashboardBody"])
    assert [one["properties"]["title"] for one in body["widgets"]][:2] == [
        "From the notice to the result, s",
        "Cost of computing on Lambda, dollars",
    ]
    assert _all(template, "Budgets::Budget")["Budget"]["Budget"]["BudgetLimit"] == {
        "Amount": 40.0,
        "Unit": "USD",
    }


def test_a_bucket_of_ours_stays_and_ends_what_nobody_ended(template: dict[str, Any]) -> None:
    one = template["Resources"]["BucketAcmeDevCards"]
    # A stack that comes to nothing takes it along: the next try would find that it exists.
    assert (one["DeletionPolicy"], one["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    rules = one["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rules[0]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}


# -- what is refused --------------------------------------------------------------------------------------


def test_a_bucket_of_ours_is_asked_by_tls_alone(template: dict[str, Any]) -> None:
    (policy,) = _all(template, "S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert policy["Bucket"] == {"Ref": "BucketAcmeDevCards"}
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_what_waits_in_the_queue_of_its_own_function_is_no_loop(template: dict[str, Any]) -> None:
    lambdas = _all(template, "Lambda::Function")
    allowed = {id_ for id_, one in lambdas.items() if one.get("RecursiveLoop") == "Allow"}
    assert allowed == {"FunctionSmall", "FunctionLook", "FunctionAsked"}  # others send to nobody's own queue


def test_minutes_that_found_no_room_are_not_made_up_for(template: dict[str, Any]) -> None:
    rules = [
        one["Targets"][0]["Arn"]["Fn::GetAtt"][0]
        for one in _all(template, "Events::Rule").values()
        if one.get("ScheduleExpression") == "rate(1 minute)"
    ]
    once = _all(template, "Lambda::EventInvokeConfig").values()
    assert [one["FunctionName"]["Ref"] for one in once] == rules
    assert all((one["MaximumRetryAttempts"], one["MaximumEventAgeInSeconds"]) == (0, 60) for one in once)


def test_messages_that_are_throttled_by_a_limit_of_ours_are_not_set_aside(template: dict[str, Any]) -> None:
    queues = _all(template, "SQS::Queue")
    # `look` runs once at a time, and a mapping takes two messages at least.
    assert queues["QueueLookStandard"]["RedrivePolicy"]["maxReceiveCount"] == 100
    assert queues["QueueSmallUrgent"]["RedrivePolicy"]["maxReceiveCount"] == 5


def _made(**declared: Any) -> Any:
    @function(version="1", **declared)
    def one(clip: Asset, params: Params) -> Result:
        """A function."""
        raise AssertionError

    return one


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"resources": Resources(gpu=1)}, "gpu=1"),
        ({"resources": Resources(memory="12GiB")}, "12,288 MB of memory"),
        ({"resources": Resources(cpu=8)}, "14,152 MB of memory for cpu=8"),
        ({"resources": Resources(scratch="8GiB")}, "12,800 MB of scratch"),
        ({"timeout_s": 841}, "timeout_s=841; 840 at most"),
    ],
)
def test_what_does_not_fit_into_lambda_is_refused_with_the_figure(declared: Any, why: str) -> None:
    one = _made(**declared)
    assert why in unfit(one, "4GiB")
    with pytest.raises(CallerError, match="cannot run on Lambda") as caught:
        size_of(one, "4GiB")
    assert caught.value.code == "too-big-for-lambda"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Prod"}, {"name": "-a"}, {"name": "a" * 21}, {"name": "a", "concurrency": 1},
        {"name": "a", "log_days": 31}, {"name": "a", "budget_usd": 0.0}, {"name": "a", "email": "nobody"},
        {"name": "a", "shows": ("*",)},
    ],
)  # fmt: skip
def test_an_environment_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CallerError) as caught:
        Environment(**wrong)
    assert caught.value.code == "bad-environment"


def test_two_functions_of_one_name_are_refused() -> None:
    with pytest.raises(CallerError, match="one name"):
        template_of([deployed.small, deployed.small], FULL)


@pytest.mark.parametrize("name", ["router", "sweep", "hosts", "events"])
def test_a_function_called_like_a_part_of_every_environment_is_refused(name: str) -> None:
    one = _made()
    one.name = name
    with pytest.raises(CallerError, match="a part that every environment has"):
        template_of([one], FULL)


def test_buckets_in_which_outputs_would_come_again_are_refused() -> None:
    with pytest.raises(CallerError, match="started again by its own outputs"):
        template_of([deployed.small], Environment("dev", buckets={"cards": "one", "proxies": "one"}))


def test_a_lambda_that_nobody_deployed_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUSHES_FUNCTION", raising=False)
    with pytest.raises(CallerError) as caught:
        work({}, None)
    assert caught.value.code == "not-deployed"


@pytest.mark.parametrize(
    ("buckets", "shows", "found"),
    [
        ({}, (), [("cards/{show}/day*/**", "{show}", "s3://proxies/{show}")]),
        ({"cards": "mine"}, (), [("mine/{show}/day*/**", "{show}", "s3://proxies/{show}")]),
        (
            {"proxies": "theirs"},
            ("dune", "blade"),
            [
                ("cards/dune/day*/**", "dune", "s3://theirs/dune"),
                ("cards/blade/day*/**", "blade", "s3://theirs/blade"),
            ],
        ),
    ],
)
def test_a_trigger_means_the_buckets_and_shows_of_its_environment(
    buckets: dict[str, str], shows: tuple[str, ...], found: list[tuple[str, str, str]]
) -> None:
    (trigger,) = deployed.small.triggers
    assert isinstance(trigger, OnS3)
    assert [(one.pattern, one.show, one.out) for one in trigger.placed(buckets, shows)] == found


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", ""),
        ("https://sqs/one", "https://sqs/one"),
        ("urgent=https://sqs/u,standard=https://sqs/s", "https://sqs/u"),
        ("standard=https://sqs/s", ""),
    ],
)
def test_a_variable_names_one_queue_or_one_a_class(text: str, url: str) -> None:
    assert aws_settings({"RUSHES_QUEUE_URL": text}).queue_of("urgent") == url


# -- who may do what --------------------------------------------------------------------------------------


def _resolved(value: Any) -> Any:
    """A policy as AWS would have it, once its functions are evaluated."""
    if isinstance(value, list):
        return [_resolved(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "Fn::Sub" in value:
        return value["Fn::Sub"].replace("${AWS::Partition}", "aws")
    if "Fn::GetAtt" in value:
        return f"arn:of:{value['Fn::GetAtt'][0]}"
    if "Fn::Join" in value:
        return value["Fn::Join"][0].join(_resolved(value["Fn::Join"][1]))
    return {key: _resolved(one) for key, one in value.items()}


def _may(template: dict[str, Any], who: str, action: str, resource: str) -> bool:
    roles = _all(template, "IAM::Role")
    (own,) = (roles.get(who) or roles[f"Role{who}"])["Policies"]
    policy = IAMPolicy(json.dumps(_resolved(own["PolicyDocument"])))
    return bool(policy.is_action_permitted(action, resource) == PermissionResult.PERMITTED)


_CARDS, _PROXIES, _SOUND = (f"arn:aws:s3:::{one}" for one in ("acme-dev-cards", "acme-dev-proxies", "sound"))


@pytest.mark.parametrize(
    ("who", "action", "resource", "may"),
    [
        ("Small", "s3:GetObject", f"{_CARDS}/dune/day1/A001.mov", True),
        ("Small", "s3:GetObject", f"{_CARDS}/DUNE/DAY1/A001.MOV", True),
        ("Small", "s3:GetObject", f"{_CARDS}/blade/day1/A001.mov", False),
        ("Small", "s3:GetObject", f"{_CARDS}/dune/masters/A001.mov", False),
        ("Small", "s3:GetObject", f"{_SOUND}/a.wav", False),
        ("Small", "s3:PutObject", f"{_PROXIES}/dune/A001.mov", False),
        ("Small", "s3:ListBucket", _PROXIES, False),
        ("WorkSmall", "s3:GetObject", f"{_CARDS}/dune/day1/A001.mov", True),
        ("WorkSmall", "s3:GetObject", f"{_CARDS}/blade/day1/A001.mov", False),
        ("WorkSmall", "s3:PutObject", f"{_PROXIES}/dune/A001.mov", True),
        ("WorkSmall", "s3:PutObject", f"{_PROXIES}/blade/A001.mov", False),
        ("WorkSmall", "s3:PutObject", f"{_PROXIES}/dunes/A001.mov", False),
        ("WorkSmall", "s3:PutObject", f"{_CARDS}/dune/day1/A001.mov", False),
        ("WorkSmall", "s3:DeleteObject", f"{_PROXIES}/dune/A001.mov", False),
        ("WorkSmall", "s3:ListBucket", _PROXIES, True),
        ("WorkSmall", "s3:ListBucket", _CARDS, False),
        ("WorkSmall", "dynamodb:UpdateItem", "arn:of:Ledger", False),
        ("WorkSmall", "sqs:SendMessage", "arn:of:QueueHostsUrgent", False),
        ("WorkLook", "s3:GetObject", f"{_SOUND}/a.wav", True),
        ("Look", "s3:GetObject", f"{_SOUND}/a.wav", True),
        ("Look", "s3:GetObject", f"{_CARDS}/dune/day1/A001.mov", False),
        ("Look", "s3:PutObject", f"{_PROXIES}/dune/x", False),
        ("Small", "sqs:ReceiveMessage", "arn:of:QueueSmallUrgent", True),
        ("Small", "sqs:ReceiveMessage", "arn:of:QueueLookStandard", False),
        ("Small", "sqs:SendMessage", "arn:of:QueueLookStandard", False),
        ("Small", "sqs:SendMessage", "arn:of:QueueHostsUrgent", True),
        ("Small", "sqs:SendMessage", "arn:of:QueueEvents", False),
        ("Small", "dynamodb:UpdateItem", "arn:of:Ledger", True),
        ("Small", "dynamodb:Query", "arn:of:Ledger/index/wake", True),
        ("Small", "dynamodb:DeleteTable", "arn:of:Ledger", False),
        ("Small", "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/k", True),
        ("Small", "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/other", False),
        ("Small", "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/clips", True),
        ("WorkSmall", "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/clips", True),
        ("WorkSmall", "kms:GenerateDataKey", "arn:aws:kms:eu-west-1:111122223333:key/clips", False),
        ("WorkSmall", "s3:GetObjectVersion", f"{_PROXIES}/dune/A001.mov", True),
        ("Router", "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/clips", True),
        ("Small", "logs:PutLogEvents", "arn:of:LogSmall", True),
        ("Small", "logs:PutLogEvents", "arn:of:LogLook", False),
        ("Asked", "s3:GetObject", f"{_CARDS}/dune/day1/A001.mov", False),
        ("Router", "s3:GetObject", f"{_CARDS}/dune/day1/A001.mov", True),
        ("Router", "s3:PutObject", f"{_PROXIES}/dune/A001.mov", False),
        ("Router", "sqs:SendMessage", "arn:of:QueueSmallUrgent", True),
        ("Router", "sqs:ReceiveMessage", "arn:of:QueueSmallUrgent", False),
        ("Sweep", "sqs:SendMessage", "arn:of:QueueLookStandard", True),
        ("Sweep", "s3:GetObject", f"{_CARDS}/dune/day1/A001.mov", False),
    ],
)
def test_a_role_may_do_its_own_and_nothing_of_others(
    template: dict[str, Any], who: str, action: str, resource: str, *, may: bool
) -> None:
    assert _may(template, who, action, resource) is may


def test_traces_are_told_only_where_they_are_wanted(template: dict[str, Any]) -> None:
    made = template_of([deployed.small], Environment("dev", tracing=True))
    small = _all(made, "Lambda::Function")["FunctionSmall"]
    assert small["TracingConfig"] == {"Mode": "Active"}
    assert small["Environment"]["Variables"]["RUSHES_TRACING"] == "1"
    assert _may(made, "Small", "xray:PutTraceSegments", "*")
    assert not _may(made, "WorkSmall", "xray:PutTraceSegments", "*")
    assert not _may(template, "Small", "xray:PutTraceSegments", "*")
    assert "TracingConfig" not in _all(template, "Lambda::Function")["FunctionSmall"]


def test_a_role_of_attempts_may_be_had_by_its_own_function_alone(template: dict[str, Any]) -> None:
    trust = _all(template, "IAM::Role")["WorkSmall"]["AssumeRolePolicyDocument"]["Statement"]
    assert [one["Principal"] for one in trust] == [{"AWS": {"Fn::GetAtt": ["RoleSmall", "Arn"]}}]
    variables = _all(template, "Lambda::Function")["FunctionSmall"]["Environment"]["Variables"]
    assert variables["RUSHES_WORK_ROLE"] == {"Fn::GetAtt": ["WorkSmall", "Arn"]}
    assert "WorkAsked" not in template["Resources"]  # it has no triggers: there is nothing to permit


def test_no_policy_permits_everything_of_anything(template: dict[str, Any]) -> None:
    documents = [one["Policies"][0]["PolicyDocument"] for one in _all(template, "IAM::Role").values()]
    documents += [one["PolicyDocument"] for one in _all(template, "IAM::ManagedPolicy").values()]
    for document in documents:
        for statement in _resolved(document)["Statement"]:
            assert "*" not in statement["Resource"]
            assert not any("*" in action for action in statement["Action"])


_PART = st.text(alphabet="ab1+ é", min_size=1, max_size=4)
_PATTERN = st.lists(st.sampled_from(["*", "**", "day*", "{show}", "ab", "b?1"]), min_size=1, max_size=4)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    pattern=_PATTERN.map("/".join),
    key=st.lists(st.one_of(_PART, st.sampled_from(["day1", "ab", "bx1"])), min_size=1, max_size=5).map(
        "/".join
    ),
)
def test_what_a_trigger_matches_may_be_read(pattern: str, key: str) -> None:
    trigger = on_s3(f"cards/{pattern}") if pattern.count("{show}") < 2 else on_s3("cards/**")
    if trigger.match("cards", key) is None:
        return
    statement = _resolved(permissions.reading([trigger]))
    # `?` and `*` mean in IAM what they mean here; moto's evaluator knows `*` alone.
    assert any(fnmatchcase(f"arn:aws:s3:::cards/{key}", one) for one in statement["Resource"])


# -- what changes -----------------------------------------------------------------------------------------


def test_nothing_changes_where_nothing_differs(template: dict[str, Any]) -> None:
    assert changes_of(template, json.loads(json.dumps(template))) == []


def test_a_new_environment_adds_each_resource_by_name(template: dict[str, Any]) -> None:
    found = {one.what for one in changes_of(None, template) if one.act == "add"}
    assert {f"Resources.{id_}" for id_ in template["Resources"]} <= found


def test_a_property_that_differs_is_named_with_both_values(template: dict[str, Any]) -> None:
    other = template_of([deployed.small, deployed.look], FULL)
    found = {(one.act, one.what) for one in changes_of(template, other)}
    assert ("remove", "Resources.FunctionAsked") in found
    changed = json.loads(json.dumps(template))
    changed["Resources"]["FunctionSmall"]["Properties"]["MemorySize"] = 4096
    (one,) = changes_of(template, changed)
    assert one == ("change", "Resources.FunctionSmall.Properties.MemorySize", 3538, 4096)
