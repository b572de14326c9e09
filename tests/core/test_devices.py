"""What reports teach of a device, and whose turn it is: tables, and what holds for every history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rushes.core.devices import (
    CPU,
    Device,
    DeviceState,
    Health,
    Held,
    Reading,
    busy,
    fault,
    lost,
    probed,
    rate_of,
    read,
    sessions_of,
    state_of,
    used,
)
from rushes.core.turns import Option, Probe, Refuse, Take, Wait, decide, fallbacks_at_once

CARD = Device("nvenc:0", sessions=3)
OPEN = Device("nvenc:0")
NOW = 1_000_000.0


def on(device: Device, times: int = 1, pixels_per_s: float = 0.0, ends: float | None = None) -> list[Held]:
    return [Held(device.name, device.purse, pixels_per_s, ends)] * times


# -- what reports teach --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "health", "later_s", "expected"),
    [
        (CARD, Health(), 0, 3),
        (OPEN, Health(), 0, None),
        (CARD, busy(Health(), 2, NOW), 0, 2),
        (OPEN, busy(Health(), 2, NOW), 0, 2),
        (CARD, busy(Health(), 0, NOW), 59, 0),
        (CARD, busy(Health(), 0, NOW), 60, 1),
        (CARD, busy(Health(), 0, NOW), 600, 3),
        (CARD, busy(Health(), 7, NOW), 0, 3),
        (OPEN, busy(Health(), 2, NOW), 120, 4),
        (OPEN, busy(Health(), 2, NOW), 600, None),
        (CARD, Health(foreign=1, read_at=NOW), 0, 2),
        (CARD, Health(foreign=1, read_at=NOW), 121, 3),
        (CARD, Health(foreign=9, read_at=NOW), 0, 0),
    ],
)
def test_a_refused_session_lowers_the_limit_for_a_while_and_it_grows_back(
    device: Device, health: Health, later_s: float, expected: int | None
) -> None:
    assert sessions_of(device, health, NOW + later_s) == expected


def test_three_faults_in_ten_minutes_make_a_device_sick_and_three_in_an_hour_do_not() -> None:
    close = slow = Health()
    for number in range(3):
        close = fault(close, "the encoder gave up", NOW + number * 100)
        slow = fault(slow, "the encoder gave up", NOW + number * 1000)

    assert state_of(CARD, close, [], NOW + 300) == DeviceState.sick
    assert state_of(CARD, slow, [], NOW + 3000) == DeviceState.ok
    assert close.reason == "3 faults in 10 minutes, the last: the encoder gave up"


def test_a_lost_device_is_drained_and_then_sick() -> None:
    health = lost(Health(), "it fell off the bus", NOW)

    assert state_of(CARD, health, on(CARD), NOW) == DeviceState.draining
    assert state_of(CARD, health, [], NOW) == DeviceState.sick


def test_a_sick_device_is_tried_again_after_twice_as_long_each_time_up_to_an_hour() -> None:
    health, now, waits = lost(Health(), "gone", NOW), NOW, []
    for _ in range(9):
        waits.append(health.probe_at - now)
        now = health.probe_at
        health = probed(health, "still gone", now)

    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_sick_device_that_makes_a_picture_is_well_and_its_faults_are_forgotten() -> None:
    sick = lost(fault(busy(Health(), 1, NOW), "a crash", NOW), "gone", NOW)

    assert probed(sick, "", NOW + 60) == Health()


def test_an_illness_that_is_reported_twice_does_not_put_off_the_next_try() -> None:
    once = lost(Health(), "gone", NOW)

    assert lost(once, "gone", NOW + 50).probe_at == once.probe_at


def test_heat_takes_pixel_rate_for_as_long_as_the_reading_is_believed() -> None:
    device = Device("nvenc:0", pixels_per_s=1000.0)
    hot = read(Health(), Reading(rate=0.4), 0, NOW)

    assert rate_of(device, hot, NOW) == 400
    assert rate_of(device, hot, NOW + 121) == 1000


def test_a_monitor_that_calls_a_device_lost_makes_it_sick() -> None:
    health = read(Health(), Reading(lost="Xid 79"), 0, NOW)

    assert health.sick
    assert health.reason == "Xid 79"


@pytest.mark.parametrize(
    ("device", "held", "expected"),
    [
        (CARD, on(CARD, 2), DeviceState.ok),
        (CARD, on(CARD, 3), DeviceState.busy),
        (Device("nvenc:0", pixels_per_s=100), on(OPEN, 2, 60), DeviceState.busy),
        (
            Device("nvenc:1", 3, shares="geforce"),
            on(Device("nvenc:0", shares="geforce"), 3),
            DeviceState.busy,
        ),
    ],
)
def test_a_device_without_a_session_or_pixels_to_give_is_busy(
    device: Device, held: list[Held], expected: DeviceState
) -> None:
    assert state_of(device, Health(), held, NOW) == expected


# -- whose turn it is ----------------------------------------------------------------------------------------

SECOND = Device("nvenc:1", sessions=3)
VPU = Device("netint:0", sessions=2)
SOFTWARE = Device(CPU, sessions=1)


def ask(
    options: list[Option],
    held: list[Held] | None = None,
    health: dict[str, Health] | None = None,
    ahead: list[dict[str, int]] | None = None,
    waited_s: float = 0.0,
) -> Take | Probe | Wait | Refuse:
    return decide(options, health or {}, held or [], ahead or [], waited_s=waited_s, now=NOW)


def taken(answer: Take | Probe | Wait | Refuse) -> str:
    return answer.option.device.name if isinstance(answer, Take) else type(answer).__name__


GPU_OR_CPU = [Option(CARD, 10, 1000), Option(SOFTWARE, 40, 1000, rank=1)]
UNKNOWN = [Option(CARD), Option(SOFTWARE, rank=1)]


@pytest.mark.parametrize(
    ("held", "waited_s", "expected"),
    [
        ([], 0, "nvenc:0"),
        (on(CARD, 2), 0, "nvenc:0"),
        # It is free in 5 s and done in 15; software would be done in 40.
        (on(CARD, 3, ends=NOW + 5), 0, "Wait"),
        (on(CARD, 3, ends=NOW + 100), 0, "cpu"),
        # One encode in software each.
        (on(CARD, 3, ends=NOW + 100) + on(SOFTWARE), 0, "Wait"),
    ],
)
def test_it_waits_or_goes_to_software_by_what_is_expected_to_be_done_first(
    held: list[Held], waited_s: float, expected: str
) -> None:
    assert taken(ask(GPU_OR_CPU, held, waited_s=waited_s)) == expected


@pytest.mark.parametrize(
    ("held", "waited_s", "expected"),
    [
        (on(CARD, 3), 0, "Wait"),
        (on(CARD, 3), 29, "Wait"),
        (on(CARD, 3), 30, "cpu"),
        (on(CARD, 3) + on(SOFTWARE), 1000, "Wait"),
    ],
)
def test_where_nobody_knows_how_long_things_take_software_steps_in_after_half_a_minute(
    held: list[Held], waited_s: float, expected: str
) -> None:
    assert taken(ask(UNKNOWN, held, waited_s=waited_s)) == expected


def test_a_card_that_is_full_of_what_is_not_ours_is_not_waited_for_where_software_may() -> None:
    assert taken(ask(UNKNOWN, health={"nvenc:0": busy(Health(), 0, NOW)})) == "cpu"
    assert taken(ask(UNKNOWN[:1], health={"nvenc:0": busy(Health(), 0, NOW)})) == "Wait"


def test_of_two_cards_of_a_family_the_one_that_is_done_first_is_taken() -> None:
    first = replace(CARD, sessions=0, pixels_per_s=100)
    second = replace(SECOND, sessions=0, pixels_per_s=100)
    options = [Option(first, 10, 1000), Option(second, 12, 1000)]

    assert taken(ask(options)) == "nvenc:0"
    assert taken(ask(options, on(first, 1, pixels_per_s=90))) == "nvenc:1"


def test_the_preferred_family_is_taken_while_it_has_room_whatever_is_faster() -> None:
    assert taken(ask([Option(VPU, 20, 1000), Option(CARD, 10, 1000, rank=1)])) == "netint:0"


def test_another_family_is_taken_when_the_preferred_one_is_full_and_says_so() -> None:
    answer = ask([Option(VPU, 20), Option(CARD, 10, rank=1)], on(VPU, 2))

    assert isinstance(answer, Take)
    assert answer.option.device == CARD
    assert [one.reason for one in answer.passed] == ["2 of 2 sessions of netint:0 are in use"]


def test_a_card_whose_pixel_rate_is_used_up_takes_nothing_more() -> None:
    card = Device("nvenc:0", pixels_per_s=100)
    options = [Option(card, 10, 500)]

    assert taken(ask(options, on(card, 1, pixels_per_s=50))) == "nvenc:0"
    assert taken(ask(options, on(card, 2, pixels_per_s=50))) == "Wait"


def test_a_hot_card_is_given_up_for_another_sooner() -> None:
    first = Device("nvenc:0", pixels_per_s=100)
    second = Device("nvenc:1", pixels_per_s=100)
    options = [Option(first, 10, 1000), Option(second, 15, 1000)]

    assert taken(ask(options)) == "nvenc:0"
    assert taken(ask(options, health={"nvenc:0": read(Health(), Reading(rate=0.5), 0, NOW)})) == "nvenc:1"


def test_a_sick_card_is_passed_by_and_refused_where_nothing_else_may() -> None:
    sick = {"nvenc:0": lost(Health(), "The GPU was lost.", NOW)}

    answer = ask(GPU_OR_CPU, health=sick)
    assert isinstance(answer, Take)
    assert (answer.option.device.name, answer.passed[0].reason) == (
        "cpu", "nvenc:0 is set aside (The GPU was lost)",
    )  # fmt: skip
    refused = ask(GPU_OR_CPU[:1], health=sick)
    assert isinstance(refused, Refuse)
    assert refused.again_at == NOW + 60


def test_a_sick_card_that_is_due_is_tried_by_one_request_alone() -> None:
    sick = {"nvenc:0": lost(Health(), "gone", NOW - 60)}

    assert isinstance(ask(GPU_OR_CPU, health=sick), Probe)
    trying = [Held("nvenc:0", "nvenc:0", probe=True)]
    assert taken(ask(GPU_OR_CPU, trying, sick)) == "cpu"
    assert taken(ask(GPU_OR_CPU[:1], trying, sick)) == "Wait", "for its outcome"


def test_who_comes_later_does_not_overtake_those_who_wait_for_the_same() -> None:
    assert taken(ask(UNKNOWN[:1], on(CARD, 2), ahead=[{"nvenc:0": 1}])) == "Wait"
    assert taken(ask(UNKNOWN[:1], on(CARD, 1), ahead=[{"nvenc:0": 1}])) == "nvenc:0"
    assert taken(ask(UNKNOWN[:1], on(CARD, 1), ahead=[{"nvenc:0": 2}])) == "Wait"
    assert taken(ask(UNKNOWN[:1], on(CARD, 2), ahead=[{"netint:0": 1}])) == "nvenc:0"


@pytest.mark.parametrize(
    ("sessions", "held", "expected"),
    [(3, 0, "nvenc:0"), (3, 1, "Wait"), (2, 1, "nvenc:0"), (5, 0, "nvenc:0")],
)
def test_what_takes_several_sessions_waits_for_all_of_them_and_for_no_more_than_there_are(
    sessions: int, held: int, expected: str
) -> None:
    answer = ask([Option(CARD, sessions=sessions)], on(CARD, held))

    assert taken(answer) == expected
    if isinstance(answer, Wait):
        assert answer.purses == {"nvenc:0": 3}
        assert answer.reason == "1 of 3 sessions of nvenc:0 are in use, 3 are needed"


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 1), (8, 2), (64, 16)])
def test_a_host_bears_software_that_steps_in_by_its_cores(cores: int, expected: int) -> None:
    assert fallbacks_at_once(cores) == expected


# -- every history -------------------------------------------------------------------------------------------

DEVICES = [
    Device("nvenc:0", 2, 200.0, "geforce"),
    Device("nvenc:1", 2, 200.0, "geforce"),
    Device("netint:0", 0, 300.0),
    Device("ama:0", 1),
]
CORES = Device(CPU, fallbacks_at_once(8))


class Hosts(RuleBasedStateMachine):
    """A host with devices and a line of requests; anything may happen to either."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.health: dict[str, Health] = {}
        self.held: dict[int, Held] = {}
        self.line: dict[int, tuple[list[Option], Mapping[str, int], float]] = {}
        self.number = 0

    @rule(
        names=st.lists(st.sampled_from(range(len(DEVICES))), min_size=1, max_size=4, unique=True),
        seconds=st.one_of(st.none(), st.floats(1, 1000)),
        also=st.sampled_from(["software", "nothing"]),
        sessions=st.integers(1, 3),
    )
    def comes(self, names: list[int], seconds: float | None, also: str, sessions: int) -> None:
        families: list[str] = []
        options = []
        for device in (DEVICES[name] for name in names):
            family = device.name.partition(":")[0]
            if family not in families:
                families.append(family)
            options.append(Option(device, seconds, 1000.0, families.index(family), sessions))
        if also == "software":
            options.append(Option(CORES, None if seconds is None else 3 * seconds, 1000.0, len(families)))
        self.number += 1
        self.line[self.number] = (options, {}, self.now)
        self.looks(self.number)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def somebody_looks(self, data: st.DataObject) -> None:
        self.looks(data.draw(st.sampled_from(sorted(self.line))))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def somebody_gives_back(self, data: st.DataObject) -> None:
        del self.held[data.draw(st.sampled_from(sorted(self.held)))]

    @rule(device=st.sampled_from(DEVICES), what=st.sampled_from(["busy", "fault", "lost", "hot", "well"]))
    def is_reported(self, device: Device, what: str) -> None:
        known = self.health.get(device.name, Health())
        in_use = used(device, self.held.values())
        self.health[device.name] = {
            "busy": lambda: busy(known, in_use, self.now),
            "fault": lambda: fault(known, "a fault", self.now),
            "lost": lambda: lost(known, "gone", self.now),
            "hot": lambda: read(known, Reading(rate=0.5, sessions=in_use + 1), in_use, self.now),
            "well": lambda: probed(known, "", self.now),
        }[what]()

    @rule(seconds=st.floats(0, 900))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    def looks(self, number: int) -> None:
        options, _, since = self.line[number]
        ahead = [purses for other, (_, purses, _) in self.line.items() if other < number]
        held = list(self.held.values())
        answer = decide(options, self.health, held, ahead, waited_s=self.now - since, now=self.now)
        if isinstance(answer, Take):
            device = answer.option.device
            known = self.health.get(device.name, Health())
            limit = sessions_of(device, known, self.now)
            assert not known.sick, "a sick device is never chosen"
            needs = answer.option.sessions if limit is None else min(answer.option.sessions, limit)
            assert limit is None or used(device, held) + needs <= limit
            draws, ends = answer.option.draws, answer.ends
            self.held[number] = Held(device.name, device.purse, draws, ends, sessions=needs)
            del self.line[number]
        elif isinstance(answer, Probe):
            self.health[answer.option.device.name] = probed(
                self.health[answer.option.device.name], "" if number % 2 == 0 else "still gone", self.now
            )
        elif isinstance(answer, Refuse):
            assert all(self.health[one.device.name].sick for one in options)
            del self.line[number]
        else:
            self.line[number] = (options, answer.purses, since)

    @invariant()
    def software_never_stampedes(self) -> None:
        assert sum(one.device == CPU for one in self.held.values()) <= CORES.sessions

    def teardown(self) -> None:
        """When all give back and nothing more happens, everybody in line is served, in at most an hour."""
        rounds = 0
        while self.line:
            self.held.clear()
            for number in sorted(self.line):
                if number in self.line:
                    self.looks(number)
            self.now += 60
            rounds += 1
            assert rounds < 200, "somebody waits for ever"


TestHosts = Hosts.TestCase


@given(
    reports=st.lists(st.tuples(st.sampled_from(["busy", "fault", "lost"]), st.floats(0, 300)), max_size=20),
    later_s=st.floats(0, 10_000),
)
def test_whatever_is_reported_a_limit_is_never_above_that_of_the_driver(
    reports: list[tuple[str, float]], later_s: float
) -> None:
    health, now = Health(), NOW
    for what, after_s in reports:
        now += after_s
        health = (
            busy(health, 5, now) if what == "busy" else (fault if what == "fault" else lost)(health, "", now)
        )

    limit = sessions_of(CARD, health, now + later_s)
    assert limit is not None
    assert 0 <= limit <= CARD.sessions
