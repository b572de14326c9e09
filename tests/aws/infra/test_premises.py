"""What an account has to have before an environment is made in it: seen to, said, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import deployed
import pytest
from botocore.stub import Stubber
from capacity_files import WHOLE, with_fleets

from rushes import CallerError
from rushes.engines.aws.infra.account import prepare
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.premises import Premises, few_lambdas, premises_of, region_of_bucket
from rushes.engines.aws.infra.template import template_of

BUCKETS = {"cards": "acme-cards", "proxies": "acme-proxies"}


@pytest.fixture
def clients() -> tuple[Callable[[str], Any], dict[str, Stubber]]:
    """Clients that check every request against what the service takes, and answer what they are told."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    made: dict[str, Any] = {
        name: boto3.client(name, region_name="eu-west-1", **keys) for name in ("iam", "s3", "lambda")
    }
    stubs = {name: Stubber(client) for name, client in made.items()}
    for stub in stubs.values():
        stub.activate()
    return made.__getitem__, stubs


def prepared(premises: Premises, clients: Callable[[str], Any]) -> list[str]:
    said: list[str] = []
    prepare(premises, "eu-west-1", clients, said.append)
    return said


# -- what a template takes to be there ----------------------------------------------------------------------


def test_buckets_of_others_are_heard_and_own_ones_need_nobody() -> None:
    functions: list[Any] = [deployed.small, deployed.look]
    assert set(premises_of(template_of(functions, Environment("dev", buckets=BUCKETS))).heard) == {
        "acme-cards", "sound",
    }  # fmt: skip
    own = Environment("dev", buckets=BUCKETS, owned=("acme-cards",))
    assert premises_of(template_of(functions, own)).heard == ("sound",)


def test_services_that_start_hosts_need_roles_of_their_own() -> None:
    assert premises_of(template_of([deployed.small], Environment("dev"))).services == ()
    assert set(premises_of(template_of([deployed.small], with_fleets())).services) == {
        "ecs.amazonaws.com", "autoscaling.amazonaws.com",
    }  # fmt: skip
    tiers = {"gpu": {**WHOLE["tiers"]["gpu"], "purchase": "spot"}}
    spot = {"tiers": tiers, "fleets": {"gpu": {"maximum": 1}}}
    assert "spot.amazonaws.com" in premises_of(template_of([deployed.small], with_fleets(spot))).services


def test_lambdas_that_functions_reserve_are_counted_apart_from_those_that_queues_ask_for() -> None:
    found = premises_of(template_of([deployed.small, deployed.look], Environment("dev", concurrency=20)))
    # `look` reserves one; `small` may take 20, the router 10.
    assert (found.reserved, found.at_once, found.sources) == (1, 30, 2)


@pytest.mark.parametrize(
    ("account", "said"),
    [(1000, ""), (30, ""), (29, "--concurrency 14"), (10, "--concurrency 5"), (3, "--concurrency 2")],
)
def test_an_account_with_few_lambdas_is_told_how_many_to_ask_for(account: int, said: str) -> None:
    why = few_lambdas(Premises((), (), 0, 30, 2), account)
    assert (said in why) if said else (why == "")


@pytest.mark.parametrize(
    ("said", "region"), [(None, "us-east-1"), ("", "us-east-1"), ("EU", "eu-west-1"), ("ap-x-1", "ap-x-1")]
)
def test_two_regions_of_buckets_have_old_names(said: str | None, region: str) -> None:
    assert region_of_bucket(said) == region


# -- an account ---------------------------------------------------------------------------------------------


def test_a_role_that_a_service_lacks_is_made_and_one_that_it_has_is_left(clients: Any) -> None:
    get, stubs = clients
    role = {"Role": {"Path": "/", "RoleName": "r" * 8, "RoleId": "R" * 16, "Arn": "arn:aws:iam::1:role/r",
                     "CreateDate": "2026-11-22T00:00:00Z"}}  # fmt: skip
    stubs["iam"].add_response("create_service_linked_role", role, {"AWSServiceName": "ecs.amazonaws.com"})
    stubs["iam"].add_client_error(
        "create_service_linked_role",
        "InvalidInput",
        "Service role name AWSServiceRoleForEC2Spot has been taken in this account",
        expected_params={"AWSServiceName": "spot.amazonaws.com"},
    )
    said = prepared(Premises(("ecs.amazonaws.com", "spot.amazonaws.com"), (), 0, 0, 0), get)
    assert said == ["made the role that ecs.amazonaws.com needs in this account"]
    stubs["iam"].assert_no_pending_responses()


def _bucket(stub: Stubber, where: str, told: dict[str, Any]) -> None:
    stub.add_response("get_bucket_location", {"LocationConstraint": where}, {"Bucket": "cards"})
    stub.add_response("get_bucket_notification_configuration", told, {"Bucket": "cards"})


def test_a_bucket_that_tells_eventbridge_is_no_matter(clients: Any) -> None:
    get, stubs = clients
    _bucket(stubs["s3"], "eu-west-1", {"EventBridgeConfiguration": {}})
    assert prepared(Premises((), ("cards",), 0, 0, 0), get) == []


def test_a_bucket_that_tells_nobody_is_named_with_what_to_do(clients: Any) -> None:
    get, stubs = clients
    _bucket(stubs["s3"], "eu-west-1", {})
    (said,) = prepared(Premises((), ("cards",), 0, 0, 0), get)
    assert "bucket cards does not tell EventBridge" in said


def test_a_bucket_of_another_region_is_refused_for_it_is_never_heard(clients: Any) -> None:
    get, stubs = clients
    _bucket(stubs["s3"], "us-west-2", {"EventBridgeConfiguration": {}})
    with pytest.raises(CallerError) as caught:
        prepared(Premises((), ("cards",), 0, 0, 0), get)
    assert caught.value.code == "bucket-elsewhere"
    assert "us-west-2" in caught.value.fix


def test_a_bucket_that_is_not_there_yet_is_said(clients: Any) -> None:
    get, stubs = clients
    stubs["s3"].add_client_error("get_bucket_location", "NoSuchBucket")
    (said,) = prepared(Premises((), ("cards",), 0, 0, 0), get)
    assert "there is no bucket cards yet" in said


def test_a_bucket_that_is_to_be_made_and_is_there_is_refused_by_name(clients: Any) -> None:
    get, stubs = clients
    stubs["s3"].add_response("get_bucket_location", {}, {"Bucket": "acme-cards"})
    with pytest.raises(CallerError, match="acme-cards is there already") as caught:
        prepared(Premises((), (), 0, 0, 0, ("acme-cards",)), get)
    assert caught.value.code == "bucket-there"
    assert "Leave --own acme-cards out" in caught.value.fix


def test_a_bucket_that_is_to_be_made_and_is_not_there_is_no_matter(clients: Any) -> None:
    get, stubs = clients
    stubs["s3"].add_client_error("get_bucket_location", "NoSuchBucket")
    assert prepared(Premises((), (), 0, 0, 0, ("acme-cards",)), get) == []


def test_a_bucket_that_the_environment_has_made_is_not_made_again() -> None:
    functions: list[Any] = [deployed.small]
    own = template_of(functions, Environment("dev", buckets=BUCKETS, owned=("acme-cards",)))
    assert premises_of(own).made == ("acme-cards",)
    assert premises_of(own, own).made == ()


def test_who_may_not_look_is_told_so_and_goes_on(clients: Any) -> None:
    get, stubs = clients
    stubs["iam"].add_client_error("create_service_linked_role", "AccessDenied")
    stubs["s3"].add_client_error("get_bucket_location", "AccessDenied")
    stubs["lambda"].add_client_error("get_account_settings", "AccessDeniedException")
    said = prepared(Premises(("ecs.amazonaws.com",), ("cards",), 0, 50, 1), get)
    assert len(said) == 3
    assert all("(not-permitted)" in one for one in said)


def _account(stub: Stubber, limit: int) -> None:
    stub.add_response("get_account_settings", {"AccountLimit": {"ConcurrentExecutions": limit}}, {})


def test_a_new_account_is_told_that_its_queues_ask_for_more_than_it_has(clients: Any) -> None:
    get, stubs = clients
    _account(stubs["lambda"], 10)
    (said,) = prepared(Premises((), (), 0, 60, 2), get)
    assert "runs 10 Lambdas at a time" in said
    assert "--concurrency 5" in said


def test_functions_that_reserve_what_an_account_does_not_have_are_refused(clients: Any) -> None:
    get, stubs = clients
    _account(stubs["lambda"], 10)
    with pytest.raises(CallerError) as caught:
        prepared(Premises((), (), 1, 10, 1), get)
    assert caught.value.code == "few-lambdas"
