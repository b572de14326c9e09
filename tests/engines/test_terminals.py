"""Several submitters on one machine: terminals that come and go, each with an environment of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from waiting import until

from rushes.engines.local import LocalEngine

Find = Callable[[str], Any]

PLAIN = Path(__file__).with_name("plain.py")

SUBMIT = """
import sys
from rushes import catalog
function = catalog.find(sys.argv[1]).with_options(priority=sys.argv[2])
batch = function.starmap((sys.argv[3], {"n": n, **eval(sys.argv[5])}) for n in range(int(sys.argv[4])))
print(batch.id, flush=True)
for outcome in batch:
    print(outcome.result.executable, flush=True)
"""


def terminal(
    name: str,
    clip: str,
    count: int,
    *,
    priority: str = "standard",
    params: dict[str, Any] | None = None,
    python: str = sys.executable,
) -> subprocess.Popen[str]:
    """Another process that submits a batch, says its id, and follows it."""
    argv = [python, "-c", SUBMIT, f"{PLAIN}:{name}", priority, clip, str(count), repr(params or {})]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def closed(process: subprocess.Popen[str]) -> list[str]:
    out, _ = process.communicate(timeout=120)
    return out.split()


def test_a_killed_terminal_leaves_its_batch_running(engine: LocalEngine, clip: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = terminal("linger", clip, 5, params={"gate": str(gate)})
    batch = said(first)
    first.send_signal(signal.SIGKILL)
    closed(first)
    gate.write_text("")

    until(lambda: engine.status(batch).ended)
    assert engine.status(batch).counts.succeeded == 5


def test_an_urgent_batch_of_a_second_terminal_is_not_behind_the_first_ones(
    engine: LocalEngine, clip: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    first = terminal("linger", clip, 40, params={"gate": str(gate)})
    standard = said(first)
    until(lambda: engine.status(standard).running)
    second = terminal("echo", clip, 30, priority="urgent")
    urgent = said(second)
    gate.write_text("")
    closed(first)
    closed(second)

    assert (engine.status(urgent).ended or 0) <= (engine.status(standard).ended or 0)
    assert engine.status(standard).counts.succeeded == 40


def test_each_submitter_s_work_runs_in_its_own_virtual_environment(
    engine: LocalEngine, clip: str, tmp_path: Path
) -> None:
    other = tmp_path / "venv"
    venv.create(other, with_pip=False, symlinks=True)
    site = next((other / "lib").glob("python*")) / "site-packages"
    here = [sysconfig.get_path("purelib"), *(p for p in sys.path if p.endswith(("framework", "functions")))]
    (site / "borrowed.pth").write_text("\n".join(here) + "\n")

    ours = terminal("echo", clip, 3, params={"n": 1})
    theirs = terminal("echo", clip, 3, params={"n": 2}, python=str(other / "bin" / "python"))

    assert set(closed(ours)[1:]) == {sys.executable}
    assert set(closed(theirs)[1:]) == {str(other / "bin" / "python")}


def test_a_module_in_the_current_folder_is_found_as_python_c_and_notebooks_find_it(
    rushes_home: Path, clip: str, tmp_path: Path
) -> None:
    (tmp_path / "beside_me.py").write_text(
        "from rushes import Asset, Result, function\n\n\n"
        "class Named(Result):\n    stem: str\n\n\n"
        "@function(version='1')\ndef named(clip: Asset) -> Named:\n    return Named(stem=clip.stem)\n"
    )
    code = "import sys, beside_me; print(beside_me.named.remote(sys.argv[1]).stem)"

    done = subprocess.run(
        [sys.executable, "-c", code, clip], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.stdout.strip() == Path(clip).stem, done.stderr


def test_ten_terminals_that_start_at_once_share_one_worker(rushes_home: Path, clip: str) -> None:
    started = [terminal("echo", clip, 5, params={"n": n}) for n in range(10)]
    ran = [closed(process) for process in started]

    assert all(len(lines) == 6 for lines in ran)
    assert len(workers(rushes_home)) == 1
    LocalEngine().control("stop")


def workers(home: Path) -> list[int]:
    """The worker processes that serve a state folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "pid"]):
        with suppress(psutil.Error):
            words = process.info["cmdline"] or []
            if "rushes.engines.local_worker" in words and process.environ().get("RUSHES_HOME") == str(home):
                found.append(process.info["pid"])
    return found


def test_a_long_invocation_holds_none_of_the_short_ones_back(
    engine: LocalEngine, clip: str, plain: Find, tmp_path: Path
) -> None:
    function = plain("mostly_short")
    function.starmap((clip, {"n": n}) for n in range(300)).wait()
    gate = tmp_path / "gate"
    batch = function.starmap((clip, {"n": n, "gate": str(gate)}) for n in range(900, 1500))

    until(lambda: engine.status(batch.id).counts.succeeded == 599)
    assert engine.status(batch.id).counts.running == 1
    gate.write_text("")
    assert batch.wait().counts.succeeded == 600
