"""Inspect, checksum, proxy and stills of one clip, in one pass or in four, as a script that prints JSON.

ingest_ours.py FOLDER CLIP one|four

The clip is dropped from the page cache first. What is counted is what the kernel read from storage for this
process and all that it started, and their processor time.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import measure
import psutil

import rushes.media.encoding.encode
import rushes.media.running.shared_pass
import rushes.runtime.attempts.joint_attempt  # noqa: F401 - what is imported when used would be read meanwhile
from rushes import Function, together
from rushes_functions.checksum import checksum
from rushes_functions.inspect import inspect
from rushes_functions.proxy import proxy
from rushes_functions.thumbnails import thumbnails

FUNCTIONS: dict[Function[Any, Any], dict[str, Any]] = {
    checksum: {},
    inspect: {},
    proxy: {"height": 360},
    thumbnails: {"sheet": "4x4"},
}


def main(folder: str, source: str, how: str) -> None:
    place = Path(folder) / how
    shutil.rmtree(place, ignore_errors=True)
    before = _read_bytes()
    _forget(source)
    read = 0
    with measure.cost_of([os.getpid()]) as cost:
        if how == "one":
            options = {function.name: its for function, its in FUNCTIONS.items()}
            together(*FUNCTIONS)(source, out=place, **options)
        else:
            for function, its in FUNCTIONS.items():
                read += _read_bytes() - before
                _forget(source)
                before = _read_bytes()
                function(source, out=place if function.makes_outputs else None, **its)
    read += _read_bytes() - before
    outputs = sorted(path for path in place.rglob("*") if path.is_file() and path.suffix != ".json")
    print(
        json.dumps(
            {
                "cpu_s": cost.cpu_s,
                "wall_s": cost.wall_s,
                "read": read / Path(source).stat().st_size,
                "outputs": len(outputs),
            }
        )
    )


def _forget(source: str) -> None:
    """Drop the clip from the page cache, so that a second reading costs what it would of a large card."""
    with Path(source).open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read_bytes() -> int:
    """What storage has given to this process, to children that it has waited for, and to those that live."""
    total = 0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with suppress(OSError):
            text = Path(f"/proc/{process.pid}/io").read_text(encoding="ascii")
            total += int(dict(line.split(": ") for line in text.splitlines())["read_bytes"])
    return total


if __name__ == "__main__":
    main(*sys.argv[1:])
