"""What is deployed while a trial ends: what is wanted, and what the trial had as it was until it is empty."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import deployed
import pytest
from capacity_files import with_fleets
from hypothesis import given
from hypothesis import strategies as st
from infra_reading import all_of, linted, may

from rushes import CallerError, Resources
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.template import template_of
from rushes.engines.aws.infra.trial_drain import QUIET_S, wait_until_drained
from rushes.engines.aws.infra.trial_end import Ending, ending, left_of
from rushes.engines.aws.infra.versions import stable_of, versions_of
from rushes.testing.clock import FakeClock

BUCKETS = {"cards": "acme-cards", "proxies": "acme-proxies"}
IMAGES = {"ImageUri": "image:2", "StableImageUri": "image:1"}


def planned(version: str = "2", *, memory: str = "2GiB", trials: Any = None) -> dict[str, Any]:
    """The template of `small` in a version, with `look` beside it."""
    one = copy.copy(deployed.small)
    one._declared = replace(one._declared, version=version, resources=Resources(cpu=2, memory=memory))
    environment = Environment("dev", buckets=BUCKETS, trials=trials or {})
    return template_of([one, deployed.look], environment)


def with_hosts(**more: Any) -> dict[str, Any]:
    """The same where hosts try versions, too."""
    one = copy.copy(deployed.small)
    one._declared = replace(one._declared, version="2")
    return template_of([one], with_fleets(**more))


def of(before: Mapping[str, Any], after: Mapping[str, Any], images: Mapping[str, str] = IMAGES) -> Ending:
    found = ending(before, after, images)
    assert found is not None
    return found


TRIED = planned("2", trials={"small": "1"})
TRIED_ON_HOSTS = with_hosts(trials={"small": "1"}, stable={"small": "1"})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, planned("1")),
        (planned("1"), planned("2")),
        (planned("1"), TRIED),
        (TRIED, planned("3", trials={"small": "1"})),
    ],
    ids=["the first", "another version", "a trial begins", "a trial goes on"],
)
def test_where_no_trial_ends_there_is_one_deployment(before: Any, after: Any) -> None:
    assert ending(before, after, IMAGES) is None


def test_what_was_tried_stays_as_it_was_with_its_image_beside_what_is_wanted() -> None:
    after = planned("3", memory="1GiB")
    found = of(TRIED, after)
    old, meanwhile = TRIED["Resources"], found.template["Resources"]
    stays = {id_ for id_ in meanwhile if id_ not in after["Resources"]}
    assert stays == {
        "FunctionSmallTrial", "RoleSmallTrial", "WorkSmallTrial", "LogSmallTrial", "QueueSmallTrialUrgent",
        "DeadSmallTrial", "SourceSmallTrialUrgent", "AlarmFunctionSmallTrial", "AlarmQueueSmallTrialUrgent",
        "AlarmDeadSmallTrial",
    }  # fmt: skip
    code = {"Code": {"ImageUri": "image:2"}}
    assert meanwhile["FunctionSmallTrial"]["Properties"] == {
        **old["FunctionSmallTrial"]["Properties"], **code,
    }  # fmt: skip
    assert all(meanwhile[id_] == old[id_] for id_ in stays - {"FunctionSmallTrial"})
    changed = {id_ for id_, one in after["Resources"].items() if meanwhile[id_] != one}
    assert changed == {"FunctionRouter", "FunctionSweep", "RoleRouter", "RoleSweep"}
    assert (found.queues, found.dead) == (
        ("rushes-dev-small-trial-urgent",),
        ("rushes-dev-small-trial-dead",),
    )
    assert found.services == ()


def test_who_routes_gives_all_to_what_is_wanted_and_knows_who_has_what_has_begun() -> None:
    found = of(TRIED, planned("2")).template
    functions = all_of(found, "Lambda::Function")
    router, sweep = (functions[f"Function{one}"]["Environment"]["Variables"] for one in ("Router", "Sweep"))
    assert "RUSHES_TRIALS" not in router
    assert router["RUSHES_BEFORE"] == "small=1,small-trial=2"
    for variables in (router, sweep):
        assert "small-trial/urgent=~rushes-dev-small-trial-urgent" in json.dumps(variables["RUSHES_ROUTES"])
    for name in ("Router", "Sweep"):
        assert may(found, name, "sqs:SendMessage", "arn:of:QueueSmallTrialUrgent")
    # What comes is for the version that is wanted, so that is there first.
    assert found["Resources"]["FunctionRouter"]["DependsOn"] == ["FunctionSmall"]
    assert versions_of(found)["small"].version == "2"
    assert stable_of(found) == {"small": "2", "look": "3"}
    assert found["Outputs"]["QueueSmallTrialUrgent"]


def test_a_deployment_that_was_given_up_is_gone_on_with_whatever_is_wanted_by_then() -> None:
    first = of(TRIED, planned("2"))
    assert of(first.template, planned("2"), {"ImageUri": "image:2"}) == first._replace(replaced={})
    later = of(first.template, planned("4"), {"ImageUri": "image:3"}).template["Resources"]
    assert later["FunctionSmallTrial"]["Properties"]["Code"] == {"ImageUri": "image:2"}
    assert later["FunctionSmall"]["Properties"]["Code"] == {"ImageUri": {"Ref": "ImageUri"}}
    assert ending(planned("2"), planned("2"), IMAGES) is None


def test_what_waits_for_a_version_that_goes_is_named() -> None:
    assert of(TRIED, planned("2")).replaced == {"small": ("rushes-dev-small-urgent",)}
    assert of(TRIED, planned("1")).replaced == {}  # it stays, as what was tried went back


def test_another_trial_goes_on_while_one_ends() -> None:
    both = planned("2", trials={"small": "1", "look": "2"})
    one = planned("2", trials={"look": "2"})
    found = of(both, one)
    assert found.functions == ("small",)
    assert "FunctionLookTrial" in found.template["Resources"]
    router = all_of(found.template, "Lambda::Function")["FunctionRouter"]["Environment"]["Variables"]
    assert (router["RUSHES_TRIALS"], router["RUSHES_BEFORE"]) == ("look=2", "small=1,small-trial=2")
    assert found.template["Parameters"] == one["Parameters"]


def test_another_version_is_tried_only_once_the_last_trial_has_ended() -> None:
    meanwhile = of(TRIED, planned("2")).template
    again = planned("3", trials={"small": "2"})
    assert left_of(meanwhile, again) == ["rushes-dev-small-trial-urgent"]
    assert ending(meanwhile, again, IMAGES) is None
    assert left_of(meanwhile, planned("2")) == left_of(TRIED, again) == left_of(None, again) == []


def test_hosts_that_try_a_version_stay_with_those_who_say_how_many_there_are() -> None:
    after = with_hosts()
    found = of(TRIED_ON_HOSTS, after)
    meanwhile, old = found.template["Resources"], TRIED_ON_HOSTS["Resources"]
    assert found.services == ("rushes-dev-hosts-cpu-spot-trial", "rushes-dev-hosts-large-trial")
    assert "rushes-dev-hosts-trial-urgent" in found.queues
    tasks = {id_: one["ContainerDefinitions"][0]["Image"]
             for id_, one in all_of(found.template, "ECS::TaskDefinition").items()}  # fmt: skip
    assert {id_ for id_, image in tasks.items() if image == "image:2"} == {
        "TaskCpuSpotTrial", "TaskLargeTrial",
    }  # fmt: skip
    assert {json.dumps(one) for id_, one in tasks.items() if not id_.endswith("Trial")} == {
        '{"Ref": "ImageUri"}'
    }
    assert meanwhile["Fleets"] == old["Fleets"]
    assert meanwhile["RoleScaler"] == old["RoleScaler"]
    scaler = meanwhile["FunctionScaler"]["Properties"]
    assert scaler["Code"] == {"ImageUri": "image:2"}
    assert "cpu-spot-trial=" in json.dumps(scaler["Environment"])
    # What waits for them is handed to others where the version went back.
    assert may(found.template, "Sweep", "sqs:ReceiveMessage", "arn:of:QueueHostsTrialUrgent")
    sweep = meanwhile["FunctionSweep"]["Properties"]["Environment"]["Variables"]
    assert sweep["RUSHES_TRIALS"] == "small=1"
    # One role is of all hosts, and permits what these do, too.
    assert {"Ref": "EndingHostPolicy"} in meanwhile["RoleHost"]["Properties"]["ManagedPolicyArns"]
    assert "QueueHostsTrialUrgent" in json.dumps(meanwhile["EndingHostPolicy"])
    assert "QueueHostsTrialUrgent" not in json.dumps(after["Resources"]["HostPolicy"])
    assert of(found.template, after, {"ImageUri": "image:2"}) == found._replace(replaced={})


def test_what_hosts_alone_tried_is_found_by_the_function_and_by_the_hosts() -> None:
    one = copy.copy(deployed.heavy)
    one._declared = replace(one._declared, version="2")
    before = template_of([one], with_fleets(trials={"heavy": "1"}, stable={"heavy": "1"}))
    found = of(before, template_of([one], with_fleets()))
    functions = all_of(found.template, "Lambda::Function")
    for name in ("FunctionRouter", "FunctionSweep"):
        routes = json.dumps(functions[name]["Environment"]["Variables"]["RUSHES_ROUTES"])
        for route in ("heavy-trial", "hosts-nvenc-trial"):
            assert routes.count(f"{route}/background=~rushes-dev-hosts-nvenc-trial-background") == 1
    assert found.services == ("rushes-dev-hosts-gpu-trial",)
    assert found.replaced == {}


def test_the_templates_in_between_are_templates(tmp_path: Path) -> None:
    found = [
        of(TRIED, planned("2")),
        of(TRIED, planned("1", memory="1GiB")),
        of(TRIED_ON_HOSTS, with_hosts()),
    ]
    assert linted([one.template for one in found], tmp_path, "us-east-1") == ""


# -- the wait ----------------------------------------------------------------------------------------------


class Seen:
    """Queues that have so many messages at each look, and the clock of who looks."""

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts, self.looks, self.clock, self.said = counts, 0, FakeClock(), list[str]()

    def look(self) -> dict[str, int]:
        count = self.counts[min(self.looks, len(self.counts) - 1)]
        self.looks += 1
        return {"a": count} if count else {}

    def wait(self, patience_s: float = 3600.0, quiet_s: float = QUIET_S) -> None:
        wait_until_drained(
            self.look, patience_s, quiet_s=quiet_s, say=self.said.append, clock=self.clock.now,
            sleep=self.clock.advance,
        )  # fmt: skip


@given(st.lists(st.integers(0, 3), max_size=60))
def test_a_wait_ends_only_once_nothing_was_there_for_long_enough(counts: list[int]) -> None:
    seen = Seen([*counts, 0])
    began = seen.clock.now()
    seen.wait()
    last = max((n for n, count in enumerate(counts) if count), default=-1)
    assert seen.looks * 5.0 >= (last + 1) * 5.0 + QUIET_S
    assert seen.clock.now() - began <= (last + 2) * 5.0 + QUIET_S


def test_who_waits_is_told_what_is_there_and_not_with_every_look() -> None:
    seen = Seen([9, 8, 7, 6, 5, 4, 3, 2, 1, *[1] * 20, 0])
    seen.wait()
    assert seen.said == [
        "Still there: a 9.",
        "Still there: a 1.",
        "Nothing is left there; 3 m 00 s to make sure.",
    ]


def test_what_never_ends_is_given_up_with_what_is_there_and_how_to_go_on() -> None:
    seen = Seen([2])
    with pytest.raises(CallerError, match="a has 2 still") as caught:
        seen.wait(600.0)
    assert caught.value.code == "queue-not-empty"
    assert "say the same again" in caught.value.fix
    assert seen.looks <= 122


def test_what_was_quiet_for_long_enough_already_is_not_waited_for() -> None:
    seen = Seen([0])
    seen.wait(quiet_s=0.0)
    assert seen.looks == 1
