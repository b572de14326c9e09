"""What loudnorm's first pass measured, read from what ffmpeg wrote.

Pure. This module must not know how loudness is set; `rushes.media.planning.tracks` does.
"""

from __future__ import annotations

import json
import re
from typing import Final

from rushes.errors import MediaError, PlatformError
from rushes.media.planning.tracks import Loudness

__all__ = ["read_loudness"]

# "[Parsed_loudnorm_0 @ 0x55cd…] [info] " and the JSON below it; the level is there with `level+` alone.
_REPORT: Final = re.compile(r"\[Parsed_loudnorm_(\d+)[^\]]*\]\s*(?:\[info\]\s*)?\n?(\{.*?\})", re.DOTALL)


def read_loudness(text: str, tracks: int) -> list[Loudness]:
    """The reports of loudnorm, in the order of the graph; its JSON is in the log and nowhere else in 5.1.

    Args:
        text: the end of what ffmpeg wrote, at level ``info``.
        tracks: how many reports there must be.

    Raises:
        MediaError: a track is silent.
        PlatformError: a report is missing.
    """
    found: dict[int, Loudness] = {}
    for number, report in _REPORT.findall(text):
        values = json.loads(report)
        found[int(number)] = Loudness(
            integrated=values["input_i"],
            true_peak=values["input_tp"],
            loudness_range=values["input_lra"],
            threshold=values["input_thresh"],
            offset=values["target_offset"],
        )
    if len(found) != tracks:
        raise PlatformError(
            f"ffmpeg measured the loudness of {len(found)} tracks, not {tracks}.",
            code="no-loudness",
            fix="Leave loudness out, or set RUSHES_FFMPEG to another build.",
            details={"stderr_tail": text[-2000:]},
        )
    loudness = [found[number] for number in sorted(found)]
    if any(value.integrated in {"-inf", "inf"} for value in loudness):
        raise MediaError(
            "a sound track is silent: it has no loudness to set.",
            code="silent",
            fix="Leave loudness out, or choose the tracks that carry sound.",
        )
    return loudness
