"""A constant quality written for one encoder, as another is to be given it.

A profile's `quality` is on the scale of the codec's software encoder: 23 of x264. A device has a scale of its
own, on which the same number is another picture. Pure; this module must not know what a device is.
"""

from __future__ import annotations

from collections.abc import Mapping

from rushes.errors import CallerError
from rushes.media.encoders import VIDEO_ENCODERS
from rushes.media.profile import Profile
from rushes.media.quality import curve_for, quality_for, row_for, shown_height, with_quality
from rushes.media.schema import MediaInfo

__all__ = ["SameQuality"]


class SameQuality:
    """What one clip's profile asks for, in the words of any encoder of its codec."""

    def __init__(self, profile: Profile, info: MediaInfo) -> None:
        self._height = shown_height(profile, info)
        self._vmaf = _worth(profile, self._height)

    def spelt(self, profile: Profile, encoder: str) -> Profile:
        """The profile with the value that gives `encoder` (ffmpeg's name) the same quality.

        Raises:
            CallerError: the encoder is not known to reach it; another should.
        """
        if self._vmaf is None or encoder == row_for(profile).name:
            return profile
        return with_quality(profile, quality_for(encoder, None, self._vmaf, self._height).value)

    def expected(self, profile: Profile) -> Mapping[str, float]:
        """VMAF that each encoder of the codec is expected to reach, where anything is known of it."""
        if self._vmaf is None:
            return {}
        found: dict[str, float] = {row_for(profile).name: self._vmaf}
        for row in VIDEO_ENCODERS:
            if row.codec == profile.video.codec and row.name not in found:
                try:
                    found[row.name] = quality_for(row.name, None, self._vmaf, self._height).expected_vmaf
                except CallerError:
                    continue
        return found


def _worth(profile: Profile, height: int) -> float | None:
    """VMAF of the profile's quality on average; None where it asks for none, or none is known."""
    value = profile.video.quality
    if value is None:
        return None
    try:
        row = row_for(profile)
        curve, _ = curve_for(row.name, profile.video.speed or row.speed, height)
    except CallerError:
        return None
    return curve.vmaf.at(min(max(value, curve.vmaf.low), curve.vmaf.high))
