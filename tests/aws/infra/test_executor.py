"""Stacks that cannot be changed now, and what is told of a change that failed."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from rushes import CallerError, PlatformError
from rushes.engines.aws.infra.executor import Stack

ID = "arn:aws:cloudformation:eu-west-1:111122223333:stack/rushes-dev/u-u-i-d"
TEMPLATE: dict[str, Any] = {"Resources": {}}


@pytest.fixture
def stub() -> Stubber:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    client = boto3.client("cloudformation", region_name="eu-west-1", **keys)
    made = Stubber(client)
    made.activate()
    return made


def stack(stub: Stubber) -> Stack:
    return Stack(stub.client, "rushes-dev", sleep=lambda _: None)


def stands(stub: Stubber, status: str) -> None:
    found = {"StackName": "rushes-dev", "StackId": ID, "StackStatus": status,
             "CreationTime": "2026-11-22T00:00:00Z"}  # fmt: skip
    stub.add_response("describe_stacks", {"Stacks": [found]}, {"StackName": ANY})


@pytest.mark.parametrize(
    ("status", "code", "fix"),
    [
        ("ROLLBACK_COMPLETE", "stack-broken", "rushes infra destroy"),
        ("DELETE_FAILED", "stack-broken", "rushes infra destroy"),
        ("UPDATE_ROLLBACK_FAILED", "stack-broken", "continue-update-rollback --stack-name rushes-dev"),
        ("UPDATE_IN_PROGRESS", "stack-busy", "once that is done"),
    ],
)
def test_a_stack_that_cannot_be_changed_says_what_can_be_done(
    stub: Stubber, status: str, code: str, fix: str
) -> None:
    stands(stub, status)
    with pytest.raises(CallerError) as caught:
        stack(stub).deploy(TEMPLATE, {}, {})
    assert caught.value.code == code
    assert fix in caught.value.fix
    stub.assert_no_pending_responses()


def _event(name: str, status: str, why: str = "") -> dict[str, Any]:
    return {
        "StackId": ID, "StackName": "rushes-dev", "EventId": f"{name}-{status}-{why}",
        "Timestamp": "2026-11-22T00:00:00Z", "LogicalResourceId": name,
        "PhysicalResourceId": ID if name == "rushes-dev" else name, "ResourceStatus": status,
        "ResourceStatusReason": why,
    }  # fmt: skip


def test_a_change_that_failed_tells_of_its_own_failures_and_not_of_those_before_it(stub: Stubber) -> None:
    stands(stub, "UPDATE_COMPLETE")
    stub.add_response("create_change_set", {"Id": ID.replace(":stack/", ":changeSet/")})
    stub.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"})
    stub.add_response("execute_change_set", {})
    stands(stub, "UPDATE_ROLLBACK_COMPLETE")
    events = [
        _event("rushes-dev", "UPDATE_ROLLBACK_COMPLETE"),
        _event("rushes-dev", "UPDATE_ROLLBACK_IN_PROGRESS"),
        _event("QueueSmall", "UPDATE_FAILED", "Resource update cancelled"),
        _event("RoleSmall", "UPDATE_FAILED", "not authorized"),
        _event("rushes-dev", "UPDATE_IN_PROGRESS", "User Initiated"),
        _event("Budget", "UPDATE_FAILED", "of last week"),
    ]
    stub.add_response("describe_stack_events", {"StackEvents": events})
    with pytest.raises(PlatformError) as caught:
        stack(stub).deploy(TEMPLATE, {}, {})
    assert caught.value.code == "deploy-failed"
    assert "RoleSmall: not authorized" in str(caught.value)
    assert "Budget" not in str(caught.value)
    assert "QueueSmall" not in str(caught.value)
