"""Whether a result is what was promised: VMAF, PSNR and bit rate, with reasons. Pure; it measures nothing.

Asked after a fallback, when another encoder ran than the one that was planned for, and on request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Delivered", "Promise", "Verdict", "judge", "promise_of_average", "promise_of_samples"]

_SAMPLED_VMAF: Final = 1.0
# One just noticeable difference: clips lie that far around the mean of a curve, measured or not.
_CURVE_VMAF: Final = 6.0
# An estimate is of another clip, another driver, another card.
_ESTIMATE_VMAF: Final = 9.0
_MOST_BITS: Final = 1.25
_LEAST_BITS: Final = 0.7
"""VPUs were measured to undershoot a bit rate by up to 35 % (github.com/linode/docs, pull request 7450)."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What was expected of a result, and how far off it may be; None for what was not promised.

    Args:
        vmaf: mean.
        vmaf_slack: points that it may be below.
        bit_rate: of the picture, in bits a second.
        psnr_y_db: mean, of luma; a result may be half a decibel below.
    """

    vmaf: float | None = None
    vmaf_slack: float = _SAMPLED_VMAF
    bit_rate: float | None = None
    psnr_y_db: float | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was measured of a result; None for what was not."""

    vmaf: float | None = None
    bit_rate: float | None = None
    psnr_y_db: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a promise was kept.

    Args:
        kept: nothing that was promised and measured is missed.
        reasons: a sentence for each figure that is off, to either side; empty where all is as promised.
        judged: names of the figures that could be compared.
    """

    kept: bool
    reasons: tuple[str, ...]
    judged: tuple[str, ...]


def promise_of_average(vmaf: float, *, measured: bool) -> Promise:
    """What a curve lets one expect of a clip that nobody has looked at.

    Args:
        vmaf: the curve's, as in `rushes.media.quality.QualityValue`.
        measured: the curve was; else it is an estimate.
    """
    return Promise(vmaf=vmaf, vmaf_slack=_CURVE_VMAF if measured else _ESTIMATE_VMAF)


def promise_of_samples(vmaf: float, bit_rate: float | None = None) -> Promise:
    """What samples of this very clip let one expect."""
    return Promise(vmaf=vmaf, vmaf_slack=_SAMPLED_VMAF, bit_rate=bit_rate)


def judge(promise: Promise, delivered: Delivered) -> Verdict:
    """Compare what was promised with what was delivered; a figure that one of them lacks is left out."""
    below: list[str] = []
    beside: list[str] = []
    judged: list[str] = []
    if promise.vmaf is not None and delivered.vmaf is not None:
        judged.append("vmaf")
        off = delivered.vmaf - promise.vmaf
        if off < -promise.vmaf_slack:
            below.append(
                f"VMAF is {delivered.vmaf:.1f}, {-off:.1f} below the {promise.vmaf:.1f} that was promised"
            )
        elif off > promise.vmaf_slack:
            beside.append(f"VMAF is {delivered.vmaf:.1f}, {off:.1f} above what was promised: bits are wasted")
    if promise.psnr_y_db is not None and delivered.psnr_y_db is not None:
        judged.append("psnr_y_db")
        if delivered.psnr_y_db < promise.psnr_y_db - 0.5:
            below.append(f"PSNR is {delivered.psnr_y_db:.1f} dB, and {promise.psnr_y_db:.1f} dB was promised")
    if promise.bit_rate and delivered.bit_rate is not None:
        judged.append("bit_rate")
        ratio = delivered.bit_rate / promise.bit_rate
        share = f"the bit rate is {100 * ratio:.0f} % of the {promise.bit_rate / 1e6:.2f} Mbit/s promised"
        if ratio > _MOST_BITS:
            below.append(share)
        elif ratio < _LEAST_BITS:
            beside.append(share)
    return Verdict(not below, (*below, *beside), tuple(judged))
