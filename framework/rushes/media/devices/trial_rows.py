"""What a probe tries: each encoder of the catalogue at 8 and at 10 bits, with one small picture.

The one place of the probe that reads the catalogue. This module must not know hosts, processes or results.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from rushes.media.devices.capability import SeenDevice
from rushes.media.encoders import FAMILIES as ROWS
from rushes.media.encoders import VIDEO_ENCODERS, Family, Variant, VideoEncoder
from rushes.media.planning.rates import rate_args
from rushes.media.profile import Profile, VideoWish

__all__ = ["FAMILIES", "HARDWARE", "EncoderTrial", "as_encoded", "command", "depth_of", "trials"]

FAMILIES: Final = tuple(ROWS)
HARDWARE: Final = tuple(name for name in FAMILIES if name != "software")

# The smallest that DNxHR (256×120) and every device here takes: NVENC wants 145×49, Quadra 144×128.
_SIZE: Final = (256, 128)
# It waits for 25 frames otherwise, and makes room for them: half of what its one frame costs.
_AT_ONCE: Final = {"libvpx-vp9": ("-lag-in-frames", "0")}
_PAL: Final = Fraction(25)
_DEEP: Final = re.compile(r"10(le|be)?$|^p010")
_EIGHT: Final = re.compile(r"^(yuvj?4\d\dp|nv12|nv16|gray|bgr0)$")


@dataclass(frozen=True, slots=True)
class EncoderTrial:
    """One encoder at one depth.

    Args:
        args: the encoder's, before ``-pix_fmt``.
        pix_fmt: of the frames that it is given.
        width, height: of the frame; a broadcast codec takes its own sizes only.
        rate: frames a second, as ffmpeg takes it.
        variant: those of `args` that select the variant.
        threads: arguments that hold it to one thread.
    """

    family: str
    encoder: str
    codec: str
    depth: int
    args: tuple[str, ...]
    pix_fmt: str
    width: int = _SIZE[0]
    height: int = _SIZE[1]
    rate: str = "25"
    variant: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()

    def outputs(self, frames: int = 1) -> list[str]:
        """One encode of the first picture, thrown away."""
        return [
            "-map", "0:v", "-frames:v", str(frames), "-s", f"{self.width}x{self.height}", "-r", self.rate,
            *self.threads,
            "-c:v", self.encoder, *self.args, "-pix_fmt", self.pix_fmt, "-f", "null", "-",
        ]  # fmt: skip


def depth_of(pix_fmt: str) -> int | None:
    """8 or 10 bits a sample; None for any other."""
    if _DEEP.search(pix_fmt):
        return 10
    return 8 if _EIGHT.search(pix_fmt) else None


def trials(rows: Iterable[VideoEncoder] = VIDEO_ENCODERS) -> tuple[EncoderTrial, ...]:
    """Everything to try, software first."""
    found = [trial for row in rows for trial in _of_row(row)]
    return tuple(sorted(found, key=lambda trial: FAMILIES.index(trial.family)))


def as_encoded(trial: EncoderTrial) -> EncoderTrial:
    """The same encoder as an encode without further wishes runs it: usual preset, quality and threads."""
    named = (trial.family, trial.encoder, trial.codec)
    row = next(one for one in VIDEO_ENCODERS if (one.family, one.name, one.codec) == named)
    profile = Profile(container=row.containers[0], video=VideoWish(codec=row.codec))
    written = rate_args(
        row, profile, rate=Fraction(25), duration_s=None, audio_bits=0, major=0, colour=None
    ).passes[0]
    return replace(trial, args=(*written, *trial.variant), threads=())


def command(
    trial: EncoderTrial, device: SeenDevice | None, frames: int = 1, source: str | None = None
) -> list[str]:
    """The arguments for one trial.

    Args:
        trial: the encoder and its depth.
        device: where; None for software, and for a device that nobody has seen.
        frames: how many to encode.
        source: arguments of another input than the picture of one colour.
    """
    before, filters, after = _spelled(ROWS[trial.family], device)
    opened = source or f"color=c=gray:s={trial.width}x{trial.height}:r={trial.rate}"
    output = trial.outputs(frames)
    at = output.index("-c:v")
    if filters:
        # Frames on the device have its own format. Asking for another one, or for a size, would put a
        # converter behind them that cannot read them; the picture has the right size already.
        chain = f"format={trial.pix_fmt},{filters}"
        output[output.index("-s") :] = [
            "-vf",
            chain,
            "-c:v",
            trial.encoder,
            *trial.args,
            *after,
            "-f",
            "null",
            "-",
        ]
    else:
        output[at:at] = after
    return [*before, "-f", "lavfi", "-i", opened, *output]


def _of_row(row: VideoEncoder) -> Iterator[EncoderTrial]:
    for depth in (8, 10):
        fitting = [
            (variant, name)
            for variant in row.variants.values()
            for name in variant.pix_fmts
            if depth_of(name) == depth
        ]
        if fitting:
            # The default variant comes first; of a broadcast codec's, the one with the smallest picture.
            yield _trial(row, *min(fitting, key=lambda one: _smallest(one[0])), depth)


def _smallest(variant: Variant) -> int:
    return min((one.width * one.height for one in variant.rasters), default=0)


def _trial(row: VideoEncoder, variant: Variant, pix_fmt: str, depth: int) -> EncoderTrial:
    raster = min(variant.rasters, key=lambda one: one.width * one.height, default=None)
    trial = EncoderTrial(
        row.family,
        row.name,
        row.codec,
        depth,
        (*_quickly(row), *row.fixed, *variant.args),
        pix_fmt,
        max(_SIZE[0], row.min_width),
        max(_SIZE[1], row.min_height),
        variant=variant.args,
        threads=("-threads:v", "1") if row.family == "software" else (),
    )
    if raster is None:
        return trial
    rate = "25" if _PAL in raster.rates else str(raster.rates[0])
    return replace(trial, width=raster.width, height=raster.height, rate=rate)


def _quickly(row: VideoEncoder) -> tuple[str, ...]:
    """Of a software encoder, its quickest preset on one thread: most of what a frame costs is its start."""
    if row.family != "software":
        return ()
    found: tuple[str, ...] = ()
    if row.speeds:
        found += (row.speed_option, "ultrafast" if "ultrafast" in row.speeds else row.speeds[-1])
    found += _AT_ONCE.get(row.name, ())
    if row.params_option is not None and row.params:
        found += (row.params_option, ":".join(f"{k}={v.format(n=1)}" for k, v in row.params.items()))
    return found


def _spelled(family: Family, device: SeenDevice | None) -> tuple[list[str], str, list[str]]:
    """How a family names a device: arguments before the input, filters, arguments of the encoder."""
    index = device.index if device is not None else 0
    named = {"index": index, "render": 128 + index}
    node = (device.path if device is not None else "") or family.node.format(**named)

    def fill(words: tuple[str, ...]) -> list[str]:
        return [word.format(**named, node=node) for word in words]

    return fill(family.open), ",".join(fill(family.upload)), fill(family.encode)
