"""Who would work on what is sent to an environment, as its template and the price book say."""

from __future__ import annotations

import deployed
import pytest
from capacity_files import with_fleets

from rushes import CallerError
from rushes.engines.aws.infra.template import template_of
from rushes.engines.aws.laptop.offers import hosts_offered, lambda_offered
from rushes.engines.aws.laptop.refusals import refuse_tiers
from rushes.runtime.configuration.price_files import price_book

TEMPLATE = template_of([deployed.small, deployed.look, deployed.heavy], with_fleets())


def test_a_lambda_has_the_concurrency_of_its_mapping_and_the_price_of_its_memory() -> None:
    found = lambda_offered(deployed.small, "urgent", TEMPLATE, price_book({}), "us-east-1")
    assert (found.tier, found.here.most, found.here.ready, found.notes) == ("lambda", 50, 50, ())
    assert found.cores == pytest.approx(2.0)
    assert found.here.limit_s == 900
    # $0.0000166667 for a GB and second.
    assert found.here.tier.hour_nano == pytest.approx(16_666.7 * 2 * 1769 / 1024 * 3600, rel=0.01)


def test_a_function_that_runs_one_at_a_time_is_offered_once() -> None:
    assert lambda_offered(deployed.look, "standard", TEMPLATE, price_book({}), "us-east-1").here.most == 1


def test_who_may_not_read_the_template_is_told_what_is_assumed_and_whose_prices_count() -> None:
    found = lambda_offered(deployed.small, "urgent", {}, price_book({}), "eu-west-1")
    assert found.here.most == 50
    assert "50 at once are assumed" in found.notes[0]
    assert "us-east-1's count" in found.notes[1]


def test_hosts_that_come_by_themselves_are_offered_with_those_that_stand_in_for_them() -> None:
    found = hosts_offered(deployed.heavy, "hosts-nvenc", TEMPLATE, "us-east-1", None)
    assert (found.here.tier.name, found.here.most, found.here.start_s) == ("gpu", 4, 180)
    assert found.here.tier.hour_nano > 0
    plain = hosts_offered(deployed.small, "hosts", TEMPLATE, "us-east-1", None)
    assert [plain.here.tier.name, *(one.offer.tier.name for one in plain.elsewhere)] == ["cpu-spot", "large"]
    assert (plain.here.most, plain.here.share) == (6, 500_000)  # three with four cores, two cores each


@pytest.mark.parametrize(("slots", "most"), [(None, 1), (12, 12)])
def test_a_studios_own_hosts_are_as_many_as_it_says(slots: int | None, most: int) -> None:
    found = hosts_offered(deployed.small, "hosts", {}, "us-east-1", slots)
    assert found.here.most == most
    assert ("--slots says" in found.notes[0]) is (slots is None)


def test_tiers_that_an_environment_does_not_have_are_no_question() -> None:
    refuse_tiers({})
    with pytest.raises(CallerError, match="ec2/g6"):
        refuse_tiers({"ec2/g6.xlarge": 2})
