"""Two who change one environment at the same time, and those who were killed while they did."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from rushes import CallerError
from rushes.cli import infra_destroy
from rushes.cli.app import app
from rushes.engines.aws.infra.executor import Stack, Standing

THERE: dict[str, Any] = {"Resources": {"A": {"Type": "AWS::SNS::Topic"}}}
OURS: dict[str, Any] = {"Resources": {"A": {}, "B": {}}}
THEIRS: dict[str, Any] = {"Resources": {"C": {}}}


class Formation:
    """A stack of CloudFormation, with somebody else who acts at a step of one's own."""

    def __init__(self, step: str = "", act: Callable[[Formation], None] = lambda _: None) -> None:
        self.template, self.status = THERE, "UPDATE_COMPLETE"
        self.planned: dict[str, Any] = {}
        self.begun: list[Any] = []
        self._step, self._act = step, act

    def _others(self, step: str) -> None:
        if step == self._step:
            self._step = ""
            self._act(self)

    def theirs(self, status: str = "UPDATE_COMPLETE") -> None:
        """Somebody else's change is begun."""
        self.template, self.status = THEIRS, status
        self.planned.clear()

    def describe_stacks(self, **_: Any) -> Any:
        found = {"StackName": "rushes-dev", "StackId": "id", "StackStatus": self.status}
        return {"Stacks": [found]}

    def get_template(self, **_: Any) -> Any:
        return {"TemplateBody": json.dumps(self.template)}

    def create_change_set(self, **asked: Any) -> Any:
        self._others("create")
        if self.status.endswith("_IN_PROGRESS"):
            text = f"Stack:id is in {self.status} state and can not be updated."
            raise ClientError({"Error": {"Code": "ValidationError", "Message": text}}, "CreateChangeSet")
        self.planned["c"] = json.loads(asked["TemplateBody"])
        return {"Id": "c"}

    def describe_change_set(self, **_: Any) -> Any:
        self._others("describe")
        self._must_be_there("DescribeChangeSet")
        return {"Status": "CREATE_COMPLETE"}

    def delete_change_set(self, **_: Any) -> Any:
        self.planned.clear()

    def execute_change_set(self, **_: Any) -> Any:
        self._others("execute")
        self._must_be_there("ExecuteChangeSet")
        self.begun.append(self.planned.pop("c"))
        self.template = self.begun[-1]

    def delete_stack(self, **_: Any) -> Any:
        self.begun.append("removed")
        self.status = "DELETE_COMPLETE"

    def _must_be_there(self, what: str) -> None:
        if not self.planned:
            raise ClientError({"Error": {"Code": "ChangeSetNotFound", "Message": "gone"}}, what)


def stack(client: Formation) -> Stack:
    return Stack(client, "rushes-dev", sleep=lambda _: None)


def test_a_change_that_nobody_disturbs_is_begun() -> None:
    client = Formation()
    made = stack(client)
    assert made.deploy(OURS, {}, {}, seen=made.standing()).changed
    assert client.begun == [OURS]


@pytest.mark.parametrize("step", ["create", "describe", "execute"])
@pytest.mark.parametrize(("status", "code"), [("UPDATE_COMPLETE", "stack-changed"),
                                              ("UPDATE_IN_PROGRESS", "stack-busy")])  # fmt: skip
def test_whoever_comes_second_changes_nothing_and_is_told(step: str, status: str, code: str) -> None:
    client = Formation(step, lambda one: one.theirs(status))
    made = stack(client)
    with pytest.raises(CallerError) as caught:
        made.deploy(OURS, {}, {}, seen=made.standing())
    assert caught.value.code == code
    assert client.begun == []
    assert client.template == THEIRS
    assert client.planned == {}


def test_what_was_changed_before_a_change_was_planned_is_not_overwritten_either() -> None:
    client = Formation()
    made = stack(client)
    seen = made.standing()
    client.theirs()
    with pytest.raises(CallerError) as caught:
        made.deploy(OURS, {}, {}, seen=seen)
    assert caught.value.code == "stack-changed"
    assert "infra diff" in caught.value.fix
    assert client.begun == []


def test_another_image_is_another_change() -> None:
    client = Formation()
    with pytest.raises(CallerError) as caught:
        stack(client).deploy(OURS, {}, {}, seen=Standing("UPDATE_COMPLETE", THERE, {"ImageUri": "old"}))
    assert caught.value.code == "stack-changed"


def test_a_request_that_is_wrong_in_itself_is_told_as_that() -> None:
    class Wrong(Formation):
        def create_change_set(self, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "no"}}, "CreateChangeSet")

    made = stack(Wrong())
    with pytest.raises(CallerError) as caught:
        made.deploy(OURS, {}, {}, seen=made.standing())
    assert caught.value.code == "deploy-failed"


def test_who_stops_waiting_is_told_that_it_goes_on() -> None:
    client, said = Formation(), list[str]()

    def impatient(_: float) -> None:
        raise KeyboardInterrupt

    client.status = "UPDATE_IN_PROGRESS"
    with pytest.raises(KeyboardInterrupt):
        Stack(client, "rushes-dev", sleep=impatient)._settled(said.append)
    assert "goes on by itself" in said[-1]


# -- as commands -------------------------------------------------------------------------------------------


def infra(*args: str) -> Result:
    return CliRunner().invoke(app, ["infra", *args])


@pytest.mark.parametrize(
    ("status", "said", "exit_code"),
    [
        ("UPDATE_IN_PROGRESS", "somebody changes it now", 2),
        ("CREATE_IN_PROGRESS", "somebody changes it now", 2),
        ("DELETE_IN_PROGRESS", "Environment dev is gone", 0),  # somebody was asked already
    ],
)
def test_an_environment_that_is_being_changed_is_not_removed(
    monkeypatch: pytest.MonkeyPatch, status: str, said: str, exit_code: int
) -> None:
    client = Formation()
    client.status = status
    monkeypatch.setattr(infra_destroy, "stack_of", lambda *_: stack(client))
    made = infra("destroy", "--env", "dev", "--region", "us-east-1")
    assert made.exit_code == exit_code
    assert said in made.output
    assert client.begun == (["removed"] if exit_code == 0 else [])


def deploy(environment_name: str, *functions: str) -> Result:
    wanted = ("--hosts", "--class", "urgent", "--image", "none")
    return infra("deploy", "--env", environment_name, *wanted, *functions)


def test_of_two_who_deploy_at_once_to_a_server_one_does_and_the_other_changes_nothing(
    environment_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_ours = Stack._planned
    first: list[Result] = []

    def overtaken(self: Stack, change: str) -> bool:
        found = of_ours(self, change)
        if not first:
            monkeypatch.setattr(Stack, "_planned", of_ours)
            first.append(deploy(environment_name, "deployed:hold", "deployed:asked"))
        return found

    monkeypatch.setattr(Stack, "_planned", overtaken)
    second = deploy(
        environment_name, "deployed:hold"
    )  # an environment that was not there when it was planned
    assert first[0].exit_code == 0, first[0].output
    assert second.exit_code == 2
    assert "somebody else has changed" in second.output
    again = deploy(environment_name, "deployed:hold", "deployed:asked")
    assert "nothing changes" in again.output


def test_who_was_killed_while_a_change_was_planned_or_made_says_the_same_again(
    environment_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    def killed(*_: Any) -> Any:
        raise KilledError

    for step in ("_planned", "_settled"):
        with monkeypatch.context() as once:
            once.setattr(Stack, step, killed)
            assert isinstance(deploy(environment_name, "deployed:hold").exception, KilledError)
    made = deploy(environment_name, "deployed:hold")
    assert made.exit_code == 0, made.output
    assert "nothing changes" in made.output
