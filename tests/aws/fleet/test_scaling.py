"""Turns of the scaler on AWS, on a fleet in memory: within the caps whatever waits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import deployed
import pytest
from capacity_files import WHOLE, with_fleets
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.cli.app import app
from rushes.core.hosts import HostState
from rushes.engines.aws.fleet.fleet_notes import Done, Resting, Said
from rushes.engines.aws.fleet.scaling import Depth, FleetsPlan, Scaling, backlog_rows, learnt, plan_from
from rushes.engines.aws.infra.template import template_of
from rushes.errors import PlatformError
from rushes.testing.clock import FakeClock
from rushes.testing.fleet import StubFleet

FUNCTIONS = (deployed.small, deployed.look, deployed.heavy)


def plan_of(**changed: Any) -> FleetsPlan:
    made = template_of(FUNCTIONS, with_fleets({**WHOLE, **changed}))
    return plan_from(json.loads(made["Resources"]["Fleets"]["Properties"]["Value"]))


PLAN = plan_of()


class Around:
    """Queues, Lambdas and memory, in memory."""

    def __init__(self) -> None:
        self.waits: dict[str, Depth] = {}
        self.has_done: dict[str, Done] = {}
        self.rests: list[Resting] = []
        self.lingers: dict[str, int] = {}
        self.allowed: dict[str, int] = {}
        self.kept: dict[str, Any] = {}
        self.broken = False

    def depths(self, names: Sequence[str]) -> Mapping[str, Depth]:
        return {name: self.waits.get(name, Depth(0, 0)) for name in names}

    def heard(self) -> Said:
        return Said(dict(self.has_done), self.rests)

    def lingering(self) -> Mapping[str, int]:
        return self.lingers

    def allow(self, given: Mapping[str, int]) -> None:
        if self.broken:
            raise PlatformError("Lambda does not answer.", code="service-busy", fix="Wait.")
        self.allowed = dict(given)

    def read(self) -> dict[str, Any]:
        return self.kept

    def write(self, data: Mapping[str, Any]) -> None:
        self.kept = json.loads(json.dumps(data))


class Shares:
    """Trials, in memory."""

    def __init__(self) -> None:
        self.of: dict[str, float] = {}
        self.reasons: dict[str, str] = {}

    def shares(self, functions: Iterable[str]) -> Mapping[str, float]:
        return {name: self.of.get(name, 0.0) for name in functions}

    def give_up(self, function: str, reason: str) -> bool:
        self.of[function], self.reasons[function] = 0.0, reason
        return True


class World:
    def __init__(self, plan: FleetsPlan = PLAN) -> None:
        self.plan = plan
        self.clock = FakeClock()
        self.fleet = StubFleet(self.clock, plan.policy.tiers)
        self.around = Around()
        self.trials = Shares()

    def turn(self) -> Any:
        # A Lambda may be a new process each time: all that it knows is what was kept.
        found = Scaling(self.plan, self.fleet, self.around, self.clock.now, self.trials).turn()
        self.clock.advance(60)
        return found

    def hosts(self, tier: str) -> int:
        return sum(host.tier == tier for host in self.fleet.hosts())

    def cost_nano(self) -> int:
        hosts = sum(self.plan.hourly_nano[host.tier] for host in self.fleet.hosts())
        lambdas = sum(self.plan.sources[name][0] * n for name, n in self.around.allowed.items())
        lingering = sum(self.plan.hourly_nano[tier] * n for tier, n in self.around.lingers.items())
        return hosts + lambdas + lingering


def test_a_clip_for_hosts_brings_one_and_a_quiet_hour_takes_it_away() -> None:
    world = World()
    world.around.waits["hosts-nvenc/background"] = Depth(1, 0)
    world.turn()
    assert world.hosts("gpu") == 1

    world.around.waits.clear()
    for _ in range(30):
        world.turn()

    assert list(world.fleet.hosts()) == []


def test_the_same_work_seen_again_orders_nothing_more() -> None:
    world = World()
    world.around.waits["hosts-nvenc/background"] = Depth(1, 0)
    for _ in range(2):
        world.turn()
    assert world.hosts("gpu") == 1


def test_a_busy_host_stays_when_its_queue_is_empty() -> None:
    world = World()
    world.around.waits["hosts/urgent"] = Depth(1, 0)
    world.turn()
    world.turn()
    world.turn()
    (host,) = world.fleet.hosts()
    assert host.state is HostState.idle
    world.fleet.occupy(host.id)
    world.around.waits.clear()

    for _ in range(60):
        world.turn()

    assert [one.id for one in world.fleet.hosts()] == [host.id]


def test_a_class_for_which_no_host_is_started_starts_none() -> None:
    world = World()
    world.around.waits["hosts/background"] = Depth(500, 0)
    world.turn()
    assert world.hosts("cpu-spot") == 0


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    turns=st.lists(
        st.tuples(
            st.integers(0, 400), st.integers(0, 400), st.integers(0, 400), st.integers(0, 2), st.booleans()
        ),
        max_size=8,
    )
)
def test_an_hour_never_costs_more_than_its_cap_and_no_fleet_is_larger_than_its_own(
    turns: list[tuple[int, int, int, int, bool]],
) -> None:
    world = World()
    world.fleet.refuse("cpu-spot", after=1)
    for urgent, cards, small, lingers, broken in turns:
        world.around.waits = {
            "hosts/urgent": Depth(urgent, urgent // 2),
            "hosts-nvenc/background": Depth(cards, 0),
            "small/urgent": Depth(small, 0),
        }
        world.around.lingers = {"gpu": lingers}
        world.around.broken = broken
        world.turn()
        if not broken:
            # Machines that linger cannot be ended from here; while they are too dear, nothing else runs.
            assert world.cost_nano() <= 12_000_000_000 or not any(world.around.allowed.values())
        assert world.hosts("cpu-spot") + world.hosts("large") <= 3
        assert world.hosts("gpu") <= 4


def test_a_scaler_keeps_to_the_targets_of_classes_where_a_fleet_has_none_of_its_own() -> None:
    made = json.loads(
        template_of(FUNCTIONS, with_fleets(WHOLE))["Resources"]["Fleets"]["Properties"]["Value"]
    )
    hurried = plan_from({**made, "targets": {"urgent": 120.0, "standard": 1800.0}})
    for fleet, plain in zip(hurried.policy.scaling.fleets, PLAN.policy.scaling.fleets, strict=True):
        assert fleet.target_s("urgent") == plain.drain_s.get("urgent", 120.0)
        assert fleet.target_s("standard") == plain.drain_s.get("standard", 1800.0)
        assert fleet.target_s("background") == plain.target_s("background")


def test_the_class_file_of_who_deploys_goes_into_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capacity, classes = tmp_path / "capacity.json", tmp_path / "classes.json"
    fleets = {"tiers": {"cpu": WHOLE["tiers"]["cpu"]}, "fleets": {"cpu": {"maximum": 4}}}
    capacity.write_text(json.dumps(fleets))
    classes.write_text(json.dumps({"classes": {"urgent": {"target": "7m"}}}))
    monkeypatch.setenv("RUSHES_CLASSES", str(classes))
    said = ["infra", "synth", "deployed:heavy", "--env", "dev", "--capacity", str(capacity)]
    buckets = ["--bucket", "cards=acme-cards", "--bucket", "proxies=acme-proxies", "--format", "json"]
    done = CliRunner().invoke(app, [*said, *buckets])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    plan = plan_from(json.loads(found["Resources"]["Fleets"]["Properties"]["Value"]))
    (fleet,) = plan.policy.scaling.fleets
    assert fleet.target_s("urgent") == 420.0


def test_lambdas_have_what_hosts_leave_and_never_less_than_was_set_aside() -> None:
    world = World()
    world.around.waits = {"hosts-nvenc/background": Depth(400, 0), "small/urgent": Depth(400, 0)}
    for _ in range(6):
        world.turn()
    assert world.cost_nano() <= 12_000_000_000
    assert min(world.around.allowed.values()) >= 2


def test_without_a_cap_lambdas_are_left_as_they_were_deployed() -> None:
    data = {key: value for key, value in WHOLE.items() if key != "most_per_hour"}
    made = template_of(FUNCTIONS, with_fleets(data))
    world = World(plan_from(json.loads(made["Resources"]["Fleets"]["Properties"]["Value"])))
    world.around.waits["small/urgent"] = Depth(400, 0)
    assert world.turn().allowed == {}
    assert world.around.allowed == {}


def test_a_mapping_that_cannot_be_changed_is_told_of_and_hosts_are_ordered_all_the_same() -> None:
    world = World()
    world.around.broken = True
    world.around.waits["hosts-nvenc/background"] = Depth(1, 0)
    turned = world.turn()
    assert [one.code for one in turned.failures] == ["service-busy"]
    assert world.hosts("gpu") == 1


@pytest.mark.parametrize(
    ("before", "done", "each", "found"),
    [
        ({}, {"hosts/urgent": Done(4, 40.0)}, {}, {"hosts/urgent": 10.0}),
        ({"hosts/urgent": (4, 40.0)}, {"hosts/urgent": Done(4, 40.0)}, {"hosts/urgent": 10.0},
         {"hosts/urgent": 10.0}),
        ({"hosts/urgent": (4, 40.0)}, {"hosts/urgent": Done(6, 80.0)}, {"hosts/urgent": 10.0},
         {"hosts/urgent": 13.0}),
    ],
)  # fmt: skip
def test_how_long_work_takes_is_learnt_from_what_was_done_since(
    before: Any, done: Any, each: Any, found: Any
) -> None:
    assert learnt(before, done, each) == pytest.approx(found)


def test_what_hosts_run_is_in_no_queue_and_counts_all_the_same() -> None:
    rows = backlog_rows(PLAN, {"hosts/urgent": Depth(2, 1)}, {"cpu-spot": 3}, {"hosts/urgent": 60.0})
    assert [(row.tier, row.waiting, row.running) for row in rows] == [("cpu-spot", 2, 1), ("cpu-spot", 0, 3)]
    assert rows[0].work_s == 180.0


# -- a version that hosts try -----------------------------------------------------------------------------


def trial_world(share: float, maximum: int = 3, **changed: Any) -> World:
    fleets = {**WHOLE["fleets"], "cpu-spot": {**WHOLE["fleets"]["cpu-spot"], "maximum": maximum}}
    tried = with_fleets({**WHOLE, "fleets": fleets, **changed}, trials={"small": "0"})
    plan = plan_from(json.loads(template_of(FUNCTIONS, tried)["Resources"]["Fleets"]["Properties"]["Value"]))
    world = World(plan)
    world.trials.of["small"] = share
    return world


def test_the_share_of_a_version_brings_a_host_of_its_own_and_the_fleet_one_less() -> None:
    world = trial_world(5.0)
    world.around.waits["hosts-trial/urgent"] = Depth(40, 0)
    world.around.waits["hosts/urgent"] = Depth(40, 0)
    for _ in range(5):
        world.turn()
    assert (world.hosts("cpu-spot"), world.hosts("cpu-spot-trial")) == (2, 1)


def test_a_limit_on_hosts_of_a_tier_holds_for_those_that_try_a_version_with_the_others() -> None:
    cpu = {**WHOLE["tiers"]["cpu"], "limits": {"at_once": 2}}
    fleets = {"cpu": {"maximum": 6, "steps": [{"from": 1, "hosts": 6}]}}
    tried = with_fleets({"tiers": {"cpu": cpu}, "fleets": fleets}, trials={"small": "0"})
    plan = plan_from(json.loads(template_of(FUNCTIONS, tried)["Resources"]["Fleets"]["Properties"]["Value"]))
    world = World(plan)
    world.trials.of["small"] = 5.0
    world.around.waits["hosts-trial/urgent"] = world.around.waits["hosts/urgent"] = Depth(40, 0)
    for _ in range(5):
        world.turn()
    assert (world.hosts("cpu"), world.hosts("cpu-trial")) == (1, 1)


def test_hosts_that_tried_a_version_go_when_it_is_over_and_the_others_have_their_place() -> None:
    world = trial_world(50.0, maximum=4)
    world.around.waits["hosts-trial/urgent"] = world.around.waits["hosts/urgent"] = Depth(40, 0)
    world.turn()
    assert (world.hosts("cpu-spot"), world.hosts("cpu-spot-trial")) == (2, 2)

    world.trials.of["small"] = 0.0  # what waits is handed to the others by the sweep
    for _ in range(20):
        world.turn()
    assert (world.hosts("cpu-spot"), world.hosts("cpu-spot-trial")) == (4, 0)


def test_what_waits_for_a_version_that_took_over_is_still_done_by_its_hosts() -> None:
    world = trial_world(100.0)
    world.around.waits["hosts-trial/urgent"] = Depth(1, 0)
    world.turn()
    assert world.hosts("cpu-spot-trial") == 1


def test_a_version_goes_back_whose_hosts_come_and_take_nothing() -> None:
    world = trial_world(5.0)
    world.around.waits["hosts-trial/urgent"] = Depth(3, 0)
    for _ in range(31):  # of a minute; the first orders a host
        world.turn()
    assert world.trials.of["small"] == 5.0
    world.turn()
    assert world.trials.of["small"] == 0.0
    assert world.trials.reasons["small"] == "No host of cpu-spot-trial took any of its work for 30 m 00 s."


def test_a_version_whose_host_works_or_has_no_room_yet_is_waited_for() -> None:
    working, full = trial_world(5.0), trial_world(5.0)
    working.around.waits["hosts-trial/urgent"] = full.around.waits["hosts-trial/urgent"] = Depth(3, 0)
    full.trials.of["small"] = 0.0
    full.around.waits["hosts/urgent"] = Depth(40, 0)
    for world in (working, full):
        for _ in range(5):
            world.turn()
        for host in world.fleet.hosts():
            world.fleet.occupy(host.id)
    full.trials.of["small"] = 5.0
    for world in (working, full):
        for _ in range(90):
            world.turn()
        assert world.trials.of["small"] == 5.0
    assert (full.hosts("cpu-spot"), full.hosts("cpu-spot-trial")) == (3, 0)


def test_a_plan_without_trials_has_no_hosts_for_any() -> None:
    assert PLAN.fleets == PLAN.policy.scaling.fleets
    assert not any(name.endswith("-trial") for name in PLAN.groups)
    assert not PLAN.tried


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_hosts_that_try_a_version_pass_no_cap_on_size_or_money(data: st.DataObject) -> None:
    world = trial_world(5.0, maximum=data.draw(st.integers(1, 5)), most_per_hour=data.draw(st.integers(1, 4)))
    fleet = world.plan.policy.scaling.fleets[0]
    for _ in range(data.draw(st.integers(1, 10))):
        world.trials.of["small"] = data.draw(st.sampled_from([0.0, 5.0, 25.0, 50.0, 100.0]))
        for name in ("hosts/urgent", "hosts-trial/urgent", "hosts-nvenc/background"):
            world.around.waits[name] = Depth(data.draw(st.integers(0, 60)), 0)
        world.turn()
        beside = [f"{one}-trial" for one in fleet.tiers]
        assert sum(world.hosts(one) for one in (*fleet.tiers, *beside)) <= fleet.maximum
        assert world.cost_nano() <= (world.plan.policy.scaling.most_per_hour or 0)
