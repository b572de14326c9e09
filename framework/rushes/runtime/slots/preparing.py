"""What a spare slot does before it belongs to anybody: all that the first encode of a process pays for.

The reader of files is started, which takes as long as everything else; modules are loaded; the build of
ffmpeg is asked what it can, and the box is tried. Each of these is kept for the life of the process. Nothing
of an author is loaded: that is done when the spare is told whose slot it is. This module must not know
functions.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Final

from rushes import catalog
from rushes.errors import RushesError
from rushes.media.describing.schema import MediaInfo
from rushes.media.readers import reader
from rushes.media.running.box import find_box
from rushes.media.running.builds import find_build

__all__ = ["prepare"]

# What an encode and its publication load when they begin. A test holds this against what the first attempt
# of a spare loads beside its author's modules.
_LOADED: Final = (
    "ffmpeg",
    "pydantic.dataclasses",
    "rushes.decorator",  # an author's module, before all
    "rushes.media.planning.graph",
    "rushes.runtime.attempts.encoding",
    "rushes.runtime.outputs.destination",
    "rushes.runtime.outputs.publication",
    "rushes.runtime.outputs.staging",
)


def prepare() -> None:
    """Do all of it; what fails here fails again, and is told, where it is needed."""
    reader.begin()
    for name in _LOADED:
        with suppress(ImportError):
            import_module(name)
    MediaInfo.model_rebuild()  # its first user pays for that, else
    for _ in catalog.installed():  # where they are declared is remembered
        pass
    with suppress(RushesError):
        build = find_build()
        _ = build.encoders, build.filters
    with suppress(RushesError):
        find_box()
