"""Classes of a studio's own in an environment: their queues, who takes them, and those that go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import deployed
import pytest
from capacity_files import with_fleets
from click.testing import CliRunner
from infra_reading import all_of, linted
from moto import mock_aws

from rushes import Asset, CallerError, Params, function, on_s3
from rushes.cli.app import app
from rushes.core.class_file import classes_from, scheduling_of
from rushes.core.classes import DEFAULT_CLASSES
from rushes.engines.aws.access.settings import aws_settings, ranks_of
from rushes.engines.aws.fleet.scaling import plan_from
from rushes.engines.aws.infra.deployment import Deployment
from rushes.engines.aws.infra.emptiness import check_empty
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.queue_names import check_names, gone
from rushes.engines.aws.infra.template import template_of
from rushes.engines.aws.worker import queues_of
from rushes.runtime.configuration.class_file import classes_of

RULES = {
    "dailies": {"rank": 1, "may_displace": True, "weights": {"dune": 2.0}, "users": ["ann"], "target": "20m"},
    "re-dailies": {"rank": 2, "max_share": 0.5},
}
POLICIES = classes_from({"classes": RULES})


@function(version="1", triggers=[on_s3("cards/{show}/day*/**", show="{show}", priority="dailies")])
def watched(clip: Asset, params: Params) -> deployed.Looked:
    """Is started in a class of a studio's own."""
    raise AssertionError


def queue_names(template: dict[str, Any]) -> set[str]:
    return {one["QueueName"] for one in all_of(template, "SQS::Queue").values()}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return template_of([watched, deployed.heavy], replace(with_fleets(), policies=POLICIES))


def test_the_linter_of_cloudformation_finds_nothing(template: dict[str, Any], tmp_path: Path) -> None:
    assert linted([template], tmp_path, "us-east-1") == ""


def test_a_class_of_ones_own_has_queues_a_mapping_and_a_route(template: dict[str, Any]) -> None:
    names = queue_names(template)
    assert {"rushes-dev-watched-dailies", "rushes-dev-watched-dead", "rushes-dev-hosts-dailies"} <= names
    assert {"rushes-dev-hosts-re-dailies", "rushes-dev-hosts-nvenc-dailies"} <= names
    queues = all_of(template, "SQS::Queue")
    assert queues["QueueWatchedDailies"]["RedrivePolicy"]["deadLetterTargetArn"] == {
        "Fn::GetAtt": ["DeadWatched", "Arn"]
    }
    assert "SourceWatchedDailies" in all_of(template, "Lambda::EventSourceMapping")
    variables = all_of(template, "Lambda::Function")["FunctionRouter"]["Environment"]["Variables"]
    assert "watched/dailies=" in variables["RUSHES_ROUTES"]["Fn::Join"][1]
    ranks = ranks_of(variables["RUSHES_RANKS"])
    assert list(ranks) == ["interactive", "dailies", "urgent", "re-dailies", "standard", "background"]
    assert template["Outputs"]["Ranks"]["Value"] == variables["RUSHES_RANKS"]
    alarms = all_of(template, "CloudWatch::Alarm")
    assert alarms["AlarmQueueWatchedDailies"]["Threshold"] == 1200
    assert alarms["AlarmQueueHostsReDailies"]["Threshold"] == 4 * 3600


def test_hosts_get_what_a_pool_schedules_by_and_the_scaler_the_ranks(template: dict[str, Any]) -> None:
    (gpu,) = all_of(template, "ECS::TaskDefinition")["TaskGpu"]["ContainerDefinitions"]
    told = {one["Name"]: one["Value"] for one in gpu["Environment"]}
    there = {one.name: one for one in classes_of({"RUSHES_CLASSES": told["RUSHES_CLASSES"]})}
    assert (there["dailies"].rank, there["dailies"].may_displace, there["dailies"].weights) == (
        1, True, {"dune": 2.0},
    )  # fmt: skip
    assert there["dailies"].users is None  # a host is nobody of the studio
    assert there["re-dailies"].max_share == 0.5
    plan = plan_from(json.loads(all_of(template, "SSM::Parameter")["Fleets"]["Value"]))
    assert plan.rank_of("watched/dailies") == 1 < plan.rank_of("hosts/re-dailies")


def test_classes_as_they_ship_change_nothing_in_a_template() -> None:
    assert scheduling_of(DEFAULT_CLASSES) == {}
    made = template_of([deployed.small], Environment("dev", hosts=True))
    assert "Ranks" not in made["Outputs"]
    assert "RUSHES_RANKS" not in json.dumps(made)


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ([("look", "dead")], "dead letters"),
        ([("look", "re-dead")], "dead letters"),
        ([("f" * 36, "q" * 32)], "too long"),
        ([("look", "a-b"), ("look", "a--b")], "would have one queue"),
        ([("hosts", "nvenc-a"), ("hosts-nvenc", "a")], "would have one queue"),
    ],
)
def test_names_that_no_queue_can_have_are_refused(pairs: list[tuple[str, str]], why: str) -> None:
    with pytest.raises(CallerError, match=why):
        check_names(pairs, Environment("e" * 20))
    check_names([("look", "dailies"), ("look", "re-dailies"), ("look", "dailies")], Environment("e" * 20))


def test_a_template_with_such_names_is_refused() -> None:
    policies = classes_from({"classes": {"a-b": {"rank": 2}, "a--b": {"rank": 2}}})
    with pytest.raises(CallerError, match="would have one queue"):
        template_of([deployed.asked], Environment("dev", hosts=True, policies=policies))


def test_a_class_that_is_not_in_the_file_is_refused_and_those_that_are_named() -> None:
    with pytest.raises(CallerError, match="no class 'dailies'") as caught:
        template_of([watched], Environment("dev"))
    assert "urgent" in str(caught.value.fix)
    Environment("dev", hosts=True, classes=("dailies",), policies=POLICIES)


def test_who_sends_is_told_which_classes_an_environment_has() -> None:
    ranks = ranks_of("urgent=1,dailies=1,standard=2,re-dailies=2")
    queues = {"QueueHostsDailies": "https://q/d", "QueueHostsReDailies": "https://q/r"}
    there = Deployment("dev", "t", queues, ranks=ranks)
    assert there.queue_of("look", "hosts", "dailies") == "https://q/d"
    assert there.by_class() == [("dailies", "https://q/d"), ("re-dailies", "https://q/r")]
    with pytest.raises(CallerError, match="queues for dailies, re-dailies"):
        there.queue_of("look", "hosts", "review")


def test_a_host_takes_the_classes_that_its_pool_knows_by_rank(tmp_path: Path) -> None:
    there = Deployment(
        "dev", "t", {"QueueHostsDailies": "d", "QueueHostsStandard": "s", "QueueHostsInteractive": "i"},
        ranks=ranks_of("interactive=0,dailies=1,standard=2"),
    )  # fmt: skip
    assert [*queues_of(there, {}, (), ())] == ["hosts/interactive", "hosts/standard"]
    own = {"RUSHES_CLASSES": json.dumps({"classes": {"dailies": {"rank": 1}}})}
    assert [*queues_of(there, own, (), ())] == ["hosts/interactive", "hosts/dailies", "hosts/standard"]
    assert aws_settings({"RUSHES_RANKS": "dailies=1,a=0"}).ranks == {"a": 0, "dailies": 1}
    with pytest.raises(CallerError, match="RUSHES_RANKS"):
        aws_settings({"RUSHES_RANKS": "dailies=high"})


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("sqs", region_name="us-east-1")


def test_queues_that_go_must_be_empty(template: dict[str, Any], sqs: Any) -> None:
    fewer = classes_from({"classes": {"dailies": {"rank": 1}}})
    without = template_of([watched, deployed.heavy], replace(with_fleets(), policies=fewer))
    names = gone(template, without)
    assert "rushes-dev-hosts-re-dailies" in names
    assert all(one.endswith("-re-dailies") for one in names)
    assert gone(None, template) == gone(template, template) == []
    url = sqs.create_queue(QueueName="rushes-dev-hosts-re-dailies")["QueueUrl"]
    check_empty(sqs, names)  # those that are gone already are empty
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    with pytest.raises(CallerError, match="rushes-dev-hosts-re-dailies with 1 messages") as caught:
        check_empty(sqs, names)
    assert caught.value.code == "queue-not-empty"
    sqs.receive_message(QueueUrl=url)
    with pytest.raises(CallerError, match="1 messages"):  # somebody works on it
        check_empty(sqs, names)


def test_the_command_reads_the_file_of_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "classes.json"
    file.write_text(json.dumps({"classes": RULES}))
    monkeypatch.setenv("RUSHES_CLASSES", str(file))
    argv = ["infra", "synth", "--env", "dev", "--region", "us-east-1", "--format", "json", "--hosts"]
    made = CliRunner().invoke(app, [*argv, "deployed:asked"])
    assert made.exit_code == 0, made.output
    assert {"rushes-dev-hosts-dailies", "rushes-dev-hosts-re-dailies"} <= queue_names(json.loads(made.stdout))
