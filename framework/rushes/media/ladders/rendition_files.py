"""What renditions are held to once they are made: the plan's promise, measured on what the source really has.

This module reads results; it must not know how they were made, nor by what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import av.error

from rushes.asset import Asset
from rushes.errors import MediaError, PlatformError
from rushes.media.encoding.verify import ExpectedOutput, SourceTruth
from rushes.media.ladders.ladder import LadderPlan, Rendition
from rushes.media.ladders.still_branches import SHEET, THUMBNAILS, Stills
from rushes.media.readers.packets import open_source, primary_video

__all__ = [
    "expected_picture",
    "expected_sound",
    "key_frames",
    "refuse_odd",
    "refuse_unaligned",
    "taken_stills",
    "verified_stills",
]


def expected_picture(
    rendition: Rendition, plan: LadderPlan, source: Asset, truth: SourceTruth
) -> ExpectedOutput:
    """What verification holds a rendition to."""
    whole = source.frames is None
    return ExpectedOutput(
        has_video=True,
        audio_tracks=0,
        width=rendition.width,
        height=rendition.height,
        frames=plan.frames,
        tolerance_frames=plan.slack,
        leading=truth.leading if whole else 0,
        duration_s=None if plan.frames is None else float(plan.frames / plan.rate),
        source_problem=truth.problem,
    )


def expected_sound(plan: LadderPlan, source: Asset, truth: SourceTruth) -> ExpectedOutput:
    """What verification holds a sound track to."""
    whole = source.frames is None
    shortest = min(truth.audio_s, default=None) if whole else plan.duration_s
    return ExpectedOutput(
        has_video=False,
        audio_tracks=1,
        audio_s=None if shortest is None else max(0.0, shortest - plan.late_s),
        source_problem=truth.problem,
    )


def refuse_odd(counts: Mapping[str, int | None]) -> None:
    """Within the slack of a rate conversion rungs may differ from the source, never from each other.

    Args:
        counts: pictures of each rung.

    Raises:
        PlatformError: they differ.
    """
    if len(set(counts.values())) > 1:
        raise PlatformError(
            f"The rungs differ in frames: {', '.join(f'{n} has {c}' for n, c in counts.items())}.",
            code="bad-output",
            fix="It is made again; if that does not help, try another encoder or ffmpeg build.",
            details={"frames": dict(counts)},
        )


def refuse_unaligned(file: Path, plan: LadderPlan, cancelled: Callable[[], bool] = lambda: False) -> None:
    """An encoder that starts groups of pictures where it likes makes a rung that no player can change to.

    Raises:
        PlatformError: its key frames are at other pictures than the plan's.
    """
    found = key_frames(file, cancelled)
    odd = next((at for at in found if at % plan.gop_frames), None)
    wanted = -(-(plan.frames or 0) // plan.gop_frames)
    if odd is not None or len(found) < wanted - 1:
        where = f"picture {odd} is a key frame" if odd is not None else f"it has {len(found)} key frames"
        raise PlatformError(
            f"{file.stem} cannot be cut where the other rungs are: {where}, and every "
            f"{plan.gop_frames}th was to be one.",
            code="bad-output",
            fix="Another encoder makes it; if none does, leave this rung out.",
        )


def key_frames(file: Path, cancelled: Callable[[], bool] = lambda: False) -> list[int]:
    """Numbers of a file's key frames, in the order in which its pictures are shown."""
    times: list[tuple[int, bool]] = []
    with open_source(file) as container:
        video = primary_video(container)
        for packet in container.demux(video) if video is not None else ():
            if packet.pts is not None and packet.size and not packet.is_discard:
                times.append((packet.pts, packet.is_keyframe))
            if len(times) % 512 == 0 and cancelled():
                break
    return [number for number, (_, is_key) in enumerate(sorted(times)) if is_key]


def taken_stills(stills: Stills, folder: Path) -> tuple[int, str | None]:
    """How many thumbnails there are, and the name of the contact sheet.

    Raises:
        PlatformError: what was wished is not there.
    """
    taken = len(list((folder / THUMBNAILS).iterdir())) if stills.every_s is not None else 0
    sheet = f"{SHEET}.{stills.kind}" if stills.sheet else None
    missing = [THUMBNAILS] if stills.every_s is not None and not taken else []
    missing += [sheet] if sheet is not None and not (folder / sheet).is_file() else []
    if missing:
        raise PlatformError(
            f"The command said that it had succeeded and made no {missing[0]}.",
            code="bad-output",
            fix="Leave the stills out, or try another ffmpeg build.",
        )
    return taken, sheet


def verified_stills(
    stills: Stills, folder: Path, size: tuple[int, int], cancelled: Callable[[], bool] = lambda: False
) -> dict[str, Any]:
    """What was found in the stills of a folder, each of which was decoded; for the receipt.

    Args:
        stills: the wish.
        folder: where they are.
        size: width and height of each.
        cancelled: asked now and then.

    Raises:
        PlatformError: one cannot be decoded, or has another size.
    """
    width, height = size
    pictures = sorted((folder / THUMBNAILS).iterdir()) if stills.every_s is not None else []
    sizes = [(picture, (width, height)) for picture in pictures]
    if stills.sheet is not None:
        columns, rows = stills.sheet
        whole = (columns * (width + 4) + 4, rows * (height + 4) + 4)
        sizes.append((folder / f"{SHEET}.{stills.kind}", whole))
    for number, (picture, expected) in enumerate(sizes):
        found = _size_of(picture)
        if found != expected:
            said = "cannot be decoded" if found is None else f"is {found[0]}x{found[1]}"
            raise PlatformError(
                f"{picture.name} {said}, and {expected[0]}x{expected[1]} was planned.",
                code="bad-output",
                fix="It is made again; if that does not help, try another ffmpeg build.",
            )
        if number % 64 == 0 and cancelled():
            break
    return {
        "level": "full",
        "thumbnails": len(pictures),
        "contact_sheet": stills.sheet is not None,
        "width": width,
        "height": height,
    }


def _size_of(picture: Path) -> tuple[int, int] | None:
    """Width and height of a picture, decoded; None where it cannot be."""
    try:
        with open_source(picture) as container:
            frame = next(iter(container.decode(video=0)), None)
    except (MediaError, av.error.FFmpegError, ValueError):
        return None
    return None if frame is None else (frame.width, frame.height)
