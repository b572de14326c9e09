"""Commands about batches and invocations that exist."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from rushes.cli.explanation import explanation
from rushes.cli.show import displacement_lines
from rushes.errors import PlatformError
from rushes.testing import StubEngine

Rushes = Callable[..., Result]


@pytest.fixture
def batch(rushes: Rushes) -> str:
    """A batch with two successes and a failure."""
    rushes("submit", "fun.py:size", "clips", "bad.mov", "--tag", "reel=A001")
    return "stub1"


def test_follow_tells_the_end_of_a_batch(rushes: Rushes, batch: str) -> None:
    result = rushes("follow", batch)

    assert result.exit_code == 1
    assert "2 done, 1 failed" in result.stderr
    assert "✗ bad.mov" in result.stderr


def test_follow_in_json_starts_at_the_beginning(rushes: Rushes, batch: str) -> None:
    result = rushes("follow", batch, "--json")

    assert [json.loads(line)["state"] for line in result.stdout.splitlines()] == [
        "succeeded",
        "succeeded",
        "failed",
    ]


def test_last_is_the_newest_batch(rushes: Rushes, batch: str) -> None:
    rushes("submit", "fun.py:size", "clips")

    assert "stub2 ·" in rushes("status", "last").stdout


def test_status_says_where_a_batch_stands(rushes: Rushes, batch: str) -> None:
    text = rushes("status", batch).stdout

    assert "size: 2 done, 1 failed" in text
    assert "stub1 · standard · show default · 2 done, 1 failed" in text
    assert "tags reel=A001" in text


def test_status_in_json_counts_every_state(rushes: Rushes, batch: str) -> None:
    found = json.loads(rushes("status", batch, "--json").stdout)

    assert found["counts"] == {
        "queued": 0, "held": 0, "running": 0, "paused": 0,
        "succeeded": 2, "failed": 1, "cancelled": 0, "cached": 0,
    }  # fmt: skip
    assert (found["schema"], found["sealed"]) == (1, True)


def test_results_lists_what_came_of_each(rushes: Rushes, batch: str) -> None:
    text = rushes("results", batch).stdout

    assert "stub1.1" in text
    assert "size 10, name a.mov" in text
    assert "[media] bad.mov is damaged" in text


def test_results_can_be_limited_to_failures_and_in_number(rushes: Rushes, batch: str) -> None:
    failed = rushes("results", batch, "--failed", "--json").stdout.splitlines()
    some = rushes("results", batch, "--limit", "2", "--json").stdout.splitlines()

    assert [json.loads(line)["invocation"] for line in failed] == ["stub1.3"]
    assert len(some) == 2


def test_results_of_a_batch_without_failures_says_so(rushes: Rushes) -> None:
    rushes("submit", "fun.py:size", "clips")

    assert "nothing has failed yet: 2 done" in rushes("results", "stub1", "--failed").stderr


def test_cancel_ends_what_waits(rushes: Rushes, engine: StubEngine) -> None:
    engine.held = True
    rushes("submit", "fun.py:size", "clips")

    result = rushes("cancel", "stub1")

    assert result.exit_code == 0
    assert "2 cancelled" in result.stderr
    assert "had ended already" in rushes("cancel", "stub1").stderr


def test_retry_queues_the_failed_ones(rushes: Rushes, batch: str, folder: Path) -> None:
    assert "1 invocation queued again: rushes follow stub1" in rushes("retry", batch).stderr


@pytest.mark.parametrize("verb", ["retry", "cancel", "set"])
def test_what_acts_on_a_whole_batch_refuses_the_name_of_one_invocation(
    rushes: Rushes, batch: str, verb: str
) -> None:
    options = ["--priority", "urgent"] if verb == "set" else []

    result = rushes(verb, f"{batch}.3", *options)

    assert result.exit_code == 2
    assert f"stub1.3 is one invocation; {verb} acts on a whole batch" in result.stderr
    assert f"rushes {verb} stub1" in result.stderr


def test_last_with_a_number_is_an_invocation_of_the_newest_batch(rushes: Rushes, batch: str) -> None:
    rushes("submit", "fun.py:size", "bad.mov")

    assert rushes("why", "last.1").stdout.startswith("stub2.1: failed")


def test_why_of_one_failed_attempt_says_what_went_wrong_once(rushes: Rushes, batch: str) -> None:
    assert rushes("why", "stub1.3").stdout.count("is damaged: it ends early") == 1


def test_retry_of_a_batch_without_failures_says_so(rushes: Rushes) -> None:
    rushes("submit", "fun.py:size", "clips")

    assert "nothing of stub1 failed" in rushes("retry", "stub1").stderr


def test_list_shows_the_newest_first(rushes: Rushes, batch: str) -> None:
    rushes("submit", "fun.py:size", "clips")

    rows = rushes("list").stdout.splitlines()

    assert [row.split()[0] for row in rows] == ["batch", "stub2", "stub1"]
    assert [json.loads(row)["batch"] for row in rushes("list", "--json").stdout.splitlines()] == [
        "stub2",
        "stub1",
    ]


def test_list_fits_a_narrow_terminal_and_names_shows_where_there_are_some(rushes: Rushes, batch: str) -> None:
    rushes("submit", "fun.py:size", "clips")
    rows = rushes("list").stdout.splitlines()
    assert "show" not in rows[0]
    assert max(map(len, rows)) <= 80

    rushes("submit", "fun.py:size", "clips", "--show", "dune")
    rows = rushes("list").stdout.splitlines()
    assert "  show     state" in rows[0]
    assert "  dune     ended" in rows[1]
    assert "  default  ended" in rows[2]


def test_list_without_batches_says_how_to_make_one(rushes: Rushes) -> None:
    assert "rushes run FUNCTION INPUT" in rushes("list").stderr


# -- one invocation ---------------------------------------------------------------------------------------


def test_why_explains_a_failure_and_what_to_do(rushes: Rushes, batch: str) -> None:
    text = rushes("why", "stub1.3").stdout

    assert "stub1.3: failed after 1 attempt" in text
    assert "media · truncated: bad.mov is damaged: it ends early." in text
    assert "next: Copy again." in text
    assert "the media is at fault" in text


def test_why_explains_what_waits(rushes: Rushes, engine: StubEngine) -> None:
    engine.held = True
    rushes("submit", "fun.py:size", "clips")

    text = rushes("why", "stub1.2").stdout

    assert "stub1.2: waits in its queue" in text
    assert "waits: waits for a slot" in text


def test_why_in_json_is_all_that_is_known(rushes: Rushes, batch: str) -> None:
    found = json.loads(rushes("why", "stub1.3", "--json").stdout)

    assert found["state"] == "failed"
    assert found["result"]["error"]["code"] == "truncated"


def test_an_explanation_tells_attempts_and_losses() -> None:
    error = PlatformError("no space left.", code="disk-full", fix="Free some.").to_dict()
    found = {
        "invocation": "b.1", "asset": "/x/a.mov", "function": "proxy", "state": "failed", "attempts": 2,
        "losses": 1, "reason": "", "priority": "urgent", "show": "dune", "log": "/logs/1.log", "result": None,
        "history": [
            {"attempt": 1, "seconds": 3.0, "outcome": "disk-full", "error": error},
            {"attempt": 2, "seconds": 4.0, "outcome": "disk-full", "error": error},
        ],
    }  # fmt: skip

    text = "\n".join(explanation(found))

    assert "failed after 2 attempts" in text
    assert "attempt 1: disk-full after 3.0 s: no space left." in text
    assert "1 of its attempts were lost with their slot or tool" in text
    assert "next: Free some." in text
    assert "rushes retry" in text
    assert "log: rushes logs b.1" in text


def test_logs_prints_the_log_and_says_where_it_is(
    rushes: Rushes, engine: StubEngine, batch: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = folder / "1.log"
    log.write_bytes(b"counting \xff\n")
    monkeypatch.setattr(engine, "explain", lambda name: {"state": "failed", "log": str(log)})

    assert rushes("logs", "stub1.1").stdout_bytes == b"counting \xff\n"
    assert rushes("logs", "stub1.1", "--path").stdout == f"{log}\n"


def test_on_a_terminal_logs_move_no_cursor(
    rushes: Rushes, engine: StubEngine, batch: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rushes.cli.session import Session  # noqa: PLC0415 - as the command line's own

    class Terminal(Session):
        prints_to_terminal = True

    log = folder / "1.log"
    log.write_bytes(b"\x1b[2Jone\ttwo\nthr\x08ee \xc3\xbc\n")
    monkeypatch.setattr(engine, "explain", lambda name: {"state": "failed", "log": str(log)})

    assert rushes("logs", "stub1.1", session=Terminal(engine)).stdout_bytes == (
        b"?[2Jone\ttwo\nthr?ee \xc3\xbc\n"
    )


def test_logs_of_an_invocation_without_any_says_so(rushes: Rushes, batch: str) -> None:
    assert "stub1.1 logged nothing (succeeded)" in rushes("logs", "stub1.1").stderr


def test_receipt_of_an_output_and_of_its_invocation_are_the_same(rushes: Rushes, folder: Path) -> None:
    rushes("run", "fun.py:copy", "clips/a.mov", "--out", "made")

    beside = json.loads(rushes("receipt", "made/a.mov").stdout)

    assert beside["function"] == "copy"
    assert json.loads(rushes("receipt", "stub1.1").stdout) == beside


def test_receipt_of_a_result_without_files_is_its_row(rushes: Rushes, batch: str) -> None:
    found = json.loads(rushes("receipt", "stub1.1").stdout)

    assert found["result"] == {"size": 10, "name": "a.mov"}
    assert (found["version"], found["params"]) == ("1", {"unit": 1, "shout": False})


def test_receipt_of_what_has_not_ended_is_refused(rushes: Rushes, engine: StubEngine) -> None:
    engine.held = True
    rushes("submit", "fun.py:size", "clips")

    result = rushes("receipt", "stub1.1")

    assert result.exit_code == 2
    assert "has no result: it waits in its queue" in result.stderr


def test_reproduce_makes_the_same_bytes_again(rushes: Rushes, folder: Path) -> None:
    rushes("run", "fun.py:copy", "clips/a.mov", "--out", "made")

    result = rushes("reproduce", "made/a.mov")

    assert result.exit_code == 0
    assert "a.mov: same bytes" in result.stdout
    assert "copy@1: reproduced" in result.stderr
    assert rushes("reproduce", "stub1.1").exit_code == 0


def test_reproduce_says_when_a_function_gives_something_else(rushes: Rushes, folder: Path) -> None:
    rushes("run", "fun.py:copy", "clips/a.mov", "--out", "made")
    text = (folder / "fun.py").read_text()
    (folder / "fun.py").write_text(text.replace("clip.path.read_bytes()", "clip.path.read_bytes() + b'!'"))

    result = rushes("reproduce", "made/a.mov", "--json")

    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["identical"], found["outputs"]) == (False, {"a.mov": False})


def test_print_command_writes_what_would_run_and_runs_nothing(rushes: Rushes, folder: Path) -> None:
    (folder / "ff.py").write_text(
        "import ffmpeg\nfrom rushes import Asset, Context, Output, Result, function\n\n\n"
        "class Made(Result):\n    made: Output\n\n\n"
        "@function(version='1')\ndef shrink(clip: Asset, ctx: Context) -> Made:\n"
        "    out = ctx.output('x.mp4')\n"
        "    ctx.ffmpeg(ffmpeg.input(str(clip.path)).output(str(out.path)))\n"
        "    return Made(made=out)\n"
    )

    result = rushes("run", "ff.py", "clips/a.mov", "--out", "made", "--print-command")

    comment, command = result.stdout.splitlines()
    assert comment == f"# {folder / 'clips' / 'a.mov'}"
    assert shlex.split(command)[1:] == [
        "-y", "-i", str(folder / "clips" / "a.mov"), str(folder / "made" / "x.mp4"),
    ]  # fmt: skip
    assert not (folder / "made").exists()


def test_a_batch_of_one_names_its_invocation(rushes: Rushes) -> None:
    rushes("run", "fun.py:size", "bad.mov")

    assert rushes("why", "last").stdout == rushes("why", "last.1").stdout
    assert rushes("why", "last").exit_code == 0


def test_a_batch_of_several_names_no_invocation(rushes: Rushes) -> None:
    rushes("submit", "fun.py:size", "clips")

    result = rushes("why", "stub1")

    assert "stub1 has 2 invocations: 2 done." in result.stderr
    assert "Write stub1.N: `rushes results stub1`" in result.stderr
    assert result.exit_code == 2


def test_why_says_what_a_running_one_waits_for_and_whose_part_another_is() -> None:
    whole = {"invocation": "b.1", "state": "running", "slot": 2, "fraction": 0.25}
    part = {"invocation": "c.1", "state": "running", "slot": 3, "parent": "b.1"}

    said = explanation({**whole, "reason": "waits for 3 of 4 parts"})

    assert "  runs on slot 2, 25% done" in said
    assert "  has lent its slot: waits for 3 of 4 parts" in said
    assert "  a part of b.1" in explanation(part)


def test_set_gives_what_waits_another_class_and_says_so(rushes: Rushes, engine: StubEngine) -> None:
    engine.control("pause")
    rushes("submit", "fun.py:size", "clips")

    result = rushes("set", "last", "--priority", "urgent")

    assert result.exit_code == 0
    assert "standard → urgent" in result.stderr
    assert engine.status("stub1").priority == "urgent"


def test_set_refuses_a_batch_that_has_ended(rushes: Rushes, batch: str) -> None:
    result = rushes("set", batch, "--priority", "urgent")

    assert result.exit_code == 2
    assert "stub1 has ended" in result.stderr


def test_a_displacement_report_is_a_line_for_each_batch_that_stood_aside() -> None:
    share = {
        "batch": "k7m2qx",
        "show": "dune",
        "invocations": 4,
        "aside_s": 82.0,
        "redone_s": 0.0,
        "standing": 0,
    }

    lines = displacement_lines([share, {**share, "invocations": 1, "redone_s": 40.0, "standing": 1}])

    assert lines == [
        "4 of k7m2qx (show dune) stood aside for 1 m 22 s in all",
        "1 of k7m2qx (show dune) stood aside for 1 m 22 s, 40 s of their work is done again; 1 still does",
    ]
