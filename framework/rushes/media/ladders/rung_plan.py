"""One rung of a ladder: what it should be of a source, where it is encoded, and the words of its encoder.

Key frames are at the same pictures on every rung, so that a player can change between them, whatever encodes
each. Pure; this module must not know how rungs get their pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from rushes.asset import Asset
from rushes.errors import MediaError
from rushes.media.describing.schema import MediaInfo
from rushes.media.ladders.rungs import Ladder, depth_of_all, kept_rungs, rung_names, rung_profile
from rushes.media.planning.device_graph import HERE, Spot
from rushes.media.planning.picture import BuildFacts, Picture, plan_picture, video_args
from rushes.media.planning.rates import rate_args
from rushes.media.profile import Profile

__all__ = ["PlannedRung", "RungWish", "picture_args", "plan_rung", "rung_wishes", "stayed"]

# -g alone leaves an encoder free to start a group early, at a cut, or to open one. By parameter string.
_ALIGNED: Final[Mapping[str, Mapping[str, str]]] = {
    "-x264-params": {"scenecut": "0", "open-gop": "0"},
    "-x265-params": {"scenecut": "0", "open-gop": "0", "min-keyint": "{gop}"},
    "-svtav1-params": {"scd": "0", "irefresh-type": "2"},
}


@dataclass(frozen=True, slots=True)
class RungWish:
    """One rung of a source's ladder: what it should be, and where it is encoded.

    Args:
        name: ``720p``; its file is called so too.
        profile: what it should be.
        spot: the family and device that encode it; what decodes is the command's to say.
    """

    name: str
    profile: Profile
    spot: Spot = HERE


@dataclass(frozen=True, slots=True)
class PlannedRung:
    """One rung with its picture."""

    name: str
    profile: Profile
    picture: Picture


def rung_wishes(info: MediaInfo, ladder: Ladder) -> tuple[list[RungWish], list[str]]:
    """The rungs that a source has, the largest first, each to be encoded here; and what is said of others.

    Raises:
        CallerError: the ladder does not fit the source.
        MediaError: the source has no picture.
    """
    stream = info.primary_video
    if stream is None:
        raise MediaError(
            f"{info.name} has no picture.",
            code="no-video",
            fix="Leave sound files out: a ladder is of sizes.",
        )
    kept, warnings = kept_rungs(stream, ladder)
    depth = depth_of_all(stream, ladder)
    named = zip(rung_names(kept), kept, strict=True)
    return [RungWish(name, rung_profile(rung, ladder, stream, depth)) for name, rung in named], warnings


def plan_rung(
    info: MediaInfo,
    wish: RungWish,
    build: BuildFacts,
    *,
    source: Asset,
    present: tuple[int | None, float | None],
) -> PlannedRung:
    """One rung with its picture, as its encoder is to be given it; other arguments as of `plan_ladder`.

    Raises:
        CallerError: its encoder cannot make it.
        MediaError: the source has no picture.
        PlatformError: the build lacks its encoder.
    """
    # What decodes is the command's to say, and whether its pictures pass through the processor (`stayed`).
    spot = replace(wish.spot, decoder="software")
    picture = plan_picture(info, wish.profile, build, frames=source.frames, present=present, spot=spot)
    if picture is None:
        raise MediaError(f"{info.name} has no picture.", code="no-video", fix="Leave sound files out.")
    rung = PlannedRung(wish.name, wish.profile, picture)
    picture_args(rung, build, gop=1)  # refuses what its encoder has no words for, before anything runs
    return rung


def stayed(rung: PlannedRung, card: Spot) -> PlannedRung:
    """The same rung where pictures have stayed on a card; one of another place is as it was."""
    picture = rung.picture
    if (picture.spot.family, picture.spot.index) != (card.family, card.index):
        return rung
    return replace(rung, picture=replace(picture, stays=True))


def picture_args(rung: PlannedRung, build: BuildFacts, *, gop: int) -> list[str]:
    """Words of one rung's picture: encoder, rate control, and key frames at every `gop`-th picture."""
    picture = rung.picture
    if picture.encoder is None:
        return []
    control = rate_args(
        picture.encoder,
        rung.profile,
        rate=picture.timing.rate,
        duration_s=picture.timing.duration_s,
        audio_bits=0,
        major=build.major,
        colour=picture.colour,
    )
    words = [*video_args(picture, rung.profile), *picture.timing.args, *control.passes[0]]
    return _with_params([*words, *picture.spot.aligned], picture.encoder.params_option, gop)


def _with_params(words: list[str], option: str | None, gop: int) -> list[str]:
    """The same words, with groups of pictures that are closed and start only where all rungs start one."""
    aligned = _ALIGNED.get(option or "")
    if option is None or aligned is None:
        return words
    text = ":".join(f"{name}={value.format(gop=gop)}" for name, value in aligned.items())
    if option not in words:
        return [*words, option, text]
    at = words.index(option) + 1
    return [*words[:at], f"{words[at]}:{text}", *words[at + 1 :]]
