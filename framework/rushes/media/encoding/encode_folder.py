"""A folder of an encode's own: what its graph reads is staged there under fixed names, beside pass logs.

Its name never enters a filter graph. This module must not know what is encoded.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rushes.media.planning.fonts import find_font
from rushes.media.planning.plan import EncodePlan
from rushes.media.readers.guard import check_source

__all__ = ["own_folder", "stage"]


@contextmanager
def own_folder(parent: Path | None) -> Iterator[Path]:
    """A folder of this work's own below `parent`, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="encode-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stage(plan: EncodePlan, folder: Path) -> list[Path]:
    """Put beside the encode what its graph reads; gives the files that this leads to."""
    led: list[Path] = []
    for staged in plan.staged:
        place = folder / staged.name
        if staged.path is None:
            place.write_text(staged.text or "", encoding="utf-8", errors="replace")
        else:
            check_source(staged.path)
            led.append(staged.path.absolute())
            place.symlink_to(led[-1])
    if plan.needs_font:
        led.append(find_font())
        (folder / "font.ttf").symlink_to(led[-1])
    return led
