"""Where a font for burn-in is on this machine: none is shipped, and drawing needs a file.

This module must not know what is drawn.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rushes.errors import CallerError

__all__ = ["VARIABLE", "find_font"]

VARIABLE: Final = "RUSHES_FONT"

# A fixed pitch first: a timecode that changes width sixty times a second cannot be read.
_NAMES: Final = (
    "DejaVuSansMono.ttf", "LiberationMono-Regular.ttf", "NotoSansMono-Regular.ttf", "UbuntuMono-R.ttf",
    "FreeMono.ttf", "Menlo.ttc", "Monaco.ttf", "Courier New.ttf", "CourierNew.ttf", "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "Helvetica.ttc",
)  # fmt: skip
_FOLDERS: Final = (
    "~/.fonts", "~/.local/share/fonts", "~/Library/Fonts", "/usr/share/fonts", "/usr/local/share/fonts",
    "/Library/Fonts", "/System/Library/Fonts", "/System/Library/Fonts/Supplemental",
)  # fmt: skip
_MOST_FOLDERS: Final = 5000
"""A font folder on a file server may be huge; looking into this many folders takes well under a second."""


def find_font(environ: Mapping[str, str] | None = None, folders: Sequence[str] = _FOLDERS) -> Path:
    """A font file for burn-in: the one that `RUSHES_FONT` names, else a known one of this system.

    Raises:
        CallerError: there is none.
    """
    named = (os.environ if environ is None else environ).get(VARIABLE)
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise CallerError(
                f"{VARIABLE} names {named}, which is no file.",
                code="no-font",
                fix="Name a .ttf or .otf file.",
            )
        return path.absolute()
    found = _installed(folders)
    for name in _NAMES:
        if name in found:
            return found[name]
    if found:
        return found[min(found)]
    raise CallerError(
        "burn-in needs a font, and none was found.",
        code="no-font",
        fix=f"Install one (Debian: apt install fonts-dejavu-core), or set {VARIABLE} to a .ttf file.",
    )


def _installed(folders: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    visited = 0
    for folder in folders:
        for place, _, files in os.walk(Path(folder).expanduser()):
            visited += 1
            if visited > _MOST_FOLDERS:
                return found
            for name in files:
                if name.lower().endswith((".ttf", ".otf", ".ttc")):
                    found.setdefault(name, Path(place, name))
    return found
