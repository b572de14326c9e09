"""Running commands as one: what each is answered, what it leaves behind, and who is to blame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rushes import CallerError
from rushes.media.readers.guard import input_args
from rushes.media.running import shared_pass
from rushes.media.running.builds import Build
from rushes.media.running.process import Limits, Supervision, ToolCall, ToolRun, run_tool
from rushes.media.running.progress import FfmpegProgress, Progress
from rushes.media.running.shared_pass import run_calls

HEAD = ("-hide_banner", "-nostdin", "-v", "warning", "-progress", "pipe:1", "-nostats")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The commands that were really run."""
    commands: list[Sequence[str]] = []

    def run(argv: Sequence[str], **how: object) -> ToolRun:
        commands.append(argv)
        return run_tool(argv, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(shared_pass, "run_tool", run)
    return commands


class Caller:
    """One who wants commands run, in a folder of its own."""

    def __init__(self, folder: Path, build: Build, clip: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.told: list[Progress] = []
        self._build = build
        self._clip = clip

    def call(self, graph: str, *output: str, limits: Limits | None = None) -> ToolCall:
        argv = [
            str(self._build.path),
            *HEAD,
            *input_args(self._clip),
            "-filter_complex",
            graph,
            "-map",
            "[o]",
        ]
        supervision = Supervision(
            limits=limits or Limits(memory_bytes=2**30),
            on_progress=self.told.append,
            cwd=self.folder,
            reads=[self._clip],
        )
        return ToolCall((*argv, *output), supervision, progress_parser=FfmpegProgress())

    def picture(self, name: str, graph: str = "[0:v:0]scale=64:36[o]") -> ToolCall:
        target = f"file:{self.folder / name}"
        return self.call(graph, "-frames:v", "1", "-update", "1", "-map_metadata", "-1", "-y", target)


@pytest.fixture
def callers(tmp_path: Path, build: Build, clip: Callable[[str], Path]) -> tuple[Caller, Caller]:
    source = clip("faststart.mp4")
    return Caller(tmp_path / "one", build, source), Caller(tmp_path / "other", build, source)


def ran(answer: object) -> ToolRun:
    assert isinstance(answer, ToolRun)
    return answer


def test_commands_of_one_file_are_run_as_one_and_each_is_told_how_far_it_is(
    callers: tuple[Caller, Caller], started: list[Sequence[str]]
) -> None:
    one, other = callers

    answers = [ran(answer) for answer in run_calls([one.picture("a.png"), other.picture("b.png")])]

    assert len(started) == 1
    assert all(answer.ok for answer in answers)
    assert (one.folder / "a.png").read_bytes() == (other.folder / "b.png").read_bytes()
    assert [caller.told[-1].ended for caller in callers] == [True, True]
    assert answers[0].argv == answers[1].argv
    assert answers[0].cpu_s == answers[1].cpu_s
    assert sorted(path.name for path in one.folder.iterdir()) == ["a.png"]


def test_when_the_shared_command_fails_each_runs_by_itself_and_one_is_to_blame(
    callers: tuple[Caller, Caller], started: list[Sequence[str]], tmp_path: Path
) -> None:
    one, other = callers

    wanted = one.picture("a.png")
    log = tmp_path / "1.log"
    wanted = replace(wanted, supervision=replace(wanted.supervision, log_path=log))

    good, bad = run_calls([wanted, other.picture("b.png", "[0:v:0]scale=-7:-9:eval=never[o]")])

    assert len(started) == 3
    assert (ran(good).ok, ran(bad).ok) == (True, False)
    assert (one.folder / "a.png").exists()
    assert "the command that was shared with others did not end well" in log.read_text()


def test_what_cannot_be_started_is_an_error_for_the_one_that_asked(
    callers: tuple[Caller, Caller], tmp_path: Path
) -> None:
    one, _ = callers
    missing = ToolCall((str(tmp_path / "nothing"),), Supervision(cwd=one.folder))

    answers = run_calls([missing, one.picture("a.png")])

    assert isinstance(answers[0], CallerError)
    assert ran(answers[1]).ok


def test_what_a_graph_reads_and_writes_beside_it_is_in_its_own_folder(
    callers: tuple[Caller, Caller], started: list[Sequence[str]]
) -> None:
    one, other = callers
    (one.folder / "look.cube").write_text("LUT_3D_SIZE 2\n" + "0 0 0\n" * 8)

    run_calls(
        [
            one.picture("a.png", "[0:v:0]lut3d=file=look.cube[o]"),
            other.call("[0:a:0]ametadata=mode=print:file=told.txt[o]", "-f", "null", "-"),
            other.picture("b.png"),
        ]
    )

    assert len(started) == 1
    assert sorted(path.name for path in one.folder.iterdir()) == ["a.png", "look.cube"]
    assert sorted(path.name for path in other.folder.iterdir()) == ["b.png", "told.txt"]
    assert (one.folder / "a.png").read_bytes() != (other.folder / "b.png").read_bytes()


def test_two_files_of_one_name_and_other_contents_are_not_mixed_up(
    callers: tuple[Caller, Caller], started: list[Sequence[str]]
) -> None:
    for caller, value in zip(callers, ("0 0 0", "1 1 1"), strict=True):
        (caller.folder / "look.cube").write_text("LUT_3D_SIZE 2\n" + f"{value}\n" * 8)

    run_calls([c.picture("p.png", "[0:v:0]lut3d=file=look.cube[o]") for c in callers])

    assert len(started) == 2
    assert (callers[0].folder / "p.png").read_bytes() != (callers[1].folder / "p.png").read_bytes()


def test_a_shared_command_has_the_room_of_all_and_the_patience_of_the_most_patient(
    callers: tuple[Caller, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Limits] = []

    def run(_: Sequence[str], *, supervision: Supervision, **how: object) -> ToolRun:
        seen.append(supervision.limits)
        return ToolRun(("ffmpeg",), 0, 1.0, 1.0, "")

    monkeypatch.setattr(shared_pass, "run_tool", run)
    limits = (
        Limits(stall_s=5, time_s=60, memory_bytes=100),
        Limits(stall_s=50, time_s=None, memory_bytes=40),
    )

    run_calls(
        [
            c.call("[0:v:0]null[o]", "-f", "null", "-", limits=one)
            for c, one in zip(callers, limits, strict=True)
        ]
    )

    assert seen == [Limits(stall_s=50, time_s=None, memory_bytes=110)]


def test_until_a_tool_says_how_far_it_is_its_reading_tells(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(10_000_000))
    told: list[Progress] = []

    # It reads all, and then stays until it has been looked at a few times.
    run_tool(
        ["/bin/sh", "-c", f"cat {source} > /dev/null; sleep 0.8"],
        supervision=Supervision(
            cwd=tmp_path, reads=[source], on_progress=told.append, source_bytes=10_000_000
        ),
    )

    assert told[-1].share == 0.99


def test_what_a_shared_command_says_of_damage_is_taken_for_nobodys(
    callers: tuple[Caller, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[Sequence[str]] = []

    def run(argv: Sequence[str], **how: object) -> ToolRun:
        commands.append(argv)
        said = "[h264 @ 0x5] error while decoding MB 3 4, bytestream -5" if len(commands) == 1 else ""
        return ToolRun(tuple(argv), 0, 1.0, 1.0, said)

    monkeypatch.setattr(shared_pass, "run_tool", run)
    wanted = [caller.picture("a.png") for caller in callers]

    answers = [ran(answer) for answer in run_calls(wanted)]

    assert [answer.argv for answer in answers] == [call.argv for call in wanted]
    assert len(commands) == 3


@pytest.mark.parametrize("first", [True, False])
def test_a_folder_that_was_removed_fails_its_own_command_and_no_other(
    callers: tuple[Caller, Caller], *, first: bool
) -> None:
    robbed, other = callers if first else (callers[1], callers[0])
    calls = [robbed.picture("a.png"), other.picture("b.png")]
    robbed.folder.rmdir()

    answers = run_calls(calls if first else calls[::-1])

    mine, its = answers if first else answers[::-1]
    assert not isinstance(mine, ToolRun) or not mine.ok
    assert ran(its).ok
    assert (other.folder / "b.png").exists()
