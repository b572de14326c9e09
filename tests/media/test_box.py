"""What a tool in its box can reach, whatever its arguments and its media make it try."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rushes.errors import CallerError, PlatformError
from rushes.media.running import box as box_module
from rushes.media.running import landlock
from rushes.media.running.box import LEVELS, Box, find_box, weakest
from rushes.media.running.bubblewrap import bubblewrap
from rushes.media.running.builds import Build
from rushes.media.running.process import Supervision, ToolRun, run_ffmpeg, run_tool
from rushes.media.running.reach import Reach

_CI = os.environ.get("CI", "").lower() in {"true", "1"}
ENCLOSED = LEVELS[:-1]


def box_of(level: str) -> Box:
    """The box of a level; the test is left out where the host has none, and fails on CI."""
    try:
        asked = "bubblewrap" if level.startswith("bubblewrap") else level
        found = find_box({box_module.VARIABLE: asked})
    except PlatformError as error:
        reason = str(error)
    else:
        if level in {found.level, "bubblewrap"}:
            return replace(found, level=level)
        reason = found.why
    if _CI:
        pytest.fail(f"CI must have the box {level}: {reason}", pytrace=False)
    pytest.skip(f"left out: needs the box {level}")


@pytest.fixture(params=ENCLOSED)
def box(request: pytest.FixtureRequest) -> Box:
    return box_of(request.param)


@pytest.fixture(params=["bubblewrap+landlock", "bubblewrap"])
def namespace(request: pytest.FixtureRequest) -> Box:
    return box_of(request.param)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def shell(code: str, *words: str | Path, box: Box, **more: object) -> ToolRun:
    argv = ["sh", "-c", code, "sh", *map(str, words)]
    return run_tool(argv, supervision=Supervision(box=box, **more))  # type: ignore[arg-type]


# Which box --------------------------------------------------------------------------------------------


def test_the_best_box_that_works_is_found_without_being_asked_for() -> None:
    assert find_box({}).level in LEVELS
    assert find_box({}) is find_box({box_module.VARIABLE: "auto"})


def test_plain_limits_can_be_asked_for() -> None:
    assert find_box({box_module.VARIABLE: "rlimits"}).level == "rlimits"


def test_a_level_that_is_none_is_the_callers_mistake() -> None:
    with pytest.raises(CallerError, match="no level of the box"):
        find_box({box_module.VARIABLE: "steel"})


@pytest.fixture
def bare_host(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host with neither bubblewrap nor Landlock."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    box_module._try.cache_clear()
    yield
    box_module._try.cache_clear()


@pytest.mark.usefixtures("bare_host")
def test_a_host_without_walls_says_what_it_lacks() -> None:
    found = find_box({})

    assert found.level == "rlimits"
    assert found.why == "bubblewrap is not installed; the kernel has no Landlock"


@pytest.mark.usefixtures("bare_host")
@pytest.mark.parametrize("asked", ["bubblewrap", "landlock"])
def test_what_was_asked_for_and_cannot_be_had_is_an_error_and_never_less(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PlatformError, match=f"asks for {asked}") as caught:
        find_box({box_module.VARIABLE: asked})
    assert caught.value.code == "no-box"
    monkeypatch.setenv(box_module.VARIABLE, asked)
    with pytest.raises(PlatformError):
        run_tool(["true"])


def test_a_bubblewrap_that_is_not_allowed_is_not_taken_for_a_box(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(program))
    box_module._try.cache_clear()

    with pytest.raises(PlatformError, match="No permissions to create new namespace"):
        find_box({box_module.VARIABLE: "bubblewrap"})
    box_module._try.cache_clear()


def test_a_box_that_holds_nothing_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bwrap"
    program.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(program))
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    box_module._try.cache_clear()

    with pytest.raises(PlatformError, match="does not work"):
        find_box({box_module.VARIABLE: "bubblewrap"})
    box_module._try.cache_clear()


@pytest.mark.parametrize(
    ("levels", "level"),
    [([], "none"), (["rlimits", "bubblewrap"], "rlimits"), (["bubblewrap+landlock"], "bubblewrap+landlock")],
)
def test_a_result_claims_no_more_than_its_weakest_run(levels: list[str], level: str) -> None:
    assert weakest(levels) == level


# What it reaches --------------------------------------------------------------------------------------


def forced(name: str, folder: Path, canary: Path) -> list[str]:
    """Arguments that make ffmpeg open `canary` without naming it as an input."""
    listed = folder / "list"
    if name == "concat":
        listed.write_text(f"ffconcat version 1.0\nfile '{canary}'\n")
        return ["-safe", "0", "-f", "concat", "-i", f"file:{listed}", "-f", "null", "-"]
    if name == "hls":
        listed.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{canary}\n#EXT-X-ENDLIST\n")
        lists = ["-allowed_extensions", "ALL", "-extension_picky", "0"]
        return [*lists, "-f", "hls", "-i", f"file:{listed}", "-f", "null", "-"]
    if name == "movie":
        return ["-f", "lavfi", "-i", f"movie={canary}", "-f", "null", "-"]
    assert name == "textfile"
    source = ["-f", "lavfi", "-i", "color=s=64x64:d=0.1"]
    return [*source, "-filter_complex", f"drawtext=textfile={canary}", "-f", "null", "-"]


@pytest.mark.needs("strace")
@pytest.mark.parametrize("name", ["concat", "hls", "movie", "textfile"])
@pytest.mark.parametrize("level", LEVELS)
def test_no_file_but_its_own_is_opened_even_when_arguments_ask_for_it(
    bundled: Build, tmp_path: Path, work: Path, level: str, name: str
) -> None:
    held = box_of(level)
    canary = tmp_path / "elsewhere" / "canary.ts"
    canary.parent.mkdir()
    made = ["-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.2", "-c:v", "mpeg2video", str(canary)]
    subprocess.run([str(bundled.path), "-v", "error", *made], check=True)
    trace = tmp_path / "trace"
    code = f"""
from pathlib import Path
from rushes.media.running.box import Box
from rushes.media.running.builds import read_build
from rushes.media.running.process import Supervision, run_ffmpeg
run = run_ffmpeg(read_build(Path({str(bundled.path)!r})), {forced(name, work, canary)!r},
                 supervision=Supervision(box={held!r}, cwd=Path({str(work)!r})))
print(run.exit_status, run.box)
"""
    calls = "trace=open,openat,openat2"
    strace = ["strace", "-f", "-qq", "-e", calls, "-o", str(trace), sys.executable, "-c", code]
    done = subprocess.run(strace, capture_output=True, text=True, check=True, timeout=60)

    status, used = done.stdout.split()
    tried = [line for line in trace.read_text(errors="replace").splitlines() if str(canary) in line]
    opened = [line for line in tried if not re.search(r"= -1 E", line)]
    assert used == level
    if level == "rlimits":  # the test can fail: without walls it is opened
        assert opened
    else:
        assert opened == []
        assert status != "0"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="left out: orphans are taken in on Linux")
def test_what_finds_the_box_leaves_no_process_to_one_that_takes_orphans_in() -> None:
    code = """
import os
from pathlib import Path
from rushes.media.running.box import find_box
from rushes.runtime.slots.orphans import adopt_orphans
adopt_orphans()
find_box()
print(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "[]"


def test_no_connection_leaves_the_box(bundled: Build, box: Box) -> None:
    if box.level == "landlock" and landlock.abi() < 4:
        pytest.skip("left out: needs a Landlock that knows TCP")
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.setblocking(False)  # noqa: FBT003
        url = f"http://127.0.0.1:{server.getsockname()[1]}/clip.mp4"
        run = run_ffmpeg(bundled, ["-i", url, "-f", "null", "-"], supervision=Supervision(box=box))

        assert not run.ok
        with pytest.raises(BlockingIOError):
            server.accept()


def test_no_datagram_leaves_a_namespace(bundled: Build, namespace: Box) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)  # noqa: FBT003
        url = f"udp://127.0.0.1:{receiver.getsockname()[1]}"
        args = ["-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.2", "-c:v", "mpeg2video", "-f", "mpegts", url]
        run_ffmpeg(bundled, args, supervision=Supervision(box=namespace))

        with pytest.raises(BlockingIOError):
            receiver.recv(1)


def test_home_and_neighbours_are_not_there(box: Box, tmp_path: Path, work: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    code = f"cat {tmp_path}/secret; cat /etc/shadow; echo x > {tmp_path}/planted; ls {Path.home()}; echo end"
    run = shell(code, box=box, cwd=work)

    assert run.stdout_tail == "end\n"
    assert not (tmp_path / "planted").exists()


def test_an_input_is_never_written_even_beside_the_output(namespace: Box, work: Path) -> None:
    source = work / "clip.mov"
    source.write_text("irreplaceable")
    run = shell('cat "$1"; echo x > "$1"; rm "$1"; echo made > out', source, box=namespace, cwd=work)

    assert run.stdout_tail == "irreplaceable"
    assert source.read_text() == "irreplaceable"
    assert (work / "out").read_text() == "made\n"


def test_a_link_that_a_tool_leaves_leads_nowhere(tmp_path: Path, work: Path) -> None:
    held = box_of("bubblewrap+landlock")
    (tmp_path / "secret").write_text("canary")
    first = shell('ln -s "$1" stolen', tmp_path / "none", box=held, cwd=work)
    (work / "planted").symlink_to(tmp_path / "secret")
    second = shell("cat planted", box=held, cwd=work)

    assert not first.ok
    assert not (work / "stolen").is_symlink()
    assert "canary" not in second.stdout_tail


def test_what_a_filter_reads_is_declared(bundled: Build, box: Box, tmp_path: Path, work: Path) -> None:
    lut = tmp_path / "look.cube"
    lut.write_text("LUT_3D_SIZE 2\n" + "0 0 0\n" * 8)
    args = ["-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.1", "-vf", f"lut3d=file={lut}", "-f", "null", "-"]

    assert not run_ffmpeg(bundled, args, supervision=Supervision(box=box, cwd=work)).ok
    assert run_ffmpeg(bundled, args, supervision=Supervision(box=box, cwd=work, reads=[lut])).ok


def test_an_image_sequence_brings_its_pictures_and_what_they_are_links_to(
    bundled: Build, box: Box, tmp_path: Path, work: Path
) -> None:
    for folder in ("vault", "shot"):
        (tmp_path / folder).mkdir()
    source = ["-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.12"]
    subprocess.run(
        [str(bundled.path), "-v", "error", *source, str(tmp_path / "vault" / "p.%04d.png")], check=True
    )
    for number in (1, 2, 3):
        (tmp_path / "shot" / f"p.{number:04}.png").symlink_to(tmp_path / "vault" / f"p.{number:04}.png")
    args = ["-f", "image2", "-i", f"file:{tmp_path}/shot/p.%04d.png", "-f", "null", "-"]
    run = run_ffmpeg(bundled, args, supervision=Supervision(box=box, cwd=work))

    assert run.ok
    assert run.progress is not None
    assert run.progress.frames == 3


def test_both_builds_run_in_every_box(build: Build, box: Box, work: Path) -> None:
    args = ["-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.2", "-c:v", "libx264", f"file:{work}/o.mp4"]
    run = run_ffmpeg(build, args, supervision=Supervision(box=box, cwd=work))

    assert run.ok, run.stderr_tail
    assert run.box == box.level
    assert run.argv[0] == str(build.path)
    assert (work / "o.mp4").stat().st_size > 1000


def test_a_script_finds_its_interpreter_and_its_libraries(box: Box, tmp_path: Path) -> None:
    tools = tmp_path / "studio" / "bin"
    tools.mkdir(parents=True)
    (tools.parent / "lib").mkdir()
    (tools.parent / "lib" / "words").write_text("from the library")
    tool = tools / "tool"
    tool.write_text(
        f"#!{sys.executable}\nimport pathlib\n"
        "print((pathlib.Path(__file__).parent.parent / 'lib' / 'words').read_text())\n"
    )
    tool.chmod(0o755)

    assert run_tool([str(tool)], supervision=Supervision(box=box)).stdout_tail == "from the library\n"


def test_ffmpeg_gets_few_variables_and_a_home_of_its_own(
    box: Box, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\nenv\n")
    fake.chmod(0o755)
    monkeypatch.setenv("SOMETHING_ELSE", "value")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    said = run_tool([str(fake)], supervision=Supervision(box=box, cwd=work)).stdout_tail.splitlines()

    assert "LC_ALL=C.UTF-8" in said
    assert f"HOME={work}" in said
    assert not [line for line in said if line.startswith("SOMETHING_ELSE")]


def test_a_crash_in_a_namespace_is_told_as_one(box: Box) -> None:
    assert shell("kill -SEGV $$", box=box).exit_status == -signal.SIGSEGV
    assert shell("exit 7", box=box).exit_status == 7


def test_a_box_that_cannot_be_made_is_the_platforms_fault(namespace: Box, tmp_path: Path) -> None:
    broken = replace(namespace, sized=False, bubblewrap=str(tmp_path / "bwrap"))
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'bwrap: Creating new namespace failed' >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)

    with pytest.raises(PlatformError, match="Creating new namespace failed") as caught:
        shell("true", box=broken)
    assert caught.value.code == "box-failed"


def test_processor_time_is_counted_through_the_box(bundled: Build, namespace: Box, work: Path) -> None:
    def run(inside: Box) -> ToolRun:
        source = ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=3"]
        args = ["-y", *source, "-c:v", "libx264", "-preset", "fast", f"file:{work}/o.mkv"]
        return run_ffmpeg(bundled, args, supervision=Supervision(box=inside, cwd=work))

    bare, boxed = run(Box("rlimits")), run(namespace)

    assert 0.7 * bare.cpu_s < boxed.cpu_s < 1.5 * bare.cpu_s


# The command around it --------------------------------------------------------------------------------


def mounts(reads: Sequence[str], writes: Sequence[str]) -> list[tuple[str, str]]:
    words = bubblewrap("bwrap", Reach("/usr/bin/x", tuple(reads), tuple(writes), (), "/"), sized=False)
    start = words.index("/tmp") + 1
    return [(words[n], words[n + 1]) for n in range(start, len(words)) if words[n] in {"--bind", "--ro-bind"}]


def test_what_lies_in_a_folder_is_mounted_after_it() -> None:
    assert mounts(["/show/in.mov", "/show/out/own.mov", "/show"], ["/show/out"]) == [
        ("--ro-bind", "/show"),
        ("--bind", "/show/out"),
        ("--ro-bind", "/show/out/own.mov"),
    ]


def test_what_the_system_has_is_not_mounted_twice() -> None:
    assert mounts(["/usr/share/x.ttf", "/a", "/a/b"], []) == [("--ro-bind", "/a")]
