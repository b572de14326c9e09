"""What `transcode` does for a wish for quality: choose a value before the encode, check the result after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rushes import Asset, Context, Profile

if TYPE_CHECKING:
    from rushes.media.process import Supervision
    from rushes_functions.transcode import TranscodeParams

__all__ = ["Checked", "Chosen", "check", "choose"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The profile to encode with, and what to expect of it.

    Args:
        profile: with a value in place of the wish.
        quality: that value; None where none was wished.
        predicted_vmaf: mean; None where it is not known.
        samples: the parts that it was found on; None where it was not searched for.
        measured_curve: the prediction is of clips in general, by a curve that was measured, or not.
        notes: what the caller should know.
    """

    profile: Profile
    quality: float | None = None
    predicted_vmaf: float | None = None
    samples: tuple[tuple[int, int] | None, ...] | None = None
    measured_curve: bool | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What samples of the result are worth; None where they were not measured."""

    measured_vmaf: float | None = None
    reasons: tuple[str, ...] = ()


def choose(clip: Asset, params: TranscodeParams, ctx: Context) -> Chosen:
    """The profile with its quality settled: as it is, by the curves, or by a search on this clip.

    Raises:
        CallerError: the codec has no such quality, or the clip does not reach it.
    """
    profile = params.profile()
    if params.target_vmaf is not None:
        from rushes.media.target import find_quality  # noqa: PLC0415 - the media stack is imported when used

        found = find_quality(clip, profile, params.target_vmaf, supervision=_watched(ctx), say=ctx.log)
        notes = (found.note,) if found.note else ()
        return Chosen(found.profile, found.quality, found.predicted.vmaf, found.samples, notes=notes)
    if params.quality_level is not None:
        from rushes.media.inspection import describe  # noqa: PLC0415 - as above
        from rushes.media.quality import row_for, value_of, with_quality  # noqa: PLC0415

        value = value_of(profile, params.quality_level, describe(clip), row_for(profile))
        notes = () if value.measured else (f"the quality rests on an estimate: {value.source}",)
        return Chosen(
            with_quality(profile, value.value),
            value.value,
            value.expected_vmaf,
            measured_curve=value.measured,
            notes=notes,
        )
    return Chosen(profile)


def check(clip: Asset, result: Path, chosen: Chosen, params: TranscodeParams, ctx: Context) -> Checked:
    """Measure samples of the result, where a check was asked for, and judge them."""
    if not params.check_quality:
        return Checked()
    from rushes.media.parity import Delivered, Promise, judge, promise_of_average, promise_of_samples  # noqa: PLC0415 - as above
    from rushes.media.target import spot_check  # noqa: PLC0415

    measured = spot_check(clip, result, chosen.profile, samples=chosen.samples, supervision=_watched(ctx))
    if measured is None:
        return Checked(reasons=("its VMAF was not measured: its frames are not the source's, one by one",))
    promise = Promise()
    if chosen.samples is not None and chosen.predicted_vmaf is not None:
        promise = promise_of_samples(chosen.predicted_vmaf)
    elif chosen.predicted_vmaf is not None:
        promise = promise_of_average(chosen.predicted_vmaf, measured=bool(chosen.measured_curve))
    verdict = judge(promise, Delivered(vmaf=measured.vmaf.mean))
    return Checked(measured.vmaf.mean, verdict.reasons)


def _watched(ctx: Context) -> Supervision:
    """The search's commands stop when the attempt does, and count as signs of life."""
    from rushes.media.process import Supervision  # noqa: PLC0415 - as above

    return Supervision(
        on_progress=lambda _: ctx.progress(0.0, "finding the quality"),
        cancelled=lambda: ctx.cancelled,
        cwd=ctx.scratch,
    )
