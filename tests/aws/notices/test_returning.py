"""A version that went back: what waits for its hosts is handed to the others, and nothing else is."""

from __future__ import annotations

from collections.abc import Mapping

from rushes.engines.aws.notices.returning import hand_back
from rushes.notices import Notice
from rushes.testing.clock import FakeClock
from rushes.testing.queue import StubQueue


class Specs:
    def spec(self, batch: str) -> Mapping[str, object] | None:
        return {"function": f"studio:{batch[0]}"} if batch[0] != "x" else None


def waits(queue: StubQueue) -> list[str]:
    return sorted(one.notice.invocation for one in queue.receive(100, 0))


def queues(*names: str) -> dict[str, StubQueue]:
    clock = FakeClock()
    return {name: StubQueue(clock) for name in names}


def test_what_waits_goes_to_the_hosts_of_the_same_kind_and_class() -> None:
    its = queues(
        "hosts-trial/urgent", "hosts/urgent", "hosts-nvenc-trial/urgent", "hosts-nvenc/urgent", "a/urgent"
    )
    its["hosts-trial/urgent"].send([Notice(f"a{n}.1", "urgent", "dune") for n in range(25)])
    its["hosts-nvenc-trial/urgent"].send([Notice("a.1", "urgent", "dune")])

    assert hand_back(its, Specs(), lambda function: function == "a") == 26

    assert len(waits(its["hosts/urgent"])) == 25
    assert waits(its["hosts-nvenc/urgent"]) == ["a.1"]
    assert not waits(its["hosts-trial/urgent"])


def test_what_another_function_has_on_trial_stays_as_if_nobody_had_taken_it() -> None:
    its = queues("hosts-trial/urgent", "hosts/urgent")
    its["hosts-trial/urgent"].send([Notice(f"{name}.1", "urgent", "dune") for name in ("a", "b")])

    assert hand_back(its, Specs(), lambda function: function == "a") == 1

    assert waits(its["hosts/urgent"]) == ["a.1"]
    (first, *_) = found = its["hosts-trial/urgent"].receive(10, 0)
    assert sorted(one.notice.invocation for one in found) == ["b.1"]
    assert first.notice.show == "dune"


def test_what_nobody_knows_does_not_stay_for_ever() -> None:
    its = queues("hosts-trial/urgent", "hosts/urgent")
    its["hosts-trial/urgent"].send([Notice("x.1", "urgent", "dune")])
    assert hand_back(its, Specs(), lambda _: False) == 1
    assert waits(its["hosts/urgent"]) == ["x.1"]


def test_a_function_whose_name_ends_so_is_no_host() -> None:
    its = queues("small-trial/urgent", "small/urgent", "hosts-trial/urgent")
    its["small-trial/urgent"].send([Notice("a.1", "urgent", "dune")])
    assert hand_back(its, Specs(), lambda _: True) == 0
    assert waits(its["small-trial/urgent"]) == ["a.1"]
