"""Classes of a studio's own, on a real worker: who may use them, how much, what changes, what is limited."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from waiting import until

from rushes import CallerError, PolicyError, catalog
from rushes.cli.app import app
from rushes.engines.local import LocalEngine

RULES = Path(__file__).with_name("rules.py")
Find = Callable[[str], Any]


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of classes; the worker of this test reads it."""
    path = tmp_path / "studio.toml"
    path.write_text("[classes]\n")
    monkeypatch.setenv("RUSHES_CLASSES", str(path))
    return path


@pytest.fixture
def rules(engine: LocalEngine) -> Find:
    return lambda name: catalog.find(f"{RULES}:{name}")


def rewrite(path: Path, text: str) -> None:
    """As an editor does: another file takes its place."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def of_class(engine: LocalEngine, name: str) -> dict[str, Any]:
    """What the worker says of a class."""
    return next(one for one in engine.pool()["classes"]["classes"] if one["name"] == name)


def overlap(spans: list[Any]) -> int:
    """How many ran at once at most."""
    edges = sorted([(one.begun, 1) for one in spans] + [(one.ended, -1) for one in spans])
    most = now = 0
    for _, change in edges:
        now += change
        most = max(most, now)
    return most


def test_a_function_runs_no_more_often_at_once_than_it_says_over_all_batches(rules: Find, clip: str) -> None:
    licensed = rules("licensed")
    assert licensed.owner == "finishing"

    batches = [
        licensed.with_options(show=show).starmap((clip, {"n": n, "reel": show}) for n in range(4))
        for show in ("dune", "arrival")
    ]

    assert overlap([one for batch in batches for one in batch.results()]) <= 2


def test_one_invocation_of_a_key_runs_at_a_time_also_of_another_function(rules: Find, clip: str) -> None:
    conform, free = rules("conform"), rules("free")

    first = conform.starmap((clip, {"n": n, "reel": str(n % 2)}) for n in range(6))
    other = free.with_options(exclusive="reel-{reel}").starmap(
        (clip, {"n": n, "reel": "0"}) for n in range(2)
    )

    spans = [*first.results(), *other.results()]
    for reel in ("0", "1"):
        assert overlap([one for one in spans if one.reel == reel]) == 1


def test_what_waits_for_a_key_says_so(engine: LocalEngine, rules: Find, clip: str, tmp_path: Path) -> None:
    log = tmp_path / "begun"
    batch = rules("conform").starmap([(clip, {"n": 1, "log": str(log), "s": 30.0}), (clip, {"n": 2})])
    until(log.exists)

    assert "exclusive key reel-1 runs" in engine.explain(f"{batch.id}.2")["reason"]
    batch.cancel()


def test_a_template_that_names_what_there_is_not_is_refused(rules: Find, clip: str) -> None:
    with pytest.raises(CallerError, match="names 'rel'"):
        rules("free").with_options(exclusive="{rel}").map([clip])


def test_what_holds_a_key_may_not_wait_for_parts_that_have_keys(rules: Find, clip: str) -> None:
    (outcome,) = list(rules("mapper").map([clip]))

    assert not outcome.ok
    assert outcome.error is not None
    assert "exclusive key" in str(outcome.error["message"])


def test_a_class_that_is_for_others_is_refused_by_name(
    studio: Path, rules: Find, engine: LocalEngine, clip: str
) -> None:
    studio.write_text('[classes.urgent]\nusers = ["somebody-else"]\n')
    free = rules("free")

    with pytest.raises(PolicyError, match=f"{getpass.getuser()} may not use class urgent") as caught:
        free.with_options(priority="urgent").map([clip])
    assert caught.value.code == "class-refused"
    batch = free.map([clip], s=5.0)
    with pytest.raises(PolicyError, match="may not use class urgent"):
        engine.set_priority(batch.id, "urgent")
    batch.cancel()


def test_a_class_of_a_studios_own_is_used_like_any(studio: Path, rules: Find, clip: str) -> None:
    studio.write_text("[classes.review]\nrank = 1\nmax_share = 0.5\n")

    batch = rules("free").with_options(priority="review").map([clip])

    assert len(batch.results()) == 1
    assert batch.progress.priority == "review"
    with pytest.raises(CallerError, match="priority 'rewiew' is no class"):
        rules("free").with_options(priority="rewiew").map([clip])


def test_a_file_that_cannot_be_used_keeps_a_worker_from_starting(
    studio: Path, rules: Find, clip: str
) -> None:
    studio.write_text("[classes.urgent]\nrank = -1\n")

    with pytest.raises(Exception, match=r"studio.toml: classes.urgent.rank is -1"):
        rules("free").map([clip])


def test_a_changed_file_is_taken_whole_and_a_wrong_one_not_at_all(
    studio: Path, engine: LocalEngine, rules: Find, clip: str
) -> None:
    rules("free").map([clip]).wait()

    rewrite(studio, "[classes.urgent]\nmax_share = 0.5\n[classes.review]\nrank = 1\n")
    until(lambda: len(engine.pool()["classes"]["classes"]) == 5)
    assert of_class(engine, "urgent")["max_share"] == 0.5

    rewrite(studio, "[classes.urgent]\nmax_share = 0.7\n[classes.review]\nrank = 'one'\n")
    until(lambda: engine.pool()["classes"]["problem"])
    assert of_class(engine, "urgent")["max_share"] == 0.5
    problem = engine.pool()["classes"]["problem"]
    assert "studio.toml: classes.review.rank is 'one'" in problem
    assert "Give a whole number of at least 0. Until then the classes are those from before." in problem
    assert len(rules("free").with_options(priority="review", force=True).map([clip]).results()) == 1


@pytest.fixture
def hours(studio: Path) -> Path:
    # A slot-second of urgent for each show, and then standard.
    studio.write_text('[classes.urgent]\nslot_hours = 0.0003\nbeyond = "standard"\n')
    return studio


def test_a_show_that_has_used_its_hours_goes_on_in_the_class_below(
    hours: Path, engine: LocalEngine, rules: Find, clip: str
) -> None:
    free = rules("free")
    long = free.with_options(priority="urgent", show="dune").starmap(
        (clip, {"n": n, "s": 0.4}) for n in range(12)
    )

    note = until(lambda: engine.status(long.id).class_note)

    assert engine.status(long.id).priority == "standard"
    assert "show dune has used" in note
    assert "it goes on as standard" in note
    assert len(long.results()) == 12
    # What comes after goes to standard at once, of another show it does not.
    after = free.with_options(priority="urgent", show="dune", force=True).map([clip])
    other = free.with_options(priority="urgent", show="arrival", force=True).map([clip])
    assert (after.wait().priority, other.wait().priority) == ("standard", "urgent")


def test_hours_are_counted_over_a_restart_of_the_worker(
    studio: Path, engine: LocalEngine, rules: Find, clip: str
) -> None:
    studio.write_text("[classes.urgent]\nslot_hours = 0.0001\n")
    free = rules("free")
    free.with_options(priority="urgent", show="dune").map([clip], s=0.5).wait()
    used = of_class(engine, "urgent")["today"]["dune"]

    os.kill(int(engine.hello["pid"]), 9)
    engine.close()

    with pytest.raises(PolicyError, match="show dune has used") as caught:
        free.with_options(priority="urgent", show="dune", force=True).map([clip])
    assert caught.value.code == "class-hours"
    again = of_class(engine, "urgent")["today"]["dune"]
    assert again["slot_hours"] == used["slot_hours"] > 0


def test_what_a_show_has_sent_waits_for_tomorrow_where_there_is_no_class_below(
    studio: Path, engine: LocalEngine, rules: Find, clip: str
) -> None:
    studio.write_text("[classes.urgent]\nslot_hours = 0.0002\n")
    batch = (
        rules("free")
        .with_options(priority="urgent", show="dune", slots=1)
        .starmap((clip, {"n": n, "s": 0.5}) for n in range(20))
    )

    why = until(lambda: "goes on tomorrow" in (engine.explain(f"{batch.id}.20")["reason"] or "") and "yes")
    assert why
    # A person may send it elsewhere.
    engine.set_priority(batch.id, "standard")
    until(lambda: engine.status(batch.id).counts.running)
    batch.cancel()


# -- where a class may run, and how soon its work should be done -------------------------------------------


def test_a_class_that_may_not_use_this_machine_is_refused_at_the_door_and_barred_once_that_is_so(
    studio: Path, rules: Find, engine: LocalEngine, clip: str
) -> None:
    rewrite(studio, '[classes.urgent]\npurchase = ["spot"]\n')

    with pytest.raises(
        PolicyError, match=r"this machine is of the tier here .owned.: urgent work may"
    ) as not_here:
        rules("free").with_options(priority="urgent").map([clip], n=1, reel="0")
    standard = rules("free").map([clip], n=2, reel="0")
    assert [outcome.ok for outcome in standard] == [True]

    assert not_here.value.code == "class-elsewhere"
    assert "urgent work may not use owned machines" in of_class(engine, "urgent")["elsewhere"]
    rewrite(studio, "[classes]\n")
    until(lambda: not of_class(engine, "urgent")["elsewhere"])
    assert rules("free").with_options(priority="urgent").remote(clip, n=3, reel="0").begun > 0


def test_batches_are_held_against_the_target_of_their_class(
    studio: Path, rules: Find, engine: LocalEngine, clip: str
) -> None:
    rewrite(studio, '[classes.urgent]\ntarget = "1h"\n[classes.standard]\ntarget = "1ms"\n')
    free = rules("free")

    soon = free.with_options(priority="urgent").map([clip], n=1, reel="0")
    late = free.map([clip], n=2, reel="0")
    assert all(outcome.ok for batch in (soon, late) for outcome in batch)
    for name in ("urgent", "standard"):
        until(lambda: of_class(engine, name)["turnaround"]["ended"])  # noqa: B023 - called at once

    assert of_class(engine, "urgent")["turnaround"] == {"ended": 1, "met": 1, "late": 0}
    assert of_class(engine, "standard")["turnaround"] == {"ended": 1, "met": 0, "late": 0}
    assert of_class(engine, "background")["turnaround"] is None
    assert engine.status(soon.id).target_s == 3600.0
    shown = CliRunner().invoke(app, ["status", late.id]).stdout
    assert "target of standard 0.00 s: missed by" in shown
    assert "1 of 1" in CliRunner().invoke(app, ["classes"]).stdout


def test_what_waits_when_its_class_may_no_longer_use_this_machine_goes_on_in_another_class(
    studio: Path, rules: Find, engine: LocalEngine, clip: str
) -> None:
    assert rules("free").remote(clip, n=0, reel="0").begun > 0
    engine.control("pause")
    batch = rules("free").with_options(priority="urgent").map([clip], n=1, reel="0")
    until(lambda: batch.progress.counts.queued)

    rewrite(studio, '[classes.urgent]\ntiers = ["farm"]\n')
    until(lambda: of_class(engine, "urgent")["elsewhere"])
    engine.control("resume")

    assert (
        "urgent work may not use it; it goes on in another class" in engine.explain(f"{batch.id}.1")["reason"]
    )
    assert batch.progress.counts.queued == 1
    engine.set_priority(batch.id, "standard")
    assert [outcome.ok for outcome in batch] == [True]
