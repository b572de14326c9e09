"""Trying every encoder on every device of this host, with a real encode of one frame each.

A list of encoders says what was compiled in; a driver that loads says that there is a card (an H100 has one,
and no encoder on it). Only an encode tells. Devices are tried side by side, the encoders of one device one
after another: a card with few sessions would else refuse what it can do. This module must not know where
findings are kept, nor what an encode of a clip is.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from rushes.errors import PlatformError, RushesError
from rushes.media.devices.capability import CPU, Finding, SeenDevice
from rushes.media.devices.trial_rows import FAMILIES, HARDWARE, EncoderTrial, command, trials
from rushes.media.running.builds import Build, find_build
from rushes.media.running.cores import usable_cores
from rushes.media.running.dialect import classify
from rushes.media.running.process import Limits, Supervision, ToolRun, run_ffmpeg

__all__ = ["LIMIT_S", "TrialLane", "builds_of", "findings", "lanes", "try_one"]

# The first session of a card that was asleep takes seconds, with many cards in a machine more than ten.
LIMIT_S: Final = 20.0
_MOST_THREADS: Final = 16
# What a trial says of now, not of this device for good: a full card, a sick one, a time limit.
_PASSING: Final = ("busy", "sick", "retry")
_LACKING: Final = PlatformError("This ffmpeg was built without it.", code="no-encoder")
_NODES: Final = {
    "nvenc": "no NVIDIA device is there (/dev/nvidia0)",
    "netint": "no NETINT card is there",
    "ama": "no AMD MA35D card is there (/dev/ama_transcoder0)",
    "qsv": "no Intel graphics device is there (/dev/dri)",
    "vaapi": "no graphics device is there (/dev/dri)",
}


@dataclass(frozen=True, slots=True)
class TrialLane:
    """What is tried one after another: the encoders of one device. None for the processor."""

    device: SeenDevice | None
    build: Build | None
    trials: tuple[EncoderTrial, ...]
    skipped: str = ""
    """Why nothing here is tried at all; else ""."""


def builds_of(environ: Mapping[str, str] | None = None) -> dict[str, Build | RushesError]:
    """The build that each family would encode with, or why it has none."""
    found: dict[str, Build | RushesError] = {}
    for family in FAMILIES:
        try:
            found[family] = find_build(family, environ)
        except RushesError as error:
            found[family] = error
    return found


def lanes(
    builds: Mapping[str, Build | RushesError],
    devices: Sequence[SeenDevice],
    *,
    every: bool = False,
    named: frozenset[str] = frozenset(),
) -> list[TrialLane]:
    """What to try where (pure).

    A family without a device that can be seen is not tried, and says so: starting ffmpeg for each of its
    encoders would only find the same. Not every device can be seen (a driver that puts it elsewhere), so
    `every` tries them all the same, and so does a build of its own in `named`.
    """
    found: list[TrialLane] = []
    for family in FAMILIES:
        rows = tuple(trial for trial in trials() if trial.family == family)
        build = builds[family]
        if isinstance(build, RushesError):
            found.append(TrialLane(None, None, rows, build.message))
        elif family not in HARDWARE:
            found.append(TrialLane(None, build, rows))
        elif mine := [device for device in devices if device.family == family]:
            found += [TrialLane(device, build, rows) for device in mine]
        elif every or family in named:
            found.append(TrialLane(SeenDevice(family, 0), build, rows))
        else:
            found.append(TrialLane(None, build, rows, f"Not tried: {_NODES[family]}."))
    return found


def findings(plan: Sequence[TrialLane], limit_s: float = LIMIT_S) -> tuple[Finding, ...]:
    """Carry a plan out; every finding in the plan's order, whatever was slow.

    Args:
        plan: what to try where.
        limit_s: seconds that one trial may take.
    """
    stop = threading.Event()
    cores = usable_cores()
    supervision = Supervision(limits=Limits(stall_s=None, time_s=limit_s), cancelled=stop.is_set)
    work: list[Callable[[], list[Finding]]] = []
    for lane in plan:
        if lane.device is not None or lane.skipped or lane.build is None:
            work.append(partial(_one_by_one, lane, supervision))
        else:
            shares = _shares(lane.trials, cores)
            work += [partial(_together, lane, share, supervision) for share in shares]
    threads = max(cores, sum(lane.device is not None for lane in plan) + cores)
    with ThreadPoolExecutor(min(_MOST_THREADS, threads), "rushes-probe") as pool:
        try:
            done: list[Future[list[Finding]]] = [pool.submit(one) for one in work]
            found = [finding for future in done for finding in future.result()]
        except BaseException:  # Ctrl-C too: what runs ends within a quarter of a second
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    order = {_name(trial): number for number, trial in enumerate(trials())}
    return tuple(sorted(found, key=lambda one: (FAMILIES.index(one.family), one.device, order[_name(one)])))


def try_one(lane: TrialLane, trial: EncoderTrial, supervision: Supervision) -> Finding:
    """One encoder on one device."""
    assert lane.build is not None  # noqa: S101 - a lane without a build is skipped
    try:
        if trial.encoder not in lane.build.encoders:
            return _finding(lane, trial, error=_LACKING)
        run = run_ffmpeg(lane.build, command(trial, lane.device), supervision=supervision)
    except RushesError as error:
        return _finding(lane, trial, error=error)
    if _encoded(run):
        return _finding(lane, trial, seconds=run.seconds)
    return _finding(lane, trial, seconds=run.seconds, error=classify(run, lane.build.major))


def _shares(rows: Sequence[EncoderTrial], count: int) -> list[tuple[EncoderTrial, ...]]:
    """The software encoders in as many shares as cores: a process starts slower than it encodes a frame.

    Dealt there and back, for ten bits cost more than eight, and each pair stands side by side.
    """
    turn = 2 * count
    dealt = [(*rows[at::turn], *rows[turn - 1 - at :: turn]) for at in range(count)]
    return [share for share in dealt if share]


def _one_by_one(lane: TrialLane, supervision: Supervision) -> list[Finding]:
    if lane.skipped:
        absent = PlatformError(lane.skipped, code="no-device")
        return [_finding(lane, trial, error=absent) for trial in lane.trials]
    found = []
    for trial in lane.trials:
        if supervision.cancelled():
            break
        found.append(try_one(lane, trial, supervision))
    return found


def _together(lane: TrialLane, rows: Sequence[EncoderTrial], supervision: Supervision) -> list[Finding]:
    """Several software encoders in one process; each by itself as soon as one of them fails."""
    assert lane.build is not None  # noqa: S101 - a lane without a build is skipped
    outputs = [argument for trial in rows for argument in trial.outputs()]
    first = command(rows[0], None)
    inputs = first[: first.index("-map")]
    run = run_ffmpeg(lane.build, [*inputs, *outputs], supervision=supervision)
    if _encoded(run):
        return [_finding(lane, trial, seconds=run.seconds) for trial in rows]
    return [try_one(lane, trial, supervision) for trial in rows]


def _encoded(run: ToolRun) -> bool:
    """It ended well and no output of it stayed empty."""
    frames = run.progress.frames if run.progress is not None else 0
    return run.ok and frames > 0 and "Output file is empty" not in run.stderr_tail


def _finding(
    lane: TrialLane, trial: EncoderTrial, seconds: float = 0.0, error: RushesError | None = None
) -> Finding:
    default = f"{trial.family}:0" if trial.family in HARDWARE else CPU
    return Finding(
        family=trial.family,
        device=lane.device.name if lane.device is not None else default,
        encoder=trial.encoder,
        codec=trial.codec,
        depth=trial.depth,
        works=error is None,
        why=_told(error.message) if error is not None else "",
        code=error.code if error is not None else "",
        seconds=round(seconds, 4),
        passing=error is not None and error.details.get("action") in _PASSING,
    )


def _told(message: str) -> str:
    """Without the name of a source, which is only a picture that ffmpeg made up."""
    return re.sub(r"color=c=gray:\S+", "a test picture", message)


def _name(one: EncoderTrial | Finding) -> tuple[str, str, str, int]:
    return (one.family, one.encoder, one.codec, one.depth)
