"""Looks at the parts of this machine that work can fail of: disk, pool, ffmpeg, reader, a family's devices.

Each is a real try, as small as it can be: a file that is written, a picture that is encoded. This module must
not know what follows from what is seen.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from rushes.core.host_health import DOUBTS, Part, room_wanted
from rushes.errors import RushesError
from rushes.runtime.shared.hosts.fitness import Look
from rushes.units import format_size

__all__ = ["looks_of", "why_no_disk"]

_LEAST_NAMES: Final = 64
"""Files that a disk must take yet: one that has room and no names for it is as full."""


def looks_of(
    scratch: Path, pool: Callable[[], Mapping[str, Any]], ledger: Callable[[], object]
) -> dict[Part, Look]:
    """How a host looks at itself.

    Args:
        scratch: where clips and outputs lie.
        pool: tells of this machine's pool, or raises.
        ledger: asks the shared ledger for anything, or raises.
    """
    return {
        Part.disk: lambda _, rests: why_no_disk(scratch, rests=rests),
        Part.pool: lambda *_: _why_no_pool(pool),
        Part.credentials: lambda *_: _why_unheard(ledger),
        Part.tools: lambda *_: _why_no_tools(),
        Part.reader: lambda *_: _why_no_reader(),
        Part.device: lambda group, _: _why_no_device(group),
    }


def why_no_disk(folder: Path, *, rests: bool = False) -> str:
    """Why a folder takes no clip; "" where it does. Who `rests` wants more room, so as not to rest again."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:  # without a name: a killed host leaves none
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        there = shutil.disk_usage(folder)
        names = os.statvfs(folder)
    except OSError as error:
        return f"{folder} cannot be written ({os.strerror(error.errno or 0)})"
    wanted = room_wanted(there.total, rests=rests)
    if there.free < wanted:
        return (
            f"the disk of {folder} is full: {format_size(there.free)} of {format_size(there.total)} are "
            f"free, and {format_size(wanted)} are wanted"
        )
    if names.f_files and names.f_favail < _LEAST_NAMES:
        return f"the disk of {folder} takes {names.f_favail} more files, out of {names.f_files}"
    return ""


def _why_no_pool(pool: Callable[[], Mapping[str, Any]]) -> str:
    try:
        found = pool()
    except RushesError as error:
        return f"this machine's pool does not answer: {error.message}"
    if found.get("low_on_space"):
        home = (found.get("worker") or {}).get("home", "its journal")
        return f"this machine's pool starts nothing: the disk of {home} is nearly full"
    return ""


def _why_unheard(ledger: Callable[[], object]) -> str:
    try:
        ledger()
    except RushesError as error:
        return f"{error.message} {error.fix}" if DOUBTS.get(error.code) is Part.credentials else ""
    return ""


def _why_no_tools() -> str:
    from rushes.media.devices.probe import LIMIT_S, TrialLane, try_one  # noqa: PLC0415 - once something failed
    from rushes.media.devices.trial_rows import trials  # noqa: PLC0415 - as above
    from rushes.media.running.builds import find_build  # noqa: PLC0415 - as above
    from rushes.media.running.process import Limits, Supervision  # noqa: PLC0415 - as above

    trial = next(one for one in trials() if one.encoder == "libx264")
    try:
        lane = TrialLane(None, find_build(trial.family), (trial,))
    except RushesError as error:
        return f"ffmpeg cannot be used: {error.message}"
    found = try_one(lane, trial, Supervision(limits=Limits(stall_s=None, time_s=LIMIT_S)))
    return "" if found.works else f"ffmpeg encodes no picture here: {found.why}"


def _why_no_reader() -> str:
    from rushes.media.describing.own_clip import why_unread  # noqa: PLC0415 - as above

    why = why_unread()
    return f"a clip of our own cannot be read here: {why}" if why else ""


def _why_no_device(group: str) -> str:
    """Why no device of a group of hosts encodes a picture; "" where one does, or the group wants none."""
    from rushes.media.devices.device_nodes import find_devices, look  # noqa: PLC0415 - as above
    from rushes.media.devices.device_retry import try_device  # noqa: PLC0415 - as above
    from rushes.media.devices.trial_rows import HARDWARE  # noqa: PLC0415 - as above

    family = group.rpartition("-")[2]
    if family not in HARDWARE:
        return ""
    there = [one for one in find_devices(look()) if one.family == family]
    if not there:
        return f"this host of {group} sees no device of {family}"
    said = []
    for one in there:
        why = try_device(family, one.name, "", None, lambda: False)
        if not why:
            return ""
        said.append(f"{one.name}: {why}")
    return f"no device of {family} encodes a picture here: {'; '.join(said)}"
