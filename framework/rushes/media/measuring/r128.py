"""Loudness by EBU R128, of every sound track, in one decode: `plan_r128` is pure, `read_r128` too.

ffmpeg's ebur128 adds what it has measured to the sound every 100 ms, and the file that this is printed to
holds it in every version, while its summary is in the log alone, among other text. A tenth of a second of
silence after the end makes the last, broken tenth count for the true peak; it adds exactly one entry, and
loudness is read from the one before. This module must not know who runs the command.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rushes.media.describing.schema import MediaInfo
from rushes.media.planning.filters import Chain, compile_graph, step

__all__ = ["TrackLoudness", "plan_r128", "read_r128", "report_name"]

_STEP_S: Final = 0.1
_QUIETEST_LUFS: Final = -70.0
"""The absolute gate of BS.1770: what is not louder is silence."""
_VALUE: Final = re.compile(r"^lavfi\.r128\.(I|LRA|true_peaks_ch\d+)=(\S+)$")
_UNUSED: Final = ("M", "S", "LRA.low", "LRA.high", "true_peak")


@dataclass(frozen=True, slots=True)
class TrackLoudness:
    """One track's loudness; None where it is silent, or too short for it (0.4 s).

    Args:
        integrated_lufs: of the whole track, gated.
        range_lu: loudness range.
        true_peak_dbtp: of the loudest channel.
    """

    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float | None


def report_name(number: int) -> str:
    """The file in the command's folder that the report of a track is in, tracks counted from 0."""
    return f"loudness-{number}.txt"


def plan_r128(info: MediaInfo, *, input_args: Sequence[str]) -> list[str]:
    """The command that measures every sound track; it writes a report for each into its folder.

    Args:
        info: the clip, described; it has sound.
        input_args: the options and ``-i`` that open it (`rushes.media.readers.guard`).
    """
    chains = [
        Chain(
            track.index,
            (
                step("apad", pad_dur=_STEP_S),
                step("ebur128", peak="true", metadata=1),
                *(step("ametadata", mode="delete", key=f"lavfi.r128.{name}") for name in _UNUSED),
                step("ametadata", mode="print", file=report_name(number)),
            ),
        )
        for number, track in enumerate(info.audio)
    ]
    graph = compile_graph(chains)
    args = ["-threads", "2", *input_args, "-filter_complex_threads", "2", "-filter_complex", graph.text or ""]
    maps = [word for label in graph.maps for word in ("-map", label)]
    return [*args, "-y", *maps, "-map_metadata", "-1", "-map_chapters", "-1", "-f", "null", "-"]


def read_r128(report: str) -> TrackLoudness:
    """What a report says at its end.

    Args:
        report: its text, or the end of it with the last two entries.
    """
    entries: list[dict[str, float]] = []
    for line in report.splitlines():
        if line.startswith("frame:"):
            entries.append({})
        elif entries and (found := _VALUE.match(line)):
            entries[-1][found[1]] = float(found[2])
    measured = [entry for entry in entries if "I" in entry]
    last = measured[-1] if measured else {}
    whole = measured[-2] if len(measured) > 1 else {}
    integrated = whole.get("I", _QUIETEST_LUFS)
    is_heard = math.isfinite(integrated) and integrated > _QUIETEST_LUFS
    peak = max((value for name, value in last.items() if name.startswith("true")), default=0.0)
    return TrackLoudness(
        integrated_lufs=round(integrated, 1) if is_heard else None,
        range_lu=round(whole.get("LRA", 0.0), 1) if is_heard else None,
        true_peak_dbtp=round(20 * math.log10(peak), 1) if peak > 0 else None,
    )
