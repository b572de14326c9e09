"""`run` and `submit`: what is sent, what is printed, and the exit code."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from rushes.testing import StubEngine

Rushes = Callable[..., Result]


def objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_folder_is_run_and_summed_up(rushes: Rushes) -> None:
    result = rushes("run", "fun.py:size", "clips")

    assert result.exit_code == 0
    assert objects(result) == [{"size": 10, "name": "a.mov"}, {"size": 20, "name": "b.mov"}]
    assert "size: 2 done in" in result.stderr


def test_outputs_are_made_below_out_and_their_paths_are_printed(rushes: Rushes, folder: Path) -> None:
    result = rushes("run", "fun.py:copy", "clips", "--out", "made")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [str(folder / "made" / "a.mov"), str(folder / "made" / "b.mov")]
    assert (folder / "made" / "b.mov").read_bytes() == bytes(20)
    assert "2 made in" in result.stderr
    assert f"→ {folder / 'made'}" in result.stderr


def test_doing_it_again_makes_nothing_new(rushes: Rushes, folder: Path) -> None:
    rushes("run", "fun.py:copy", "clips", "--out", "made")
    before = (folder / "made" / "a.mov").stat().st_mtime_ns

    result = rushes("run", "fun.py:copy", "clips", "--out", "made")

    assert "copy: 2 known already" in result.stderr
    assert (folder / "made" / "a.mov").stat().st_mtime_ns == before


def test_json_prints_the_contracts_object_a_line(rushes: Rushes, folder: Path) -> None:
    result = rushes("run", "fun.py:size", "clips/a.mov", "bad.mov", "--json")

    good, bad = objects(result)
    assert list(good) == [
        "schema", "batch", "invocation", "asset", "function", "state", "outputs", "result", "error",
        "attempts", "seconds", "cost_usd", "encoder", "cached", "warnings",
    ]  # fmt: skip
    assert (good["schema"], good["state"], good["error"]) == (1, "succeeded", None)
    assert good["asset"] == str(folder / "clips" / "a.mov")
    assert bad["error"] == {
        "kind": "media", "code": "truncated", "message": "bad.mov is damaged: it ends early.",
    }  # fmt: skip
    assert result.stderr == ""
    assert result.exit_code == 1


def test_a_failure_is_one_line_with_the_next_step(rushes: Rushes) -> None:
    result = rushes("run", "fun.py:size", "bad.mov", "clips")

    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if "✗" in line]
    assert line == ("✗ bad.mov [media] bad.mov is damaged: it ends early. → Copy again. (rushes why stub1.1)")
    assert "2 done, 1 failed" in result.stderr
    assert "rushes retry stub1" in result.stderr


def test_twenty_failures_are_shown_and_the_rest_is_counted(rushes: Rushes, folder: Path) -> None:
    (folder / "many").mkdir()
    for number in range(25):
        (folder / "many" / f"bad{number:02d}.mov").write_bytes(bytes(number))

    result = rushes("run", "fun.py:size", "many")

    assert result.stderr.count("✗") == 20
    assert "and 5 more: rushes results stub1 --failed" in result.stderr


def test_a_manifests_missing_line_fails_alone(rushes: Rushes, folder: Path) -> None:
    (folder / "list.txt").write_text("clips/a.mov\nclips/nothere.mov\n")

    result = rushes("run", "fun.py:size", "list.txt")

    assert result.exit_code == 1
    assert "1 done, 1 failed" in result.stderr
    assert "nothere.mov" in result.stderr


def test_standard_input_lists_clips(rushes: Rushes) -> None:
    result = rushes("run", "fun.py:size", "-", stdin="clips/a.mov\nclips/b.mov\n")

    assert [row["size"] for row in objects(result)] == [10, 20]


def test_dispatch_options_reach_the_batch(rushes: Rushes, engine: StubEngine) -> None:
    rushes(
        "run", "fun.py:size", "clips", "--priority", "urgent", "--show", "dune", "--tag", "reel=A001",
        "--tag", "day=3", "--slots", "2", "--deadline", "2h", "--force", "--settle", "1s", "--max-cost", "5",
    )  # fmt: skip

    status = engine.status("stub1")
    assert (status.priority, status.show, dict(status.tags)) == (
        "urgent",
        "dune",
        {"reel": "A001", "day": "3"},
    )
    spec = engine.explain("stub1.1")["spec"]
    assert (spec["max_slots"], spec["force"], spec["settle_s"]) == (2, True, 1.0)
    assert spec["deadline"] > status.submitted + 7000


def test_dispatch_options_may_stand_before_the_function(rushes: Rushes, engine: StubEngine) -> None:
    result = rushes("run", "--show", "dune", "--json", "fun.py:size", "clips/a.mov", "--unit", "5")

    assert objects(result)[0]["result"]["size"] == 2
    assert engine.status("stub1").show == "dune"


def test_frames_limit_each_clip(rushes: Rushes, engine: StubEngine) -> None:
    rushes("run", "fun.py:size", "clips/a.mov", "--frames", "10-20")

    assert engine._batches["stub1"].rows[0].invocation.frames == (10, 20)


def test_after_waits_for_another_batch(rushes: Rushes, engine: StubEngine) -> None:
    rushes("run", "fun.py:size", "bad.mov")

    result = rushes("run", "fun.py:size", "clips/a.mov", "--after", "stub1.1")

    assert "1 cancelled" in result.stderr
    assert result.exit_code == 1


def test_a_preset_file_gives_options_and_the_command_line_overrides_it(rushes: Rushes, folder: Path) -> None:
    (folder / "preset.yaml").write_text("unit: 5\nshout: true\n")

    preset = rushes("run", "fun.py:size", "clips/a.mov", "--params", "preset.yaml")
    both = rushes("run", "fun.py:size", "clips/a.mov", "--params", "preset.yaml", "--unit", "2", "--no-shout")

    assert objects(preset) == [{"size": 2, "name": "A.MOV"}]
    assert objects(both) == [{"size": 5, "name": "a.mov"}]


def test_a_dry_run_lists_and_sends_nothing(rushes: Rushes, engine: StubEngine, folder: Path) -> None:
    result = rushes("run", "fun.py:size", "clips", "--dry-run")

    assert result.stdout.splitlines() == [
        str(folder / "clips" / "a.mov"),
        str(folder / "clips" / "b.mov"),
    ]
    assert "would send 2 invocations of size" in result.stderr
    assert engine.batches() == []


def test_a_function_without_files_notes_an_out_that_it_does_not_use(rushes: Rushes, folder: Path) -> None:
    result = rushes("run", "fun.py:size", "clips", "--out", "made")

    assert result.exit_code == 0
    assert "makes no files: --out is not used." in result.stderr
    assert not (folder / "made").exists()


def test_names_that_would_move_the_cursor_are_escaped(rushes: Rushes, folder: Path) -> None:
    (folder / "bad\n\x1b[31m.mov").write_bytes(b"x")

    result = rushes("run", "fun.py:size", "bad\n\x1b[31m.mov")

    assert "\\x1b[31m" in result.stderr
    assert "\x1b[31m" not in result.stderr


# -- submit -----------------------------------------------------------------------------------------------


def test_submit_prints_the_batch_and_does_not_wait(rushes: Rushes, engine: StubEngine) -> None:
    engine.held = True

    result = rushes("submit", "fun.py:size", "clips")

    assert result.exit_code == 0
    assert result.stdout == "stub1\n"
    assert "rushes follow stub1" in result.stderr
    status = engine.status("stub1")
    assert (status.counts.queued, status.sealed) == (2, True)


def test_submit_answers_in_json(rushes: Rushes) -> None:
    result = rushes("submit", "fun.py:size", "clips", "--json")

    assert objects(result) == [{"schema": 1, "batch": "stub1", "invocations": 2}]


def test_a_job_file_says_it_all(rushes: Rushes, engine: StubEngine, folder: Path) -> None:
    (folder / "jobs").mkdir()
    (folder / "jobs" / "web.yaml").write_text("shout: true\n")
    (folder / "jobs" / "job.yaml").write_text(
        "rushes: 1\nfunction: ../fun.py:size\ninputs: [../clips]\npreset: web.yaml\nparams:\n  unit: 5\n"
        "class: urgent\nshow: dune\ntags: {reel: A001}\ndeadline: 2h\nslots: 1\n"
    )

    result = rushes("submit", "jobs/job.yaml")

    assert result.exit_code == 0
    status = engine.status("stub1")
    assert (status.priority, status.show, dict(status.tags)) == ("urgent", "dune", {"reel": "A001"})
    assert [end.result for end in engine.results("stub1")] == [
        {"size": 2, "name": "A.MOV"},
        {"size": 4, "name": "B.MOV"},
    ]


def test_the_command_line_overrides_a_job_file(rushes: Rushes, engine: StubEngine, folder: Path) -> None:
    (folder / "job.yaml").write_text(
        "rushes: 1\nfunction: ./fun.py:copy\ninputs: clips\nout: elsewhere\nclass: urgent\n"
    )

    rushes("run", "job.yaml", "clips/a.mov", "--out", "made", "--priority", "background")

    assert sorted(p.name for p in (folder / "made").iterdir()) == ["a.mov", "a.mov.rushes.json"]
    assert not (folder / "elsewhere").exists()
    assert engine.status("stub1").priority == "background"


_JOB = "rushes: 1\nfunction: x\ninputs: [a]\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("function: x\ninputs: [a]\n", "does not say its version"),
        ("rushes: 2\nfunction: x\ninputs: [a]\n", "says rushes: 2"),
        ("rushes: 1\ninputs: [a]\n", "names no function"),
        ("rushes: 1\nfunction: x\n", "has no list of inputs"),
        ("rushes: 1\nfunction: x\ninputs: [a]\npriority: urgent\n", "unknown key 'priority'"),
        ("rushes: 1\nfunction: x\ninputs: [a]\nslots: many\n", "has slots: 'many'"),
        ("rushes: 1\nfunction: x\ninputs: [a]\nparams: [1]\n", "has params: [1]"),
        ("rushes: 1\n  function: [\n", "is no YAML"),
        ("just text\n", "is no job"),
        (f"{_JOB}show: 2020-13-45\n", "holds a value that is none"),
        (f"{_JOB}slots: {'9' * 5000}\n", "holds a value that is none"),
        (f"{_JOB}params: {'[' * 5000}\n", "nested too deeply"),
        (f"{_JOB}tags: {{a: &a [x, x], b: [*a, *a]}}\n", "no plain value for tag 'a'"),
        (f"{_JOB}max_cost: .nan\n", "has max_cost: nan"),
        ("#" * (16 * 1024 * 1024 + 1), "List many inputs in a manifest"),
    ],
)
def test_a_wrong_job_file_is_refused_with_the_reason(
    rushes: Rushes, folder: Path, text: str, says: str
) -> None:
    (folder / "job.yaml").write_text(text)

    result = rushes("submit", "job.yaml")

    assert result.exit_code == 2
    assert says in result.stderr
    assert "job.yaml" in result.stderr


def test_a_job_that_is_no_file_is_not_read(rushes: Rushes, folder: Path) -> None:
    os.mkfifo(folder / "job.yaml")

    result = rushes("submit", "job.yaml")

    assert result.exit_code == 2
    assert "is no file" in result.stderr


def test_a_job_key_that_is_nearly_right_is_suggested(rushes: Rushes, folder: Path) -> None:
    (folder / "job.yaml").write_text("rushes: 1\nfunction: x\ninput: [a]\n")

    assert "Did you mean 'inputs'?" in rushes("submit", "job.yaml").stderr


def test_paths_with_control_characters_are_escaped_in_a_pipe_and_exact_in_json(
    rushes: Rushes, folder: Path
) -> None:
    (folder / "clips" / "a.mov").rename(folder / "clips" / "a\n\x1b[2J.mov")

    lines = rushes("run", "fun.py:copy", "clips", "--out", "made").stdout.splitlines()
    objects_ = objects(rushes("results", "--json"))

    assert lines == [f"{folder}/made/a\\n\\x1b[2J.mov", f"{folder}/made/b.mov"]
    assert objects_[0]["outputs"] == [f"{folder}/made/a\n\x1b[2J.mov"]


def test_what_a_function_without_files_cannot_use_is_noted(rushes: Rushes) -> None:
    done = rushes("run", "fun.py:size", "clips", "--out", "made", "--name", "{stem}x{ext}")

    assert "note: size makes no files: --out, --name are not used." in done.stderr


def test_what_was_called_wrongly_is_not_offered_again(rushes: Rushes, folder: Path) -> None:
    (folder / "list.txt").write_text("clips/a.mov\nclips/gone.mov\n")

    done = rushes("run", "fun.py:size", "list.txt")

    assert done.exit_code == 1
    assert "gone.mov does not exist" in done.stderr
    assert "rushes retry" not in done.stderr


@pytest.mark.parametrize("wrong", [BrokenPipeError(), OSError(errno.ENOSPC, "No space left on device")])
def test_when_nobody_reads_the_results_any_more_the_batch_is_sent_whole_and_named(
    engine: StubEngine, folder: Path, capsys: pytest.CaptureFixture[str], wrong: OSError
) -> None:
    from rushes import catalog  # noqa: PLC0415 - few tests go below the command
    from rushes.asset import Asset  # noqa: PLC0415
    from rushes.cli.follow import follow_batch  # noqa: PLC0415
    from rushes.cli.sending import Sending  # noqa: PLC0415
    from rushes.cli.session import Session  # noqa: PLC0415
    from rushes.cli.sinks import NothingSink  # noqa: PLC0415
    from rushes.runtime.sending.submission import batch_spec, invocations  # noqa: PLC0415
    from rushes.runtime.sources.inputs import distinct  # noqa: PLC0415

    class Unread(NothingSink):
        def add(self, page: object) -> None:
            raise wrong

    size = catalog.find("./fun.py:size")
    batch = engine.open(batch_spec(size, size.options, size.params()))
    found = distinct((Asset(f"{folder}/clips/{name}"), None) for name in ("a.mov", "b.mov") * 20)
    sending = Sending(engine, batch, invocations(size, size.options, size.params(), found))
    sending.start()

    with pytest.raises(type(wrong)):
        follow_batch(Session(engine), engine, batch, Unread(), sending=sending)

    assert engine.status(batch).sealed
    assert engine.status(batch).counts.total == 40
    assert "left running" not in capsys.readouterr().err
