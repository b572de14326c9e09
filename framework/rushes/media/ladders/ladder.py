"""A ladder of renditions: one command that decodes once and makes every size, every sound and the stills.

Each rung is scaled from the next larger one, and all of them have their key frames at the same pictures, so
that a player can change between them. Whether an HDR source is tone mapped is decided once, for all. A
command may also make some of the rungs only, each with an encoder of its own. Pure; what an encoder is called
and how it spells a wish is in its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from rushes.asset import Asset
from rushes.errors import CallerError
from rushes.media.describing.schema import MediaInfo
from rushes.media.ladders.fanout import Branch
from rushes.media.ladders.ladder_command import feed, outputs, sound_name
from rushes.media.ladders.ladder_graph import NO_GAPS, filled, from_zero, late_by
from rushes.media.ladders.rung_plan import PlannedRung, RungWish, plan_rung, rung_wishes
from rushes.media.ladders.rungs import Ladder, Rung, sound_profile
from rushes.media.ladders.still_branches import still_branches
from rushes.media.planning import labels, tracks
from rushes.media.planning.colour import HDR_TRANSFERS
from rushes.media.planning.device_graph import HERE, Spot
from rushes.media.planning.picture import BuildFacts
from rushes.media.planning.tracks import AudioTrack

__all__ = [
    "Ladder",
    "LadderPlan",
    "Rendition",
    "Rung",
    "Sound",
    "plan_ladder",
]

_STRICT: Final = ("-xerror", "-max_error_rate", "0")
_HEARD_S: Final = Fraction(1, 10)
"""Less sound than this before the picture is a muxer's rounding."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """One planned picture: its name, which its file has too (``720p.mp4``), and what it must be."""

    name: str
    codec: str
    encoder: str
    width: int
    height: int
    video_range: str


@dataclass(frozen=True, slots=True)
class Sound:
    """One planned sound track."""

    name: str
    channels: int | None
    language: str | None


@dataclass(frozen=True, slots=True)
class LadderPlan:
    """The command of a ladder, and what its results must be.

    Args:
        args: without the program.
        renditions: the largest first.
        frames, slack: pictures of each rendition, within `slack`; None when that cannot be known.
        gop_frames: pictures between two key frames.
        late_s: by how much the source's picture starts after its sound; times count from the picture.
    """

    args: tuple[str, ...]
    renditions: tuple[Rendition, ...]
    sounds: tuple[Sound, ...]
    rate: Fraction
    frames: int | None
    slack: int
    duration_s: float | None
    gop_frames: int
    late_s: float = 0.0
    warnings: tuple[str, ...] = ()


def plan_ladder(
    info: MediaInfo,
    ladder: Ladder,
    build: BuildFacts,
    *,
    source: Asset,
    input_args: Sequence[str],
    place: str,
    stills_place: str,
    present: int | None = None,
    present_s: float | None = None,
    leading: int = 0,
    wishes: Sequence[RungWish] | None = None,
    decoded: Spot = HERE,
    beside: bool = True,
) -> LadderPlan:
    """How to make `ladder` of the clip that `info` describes, in one command.

    Args:
        info: the clip, described.
        ladder: the wish.
        build: what the ffmpeg build can do.
        source: the clip; its frame range is honoured.
        input_args: the options and ``-i`` that open it (`rushes.media.readers.guard`).
        place: the folder of the renditions as ffmpeg is to name it, ``file:/…``.
        stills_place: that of the stills.
        present: frames that the source really holds; None when unknown.
        present_s: how long they last by their own times.
        leading: of these, pictures at the start that a decoder may drop.
        wishes: the rungs that this command makes, the largest first; None for all of the ladder's, here.
        decoded: where the source is decoded: a spot with a device's decoder, or with software's.
        beside: sound and stills are made by this command too.

    Raises:
        CallerError: an option does not fit the source or the codec.
        MediaError: the source has no picture.
        PlatformError: the build lacks an encoder or a filter.
    """
    warnings: list[str] = []
    if wishes is None:
        wishes, warnings = rung_wishes(info, ladder)
    here = (present, present_s)
    rungs = [plan_rung(info, wish, build, source=source, present=here) for wish in wishes]
    timing = rungs[0].picture.timing
    if timing.rate is None:
        raise CallerError(
            f"{info.name} states no frame rate, and a ladder needs one.",
            code="bad-option",
            fix="Give frame_rate, e.g. 25.",
        )
    late = Fraction(0) if source.frames is not None else late_by(info)
    before, after = from_zero(late, "setpts"), filled(timing.rate, leading)
    sounds: tuple[AudioTrack, ...] = ()
    stills: list[tuple[int, Branch]] = []
    if beside:
        heard = (*timing.sound, *from_zero(late, "asetpts"), NO_GAPS)
        sounds = tracks.audio_tracks(info, sound_profile(rungs[0].profile, info), select=heard, loudness=None)
        sizes = [rung.picture.geometry for rung in rungs]
        stills = still_branches(ladder.stills, sizes, duration_s=timing.duration_s)
    fed = feed(rungs, sounds, stills, build=build, decoded=decoded, before=before, after=after)
    gop = max(1, round(ladder.gop_s * timing.rate))
    opened = [*decoded.open, "-threads", str(ladder.threads), *decoded.decode((), stays=fed.stays)]
    opened += [*timing.seek, *input_args]
    bare = labels.metadata(info, rungs[0].profile, partial=True)
    made = outputs(fed, ladder, build=build, gop=gop, bare=bare, place=place, stills_place=stills_place)
    return LadderPlan(
        args=(*_STRICT, *opened, *made),
        renditions=tuple(_rendition(rung) for rung in fed.rungs),
        sounds=tuple(Sound(sound_name(n), s.channels, s.language) for n, s in enumerate(sounds)),
        rate=timing.rate,
        frames=timing.frames,
        slack=timing.slack,
        duration_s=timing.duration_s,
        gop_frames=gop,
        late_s=float(late),
        warnings=tuple(
            dict.fromkeys([*warnings, *_said(fed.rungs, timing.rate, late if sounds else Fraction(0))])
        ),
    )


def _rendition(rung: PlannedRung) -> Rendition:
    picture = rung.picture
    transfer = picture.colour.tags.transfer if picture.colour else None
    return Rendition(
        name=rung.name,
        codec=rung.profile.video.codec,
        encoder=picture.encoder.name if picture.encoder else "",
        width=picture.geometry.width,
        height=picture.geometry.height,
        video_range={"smpte2084": "PQ", "arib-std-b67": "HLG"}.get(transfer or "", "SDR"),
    )


def _said(rungs: Sequence[PlannedRung], rate: Fraction, late: Fraction) -> Iterator[str]:
    stream = rungs[0].picture.stream
    for rung in rungs:
        yield from rung.picture.warnings
        if rung.profile.video.tone_map != "off" and stream.color.transfer in HDR_TRANSFERS:
            yield "the source is HDR: every rung is tone mapped to SDR"
    if late > _HEARD_S:
        yield f"the picture starts {float(late):.3f} s late: the sound before it is left out"
    if stream.rate_mode == "vfr":
        yield f"the frame rate varies: every rung has a constant one of {float(rate):.3f}"
