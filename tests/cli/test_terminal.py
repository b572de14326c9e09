"""What a person sees: the command in a pseudo-terminal, on the embedded engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from terminal import Terminal
from waiting import until

from rushes.engines.local import LocalEngine

GATED = '''\
import time
from pathlib import Path

from rushes import Asset, Context, MediaError, Result, function


class Done(Result):
    name: str


@function(version="1", retries=0)
def gated(clip: Asset, ctx: Context) -> Done:
    """Wait until a file called `open`, or one with the clip's stem and `.go`, lies beside the clip."""
    while not (clip.path.with_name("open").exists() or clip.path.with_suffix(".go").exists()):
        ctx.progress(0.5, "half-way")
        time.sleep(0.02)
    if "bad" in clip.name:
        raise MediaError(f"{clip.name} is damaged.", code="damaged", fix="Copy it again.")
    return Done(name=clip.name)
'''


@pytest.fixture
def work(tmp_path: Path, rushes_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUSHES_CPU", "2")
    (tmp_path / "gate.py").write_text(GATED)
    (tmp_path / "clips").mkdir()
    for name in ("a.mov", "b.mov", "bad.mov"):
        (tmp_path / "clips" / name).write_bytes(b"x")
    return tmp_path


@pytest.fixture
def engine(work: Path) -> Iterator[LocalEngine]:
    made = LocalEngine()
    yield made
    made.close()


@pytest.fixture
def start(work: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start_(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments, cwd=work))
        return opened[-1]

    yield start_
    for terminal in opened:
        terminal.close()


def open_gate(work: Path) -> None:
    (work / "clips" / "open").write_text("")


def test_progress_is_drawn_and_gives_way_to_a_summary(start: Callable[..., Terminal], work: Path) -> None:
    terminal = start("run", "gate.py", "clips")
    drawn = terminal.wait_for("0/3", "50% a.mov", "50% b.mov", "half-way")
    assert "2 running, 1 waiting" in drawn
    assert "standard · show default" in drawn
    assert "━━━" in drawn

    open_gate(work)

    assert terminal.end() == 1
    final = terminal.text
    assert "✗ bad.mov [media] bad.mov is damaged. → Copy it again." in final
    assert "gated: 2 done, 1 failed in" in final
    assert "━━━" not in final
    assert "running" not in final
    assert terminal.cursor_shown


def test_the_drawing_stays_while_results_that_print_nothing_come_in(
    start: Callable[..., Terminal], work: Path
) -> None:
    terminal = start("run", "gate.py", "clips/a.mov", "clips/b.mov")
    terminal.wait_for("0/2", "50% a.mov")

    (work / "clips" / "a.go").write_text("")
    terminal.wait_for("1/2", "50% b.mov")
    open_gate(work)

    assert terminal.end() == 0
    assert terminal.raw.count(b"\x1b[?25l") == 1  # the cursor is hidden once: drawn over, never taken away


def test_a_quick_command_draws_nothing_but_its_result(start: Callable[..., Terminal], work: Path) -> None:
    open_gate(work)
    start("run", "gate.py", "clips/a.mov", "--json").end()

    terminal = start("run", "gate.py", "clips/a.mov")

    assert terminal.end() == 0
    assert "name  a.mov" in terminal.text
    assert "━━━" not in terminal.raw.decode()


def test_follow_draws_a_batch_of_another_terminal(
    start: Callable[..., Terminal], work: Path, engine: LocalEngine
) -> None:
    start("submit", "gate.py", "clips/a.mov").end()

    terminal = start("follow", "last")
    terminal.wait_for("0/1", "50% a.mov")
    open_gate(work)

    assert terminal.end() == 0
    assert "gated: 1 done in" in terminal.text


def test_ctrl_c_asks_and_keeps_following_when_told_to(start: Callable[..., Terminal], work: Path) -> None:
    terminal = start("run", "gate.py", "clips/a.mov")
    terminal.wait_for("50% a.mov")

    terminal.press("\x03")
    terminal.wait_for("[c]ancel this batch, [l]eave it running, [k]eep following?")
    terminal.press("k")
    terminal.wait_for("keep", "50% a.mov")
    open_gate(work)

    assert terminal.end() == 0
    assert "gated: 1 done in" in terminal.text


def test_ctrl_c_then_c_cancels_the_batch(
    start: Callable[..., Terminal], work: Path, engine: LocalEngine
) -> None:
    terminal = start("run", "gate.py", "clips/a.mov")
    terminal.wait_for("50% a.mov")

    terminal.press("\x03")
    terminal.wait_for("[c]ancel")
    terminal.press("c")

    assert terminal.end() == 130
    assert "1 cancelled" in terminal.text
    assert engine.batches()[0].counts.cancelled == 1


def test_ctrl_c_twice_cancels_now(start: Callable[..., Terminal], work: Path, engine: LocalEngine) -> None:
    terminal = start("run", "gate.py", "clips/a.mov")
    terminal.wait_for("50% a.mov")

    terminal.press("\x03")
    terminal.wait_for("[c]ancel")
    terminal.press("\x03")

    assert terminal.end() == 130
    assert engine.batches()[0].counts.cancelled == 1
    assert terminal.cursor_shown


def test_ctrl_c_then_l_leaves_the_batch_running(
    start: Callable[..., Terminal], work: Path, engine: LocalEngine
) -> None:
    terminal = start("run", "gate.py", "clips/a.mov")
    terminal.wait_for("50% a.mov")

    terminal.press("\x03")
    terminal.wait_for("[l]eave")
    terminal.press("l")

    assert terminal.end() == 130
    (batch,) = engine.batches()
    assert f"left running: rushes follow {batch.batch}" in terminal.text
    assert batch.counts.running == 1
    open_gate(work)
    until(lambda: engine.status(batch.batch).counts.succeeded == 1)


@pytest.mark.parametrize("asked", [False, True])
def test_a_window_that_is_closed_leaves_the_batch_running(
    start: Callable[..., Terminal],
    work: Path,
    engine: LocalEngine,
    asked: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    terminal = start("run", "gate.py", "clips/a.mov")
    terminal.wait_for("50% a.mov")
    if asked:
        terminal.press("\x03")
        terminal.wait_for("[l]eave")

    terminal.close_window()

    assert terminal.process.wait(60) == 130
    open_gate(work)
    until(lambda: engine.batches()[0].counts.succeeded == 1)


# -- without a terminal -----------------------------------------------------------------------------------


def _piped(work: Path, *arguments: str) -> subprocess.Popen[str]:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [sys.executable, "-c", "from rushes.cli import main; main()", *arguments],
        cwd=work,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_nothing_is_drawn_without_a_terminal(work: Path) -> None:
    open_gate(work)
    process = _piped(work, "run", "gate.py", "clips/a.mov")

    out, err = process.communicate(timeout=60)

    assert json.loads(out) == {"name": "a.mov"}
    assert err.startswith("gated: 1 done in")
    assert "\x1b" not in out + err


def test_sigint_without_a_terminal_cancels_and_ends_with_130(work: Path, engine: LocalEngine) -> None:
    process = _piped(work, "run", "gate.py", "clips/a.mov")
    until(lambda: any(batch.counts.running for batch in engine.batches()))

    process.send_signal(signal.SIGINT)

    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 cancelled" in err
    assert "Traceback" not in err
    assert engine.batches()[0].counts.cancelled == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_closed_terminal_leaves_the_batch_running(
    work: Path, engine: LocalEngine, number: signal.Signals
) -> None:
    process = _piped(work, "run", "gate.py", "clips/a.mov")
    until(lambda: any(batch.counts.running for batch in engine.batches()))

    process.send_signal(number)

    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "left running: rushes follow" in err
    open_gate(work)
    until(lambda: engine.batches()[0].counts.succeeded == 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="left out: no /dev/full")
@pytest.mark.parametrize("arguments", [["functions"], ["--help"]])
def test_an_output_that_cannot_be_written_is_one_clear_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from rushes.cli import main; main()", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == "error: the output could not be written: No space left on device.\n"
