"""What is burnt into the picture, and the files that it is read from.

A name is text that somebody chose; it is staged in a file and drawn without expansion, so that no name can
become a filter. This module must not know how a font is found.
"""

from __future__ import annotations

from rushes.asset import Asset
from rushes.errors import CallerError
from rushes.media.describing.timecode import TimecodeLabel
from rushes.media.planning.filters import Staged, Step, step
from rushes.media.planning.labels import one_line
from rushes.media.planning.picture import Picture
from rushes.media.profile import Profile

__all__ = ["burn_in"]


def burn_in(
    profile: Profile, source: Asset, picture: Picture | None
) -> tuple[tuple[Staged, ...], tuple[Step, ...], bool]:
    """Files to stage and steps that draw; what a person named is in a file, never in the graph."""
    wish = profile.video
    staged: list[Staged] = []
    if wish.lut is not None:
        if wish.lut.suffix != ".cube":
            raise CallerError(
                f"{wish.lut.name} is no .cube look-up table.", code="bad-option", fix="Convert it to .cube."
            )
        staged.append(Staged("lut.cube", path=wish.lut.path))
    if not wish.burn_in or picture is None:
        return tuple(staged), (), False
    size = max(10, picture.geometry.height // 24)
    margin = size // 2
    look: dict[str, str | float] = {
        "fontfile": "font.ttf", "fontsize": size, "fontcolor": "white", "box": 1,
        "boxcolor": "black@0.5", "boxborderw": max(2, size // 6),
    }  # fmt: skip
    bottom = f"h-th-{margin}"
    steps: list[Step] = []
    for what in wish.burn_in:
        if what == "name":
            staged.append(Staged("name.txt", text=one_line(source.name)))
            steps.append(step("drawtext", **look, textfile="name.txt", expansion="none", x=margin, y=margin))
        elif what == "timecode":
            label, rate = _burnt_timecode(picture)
            steps.append(
                step("drawtext", **look, timecode=label, timecode_rate=rate, text="", x="(w-tw)/2", y=bottom)
            )
        else:
            first = source.frames.start if source.frames is not None else 0
            steps.append(
                step(
                    "drawtext", **look, text="%{frame_num}", start_number=first, x=f"w-tw-{margin}", y=bottom
                )
            )
    return tuple(staged), tuple(steps), True


def _burnt_timecode(picture: Picture) -> tuple[str, str]:
    rate = picture.timing.rate or picture.timing.source_rate
    if rate is None or picture.timing.rate is None:
        raise CallerError(
            "the source's frame rate varies, so its frames have no timecode to burn in.",
            code="bad-option",
            fix="Set cfr=true, or burn in name and frame only.",
        )
    label = picture.timing.timecode or TimecodeLabel(0, rate)
    return str(label), f"{rate.numerator}/{rate.denominator}"
