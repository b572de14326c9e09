"""A constant quality written for one encoder, as another is to be given it.

A profile's `quality` is on the scale of the codec's software encoder: 23 of x264. A device has a scale of its
own, on which the same number is another picture. Pure; this module must not know what a device is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rushes.errors import CallerError
from rushes.media.describing.schema import MediaInfo
from rushes.media.encoders import VIDEO_ENCODERS
from rushes.media.profile import Profile
from rushes.media.quality.curves import QualityCurve
from rushes.media.quality.parity import Promise, promise_of_average
from rushes.media.quality.scale import (
    QualityValue,
    curve_for,
    quality_for,
    row_for,
    shown_height,
    with_quality,
)

__all__ = ["SameQuality"]


class SameQuality:
    """What one clip's profile asks for, in the words of any encoder of its codec."""

    def __init__(
        self, profile: Profile, info: MediaInfo, curves: Sequence[QualityCurve] | None = None
    ) -> None:
        """`curves`: what values are worth on this host; None for what ships."""
        self._curves = curves
        self._height = shown_height(profile, info)
        self._vmaf, self._measured = _worth(profile, self._height, curves)

    def spelt(self, profile: Profile, encoder: str) -> Profile:
        """The profile with the value that gives `encoder` (ffmpeg's name) the same quality.

        Raises:
            CallerError: the encoder is not known to reach it; another should.
        """
        if self._vmaf is None or encoder == row_for(profile).name:
            return profile
        return with_quality(profile, self._value(encoder, self._vmaf).value)

    def expected(self, profile: Profile) -> Mapping[str, float]:
        """VMAF that each encoder of the codec is expected to reach, where anything is known of it."""
        if self._vmaf is None:
            return {}
        found: dict[str, float] = {row_for(profile).name: self._vmaf}
        for row in VIDEO_ENCODERS:
            if row.codec == profile.video.codec and row.name not in found:
                try:
                    found[row.name] = self._value(row.name, self._vmaf).expected_vmaf
                except CallerError:
                    continue
        return found

    def promise(self, profile: Profile) -> Promise:
        """What the profile lets one expect of its result, whichever encoder makes it."""
        bit_rate = profile.video.bitrate
        if self._vmaf is None:
            return Promise(bit_rate=bit_rate)
        return promise_of_average(self._vmaf, measured=self._measured)

    def _value(self, encoder: str, vmaf: float) -> QualityValue:
        return quality_for(encoder, None, vmaf, self._height, curves=self._curves)


def _worth(profile: Profile, height: int, curves: Sequence[QualityCurve] | None) -> tuple[float | None, bool]:
    """VMAF of the profile's quality on average, and whether that was measured; None where none is known."""
    value = profile.video.quality
    if value is None:
        return None, False
    try:
        row = row_for(profile)
        curve, exact = curve_for(row.name, profile.video.speed or row.speed, height, curves=curves)
    except CallerError:
        return None, False
    return curve.vmaf.at(min(max(value, curve.vmaf.low), curve.vmaf.high)), exact and curve.measured
