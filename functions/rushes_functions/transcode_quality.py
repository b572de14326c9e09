"""What `transcode` does for a wish for quality: choose a value, and say what it promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rushes import Asset, Context, Profile

if TYPE_CHECKING:
    from rushes.media.parity import Promise
    from rushes.media.process import Supervision
    from rushes_functions.transcode import TranscodeParams

__all__ = ["Chosen", "choose"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The profile to encode with, and what to expect of it.

    Args:
        profile: with a value in place of the wish.
        quality: that value; None where none was wished.
        predicted_vmaf: mean; None where it is not known.
        promise: what the result is held to, after a fallback and on request; None where the profile says all.
        notes: what the caller should know.
    """

    profile: Profile
    quality: float | None = None
    predicted_vmaf: float | None = None
    promise: Promise | None = None
    notes: tuple[str, ...] = ()


def choose(clip: Asset, params: TranscodeParams, ctx: Context) -> Chosen:
    """The profile with its quality settled: as it is, by the curves, or by a search on this clip.

    Raises:
        CallerError: the codec has no such quality, or the clip does not reach it.
    """
    profile = params.profile()
    if params.target_vmaf is not None:
        from rushes.media.parity import promise_of_samples  # noqa: PLC0415 - imported when used
        from rushes.media.quality import row_for  # noqa: PLC0415
        from rushes.media.target import find_quality  # noqa: PLC0415

        found = find_quality(clip, profile, params.target_vmaf, supervision=_watched(ctx), say=ctx.log)
        notes = (found.note,) if found.note else ()
        promise = promise_of_samples(
            found.predicted.vmaf,
            found.predicted.bit_rate,
            encoder=row_for(profile).name,
            samples=found.samples,
        )
        return Chosen(found.profile, found.quality, found.predicted.vmaf, promise, notes)
    if params.quality_level is not None:
        from rushes.media.inspection import describe  # noqa: PLC0415 - as above
        from rushes.media.parity import promise_of_average  # noqa: PLC0415
        from rushes.media.quality import row_for, value_of, with_quality  # noqa: PLC0415

        value = value_of(profile, params.quality_level, describe(clip), row_for(profile))
        notes = () if value.measured else (f"the quality rests on an estimate: {value.source}",)
        return Chosen(
            with_quality(profile, value.value),
            value.value,
            value.expected_vmaf,
            promise_of_average(value.expected_vmaf, measured=value.measured),
            notes,
        )
    return Chosen(profile)


def _watched(ctx: Context) -> Supervision:
    """The search's commands stop when the attempt does, and count as signs of life."""
    from rushes.media.process import Supervision  # noqa: PLC0415 - as above

    return Supervision(
        on_progress=lambda _: ctx.progress(0.0, "finding the quality"),
        cancelled=lambda: ctx.cancelled,
        cwd=ctx.scratch,
    )
