"""The graph of a ladder: times that count from the first picture, each rung scaled from the next larger one.

Pure; it must not know encoders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final

from rushes.errors import PlatformError
from rushes.media.describing.schema import MediaInfo
from rushes.media.ladders.fanout import Branch
from rushes.media.planning.device_graph import HERE, Spot
from rushes.media.planning.filters import Chain, Step, step
from rushes.media.planning.picture import BuildFacts, Picture

__all__ = ["NO_GAPS", "filled", "from_zero", "head_of", "late_by", "refuse_missing", "scaled", "tree"]

# What is late gets silence, what is early is cut, and gaps are filled: segments have no place for them.
NO_GAPS: Final = step("aresample", **{"async": 1, "first_pts": 0})


def late_by(info: MediaInfo) -> Fraction:
    """By how many seconds the picture starts after the file."""
    stream = info.primary_video
    start = (stream.start_s if stream else None) or 0
    return max(Fraction(0), Fraction(str(start)) - Fraction(str(info.container.start_s or 0)))


def from_zero(late: Fraction, setter: str) -> tuple[Step, ...]:
    """Times that count from the first picture: the DASH muxer starts every track at nothing."""
    return (step(setter, f"PTS-{float(late):.6f}/TB"),) if late else ()


def filled(rate: Fraction, leading: int) -> tuple[Step, ...]:
    """Where a decoder drops pictures at the start, the first one that it gives is shown instead."""
    return (step("fps", fps=str(rate), round="near", start_time=0),) if leading else ()


def head_of(picture: Picture, decoded: Spot) -> tuple[Step, ...]:
    """What is done once for all rungs: brought down from where it was decoded, and made what `picture` is.

    Args:
        picture: of the largest rung; how it gets onto a device of its own is left out.
        decoded: where the source is decoded.
    """
    return (*decoded.fetch, *replace(picture, spot=HERE).chain())


def tree(
    rungs: Sequence[tuple[str, Picture]], stills: Sequence[tuple[int, Branch]], head: tuple[Step, ...]
) -> Branch:
    """Every rung taken from the next larger one; stills from the one that is named.

    Args:
        rungs: name and picture of each, the largest first.
        stills: branches, and the number of the rung that each is taken from.
        head: steps of the largest.
    """
    below: tuple[Branch, ...] = ()
    for number in range(len(rungs) - 1, -1, -1):
        name, picture = rungs[number]
        steps = scaled(picture, rungs[number - 1][1]) if number else head
        taken = (branch for rung, branch in stills if rung == number)
        own = _onto(picture, rungs[0][1])
        if own:
            # What others take must not be on a device, nor in its layout.
            below = (Branch(steps, branches=(Branch(own, name), *below, *taken)),)
        else:
            below = (Branch(steps, name, (*below, *taken)),)
    return below[0]


def _onto(picture: Picture, first: Picture) -> tuple[Step, ...]:
    """The last steps of one rung alone: into the layout of its encoder, and onto its device."""
    if picture.colour is None or first.colour is None:
        return ()
    pix_fmt = picture.colour.pix_fmt
    layout = () if pix_fmt == first.colour.pix_fmt else (step("format", pix_fmts=pix_fmt),)
    return (*layout, *(step(name) for name in picture.spot.upload))


def scaled(picture: Picture, larger: Picture) -> tuple[Step, ...]:
    """What makes one rung of the next larger one; nothing where they are of one size."""
    size = picture.geometry
    if (size.width, size.height) == (larger.geometry.width, larger.geometry.height):
        return ()
    levels = picture.colour.tags.range if picture.colour else None
    # What a filter guesses of full levels differs between builds.
    named = {"in_range": "pc", "out_range": "pc"} if levels == "pc" else {}
    return (
        step("scale", w=size.width, h=size.height, flags="bicubic+accurate_rnd", **named),
        step("setsar", sar=f"{size.sar.numerator}/{size.sar.denominator}"),
    )


def refuse_missing(build: BuildFacts, root: Branch, chains: Sequence[Chain]) -> None:
    """Raise `PlatformError` (``no-filter``) where the build lacks a filter that the graph has."""
    used = {one.name for branch in _walk(root) for one in branch.steps}
    missing = sorted((used | {one.name for chain in chains for one in chain.steps}) - set(build.filters))
    if missing:
        raise PlatformError(
            f"this ffmpeg has no filter {', '.join(missing)}.",
            code="no-filter",
            fix="Set RUSHES_FFMPEG to a build that has it, or unset it for the bundled one.",
        )


def _walk(branch: Branch) -> Iterator[Branch]:
    yield branch
    for other in branch.branches:
        yield from _walk(other)
