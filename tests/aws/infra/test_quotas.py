"""What AWS takes of a template at most is known before anything is deployed."""

from __future__ import annotations

import json
from typing import Any

import deployed
import pytest
from capacity_files import with_fleets
from hypothesis import given
from hypothesis import strategies as st
from infra_reading import all_of, resolved

from rushes import Asset, CallerError, Params, Result, function, on_s3
from rushes.engines.aws.access.settings import pairs_of, places_of
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.quotas import MOST_MANAGED, MOST_PATTERN, check_quotas, parted
from rushes.engines.aws.infra.template import template_of

SHOWS = tuple(f"a-show-of-a-long-name-{number:02}" for number in range(40))


def _made(name: str, *places: str, out: str = "s3://proxies/{show}") -> Any:
    triggers = [on_s3(place, show="{show}", out=out) for place in places]

    def body(clip: Asset, params: Params) -> Result:
        """Does nothing."""
        return Result()

    body.__name__ = body.__qualname__ = name
    return function(version="1", triggers=triggers)(body)


def _in_classes(name: str) -> Any:
    def body(clip: Asset, params: Params) -> Result:
        """Does nothing."""
        return Result()

    body.__name__ = body.__qualname__ = name
    triggers = [on_s3(f"cards/{one}/**", priority=one) for one in ("urgent", "standard", "background")]
    return function(version="1", triggers=triggers)(body)


_STATEMENT = st.builds(
    lambda action, names: {"Effect": "Allow", "Action": [action], "Resource": names},
    st.sampled_from(["s3:GetObject", "sqs:SendMessage"]),
    st.lists(st.text("abc/*", min_size=1, max_size=400), min_size=1, max_size=60),
)


@given(st.lists(_STATEMENT, min_size=1, max_size=6))
def test_statements_in_several_policies_permit_what_they_permitted_in_one(statements: list[Any]) -> None:
    found = parted(statements)

    def permitted(some: list[Any]) -> list[tuple[str, str]]:
        return [(one["Action"][0], resource) for one in some for resource in one["Resource"]]

    assert permitted([one for policy in found for one in policy]) == permitted(statements)
    for policy in found:
        document = {"Version": "2012-10-17", "Statement": policy}
        assert policy
        assert len(json.dumps(document, separators=(",", ":"))) <= MOST_MANAGED


def test_what_hosts_may_goes_into_as_many_policies_as_it_needs() -> None:
    small = template_of([deployed.small], with_fleets())
    assert list(all_of(small, "IAM::ManagedPolicy")) == ["HostPolicy"]
    many = [
        _made(f"makes_{n}", *(f"cards/{{show}}/{n}{p}/a-long-folder/**" for p in range(9))) for n in range(4)
    ]
    large = template_of(many, with_fleets())
    policies = all_of(large, "IAM::ManagedPolicy")
    assert list(policies)[:2] == ["HostPolicy", "HostPolicy2"]
    for one in policies.values():
        assert len(json.dumps(resolved(one["PolicyDocument"]), separators=(",", ":"))) <= MOST_MANAGED
    attached = all_of(large, "IAM::Role")["RoleHost"]["ManagedPolicyArns"]
    assert attached == [{"Ref": id_} for id_ in policies]


def test_permissions_that_no_role_takes_are_refused_with_their_size() -> None:
    wide = _made("wide", *(f"cards/{{show}}/day{n}/**" for n in range(3)))
    with pytest.raises(CallerError) as caught:
        template_of([wide], Environment("dev", shows=SHOWS))
    assert caught.value.code == "bad-environment"
    assert "AWS takes 10,240" in str(caught.value)


def test_variables_that_no_lambda_takes_are_refused_with_their_size() -> None:
    names = [f"a_function_with_a_name_of_its_own_{n:02}" for n in range(26)]
    with pytest.raises(CallerError) as caught:
        template_of([_made(name, f"cards/{{show}}/{name}/**") for name in names], Environment("dev"))
    assert caught.value.code == "bad-environment"
    assert "AWS takes" in str(caught.value)


def test_fifty_queues_fit_into_what_a_router_is_told_and_each_is_one_that_is_made() -> None:
    many = [_in_classes(f"f{n:02}") for n in range(17)]
    made = template_of(many, Environment("production"))
    names = {one["QueueName"] for one in all_of(made, "SQS::Queue").values()}
    told = all_of(made, "Lambda::Function")["FunctionRouter"]["Environment"]["Variables"]["RUSHES_ROUTES"]
    first, url, others = told["Fn::Join"][1]
    place = f"https://sqs.eu-west-1.amazonaws.com/1/{all_of(made, 'SQS::Queue')[url['Ref']]['QueueName']}"
    found = places_of(f"{first}{place}{others}")
    assert len(found) == 17 * 3
    assert {one.rpartition("/")[2] for one in found.values()} <= names
    assert {one.rpartition("/")[0] for one in found.values()} == {place.rpartition("/")[0]}
    assert found["f03/urgent"].endswith("/rushes-production-f03-urgent")


@pytest.mark.parametrize("text", ["", "a=https://q/1/a", "a=https://q/1/a,b=https://q/2/b"])
def test_places_that_are_said_in_full_stand_as_they_are(text: str) -> None:
    assert places_of(text) == pairs_of(text)


def test_a_template_that_no_bucket_may_hand_over_and_rules_that_no_bus_takes_are_refused() -> None:
    rule = {"Type": "AWS::Events::Rule", "Properties": {}}
    rules = {"Resources": {f"R{n}": rule for n in range(301)}, "Outputs": {}}
    with pytest.raises(CallerError, match="rules: 301, and AWS takes 300"):
        check_quotas(rules)
    long = {"Resources": {"A": {"Type": "Custom", "Properties": {"Text": "x" * 10**6}}}, "Outputs": {}}
    with pytest.raises(CallerError, match="bytes of a template"):
        check_quotas(long)


def test_a_rule_that_would_be_too_long_hears_of_whole_buckets() -> None:
    many = [
        _made(f"m{n}", *(f"cards/place-{n}-{p}-of-cards/{{show}}/**" for p in range(5))) for n in range(10)
    ]
    rule = all_of(template_of(many, Environment("dev")), "Events::Rule")["Rule"]["EventPattern"]
    assert rule["detail"] == {"bucket": {"name": ["cards"]}}
    few = all_of(template_of(many[:1], Environment("dev")), "Events::Rule")["Rule"]["EventPattern"]
    assert "object" in few["detail"]
    assert len(json.dumps(few)) <= MOST_PATTERN


def test_a_host_may_ask_its_own_stack_where_its_queues_are() -> None:
    (policy,) = all_of(
        template_of([deployed.small], Environment("dev", hosts=True)), "IAM::ManagedPolicy"
    ).values()
    (statement,) = (
        one
        for one in policy["PolicyDocument"]["Statement"]
        if one["Action"] == ["cloudformation:DescribeStacks"]
    )
    assert statement["Resource"][0]["Fn::Sub"].endswith(":stack/${AWS::StackName}/*")
