"""What an environment says of its tiers to those who choose, and what it permits each to say of its runs."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import deployed
import pytest
from capacity_files import with_fleets
from infra_reading import all_of, resolved

from rushes import CallerError
from rushes.core.capacity.fitting import RoutingPolicy
from rushes.core.classes import DEFAULT_CLASSES, ClassPolicy
from rushes.core.tiers import Purchase
from rushes.engines.aws.infra.choices import CHOICES, LONGEST, choices_from, choices_text
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.template import template_of

GIB = 1 << 30
FUNCTIONS = (deployed.small, deployed.look, deployed.heavy)


def variables(template: dict[str, Any], function: str) -> dict[str, Any]:
    found: dict[str, Any] = all_of(template, "Lambda::Function")[f"Function{function}"]
    return dict(found["Environment"]["Variables"])


def test_a_router_and_whoever_sends_are_told_what_there_is_to_choose_from() -> None:
    template = template_of(FUNCTIONS, with_fleets())

    text = variables(template, "Router")["RUSHES_TIERS"]
    choices = choices_from(text)

    assert template["Outputs"][CHOICES]["Value"] == text
    assert choices is not None
    assert choices.largest_clip == 4 * GIB
    assert {name: group for name, (group, _) in choices.hosts.items()} == {
        "cpu-spot": "hosts", "large": "hosts", "gpu": "hosts-nvenc", "vpu": "hosts-vpu",
    }  # fmt: skip
    spot = choices.hosts["cpu-spot"][1]
    assert (spot.machine.cpu, spot.purchase, spot.start_s) == (4, Purchase.spot, 90.0)
    assert choices.hourly_nano["cpu-spot"] == 60_000_000


def test_what_there_is_to_choose_from_is_said_of_each_function() -> None:
    choices = choices_from(choices_text(with_fleets()))
    assert choices is not None

    tiers = choices.tiers_of(deployed.small, "hosts")

    assert tiers is not None
    assert set(tiers.hosts) == {"cpu-spot", "large"}
    own = tiers.own
    assert (own.per_invocation, own.limits.run_s, own.limits.source_bytes) == (True, 880.0, 4 * GIB)
    assert own.machine.cpu == pytest.approx(2, abs=0.01)
    assert tiers.book.tier("lambda").hour_nano > tiers.book.tier("cpu-spot").hour_nano
    assert choices.tiers_of(deployed.heavy, "hosts-nvenc") is None


def test_a_person_s_policy_and_that_of_the_classes_come_with_it() -> None:
    night = ClassPolicy("background", 3, purchase=("spot",))
    policy = RoutingPolicy(short_s=300.0, worth_nano={"urgent": 500})
    environment = with_fleets(routing=policy, policies=(*DEFAULT_CLASSES[:3], night))

    choices = choices_from(choices_text(environment))

    assert choices is not None
    assert (choices.policy.short_s, choices.policy.worth_nano) == (300.0, {"urgent": 500})
    assert choices.policy.allowed["background"].purchases == {Purchase.spot}


def test_where_there_is_nothing_to_choose_nothing_is_said() -> None:
    assert choices_text(Environment("dev")) == ""
    assert choices_from("") is None
    template = template_of([deployed.small], Environment("dev"))
    assert CHOICES not in template["Outputs"]
    assert "RUSHES_TIERS" not in variables(template, "Router")


def test_hosts_that_nobody_starts_are_a_choice_too() -> None:
    choices = choices_from(choices_text(Environment("dev", hosts=True)))

    assert choices is not None
    assert dict(choices.hosts) == {}


def test_what_is_too_long_to_say_is_not_said() -> None:
    worth = {f"class-{number}": number for number in range(LONGEST // 10)}

    assert choices_text(with_fleets(routing=RoutingPolicy(worth_nano=worth))) == ""


@pytest.mark.parametrize("text", ["{", "[]", '{"clip":1}', '{"clip":1,"region":"r","hosts":{"a":[1]}}'])
def test_what_somebody_has_changed_by_hand_is_refused(text: str) -> None:
    with pytest.raises(CallerError) as refused:
        choices_from(text)

    assert refused.value.code == "bad-environment"


def test_a_router_can_send_to_the_hosts_beside_its_lambdas() -> None:
    template = template_of(FUNCTIONS, with_fleets())

    routes = variables(template, "Router")["RUSHES_ROUTES"]

    said = str(resolved(routes))
    assert "small/urgent=" in said
    assert "hosts/urgent=" in said
    own = all_of(template, "IAM::Role")["RoleRouter"]["Policies"][0]["PolicyDocument"]["Statement"]
    (sends,) = [one for one in resolved(own) if "sqs:SendMessage" in one["Action"]]
    assert "arn:of:QueueHostsUrgent" in sends["Resource"]


# -- who may say what runs took -----------------------------------------------------------------------------


def may_write(statements: list[dict[str, Any]], action: str, key: str) -> bool:
    """Whether statements permit an action on an item of the table, as IAM reads their conditions."""

    def holds(condition: dict[str, Any]) -> bool:
        (test, of), *_ = condition.items()
        matched = any(fnmatchcase(key, pattern) for pattern in of["dynamodb:LeadingKeys"])
        return matched if test == "ForAllValues:StringLike" else not matched

    return any(
        action in one["Action"] and "Ledger" in str(one["Resource"]) and holds(one["Condition"])
        if "Condition" in one
        else action in one["Action"] and "Ledger" in str(one["Resource"])
        for one in statements
    )


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return template_of(FUNCTIONS, with_fleets())


@pytest.mark.parametrize(
    ("action", "key", "permitted"),
    [
        ("dynamodb:UpdateItem", "L#small", True),
        ("dynamodb:UpdateItem", "L#look", False),
        ("dynamodb:UpdateItem", "L#smaller", False),
        ("dynamodb:PutItem", "L#small", False),
        ("dynamodb:PutItem", "L#look", False),
        ("dynamodb:UpdateItem", "I#k7m2qx#0", True),
        ("dynamodb:PutItem", "B#eabc", True),
        ("dynamodb:PutItem", "K#dune#ab", True),
    ],
)
def test_a_function_says_what_its_own_runs_took_and_no_others(
    template: dict[str, Any], action: str, key: str, *, permitted: bool
) -> None:
    (own,) = all_of(template, "IAM::Role")["RoleSmall"]["Policies"]

    assert may_write(resolved(own["PolicyDocument"]["Statement"]), action, key) is permitted


def test_hosts_say_it_of_all_that_they_work_on(template: dict[str, Any]) -> None:
    policies = all_of(template, "IAM::ManagedPolicy")
    said = [
        one
        for id_, policy in policies.items()
        if id_.startswith("HostPolicy")
        for one in resolved(policy["PolicyDocument"]["Statement"])
    ]

    assert may_write(said, "dynamodb:UpdateItem", "L#small")
    assert may_write(said, "dynamodb:UpdateItem", "I#k7m2qx#0")
    assert not may_write(said, "dynamodb:PutItem", "L#small")
