"""Commands about this machine and about functions: pool, journal, doctor, new, describe, completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rushes import PlatformError
from rushes.cli.app import COMMANDS, app
from rushes.cli.doctor import checks
from rushes.cli.session import Session
from rushes.core.classes import DEFAULT_CLASSES
from rushes.media.describing import inspection
from rushes.media.running.box import LEVELS
from rushes.runtime.dispatch.classes import class_json
from rushes.testing import StubEngine

Rushes = Callable[..., Result]


# -- the pool ---------------------------------------------------------------------------------------------


def test_pool_shows_slots_queues_and_a_pause(
    rushes: Rushes, engine: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {
        "capacity": {"cpu": 2.0, "memory": 2.0**31, "gpu": 0}, "paused": True,
        "slots": [
            {"slot": 1, "pid": 7, "ready": True, "running": "b.1", "asset": "/a", "given": 3, "seconds": 5},
            {"slot": 2, "pid": 78, "ready": True, "running": None, "asset": None, "given": 0, "seconds": 0},
        ],
        "queues": [{"priority": "urgent", "show": "dune", "waiting": 12345}],
    }  # fmt: skip
    monkeypatch.setattr(engine, "pool", lambda: found)

    text = rushes("pool").stdout

    assert "pool of 2 cores, 2.0 GiB" in text
    assert "paused: nothing starts until `rushes resume`" in text
    assert "b.1 +2" in text
    assert "idle" in text
    assert "12,345" in text
    assert json.loads(rushes("pool", "--json").stdout) == found


def test_pause_resume_and_drain_reach_the_pool(rushes: Rushes, engine: StubEngine) -> None:
    assert "paused; nothing is running" in rushes("pause").stderr
    assert engine.pool()["paused"]
    assert rushes("resume").exit_code == 0
    assert not engine.pool()["paused"]
    assert "draining" in rushes("drain").stderr


def test_worker_stop_without_a_worker_says_so(rushes: Rushes) -> None:
    assert "no worker runs" in rushes("worker", "--stop").stderr


def test_worker_service_prints_a_unit(rushes: Rushes) -> None:
    text = rushes("worker", "--service").stdout

    assert text.startswith("[Unit]")
    assert " worker\nRestart=" in text


def test_journal_reaches_the_engine_that_owns_it(
    rushes: Rushes, engine: StubEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def journal(verb: str, **arguments: Any) -> dict[str, Any]:
        asked.append((verb, arguments))
        return {"pruned": 3, "journal": {"path": "/x", "size_bytes": 2048, "failures": {"a": 2, "b": 1}}}

    monkeypatch.setattr(engine, "journal", journal, raising=False)

    shown = rushes("journal", "show").stdout
    assert "size_bytes  2.0 KiB" in shown
    assert "failures    2 a, 1 b" in shown
    assert "3 batches forgotten" in rushes("journal", "prune", "--older", "2h", "--keep", "5").stderr
    assert rushes("journal", "backup", "copy.db").stdout == f"{folder / 'copy.db'}\n"
    assert asked == [
        ("show", {}),
        ("prune", {"older_s": 7200.0, "keep": 5}),
        ("backup", {"target": str(folder / "copy.db")}),
    ]


def test_a_backup_replaces_nothing(rushes: Rushes, folder: Path) -> None:
    (folder / "copy.db").write_text("mine")

    result = rushes("journal", "backup", "copy.db")

    assert result.exit_code == 2
    assert "copy.db exists" in result.stderr


# -- classes ----------------------------------------------------------------------------------------------


def test_classes_say_when_the_file_that_is_named_is_not_the_one_that_counts(
    rushes: Rushes, engine: StubEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = {"running": 0, "cpu": 0.0, "reserved": 0.0, "most": 1.0}
    rows = [
        {**class_json(one), "now": now, "today": {}, "turnaround": None, "elsewhere": ""}
        for one in DEFAULT_CLASSES
    ]
    in_force = {"file": "", "problem": "", "classes": rows}
    monkeypatch.setattr(engine, "pool", lambda: {"classes": in_force})
    assert "does not count" not in rushes("classes").stdout

    file = tmp_path / "studio.toml"
    monkeypatch.setenv("RUSHES_CLASSES", str(file))
    text = rushes("classes").stdout
    assert f"{file} does not count yet: the worker that runs was started without a file." in text
    assert "`rushes drain`" in text
    in_force["file"] = str(file)
    assert "does not count" not in rushes("classes").stdout


@pytest.mark.usefixtures("rushes_home")
def test_columns_of_classes_in_which_nothing_stands_are_left_out() -> None:
    table = CliRunner().invoke(app, ["classes"], obj=Session()).stdout.splitlines()
    assert table[0].split() == ["rank", "class", "ages", "in", "for"]


# -- doctor -----------------------------------------------------------------------------------------------


def test_doctor_finds_this_machine_well(rushes: Rushes) -> None:
    result = rushes("doctor")

    assert result.exit_code == 0
    for name in ("python", "system", "ffmpeg", "pyav", "journal", "disk", "pool", "scratch", "box", "worker"):
        assert f"  {name}" in result.stdout
    assert any(f"  {level}: " in result.stdout for level in LEVELS)


def test_doctor_tells_a_broken_ffmpeg_and_its_fix(rushes: Rushes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_FFMPEG", "/nowhere/ffmpeg")

    result = rushes("doctor", "--json")

    assert result.exit_code == 1
    found = [json.loads(line) for line in result.stdout.splitlines()]
    (broken,) = [one for one in found if one["level"] == "fail"]
    assert broken["name"] == "ffmpeg"
    assert "/nowhere/ffmpeg" in broken["says"]
    assert broken["fix"]
    assert any(one["name"] == "box" for one in found), "the checks after it were made"


def test_doctor_reads_a_clip_and_tells_why_none_can_be_read(
    rushes: Rushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a PyAV whose `open` knows an argument no more: then it is no clip that is at fault."""
    said = "Traceback …\nTypeError: open() got an unexpected keyword argument 'metadata_errors'\n"

    def crashes(clip: Path) -> None:
        assert clip.stat().st_size > 1600
        raise PlatformError("the reader ended by itself.", code="reader-failed", details={"said": said})

    monkeypatch.setattr(inspection, "describe", crashes)
    result = rushes("doctor", "--json")
    assert result.exit_code == 1
    (broken,) = [one for one in map(json.loads, result.stdout.splitlines()) if one["level"] == "fail"]
    assert broken["name"] == "reader"
    assert "TypeError: open() got an unexpected keyword" in broken["says"]
    assert "PyAV" in broken["fix"]


@pytest.mark.parametrize(
    ("pool", "level", "says"),
    [
        ({"slots": [1, 2]}, "ok", "2 slots"),
        ({"worker": {"pid": 7, "version": "0.0.1"}}, "warn", "of version 0.0.1"),
        ({"slots": [], "paused": True}, "warn", "paused"),
        ({"slots": [], "low_on_space": True}, "fail", "nearly full"),
    ],
)
def test_doctor_tells_how_the_worker_is(
    monkeypatch: pytest.MonkeyPatch, pool: dict[str, Any], level: str, says: str
) -> None:
    engine = StubEngine()
    described = {**engine.pool(), **pool}
    monkeypatch.setattr(engine, "pool", lambda: described)

    found = {one.name: one for one in checks(Session(engine), os.environ)}["worker"]

    assert found.level == level
    assert says in found.says


def test_doctor_looks_at_the_file_of_classes(
    rushes: Rushes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "studio.toml"
    monkeypatch.setenv("RUSHES_CLASSES", str(file))
    file.write_text("[classes.review]\nrank = 1\n")
    assert f"interactive, review, urgent, standard, background, by {file}" in rushes("doctor").stdout

    file.write_text("[classes.review]\nrnak = 1\n")
    (found,) = (one for one in checks(Session(), os.environ) if one.name == "classes")
    assert (found.level, f"{file}: classes.review" in found.says) == ("fail", True)


def test_doctor_starts_no_worker(rushes_home: Path, folder: Path) -> None:
    result = CliRunner().invoke(app, ["doctor"], obj=Session())

    assert "none runs" in result.stdout
    assert not (rushes_home / "worker.lock").exists()


# -- functions --------------------------------------------------------------------------------------------


def test_functions_lists_what_is_installed(
    rushes: Rushes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "theirs-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rushes.functions]\nclean = theirs.clean:clean\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    assert "clean" in rushes("functions").stdout
    rows = [json.loads(line) for line in rushes("functions", "--json").stdout.splitlines()]
    assert {"name": "clean", "ref": "theirs.clean:clean", "distribution": "theirs"} in rows


def test_describe_says_what_a_function_takes_and_gives(rushes: Rushes) -> None:
    text = rushes("describe", "fun.py:size").stdout

    assert text.startswith("size@1")
    assert "More of it." in text
    assert "owner        dailies" in text
    assert "--unit INTEGER" in text
    assert "result  (schema 1)" in text


def test_describe_in_json_has_the_schemas(rushes: Rushes) -> None:
    found = json.loads(rushes("describe", "fun.py:size", "--json").stdout)

    assert found["params"]["properties"]["unit"]["minimum"] == 1
    assert set(found["result"]["properties"]) == {"size", "name"}
    assert len(found["source_digest"]) == 64


def test_new_writes_a_function_that_passes_its_own_test(rushes: Rushes, folder: Path) -> None:
    result = rushes("new", "first_frame")
    assert result.stdout.split() == ["first_frame.py", "test_first_frame.py", "first_frame.md"]

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_first_frame.py"],
        cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip

    assert run.returncode == 0, run.stdout
    assert "2 passed" in run.stdout
    assert "--width INTEGER" in rushes("run", "./first_frame.py", "--help").stdout


@pytest.mark.parametrize("there", ["mine.py", "test_mine.py", "mine.md"])
def test_new_overwrites_nothing(rushes: Rushes, folder: Path, there: str) -> None:
    (folder / there).write_text("mine")

    result = rushes("new", "mine")

    assert result.exit_code == 2
    assert there in result.stderr
    assert [p.name for p in folder.glob("*mine*")] == [there]
    assert (folder / there).read_text() == "mine"


# -- completion -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(rushes: Rushes, shell: str) -> None:
    result = rushes("completion", shell)

    assert result.exit_code == 0
    assert f"_RUSHES_COMPLETE={shell}_complete" in result.stdout


def completed(words: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What bash would offer after `words`."""
    monkeypatch.setenv("_RUSHES_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    result = CliRunner().invoke(app, [], prog_name="rushes")
    return [line.partition(",")[2] for line in result.stdout.splitlines()]


def test_a_shell_completes_commands_functions_and_their_options(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completed("rushes re", monkeypatch) == [
        "results",
        "retry",
        "receipt",
        "reproduce",
        "redrive",
        "restore",
        "resume",
    ]
    assert "proxy" in completed("rushes run pro", monkeypatch) or "rushes" not in _installed()
    assert completed("rushes run fun.py:size clips --un", monkeypatch) == ["--unit"]
    assert completed("rushes run fun.py:many clips --codec h", monkeypatch) == ["h264", "hevc"]
    assert completed("rushes run nothere clips --prio", monkeypatch) == ["--priority"]


def _installed() -> set[str]:
    from importlib.metadata import distributions  # noqa: PLC0415 - only where the package is not installed

    return {d.name for d in distributions()}


def test_a_shell_completes_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = StubEngine()
    from rushes.invocation import BatchSpec  # noqa: PLC0415 - only here

    engine.open(BatchSpec("f", "1"))
    monkeypatch.setattr(Session, "engine", lambda self, name="local": engine)

    assert completed("rushes follow st", monkeypatch) == ["stub1"]


# -- the whole tree ---------------------------------------------------------------------------------------


def test_every_command_has_a_help_that_says_what_the_table_says(rushes: Rushes) -> None:
    rows = {name: help_ for group in COMMANDS.values() for name, (_, help_) in group.items()}

    for name in rows:
        result = rushes(name, "--help")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: rushes {name}")
    top = rushes("--help").stdout
    assert all(help_ in " ".join(top.split()) for help_ in rows.values())


def test_version_is_told(rushes: Rushes) -> None:
    from rushes import __version__  # noqa: PLC0415 - only here

    assert rushes("--version").stdout == f"rushes {__version__}\n"


@pytest.mark.parametrize(
    ("text", "level", "says"),
    [
        (
            "tiers: {here: {cpu: 1, memory: 1GiB, purchase: owned, region: x}}\nfleets: {here: {maximum: 6}}",
            "ok", "0 to 6 slots of here",
        ),
        (
            "tiers: {rack: {cpu: 1, memory: 1GiB, purchase: owned, region: x}}\nfleets: {rack: {maximum: 6}}",
            "warn", "no fleet 'here', which this machine is",
        ),
        ("tiers: {}\nfleet: 5", "fail", "Write fleets."),
    ],
)  # fmt: skip
def test_doctor_reads_the_file_of_capacity_if_there_is_one(
    text: str, level: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "capacity.yaml"
    file.write_text(text)

    (found,) = [
        one
        for one in checks(Session(), {**os.environ, "RUSHES_CAPACITY": str(file)})
        if one.name == "capacity"
    ]

    assert found.level == level
    assert says in f"{found.says} {found.fix}"
