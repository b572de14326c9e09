"""Whether a result is what was promised: VMAF, PSNR and bit rate, with reasons. Pure; it measures nothing.

Asked after a fallback, when another encoder ran than the one that was planned for, and on request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = [
    "Basis",
    "Delivered",
    "Parity",
    "Promise",
    "Samples",
    "Verdict",
    "falls_short",
    "judge",
    "promise_of_average",
    "promise_of_samples",
]

Basis = Literal["nothing", "samples", "curve", "estimate"]
"""What a promised VMAF rests on: samples of this clip, a curve that was measured, somebody's word."""
Samples = tuple[tuple[int, int] | None, ...]
"""Half-open ranges of a clip's frames; None for all of it."""

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
        basis: what `vmaf` rests on.
        encoder: ffmpeg's name of the encoder that it was made for; "" where any is meant.
        samples: the parts of the clip that it was found on; None where it was not searched for.
    """

    vmaf: float | None = None
    vmaf_slack: float = _SAMPLED_VMAF
    bit_rate: float | None = None
    psnr_y_db: float | None = None
    basis: Basis = "nothing"
    encoder: str = ""
    samples: Samples | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was measured of a result; None for what was not.

    Args:
        frames: how many were compared with the source.
    """

    vmaf: float | None = None
    bit_rate: float | None = None
    psnr_y_db: float | None = None
    frames: int | None = None


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


@dataclass(frozen=True, slots=True)
class Parity:
    """What was promised of a result, what was measured of it, and whether the two agree.

    Args:
        within: nothing that was promised is missed; None where nothing could be compared.
        reasons: a sentence for each figure that is off or could not be measured.
        least: VMAF that a fallback has to have here; None where nobody asked for one, or none stepped in.
    """

    promised: Promise
    measured: Delivered
    within: bool | None
    reasons: tuple[str, ...] = ()
    least: float | None = None

    @classmethod
    def of(
        cls, promised: Promise, measured: Delivered, *, unmeasured: str = "", least: float | None = None
    ) -> Parity:
        """The two compared.

        Args:
            promised: what was expected.
            measured: what was found.
            unmeasured: why VMAF is not among it, in words that follow "VMAF was not measured: "; "" if it is.
            least: as in `Parity`.
        """
        verdict = judge(promised, measured)
        said = (f"VMAF was not measured: {unmeasured}",) if unmeasured else ()
        within = verdict.kept if verdict.judged else None
        return cls(promised, measured, within, (*verdict.reasons, *said), least)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able data for the receipt."""
        promised, measured = self.promised, self.measured
        return {
            "promised": {
                "vmaf": promised.vmaf,
                "vmaf_slack": promised.vmaf_slack if promised.vmaf is not None else None,
                "bit_rate": promised.bit_rate,
                "psnr_y_db": promised.psnr_y_db,
                "basis": promised.basis,
                "least_vmaf": self.least,
            },
            "measured": {
                "vmaf": measured.vmaf,
                "bit_rate": measured.bit_rate,
                "psnr_y_db": measured.psnr_y_db,
                "frames": measured.frames,
            },
            "within": self.within,
            "reasons": list(self.reasons),
        }


def falls_short(found: Parity) -> bool:
    """Whether a fallback is measured to be worse than the least that is asked of one.

    Samples are within a point of the whole, so a point is let pass: who asks for 93 does not mean that 92.9
    be thrown away.
    """
    vmaf = found.measured.vmaf
    return found.least is not None and vmaf is not None and vmaf < found.least - _SAMPLED_VMAF


def promise_of_average(vmaf: float, *, measured: bool) -> Promise:
    """What a curve lets one expect of a clip that nobody has looked at.

    Args:
        vmaf: the curve's, as in `rushes.media.quality.scale.QualityValue`.
        measured: the curve was; else it is an estimate.
    """
    if measured:
        return Promise(vmaf=vmaf, vmaf_slack=_CURVE_VMAF, basis="curve")
    return Promise(vmaf=vmaf, vmaf_slack=_ESTIMATE_VMAF, basis="estimate")


def promise_of_samples(
    vmaf: float, bit_rate: float | None = None, *, encoder: str = "", samples: Samples | None = None
) -> Promise:
    """What samples of this very clip let one expect; the other arguments are those of `Promise`."""
    return Promise(vmaf=vmaf, bit_rate=bit_rate, basis="samples", encoder=encoder, samples=samples)


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
