"""The parity gate: what a try has made is measured and compared with what was promised.

Asked after a fallback, when another encoder made a result than the one that its promise is of, and on
request. What a miss means is decided in `rushes.media.quality.parity`; this module only measures. It must not
know how encoders are chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from rushes.asset import Asset
from rushes.errors import Cancelled, PlatformError, RushesError
from rushes.media.describing.schema import MediaInfo
from rushes.media.devices.tries import Try
from rushes.media.measuring.metrics import can_measure
from rushes.media.measuring.target import spot_check
from rushes.media.planning.choice import EncoderChoice
from rushes.media.profile import Profile
from rushes.media.quality.parity import Delivered, Parity, Promise, falls_short
from rushes.media.readers.dialect import ratio
from rushes.media.readers.packets import open_source, primary_video
from rushes.media.running.builds import Build, find_build
from rushes.media.running.process import Supervision

__all__ = ["Gate", "QualityGate", "measuring_build"]

Gate = Callable[[Path, Profile, Try], Parity | None]
"""What is measured of a result; None where nobody asks. Raises `quality-missed` where it is not enough."""


@dataclass(frozen=True)
class QualityGate:
    """Measures results of one clip against one promise.

    Args:
        source: the clip; its frame range is honoured.
        info: a description of it.
        promise: what was promised.
        choice: its `fallback` may be the least that another encoder has to reach.
        always: measure whatever made it; else only what another encoder made than was meant to.
        supervision: limits and cancellation of every command.
    """

    source: Asset
    info: MediaInfo
    promise: Promise
    choice: EncoderChoice
    always: bool = False
    supervision: Supervision = field(default_factory=Supervision)

    def __call__(self, result: Path, profile: Profile, one: Try) -> Parity | None:
        """What samples of `result` are worth, where that is asked.

        Raises:
            PlatformError: it is a fallback's, and below what is asked of one.
            Cancelled: somebody said so.
        """
        meant = self.promise.encoder
        if not (self.always or one.steps_in or (meant and one.encoder and one.encoder != meant)):
            return None
        least = self.choice.fallback if one.steps_in and isinstance(self.choice.fallback, float) else None
        bit_rate = picture_bit_rate(result)
        measured, unmeasured = self._compared(result, profile)
        found = Parity.of(
            self.promise, replace(measured, bit_rate=bit_rate), unmeasured=unmeasured, least=least
        )
        if falls_short(found):
            raise PlatformError(
                f"{one.encoder} reached a VMAF of {found.measured.vmaf:.1f}, and {least:g} is asked of a "
                "fallback.",
                code="quality-missed",
                fix="Allow a lower quality of a fallback, or ask for a better one of all.",
                details={"quality": found.to_dict()},
            )
        return found

    def _compared(self, result: Path, profile: Profile) -> tuple[Delivered, str]:
        """What comparing it with the source gives, or why it cannot be compared."""
        build = measuring_build()
        if build is None:
            return Delivered(), "no ffmpeg here has libvmaf"
        try:
            found = spot_check(
                self.source,
                result,
                profile,
                samples=self.promise.samples,
                build=build,
                info=self.info,
                supervision=self.supervision,
            )
        except Cancelled:
            raise
        except RushesError as error:
            # It was made and verified; that it cannot be measured as well is no fault of its.
            return Delivered(), error.message.rstrip(".")
        if found is None:
            return Delivered(), "its frames are not the source's, one by one"
        psnr = found.psnr_y_db.mean if found.psnr_y_db is not None else None
        return Delivered(vmaf=found.vmaf.mean, psnr_y_db=psnr, frames=found.frames), ""


def measuring_build() -> Build | None:
    """The usual ffmpeg where it has libvmaf, else the bundled one, else none."""
    usual = find_build()
    if can_measure(usual):
        return usual
    bundled = find_build(environ={})
    return bundled if can_measure(bundled) else None


def picture_bit_rate(path: Path) -> float | None:
    """Bits a second of a file's picture, by its packets; None where it has none, or one picture."""
    size, first, end = 0, None, None
    with open_source(path) as container:
        video = primary_video(container)
        if video is None or (base := ratio(video.time_base)) is None:
            return None
        for packet in container.demux(video):
            if packet.size and packet.pts is not None:
                size += packet.size
                first = packet.pts if first is None else min(first, packet.pts)
                end = max(end or 0, packet.pts + (packet.duration or 0))
        if first is None or end is None or end <= first:
            return None
        return float(size * 8 / (Fraction(end - first) * base))
