"""Starting is cheap: what a command does not need is not imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Never needed to print help, and each costs more than click itself.
HEAVY = {"pydantic", "av", "ffmpeg", "imageio_ffmpeg", "rich", "yaml", "psutil", "sqlite3", "asyncio"}
ENDING = (
    "import sys\n"
    "from rushes.cli import main\n"
    "sys.argv = ['rushes', *sys.argv[1:]]\n"
    "try:\n    main()\n"
    "except SystemExit:\n    pass\n"
    "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
)


def loaded(*arguments: str, cwd: Path) -> set[str]:
    """The top-level modules that a command has imported at its end."""
    run = subprocess.run(
        [sys.executable, "-c", ENDING, *arguments],
        capture_output=True, text=True, check=True, cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("LOADED")]
    return set(line.split()[1:])


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("run", "--help"), ("nonsense",)])
def test_help_imports_click_and_nothing_heavy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert loaded(*arguments, cwd=tmp_path) & HEAVY == set()


def test_help_of_a_function_imports_its_model_and_no_media_library(tmp_path: Path) -> None:
    found = loaded("run", "rushes_functions.inspect:inspect", "--help", cwd=tmp_path)

    assert found & HEAVY == {"pydantic"}


def test_a_client_imports_neither_a_journal_nor_a_media_library(tmp_path: Path, folder: Path) -> None:
    found = loaded("run", "fun.py:size", "clips/a.mov", cwd=folder)

    assert found & HEAVY == {"pydantic"}


def test_a_command_about_batches_needs_no_pydantic(tmp_path: Path, folder: Path) -> None:
    assert loaded("list", cwd=folder) & HEAVY == set()


def test_ctrl_c_ends_the_process_quietly_until_there_is_a_command_to_interrupt() -> None:
    code = """
import signal, sys, types
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where this test's own parent ignores it
seen = []
class App(types.ModuleType):
    @property
    def app(self):
        seen.append(signal.getsignal(signal.SIGINT))
        return lambda prog_name: seen.append(signal.getsignal(signal.SIGINT))
sys.modules["rushes.cli.app"] = App("rushes.cli.app")
from rushes.cli import main
main()
assert seen == [signal.SIG_DFL, signal.default_int_handler], seen
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
