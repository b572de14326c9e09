"""Ladders that are planned for a clip that is only described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rushes.asset import Asset
from rushes.media.describing.schema import AudioStream, Container, MediaInfo, VideoStream
from rushes.media.ladders.ladder import LadderPlan, plan_ladder
from rushes.media.ladders.rungs import Ladder, Rung

__all__ = ["FILTERS", "FakeBuild", "described", "graph_of", "planned", "sizes_of", "words_after"]

FILTERS = (
    "aformat", "aresample", "asetpts", "atrim", "bwdif", "format", "fps", "scale", "select", "setparams",
    "setpts", "setsar", "tile", "tonemap", "trim", "zscale",
)  # fmt: skip


@dataclass
class FakeBuild:
    major: int = 9
    encoders: tuple[str, ...] = ("libx264", "libx265", "libsvtav1")
    filters: tuple[str, ...] = FILTERS


def described(channels: tuple[int, ...] = (2,), **picture: Any) -> MediaInfo:
    facts: dict[str, Any] = {
        "index": 0, "codec": "h264", "width": 1920, "height": 1080, "frame_rate": "25/1",
        "rate_mode": "cfr", "rate_decided_by": "sample-table", "field_order": "progressive",
        "pix_fmt": "yuv420p", "bit_depth": 8, "duration_s": 4.0, "frames_declared": 100, "start_s": 0.0,
    }  # fmt: skip
    return MediaInfo(
        name="A001.mov",
        container=Container(format="mov", size_bytes=1, duration_s=4.0, start_s=0.0),
        duration_s=4.0,
        video=[VideoStream(**{**facts, **picture})],
        audio=[
            AudioStream(index=n, codec="aac", channels=c, sample_rate=48000)
            for n, c in enumerate(channels, start=1)
        ],
    )


def planned(
    *heights: int,
    info: MediaInfo | None = None,
    build: FakeBuild | None = None,
    leading: int = 0,
    **wish: Any,
) -> LadderPlan:
    rungs = wish.pop("rungs", tuple(Rung(height) for height in heights))
    return plan_ladder(
        info or described(),
        Ladder(rungs, **wish),
        build or FakeBuild(),
        source=Asset("/clips/A001.mov"),
        input_args=["-i", "file:/clips/A001.mov"],
        place="file:/out",
        stills_place="file:/stills",
        present=100,
        present_s=4.0,
        leading=leading,
    )


def words_after(plan: LadderPlan, option: str) -> list[str]:
    return [plan.args[n + 1] for n, word in enumerate(plan.args) if word == option]


def graph_of(plan: LadderPlan) -> list[str]:
    (text,) = words_after(plan, "-filter_complex")
    return text.split(";")


def sizes_of(plan: LadderPlan) -> list[tuple[str, int, int]]:
    return [(r.name, r.width, r.height) for r in plan.renditions]
