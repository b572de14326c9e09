"""What `transcode` does for a wish for quality: choose a value, and say what it promises."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rushes import Asset, Context, Profile

if TYPE_CHECKING:
    from rushes.media.quality.parity import Promise
    from rushes.media.running.process import Supervision
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
        return _searched(clip, profile, params.target_vmaf, ctx)
    if params.quality_level is not None:
        from rushes.media.describing.inspection import describe  # noqa: PLC0415 - as above
        from rushes.media.quality.parity import promise_of_average  # noqa: PLC0415
        from rushes.media.quality.scale import row_for, value_of, with_quality  # noqa: PLC0415

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


def _searched(clip: Asset, profile: Profile, wish: float, ctx: Context) -> Chosen:
    """The value that gives this clip the VMAF; a search costs half an encode, so it is done once.

    An attempt after a lost one uses what that had found: with another value, finished parts were for nothing.
    """
    from rushes.media.quality.parity import promise_of_samples  # noqa: PLC0415 - imported when used
    from rushes.media.quality.scale import row_for, with_quality  # noqa: PLC0415

    memory = ctx.keep / "quality.json"
    if memory.exists():
        facts = json.loads(memory.read_text(encoding="utf-8"))
    else:
        facts = _found(clip, profile, wish, ctx)
        aside = memory.with_suffix(".part")
        aside.write_text(json.dumps(facts), encoding="utf-8")
        aside.replace(memory)
    promise = promise_of_samples(
        facts["vmaf"],
        facts["bit_rate"],
        encoder=row_for(profile).name,
        samples=tuple(None if one is None else (one[0], one[1]) for one in facts["samples"]),
    )
    notes = (facts["note"],) if facts["note"] else ()
    return Chosen(with_quality(profile, facts["quality"]), facts["quality"], facts["vmaf"], promise, notes)


def _found(clip: Asset, profile: Profile, wish: float, ctx: Context) -> dict[str, Any]:
    from rushes.media.measuring.target import find_quality  # noqa: PLC0415 - as above

    found = find_quality(clip, profile, wish, supervision=_watched(ctx), say=ctx.log)
    return {
        "quality": found.quality,
        "vmaf": found.predicted.vmaf,
        "bit_rate": found.predicted.bit_rate,
        "samples": found.samples,
        "note": found.note,
    }


def _watched(ctx: Context) -> Supervision:
    """The search's commands stop when the attempt does, and count as signs of life."""
    from rushes.media.running.process import Supervision  # noqa: PLC0415 - as above

    return Supervision(
        on_progress=lambda _: ctx.progress(0.0, "finding the quality"),
        cancelled=lambda: ctx.cancelled,
        cwd=ctx.scratch,
    )
