"""The box around ffmpeg: what it adds to a start, against bubblewrap alone, and to an encode."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import clips
import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section

_EACH = 9
"""Starts in a round; the median of them is the round's figure."""
_ENCODE_S = 10.0
_ALONE = "one frame in bubblewrap alone"
_OURS = "one frame in our box"
_BARE = "one frame without a box"
_LANDLOCK = "one frame in Landlock alone"


def run(options: Options) -> Section:
    from rushes.errors import PlatformError  # noqa: PLC0415 - the other rows need no media core
    from rushes.media.running.box import Box, find_box  # noqa: PLC0415

    section = Section(
        "The box around ffmpeg",
        "Start: ffmpeg decodes one frame of a small clip, whole processes, the time that our side takes to "
        "look up files and fill the rules included; bubblewrap alone shows the whole file system read-only "
        f"in new namespaces. In milliseconds; the median of {_EACH} starts is a round's figure. Encode: "
        "libx264, supervised both times.",
    )
    folder = options.folder / "box"
    folder.mkdir(parents=True, exist_ok=True)
    source = clips.one_clip(options.folder / "clips")
    try:
        box = find_box({"RUSHES_BOX": "bubblewrap"})
    except PlatformError as reason:
        section.left_out["all"] = str(reason)
        return section
    section.facts.append(f"Level of the box: {box.level}.")
    frame = _frame(source)
    alone = [box.bubblewrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    alone += ["--unshare-all", "--die-with-parent", "--new-session", "--"]
    methods: dict[str, Callable[[], float]] = {
        _BARE: _median_ms(lambda: _started(Box("rlimits"), frame, folder)),
        _ALONE: _median_ms(lambda: _plain([*alone, *frame])),
        _OURS: _median_ms(lambda: _started(box, frame, folder)),
    }
    try:
        held = find_box({"RUSHES_BOX": "landlock"})
        methods[_LANDLOCK] = _median_ms(lambda: _started(held, frame, folder))
    except PlatformError as reason:
        section.left_out[_LANDLOCK] = str(reason)
    starts, left_out = measure.interleave(methods, options.rounds)
    section.left_out.update(left_out)
    _compare(section, starts, _OURS, _ALONE, Goal(AT_MOST, 2.0))
    _compare(section, starts, _OURS, _BARE, None)
    _compare(section, starts, _LANDLOCK, _BARE, None)
    seconds = min(_ENCODE_S, float(options.clip_s))
    size = _frames_for(seconds, folder)
    walls, cpus = _encodes(replace(box), size, folder, options.rounds)
    boxed, bare = f"an encode of {seconds:.0f} s in our box", "without"
    section.rows += [
        Row(
            f"{boxed} against {bare}, {what}",
            measure.ratios(values[0], values[1]),
            goal,
            values[0],
            values[1],
            "s",
        )
        for what, values, goal in (
            ("wall clock", walls, Goal(AT_MOST, 1.01)),
            ("processor", cpus, Goal(AT_MOST, 1.01)),
        )
    ]
    return section


def _compare(section: Section, series: dict[str, Series], ours: str, other: str, goal: Goal | None) -> None:
    if ours in series and other in series:
        ratio = measure.ratios(series[ours], series[other])
        section.rows.append(Row(f"{ours} against {other}", ratio, goal, series[ours], series[other], "ms"))


def _frame(source: Path) -> list[str]:
    from rushes.media.running.builds import find_build  # noqa: PLC0415 - as above

    path = str(find_build(environ={}).path)
    return [path, "-nostdin", "-v", "error", "-i", f"file:{source}", "-frames:v", "1", "-f", "null", "-"]


def _median_ms(start: Callable[[], float]) -> Callable[[], float]:
    return lambda: 1000 * sorted(start() for _ in range(_EACH))[_EACH // 2]


def _plain(argv: Sequence[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise measure.Failed(f"{argv[0]} ended with {done.returncode}: {done.stderr[-200:]!r}")
    return seconds


def _started(box: object, argv: Sequence[str], folder: Path) -> float:
    from rushes.media.running.box import Box  # noqa: PLC0415 - as above

    assert isinstance(box, Box)
    began = time.perf_counter()
    boxed = box.around(argv, environ=os.environ, cwd=folder)
    try:
        done = subprocess.run(
            boxed.argv,
            env=dict(boxed.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=boxed.keep_open,
            preexec_fn=boxed.restrict,
            cwd=folder,
            check=False,
        )
    finally:
        boxed.started()
        if boxed.told is not None:
            os.close(boxed.told)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise measure.Failed(f"{box.level} ended with {done.returncode}: {done.stderr[-200:]!r}")
    return seconds


def _frames_for(seconds: float, folder: Path) -> int:
    """How many frames this machine encodes in that time, by what it does in a tenth of it."""
    from rushes.media.running.box import Box  # noqa: PLC0415 - as above

    frames = 50
    while True:
        wall, _ = _encode(Box("rlimits"), frames, folder)
        if wall >= seconds / 10:
            return max(frames, round(frames * seconds / wall))
        frames *= 2


def _encodes(
    box: object, frames: int, folder: Path, rounds: int
) -> tuple[tuple[Series, Series], tuple[Series, Series]]:
    from rushes.media.running.box import Box  # noqa: PLC0415 - as above

    assert isinstance(box, Box)
    bare = Box("rlimits")
    values: dict[str, list[tuple[float, float]]] = {box.level: [], bare.level: []}
    for number in range(rounds):
        for one in (box, bare) if number % 2 else (bare, box):
            values[one.level].append(_encode(one, frames, folder))
            print(f"  round {number + 1}: {one.level}: {values[one.level][-1][0]:.2f} s")
    ours, other = values[box.level], values[bare.level]

    def series(which: int) -> tuple[Series, Series]:
        return Series(tuple(v[which] for v in ours)), Series(tuple(v[which] for v in other))

    return series(0), series(1)


def _encode(box: object, frames: int, folder: Path) -> tuple[float, float]:
    from rushes.media.running.box import Box  # noqa: PLC0415 - as above
    from rushes.media.running.builds import find_build  # noqa: PLC0415
    from rushes.media.running.process import Supervision, check, run_ffmpeg  # noqa: PLC0415

    assert isinstance(box, Box)
    source = ["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25"]
    target = ["-frames:v", str(frames), "-c:v", "libx264", "-preset", "medium", f"file:{folder}/out.mp4"]
    build = find_build(environ={})
    done = check(run_ffmpeg(build, ["-y", *source, *target], supervision=Supervision(box=box, cwd=folder)))
    return done.seconds, done.cpu_s
