"""Several functions of one clip on the real engine: what is known, what fails, what a kill leaves."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from rushes import CallerError, catalog, together
from rushes.engines.local import LocalEngine

SEVERAL = Path(__file__).with_name("several.py")
Find = Callable[..., Any]


@pytest.fixture
def find(engine: LocalEngine, tmp_path: Path) -> Find:
    """`size`, `upper` and `twice`, or some of them, by the names that a slot finds them by."""

    def joined(*names: str, **dispatch: Any) -> Any:
        found = catalog.find("+".join(f"{SEVERAL}:{name}" for name in names))
        return found.with_options(out=str(tmp_path / "out"), **dispatch) if found.makes_outputs else found

    return joined


def runs(folder: Path) -> Counter[str]:
    """How often each body has run."""
    return Counter((folder / "log").read_text().split()) if (folder / "log").exists() else Counter()


def options(folder: Path, *names: str, **own: dict[str, str]) -> dict[str, dict[str, str]]:
    return {
        name: {"log": str(folder / "log"), **own.get(name, {})}
        for name in names or ("size", "upper", "twice")
    }


def visible(folder: Path) -> dict[str, bytes]:
    found = (folder / "out").rglob("*.txt")
    return {path.name: path.read_bytes() for path in found if ".rushes-scratch" not in path.parts}


WHOLE = {"upper.txt": b"A CLIP", "twice.txt": b"a clipa clip"}


def test_each_function_is_known_by_its_own_key_in_both_directions(
    find: Find, clip: str, tmp_path: Path
) -> None:
    find("upper").remote(clip, log=str(tmp_path / "log"))

    (outcome,) = find("size", "upper", "twice").map([clip], **options(tmp_path))
    alone = [next(iter(find(name).map([clip], log=str(tmp_path / "log")))) for name in ("size", "twice")]

    assert outcome.ok
    cached = {name: one.cached for name, one in outcome.result.functions.items()}
    assert cached == {"size": False, "upper": True, "twice": False}
    assert [one.finished.cached for one in alone] == [True, True]
    assert runs(tmp_path) == {"size": 1, "upper": 1, "twice": 1}
    assert visible(tmp_path) == WHOLE


def test_the_same_again_is_known_and_force_does_it_again(find: Find, clip: str, tmp_path: Path) -> None:
    for force in (False, False, True):
        (outcome,) = find("size", "twice", force=force).map([clip], **options(tmp_path, "size", "twice"))
        assert outcome.ok

    assert runs(tmp_path) == {"size": 2, "twice": 2}


def test_results_without_files_are_known_too(
    find: Find, clip: str, engine: LocalEngine, tmp_path: Path
) -> None:
    find("size", "upper").map([clip], **options(tmp_path, "size", "upper")).wait()

    (outcome,) = find("size").map([clip], log=str(tmp_path / "log"))

    assert outcome.finished.attempts == 0
    assert runs(tmp_path) == {"size": 1, "upper": 1}


def test_retry_does_only_what_failed(engine: LocalEngine, find: Find, clip: str, tmp_path: Path) -> None:
    needed = tmp_path / "needed"
    batch = find("size", "upper", "twice").map([clip], **options(tmp_path, upper={"needs": str(needed)}))
    (failed,) = batch
    first = engine.results(batch.id)[0]
    needed.touch()
    engine.retry(batch.id)
    (again,) = batch

    assert (failed.error or {})["code"] == "damaged"
    assert "1 of 3 functions failed (upper" in (failed.error or {})["message"]
    assert first.result["functions"]["size"]["result"] == {"size": 6}
    assert [Path(path).name for path in first.outputs] == ["twice.txt"]
    assert again.ok
    assert runs(tmp_path) == {"size": 1, "upper": 2, "twice": 1}
    assert visible(tmp_path) == WHOLE


def test_a_slot_killed_in_the_middle_loses_only_what_it_had_not_made(
    engine: LocalEngine, find: Find, clip: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    batch = find("size", "upper", "twice").map([clip], **options(tmp_path, twice={"gate": str(gate)}))
    until(lambda: runs(tmp_path)["twice"])
    before = visible(tmp_path)
    (slot,) = [one for one in engine.pool()["slots"] if one["running"]]
    os.kill(slot["pid"], signal.SIGKILL)
    gate.touch()
    (outcome,) = batch

    assert before == {"upper.txt": b"A CLIP"}
    assert (outcome.ok, outcome.finished.attempts) == (True, 2)
    assert runs(tmp_path) == {"size": 1, "upper": 1, "twice": 2}
    assert visible(tmp_path) == WHOLE
    assert not (tmp_path / "out" / ".rushes-scratch").exists()


def test_a_killed_worker_loses_only_what_was_not_made(
    engine: LocalEngine, find: Find, clip: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    batch = find("size", "upper", "twice").map([clip], **options(tmp_path, twice={"gate": str(gate)}))
    until(lambda: runs(tmp_path)["twice"])
    os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)
    gate.touch()
    (outcome,) = batch

    assert outcome.ok
    assert runs(tmp_path) == {"size": 1, "upper": 1, "twice": 2}
    assert visible(tmp_path) == WHOLE


def test_a_cancel_ends_what_runs_and_takes_back_nothing(
    engine: LocalEngine, find: Find, clip: str, tmp_path: Path
) -> None:
    batch = find("upper", "twice", "size").map(
        [clip], **options(tmp_path, twice={"gate": str(tmp_path / "no")})
    )
    until(lambda: runs(tmp_path)["twice"])
    batch.cancel()
    (outcome,) = batch

    assert outcome.state.value == "cancelled"
    assert visible(tmp_path) == {"upper.txt": b"A CLIP"}
    until(lambda: not (tmp_path / "out" / ".rushes-scratch").exists())
    (again,) = find("upper").map([clip], log=str(tmp_path / "log"))
    assert again.finished.cached
    assert runs(tmp_path) == {"upper": 1, "twice": 1}


def test_pruning_the_journal_forgets_what_functions_of_a_pass_made(
    engine: LocalEngine, find: Find, clip: str, tmp_path: Path
) -> None:
    find("size", "upper").map([clip], **options(tmp_path, "size", "upper")).wait()

    engine.journal("prune", older_s=0.0, keep=0)
    find("size").remote(clip, log=str(tmp_path / "log"))

    assert runs(tmp_path)["size"] == 2


def test_a_batch_after_a_pruned_one_is_not_taken_for_it_by_a_warm_slot(
    engine: LocalEngine, find: Find, clip: str, tmp_path: Path
) -> None:
    find("size").remote(clip, log=str(tmp_path / "log"))
    engine.journal("prune", older_s=0.0, keep=0)

    find("upper").remote(clip, log=str(tmp_path / "log"))

    assert runs(tmp_path) == {"size": 1, "upper": 1}


def test_names_joined_by_plus_are_the_same_as_together(
    find: Find, engine: LocalEngine, tmp_path: Path
) -> None:
    named = catalog.find("inspect+checksum")
    made = together(catalog.find("inspect"), catalog.find("checksum"))

    assert (named.name, named.ref, named.version) == (made.name, made.ref, made.version)
    assert catalog.source_digest(named) == catalog.source_digest(made)
    assert engine.status(find("size", "twice").map([]).id).function == "size+twice"


def test_functions_of_files_and_installed_ones_run_together(find: Find, clip: str, tmp_path: Path) -> None:
    own = tmp_path / "a+b.py"
    own.write_text((SEVERAL).read_text())

    both = catalog.find(f"{SEVERAL}:size+checksum")
    (outcome,) = both.map([clip], size={"log": str(tmp_path / "log")})

    assert outcome.result.of(catalog.find("checksum")).size_bytes == 6
    assert catalog.find(f"{own}:size").name == "size"
    with pytest.raises(CallerError, match="Move its file"):
        together(catalog.find(f"{own}:size"), catalog.find("checksum"))


def test_each_clip_may_bring_options_of_its_own(find: Find, clip: str, tmp_path: Path) -> None:
    pairs = [(clip, options(tmp_path, "size", "twice")) for _ in range(2)]

    batch = find("size", "twice").starmap(pairs)

    assert [outcome.ok for outcome in batch] == [True, True]
    assert runs(tmp_path) == {"size": 1, "twice": 1}
