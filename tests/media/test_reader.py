"""The process in which PyAV reads: what it cannot reach, and what becomes of a file that breaks it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from started import Started

import make_media
from rushes.errors import Cancelled, MediaError, PlatformError, RushesError
from rushes.media.describing.inspection import describe
from rushes.media.encoding.verify import ExpectedOutput, source_truth, verify
from rushes.media.readers import patience, reader_process
from rushes.media.readers import reader as reader_module
from rushes.media.readers.coming import expect
from rushes.media.readers.reader import Question, UnreadableError, ask, begin, walls
from rushes.media.readers.seccomp import Machine, program
from rushes.media.running.allowance import allow
from rushes.media.running.family import children

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="its walls are of Linux")


@pytest.fixture
def fresh() -> Iterator[Started]:
    """No reader is warm before and after the test; the processes that it starts are readers."""
    reader_module._end_all()
    yield Started()
    reader_module._end_all()


@pytest.fixture
def clip(media: make_media.Workshop) -> Path:
    return media("h264.mp4")


def reader_pid() -> int:
    (held,) = reader_module._idle
    return held.pid


def bytes_read(pid: int) -> int:
    said = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(said["rchar"])


@pytest.mark.parametrize("name", ["index-at-end.mov", "index-at-start.mp4", "clip.mxf"])
def test_of_a_clip_here_its_index_and_its_beginning_are_read_and_not_what_lies_between(
    tmp_path: Path, fresh: None, clip: Path, name: str
) -> None:
    """libavformat reads on instead of seeking in what is not called a file: 7 of 7 MB."""
    long = tmp_path / name
    picture = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=4")
    how = ("-c:v", "mpeg2video", "-b:v", "14M", "-minrate", "14M", "-maxrate", "14M", "-bufsize", "2M")
    sound = ("-f", "lavfi", "-i", "sine=r=48000:d=4")
    start = ("-movflags", "+faststart") if name.startswith("index-at-start") else ()
    codec = ("-c:a", "aac" if name.endswith(".mp4") else "pcm_s16le")
    run = ("ffmpeg", "-v", "error", *picture, *sound, *how, *codec, *start, str(long))
    subprocess.run(run, check=True)
    describe(str(clip))  # a reader has read what it needs itself
    before = bytes_read(reader_pid())
    describe(str(long))
    assert long.stat().st_size > 5_000_000
    assert bytes_read(reader_pid()) - before < 1_600_000


def ask_json(path: Path, cancelled: Callable[[], bool]) -> object:
    told = {"uri": str(path), "path": str(path), "name": path.name, "count_frames": False}
    message = json.dumps(["describe", told]).encode()[1:]
    return ask(
        Question(message, path.name, lambda: os.open(path, os.O_RDONLY), json.loads, cancelled=cancelled)
    )


# The walls -------------------------------------------------------------------------------------------

# Tries everything that a taken process would try, and prints what the kernel says to each.
_TRIES = """
import ctypes, json, mmap, os, socket, sys, threading
from rushes.media.readers import handed, sealing
from rushes.media.running.landlock import abi
here = os.open(sys.argv[1], os.O_RDONLY)
libc = ctypes.CDLL(None, use_errno=True)
a, b = socket.socketpair()
if sys.argv[2] == "landlock":
    sealing.known_machine = lambda: None
if sys.argv[2] == "seccomp":
    sealing.landlock.abi = lambda: 0
walls = sealing.seal()
def says(attempt):
    try:
        attempt()
    except OSError as error:
        return error.errno
    return 0
def fork():
    if os.fork() == 0:
        os._exit(0)
def executable():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
said = {
    "read": says(lambda: os.open(sys.argv[1], os.O_RDONLY)),
    "list": says(lambda: os.listdir("/")),
    "write": says(lambda: os.open(sys.argv[1] + ".new", os.O_WRONLY | os.O_CREAT)),
    "unlink": says(lambda: os.unlink(sys.argv[1])),
    "tcp": says(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
    "udp": says(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
    "unix": says(lambda: socket.socket(socket.AF_UNIX)),
    "fork": says(fork),
    "exec": says(lambda: os.execv("/bin/true", ["true"])),
    "signal": says(lambda: os.kill(os.getppid(), 0)),
    "executable": says(executable),
}
os.pread(here, 4, 0)
a.sendall(b"x")
thread = threading.Thread(target=lambda: b.recv(1))
thread.start()
thread.join()
print(json.dumps({"walls": walls, "said": said}))
sys.stdout.flush()
os._exit(0)
"""


def tries(path: Path, walls_: str) -> dict[str, int]:
    argv = [sys.executable, "-c", _TRIES, str(path), walls_]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    if walls_ != "both" and told["walls"] != walls_:
        pytest.skip(f"this host has no {walls_}: {told['walls']}")
    said: dict[str, int] = told["said"]
    return said


@linux
def test_the_filter_leaves_nothing_to_open_to_reach_or_to_start(clip: Path) -> None:
    said = tries(clip, "seccomp")

    assert {name for name, number in said.items() if number == 0} == set()
    assert said["read"] == said["unix"] == said["udp"] == said["tcp"] == errno.EACCES
    assert clip.exists()


@linux
def test_landlock_alone_leaves_no_file_either(clip: Path) -> None:
    said = tries(clip, "landlock")

    for name in ("read", "list", "write", "unlink", "exec"):
        assert said[name] == errno.EACCES, name
    assert clip.exists()


@linux
def test_the_readers_of_a_linux_host_are_behind_a_wall() -> None:
    assert "seccomp" in walls()


def test_a_filter_ends_every_path_and_jumps_over_no_more_than_it_has() -> None:
    for machine in (Machine(0xC000_003E, 317, 0), Machine(0xC000_00B7, 277, 1)):
        code = program(machine, 4711)
        steps = [struct.unpack("=HBBI", code[at : at + 8]) for at in range(0, len(code), 8)]

        assert len(steps) < 4096
        assert steps[0] == (0x20, 0, 0, 4)
        assert steps[1] == (0x15, 1, 0, machine.audit)
        assert steps[-1] == (0x06, 0, 0, 0x0005_0000 | errno.ENOSYS)
        for place, (kind, met, missed, _) in enumerate(steps):
            if kind not in {0x20, 0x06}:
                assert place + 1 + max(met, missed) < len(steps)


@pytest.mark.needs("strace")
@linux
def test_a_reader_opens_nothing_once_it_reads(clip: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    code = (
        "import sys; from rushes.media.describing.inspection import describe; "
        "[describe(p) for p in sys.argv[1:]]"
    )
    calls = "trace=open,openat,socket,connect,bind,execve,sendmsg,recvmsg"
    argv = ["strace", "-f", "-qq", "-e", calls, "-o", str(trace), sys.executable, "-c", code]

    subprocess.run([*argv, str(clip)], check=True, timeout=60)

    lines = trace.read_text(errors="replace").splitlines()
    (asked,) = [at for at, line in enumerate(lines) if "SCM_RIGHTS" in line and "recvmsg" in line]
    pid = lines[asked].split()[0]
    later = [line for line in lines[asked + 1 :] if line.startswith(f"{pid} ")]
    assert [line for line in later if re_opened(line)] == []


def re_opened(line: str) -> bool:
    call = line.split(None, 1)[1]
    return call.startswith(("open", "socket(", "connect(", "bind(", "execve(")) and "= -1" not in call


# What breaks it --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fresh")
def test_a_warm_reader_answers_for_one_file_after_the_other(clip: Path) -> None:
    describe(clip)
    first = reader_pid()

    source_truth(clip)
    verify(clip, ExpectedOutput())

    assert reader_pid() == first


@pytest.mark.usefixtures("fresh")
def test_a_reader_that_is_ready_is_not_begun_again() -> None:
    begin()
    first = reader_pid()

    begin()

    assert reader_pid() == first


def test_a_file_that_crashes_its_reader_costs_that_file_and_no_more(clip: Path, fresh: Started) -> None:
    def crash() -> bool:
        fresh.signal(signal.SIGSEGV, signal.SIGCONT)
        return False

    walls()
    os.kill(reader_pid(), signal.SIGSTOP)

    with pytest.raises(UnreadableError, match=r"makes its reader crash \(SIGSEGV\)") as caught:
        ask_json(clip, _second(crash))

    assert caught.value.code == "unreadable"
    assert caught.value.kind == "media"
    assert describe(clip).video


def test_a_reader_that_was_built_for_another_processor_says_nothing_against_the_clip(
    clip: Path, fresh: Started
) -> None:
    def die() -> bool:
        fresh.signal(signal.SIGILL, signal.SIGCONT)
        return False

    walls()
    os.kill(reader_pid(), signal.SIGSTOP)

    with pytest.raises(PlatformError, match=r"does not have \(SIGILL\)") as caught:
        ask_json(clip, _second(die))
    assert caught.value.code == "reader-failed"


@pytest.mark.usefixtures("fresh")
def test_a_reader_that_goes_by_itself_says_nothing_against_the_clip(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import os; from rushes.media import reading; reading._answer = lambda *_: os._exit(3); "
    whole = reader_process._CODE
    monkeypatch.setattr(reader_process, "_CODE", whole.replace("from rushes", f"{code}from rushes"))
    with pytest.raises(PlatformError, match="ended by itself") as caught:
        describe(clip)
    assert caught.value.code == "reader-failed"


@pytest.mark.usefixtures("fresh")
def test_a_bug_in_the_reader_is_told_by_it_and_the_next_reader_reads(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from rushes.media import answers; answers._describe = lambda a: a.nothing; "
    code += "answers.ANSWERS = dict(answers.ANSWERS, describe=answers._describe); "
    whole = reader_process._CODE
    monkeypatch.setattr(reader_process, "_CODE", whole.replace("from rushes", f"{code}from rushes"))
    with pytest.raises(PlatformError, match="AttributeError") as caught:
        describe(clip)
    assert caught.value.code == "reader-failed"
    monkeypatch.undo()
    assert describe(clip).video


@pytest.mark.usefixtures("fresh")
def test_a_crash_behind_another_file_is_tried_in_a_fresh_reader_before_it_is_blamed(clip: Path) -> None:
    describe(clip)
    weak = reader_pid()
    os.kill(weak, signal.SIGSTOP)

    def crash() -> bool:
        if weak in children(os.getpid()):
            os.kill(weak, signal.SIGSEGV)
            os.kill(weak, signal.SIGCONT)
        return False

    answer = ask_json(clip, _second(crash))

    assert isinstance(answer, dict)
    assert reader_pid() != weak


@pytest.mark.usefixtures("fresh")
def test_a_reader_that_died_while_nobody_asked_is_replaced_in_silence(clip: Path) -> None:
    describe(clip)
    dead = reader_pid()
    os.kill(dead, signal.SIGKILL)
    os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)

    assert describe(clip).video
    assert reader_pid() != dead


def test_a_reader_that_the_system_killed_is_the_machines_fault(clip: Path, fresh: Started) -> None:
    walls()
    os.kill(reader_pid(), signal.SIGSTOP)

    def kill() -> bool:
        fresh.signal(signal.SIGKILL)
        return False

    with pytest.raises(PlatformError) as caught:
        ask_json(clip, _second(kill))
    assert caught.value.code == "killed"


@pytest.mark.usefixtures("fresh")
def test_a_reader_that_makes_no_progress_is_given_up(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walls()
    os.kill(reader_pid(), signal.SIGSTOP)

    monkeypatch.setattr(patience, "_STILL_TICKS", 1)
    with pytest.raises(PlatformError) as caught:
        describe(clip)
    monkeypatch.undo()

    assert caught.value.code == "stalled"
    assert describe(clip).video


@pytest.mark.usefixtures("fresh")
def test_a_reader_that_bloats_is_ended(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "resident_bytes", lambda _: 64 * 1024**3)
    walls()
    os.kill(reader_pid(), signal.SIGSTOP)

    with pytest.raises(MediaError) as caught:
        describe(clip)
    assert caught.value.code == "too-large"


@pytest.mark.usefixtures("fresh")
def test_cancelling_ends_the_reader_within_its_question(clip: Path) -> None:
    walls()
    held = reader_pid()
    os.kill(held, signal.SIGSTOP)

    with pytest.raises(Cancelled):
        source_truth(clip, cancelled=_second(lambda: True))

    assert held not in children(os.getpid())


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("nonsense", [b"[1]", b"{", b'{"name": 7}'])
def test_an_answer_that_is_none_is_the_files_fault(
    clip: Path, monkeypatch: pytest.MonkeyPatch, nonsense: bytes
) -> None:
    walls()
    (held,) = reader_module._idle
    monkeypatch.setattr(type(held), "receive", lambda *_: (True, nonsense))

    with pytest.raises(UnreadableError, match="nonsense"):
        describe(clip)
    assert reader_module._idle == []


def test_an_error_that_a_reader_cannot_have_found_is_not_believed() -> None:
    told = {"kind": "policy", "code": "x", "message": "m", "fix": "", "details": {}}

    assert isinstance(reader_module._error(json.dumps(told).encode(), "a.mov"), UnreadableError)
    assert isinstance(reader_module._error(b"nonsense", "a.mov"), UnreadableError)


@pytest.mark.usefixtures("fresh")
def test_a_reader_is_replaced_after_its_share_of_files(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "FILES_A_READER", 2)
    describe(clip)
    first = reader_pid()

    describe(clip)

    assert reader_module._idle == []
    describe(clip)
    assert reader_pid() != first


@pytest.mark.usefixtures("fresh")
def test_two_threads_have_a_reader_each(clip: Path) -> None:
    walls()
    held = reader_pid()
    os.kill(held, signal.SIGSTOP)
    slow = threading.Thread(target=describe, args=(clip,))
    slow.start()
    try:
        while reader_module._idle:
            pass

        found = describe(clip)
    finally:
        os.kill(held, signal.SIGCONT)
        slow.join()

    assert found.video
    assert len(reader_module._idle) == 2


@linux
@pytest.mark.usefixtures("fresh")
def test_a_reader_dies_with_the_process_that_asked_it(clip: Path) -> None:
    code = (
        "import os, sys; from rushes.media.readers import reader; "
        "from rushes.media.describing.inspection import describe; describe(sys.argv[1]); "
        "print(reader._idle[0].pid, flush=True); "
        "os.kill(reader._idle[0].pid, 19); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", code, str(clip)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asker:
        assert asker.stdout is not None
        pid = int(asker.stdout.readline())
        ended = os.pidfd_open(pid)

        asker.kill()

        with open(ended, closefd=True) as watched:  # noqa: PTH123 - a descriptor
            import select  # noqa: PLC0415

            assert select.select([watched], [], [], 30)[0]


@pytest.mark.usefixtures("fresh")
def test_memory_beyond_what_the_function_declared_is_refused_by_the_kernel(
    clip: Path, tmp_path: Path
) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(_black_png(8000, 8000))  # a quarter of a gigabyte of pixels in as many kilobytes
    try:
        allow(1)
        small = describe(clip)
        with pytest.raises(PlatformError, match="Cannot allocate memory"):
            verify(bomb, ExpectedOutput())
        allow(2 * 1024**3)
        assert verify(bomb, ExpectedOutput()).decoded_frames == 1
    finally:
        allow(2 * 1024**3)
    assert small.video


def _black_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pack = zlib.compressobj(1)
    row = bytes(1 + 4 * width)
    pixels = b"".join(pack.compress(row) for _ in range(height)) + pack.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _second(then: Callable[[], bool]) -> Callable[[], bool]:
    """False at first, which is asked before the question; then what `then` gives."""
    asked = iter([False])

    def answer() -> bool:
        return next(asked, None) is None and then()

    return answer


# Asking ahead ----------------------------------------------------------------------------------------


@pytest.fixture
def clips(media: make_media.Workshop, tmp_path: Path) -> Iterator[list[Path]]:
    names = ("h264.mp4", "sound.wav", "prores.mov", "h264.mkv")
    made = [shutil.copy(media(names[n % 4]), tmp_path / f"{n:02}_{names[n % 4]}") for n in range(24)]
    yield [Path(path) for path in made]
    expect(())


def described_in_turn(clips: list[Path]) -> Iterator[tuple[str, int]]:
    """The name in each description, and how many questions wait behind it."""
    for place, clip in enumerate(clips):
        expect(str(one) for one in clips[place + 1 :])
        yield describe(clip).name, max(len(held.waiting) for held in reader_module._idle)


@pytest.mark.usefixtures("fresh")
def test_clips_that_come_as_expected_are_asked_about_ahead_and_answered_in_turn(clips: list[Path]) -> None:
    found = list(described_in_turn(clips))

    assert [name for name, _ in found] == [clip.name for clip in clips]
    assert {waiting for _, waiting in found[:4]} == {0}
    assert max(waiting for _, waiting in found) == reader_module.AHEAD
    assert found[-1][1] == 0
    (held,) = reader_module._idle
    assert held.sent == len(clips)


@pytest.mark.usefixtures("fresh")
def test_clips_that_do_not_come_are_forgotten(clips: list[Path]) -> None:
    for place, clip in enumerate(clips[:10]):
        expect(str(one) for one in clips[place + 1 :])
        describe(clip)
    (held,) = reader_module._idle
    assert held.waiting

    assert describe(clips[-1]).name == clips[-1].name
    assert source_truth(clips[2]).frames
    assert reader_module._idle == [held]
    assert not held.waiting


@pytest.mark.usefixtures("fresh")
def test_a_clip_that_is_asked_about_twice_is_not_asked_about_ahead(clips: list[Path]) -> None:
    for place, clip in enumerate(clips):
        expect(str(one) for one in clips[place + 1 :])
        describe(clip)
        verify(clip, ExpectedOutput())

        assert not reader_module._idle[0].waiting


@pytest.mark.usefixtures("fresh")
def test_of_clips_asked_about_ahead_the_one_at_fault_is_blamed_and_the_others_are_not(
    clips: list[Path],
) -> None:
    (clips[12]).write_bytes(b"")
    (clips[14]).unlink()
    kinds: list[str] = []
    for place, clip in enumerate(clips):
        expect(str(one) for one in clips[place + 1 :])
        if place == 18:
            os.kill(reader_pid(), signal.SIGKILL)  # with some answers given, and some not
        try:
            kinds.append(describe(clip).name)
        except RushesError as error:
            kinds.append(error.code)

    wanted = [clip.name for clip in clips]
    wanted[12], wanted[14] = "empty", "not-found"
    assert kinds == wanted
