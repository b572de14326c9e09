"""A deployment removes no tier that has hosts."""

from __future__ import annotations

from typing import Any

import deployed
import pytest
from aws_double import EcsDouble
from capacity_files import WHOLE, with_fleets

from rushes import CallerError
from rushes.engines.aws.infra.template import template_of
from rushes.engines.aws.infra.vacancy import check_vacant, leaving
from rushes.testing.clock import FakeClock

CPU: dict[str, Any] = {"tiers": {"cpu": WHOLE["tiers"]["cpu"]}, "fleets": {"cpu": {"maximum": 4}}}
GPU = "rushes-dev-hosts-gpu"


@pytest.fixture
def double() -> EcsDouble:
    return EcsDouble("rushes-dev", [GPU], FakeClock(1_700_000_000.0).now)


def test_services_of_tiers_that_are_no_longer_planned_are_leaving() -> None:
    before = template_of([deployed.small], with_fleets())
    after = template_of([deployed.small], with_fleets(CPU))
    assert set(leaving(before, after)) == {
        f"rushes-dev-hosts-{one}" for one in ("cpu-spot", "large", "gpu", "vpu")
    }
    assert leaving(after, before) == ["rushes-dev-hosts-cpu"]
    assert leaving(before, before) == []
    assert leaving(None, before) == []


def test_a_tier_that_has_hosts_stays_and_is_named(double: EcsDouble) -> None:
    double.services[GPU].desired = 2
    double.settle()
    with pytest.raises(CallerError) as caught:
        check_vacant(double.client("ecs"), "rushes-dev", [GPU])
    assert caught.value.code == "hosts-there"
    assert f"2 hosts of {GPU}" in str(caught.value)


def test_a_tier_without_hosts_may_go(double: EcsDouble) -> None:
    check_vacant(double.client("ecs"), "rushes-dev", [GPU])
    check_vacant(double.client("ecs"), "rushes-dev", ["one-that-somebody-removed-by-hand"])


def test_who_would_end_hosts_that_try_a_version_is_told_to_decide_on_it_first() -> None:
    name = "rushes-dev-hosts-gpu-trial"
    double = EcsDouble("rushes-dev", [name], FakeClock(1_700_000_000.0).now)
    double.services[name].desired = 1
    double.settle()
    with pytest.raises(CallerError) as caught:
        check_vacant(double.client("ecs"), "rushes-dev", [name])
    assert "rushes infra trial" in caught.value.fix
