"""What a clip will be encoded to, by its header and by options that say what an encode should be.

Options say so by a method: `profile()` gives a `Profile`, `ladder()` a `Ladder`. Those of other functions
tell nothing. What cannot be planned is not forecast: the attempt itself will say what is wrong. Pure; this
module must not know functions, encoders or how long anything takes.
"""

from __future__ import annotations

from fractions import Fraction

from rushes.core.learning.work import Encode
from rushes.errors import RushesError
from rushes.media.describing.schema import MediaInfo, VideoStream
from rushes.media.ladders.rungs import Ladder, depth_of_all, kept_rungs, rung_profile
from rushes.media.planning.geometry import plan_geometry
from rushes.media.profile import Profile, VideoWish

__all__ = ["encodes_of", "frames_of"]

_NOT_ENCODED = frozenset({"copy", "none"})


def encodes_of(options: object, info: MediaInfo, frames: int) -> tuple[Encode, ...]:
    """The pictures that `options` make of a clip.

    Args:
        options: of a function.
        info: of the clip.
        frames: of it that are used.
    """
    picture = info.primary_video
    if picture is None:
        return ()
    try:
        return tuple(
            made
            for profile in _profiles(options, picture)
            if (made := _encode(profile.video, picture, frames)) is not None
        )
    except RushesError:
        return ()


def frames_of(info: MediaInfo) -> int:
    """How many frames a clip's picture has, as far as its header tells; 0 without one."""
    picture = info.primary_video
    if picture is None:
        return 0
    told = picture.frames_counted or picture.frames_declared
    if told:
        return told
    fps = picture.fps
    return max(1, round(info.duration_s * fps)) if fps and info.duration_s else 1


def _profiles(options: object, picture: VideoStream) -> list[Profile]:
    profile, ladder = getattr(options, "profile", None), getattr(options, "ladder", None)
    if callable(profile) and isinstance(made := profile(), Profile):
        return [made]
    if callable(ladder) and isinstance(made := ladder(), Ladder):
        depth = depth_of_all(picture, made)
        rungs, _ = kept_rungs(picture, made)
        return [rung_profile(rung, made, picture, depth) for rung in rungs]
    return []


def _encode(wish: VideoWish, picture: VideoStream, frames: int) -> Encode | None:
    if wish.codec in _NOT_ENCODED:
        return None
    size = plan_geometry(picture, wish, even=(True, True))
    if wish.frame_rate and picture.fps:
        frames = max(1, round(frames * Fraction(wish.frame_rate) / picture.fps))
    return Encode(wish.codec, size.width, size.height, frames, wish.speed or "")
