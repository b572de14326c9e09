"""Quality scales of encoders that were not measured here: estimates, each with its source.

Hardware is on few desks, so what is known of it is what others published, and where nobody did, an assumption
that says so. A curve measured on a host's own device replaces its row. Data only,
and the grid that it lies on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["ESTIMATES", "SCALES", "Scale", "ScaleEstimate"]


@dataclass(frozen=True, slots=True)
class Scale:
    """Bounds of an encoder's quality value, lower being better, and the steps that it takes."""

    low: float
    high: float
    step: float

    def nearest(self, value: float, low: float | None = None, high: float | None = None) -> float:
        """The nearest value that the encoder takes, within its bounds and narrower ones if given."""
        least = math.ceil(max(self.low, self.low if low is None else low) / self.step)
        most = math.floor(min(self.high, self.high if high is None else high) / self.step)
        return float(min(max(round(value / self.step), least), most) * self.step)


SCALES: Final[dict[str, Scale]] = {
    "libx264": Scale(0, 51, 0.25),
    "libx265": Scale(0, 51, 0.25),
    # ffmpeg hands these two whole numbers only.
    "libsvtav1": Scale(1, 63, 1),
    "libvpx-vp9": Scale(0, 63, 1),
    # 0 means "automatic" to NVENC's -cq.
    "h264_nvenc": Scale(1, 51, 0.5),
    "hevc_nvenc": Scale(1, 51, 0.5),
    "av1_nvenc": Scale(1, 63, 1),
    "h264_ni_quadra_enc": Scale(1, 51, 1),
    "h265_ni_quadra_enc": Scale(1, 51, 1),
    "h264_ama": Scale(1, 51, 1),
    "hevc_ama": Scale(1, 51, 1),
    "h264_qsv": Scale(1, 51, 1),
    "hevc_qsv": Scale(1, 51, 1),
    "h264_vaapi": Scale(1, 51, 1),
    "hevc_vaapi": Scale(1, 51, 1),
}


@dataclass(frozen=True, slots=True)
class ScaleEstimate:
    """How an encoder's scale relates to VMAF, by somebody else's word.

    Args:
        encoder: ffmpeg's name.
        source: whose word, and of what.
        like: an encoder and preset that are measured, whose curve is shifted and stretched.
        pairs: values of `like` and of this encoder that look the same, two of them.
        points: published points (value, VMAF), where there are; then `like` is not used.
    """

    encoder: str
    source: str
    like: tuple[str, str] = ("libx264", "medium")
    pairs: tuple[tuple[float, float], tuple[float, float]] = ((18.0, 18.0), (28.0, 28.0))
    points: tuple[tuple[float, float], ...] = ()


_X264: Final = ("libx264", "medium")
_X265: Final = ("libx265", "medium")
_MLV: Final = "estimate: equal PSNR and SSIM of one clip, github.com/ilia3101/MLV-App issue 78 (2019)"
_LINODE: Final = (
    "estimate: two steps stricter than the software encoder, for the 0.5 to 1.6 dB of PSNR that a Quadra was "
    "measured below x264, github.com/linode/docs pull request 7450"
)
_ASSUMED: Final = (
    "assumption: as the software encoder of the same codec, two steps stricter; nobody measured it"
)
_TWO_STRICTER: Final = ((18.0, 16.0), (28.0, 26.0))

ESTIMATES: Final[tuple[ScaleEstimate, ...]] = (
    ScaleEstimate("h264_nvenc", _MLV, _X264, ((18.0, 21.0), (23.0, 27.0))),
    ScaleEstimate("hevc_nvenc", _MLV, _X265, ((19.0, 24.0), (25.0, 27.0))),
    ScaleEstimate(
        "av1_nvenc",
        "estimate: one film at 1920 pixels, preset p7, github.com/alexheretic/ab-av1 pull request 107 (2023)",
        points=((32.0, 98.28), (36.0, 96.99), (38.0, 96.07), (39.0, 95.51), (43.0, 92.59)),
    ),
    ScaleEstimate("h264_ni_quadra_enc", _LINODE, _X264, _TWO_STRICTER),
    ScaleEstimate("h265_ni_quadra_enc", _LINODE, _X265, _TWO_STRICTER),
    *(ScaleEstimate(f"h264_{family}", _ASSUMED, _X264, _TWO_STRICTER) for family in ("ama", "qsv", "vaapi")),
    *(ScaleEstimate(f"hevc_{family}", _ASSUMED, _X265, _TWO_STRICTER) for family in ("ama", "qsv", "vaapi")),
)
"""AV1 on other devices has no row: its scales differ, and there is no figure to start from."""
