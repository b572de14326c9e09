"""The time by which claims lapse: the service's, where this machine's cannot be right."""

from __future__ import annotations

import time
from typing import Any

import pytest
from aws_server import AwsServer
from hypothesis import given
from hypothesis import strategies as st

from rushes.engines.aws.access.server_clock import ServerClock, ahead_s
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings

NOW = 1_700_000_000.0


@given(
    true=st.floats(1e9, 2e9),
    off=st.floats(-1e5, 1e5),
    way=st.floats(0, 30),
    back=st.floats(0, 30),
)
def test_a_clock_is_put_right_as_far_as_its_answer_proves(
    true: float, off: float, way: float, back: float
) -> None:
    sent, received, said = true + off, true + way + back + off, float(int(true + way))
    ahead = ahead_s(said, sent, received)
    left = abs(off + ahead)
    assert left <= max(abs(off), 1e-3)  # never made worse
    assert left <= way + back + 2.1  # nor left further off than the answer was under way


@pytest.mark.parametrize("off", [-0.9, 0.0, 0.9])
def test_a_clock_that_may_be_right_is_left_alone(off: float) -> None:
    assert ahead_s(1000.0, 1000.5 + off, 1000.6 + off) == 0.0


def test_a_host_whose_clock_is_off_claims_by_the_clock_of_the_ledger(
    aws: AwsServer, clients: dict[str, Any], unique: str
) -> None:
    for off in (-200.0, 200.0):
        clock = ServerClock(lambda off=off: time.time() + off)  # type: ignore[misc]
        client = aws.client("dynamodb")
        clock.listen(client)
        client.list_tables()
        assert abs(clock() - time.time()) < 60.0


def test_the_clock_of_services_hears_what_the_ledger_is_told(aws: AwsServer, unique: str) -> None:
    services = Services(AwsSettings(unique), "host-a", aws.client)
    assert services.ledger is not None
    assert abs(services.clock() - time.time()) < 60.0


def test_one_answer_that_is_an_hour_off_is_not_believed_and_two_are() -> None:
    clock = ServerClock(lambda: NOW)
    clock.hear(NOW + 600.0, NOW, NOW)  # the first is: nothing else is known
    assert abs(clock() - NOW - 600.0) <= 2.0
    clock.hear(NOW + 4200.0, NOW, NOW)
    assert abs(clock() - NOW - 600.0) <= 2.0
    clock.hear(NOW + 600.0, NOW, NOW)
    clock.hear(NOW + 4200.0, NOW, NOW)
    assert abs(clock() - NOW - 600.0) <= 2.0
    clock.hear(NOW + 4200.0, NOW, NOW)
    assert abs(clock() - NOW - 4200.0) <= 2.0


@pytest.mark.parametrize("off", [-3600.0, 3600.0])
def test_a_host_on_which_somebody_sets_the_clock_goes_on_by_the_time_that_it_knew(
    aws: AwsServer, unique: str, monkeypatch: pytest.MonkeyPatch, off: float
) -> None:
    host = Services(AwsSettings(unique), "host-a", aws.client)
    before, really = host.clock(), time.time
    assert abs(before - really()) < 60.0
    monkeypatch.setattr("time.time", lambda: really() + off)
    assert 0.0 <= host.clock() - before < 60.0
