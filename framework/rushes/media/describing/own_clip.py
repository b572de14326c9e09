"""Whether this machine reads clips at all: it tries with one of its own, a tenth of a second of silence.

Where that cannot be read, no clip is to blame. This module must not know who asks, nor what follows.
"""

from __future__ import annotations

import wave

from rushes.errors import RushesError
from rushes.temporary import temporary_folder

__all__ = ["why_unread"]


def why_unread() -> str:
    """Why a clip that is made here cannot be read; "" where it can."""
    from rushes.media.describing.inspection import describe  # noqa: PLC0415 - heavy: once something failed

    with temporary_folder("own-clip") as made:
        clip = made / "silence.wav"
        with wave.open(str(clip), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(bytes(1600))
        try:
            describe(clip)
        except RushesError as error:
            last = str(error.details.get("said", "")).strip().rpartition("\n")[2]
            return last or error.message
    return ""
