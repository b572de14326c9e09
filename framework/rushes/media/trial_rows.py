"""What a probe tries: each encoder of the catalogue at 8 and at 10 bits, and how a device is named to ffmpeg.

The one place of the probe that reads the catalogue. Families that the catalogue has no row of yet are tried
from a small table here. This module must not know hosts, processes or results.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from rushes.media.capability import Device
from rushes.media.codecs import VIDEO_ENCODERS, Variant, VideoEncoder

__all__ = ["FAMILIES", "HARDWARE", "Trial", "command", "depth_of", "trials"]

HARDWARE: Final = ("nvenc", "netint", "ama", "qsv", "vaapi")
FAMILIES: Final = ("software", *HARDWARE)

# The smallest that DNxHR (256×120) and every device here takes: NVENC wants 145×49, Quadra 144×128.
_SIZE: Final = (256, 128)
_PAL: Final = Fraction(25)
_DEEP: Final = re.compile(r"10(le|be)?$|^p010")
_EIGHT: Final = re.compile(r"^(yuvj?4\d\dp|nv12|nv16|gray|bgr0)$")


@dataclass(frozen=True, slots=True)
class Trial:
    """One encoder at one depth.

    Args:
        args: what selects the variant, before ``-pix_fmt``.
        pix_fmt: of the frames that it is given.
        width, height: of the frame; a broadcast codec takes its own sizes only.
        rate: frames a second, as ffmpeg takes it.
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

    def outputs(self, frames: int = 1) -> list[str]:
        """One encode of the first picture, thrown away, on one thread."""
        return [
            "-map", "0:v", "-frames:v", str(frames), "-s", f"{self.width}x{self.height}", "-r", self.rate,
            *(("-threads:v", "1") if self.family == "software" else ()),
            "-c:v", self.encoder, *self.args, "-pix_fmt", self.pix_fmt, "-f", "null", "-",
        ]  # fmt: skip


def depth_of(pix_fmt: str) -> int | None:
    """8 or 10 bits a sample; None for any other."""
    if _DEEP.search(pix_fmt):
        return 10
    return 8 if _EIGHT.search(pix_fmt) else None


def trials(rows: Iterable[VideoEncoder] = VIDEO_ENCODERS) -> tuple[Trial, ...]:
    """Everything to try, software first."""
    rows = tuple(rows)
    told = {row.family for row in rows}
    found = [trial for row in rows for trial in _of_row(row)]
    found += [trial for trial in _UNTOLD if trial.family not in told]
    return tuple(sorted(found, key=lambda trial: FAMILIES.index(trial.family)))


def command(trial: Trial, device: Device | None, frames: int = 1, source: str | None = None) -> list[str]:
    """The arguments for one trial.

    Args:
        trial: the encoder and its depth.
        device: where; None for software, and for a device that nobody has seen.
        frames: how many to encode.
        source: arguments of another input than the picture of one colour.
    """
    before, filters, after = _spelled(trial, device)
    opened = source or f"color=c=gray:s={trial.width}x{trial.height}:r={trial.rate}"
    output = trial.outputs(frames)
    at = output.index("-c:v")
    if filters:
        # Frames on the device have its own format; asking for another would put a converter in between.
        chain = f"format={trial.pix_fmt},{filters}"
        output[at:] = ["-vf", chain, "-c:v", trial.encoder, *trial.args, *after, "-f", "null", "-"]
    else:
        output[at:at] = after
    return [*before, "-f", "lavfi", "-i", opened, *output]


def _of_row(row: VideoEncoder) -> Iterator[Trial]:
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


def _trial(row: VideoEncoder, variant: Variant, pix_fmt: str, depth: int) -> Trial:
    raster = min(variant.rasters, key=lambda one: one.width * one.height, default=None)
    own = (*_quickly(row), *row.fixed, *variant.args)
    if raster is None:
        width, height = max(_SIZE[0], row.min_width), max(_SIZE[1], row.min_height)
        return Trial(row.family, row.name, row.codec, depth, own, pix_fmt, width, height)
    return Trial(
        row.family, row.name, row.codec, depth, own, pix_fmt, raster.width, raster.height,
        rate="25" if _PAL in raster.rates else str(raster.rates[0]),
    )  # fmt: skip


def _quickly(row: VideoEncoder) -> tuple[str, ...]:
    """Of a software encoder, its quickest preset on one thread: most of what a frame costs is its start."""
    if row.family != "software":
        return ()
    found: tuple[str, ...] = ()
    if row.speeds:
        found += (row.speed_option, "ultrafast" if "ultrafast" in row.speeds else row.speeds[-1])
    if row.params_option is not None and row.params:
        found += (row.params_option, ":".join(f"{k}={v.format(n=1)}" for k, v in row.params.items()))
    return found


def _spelled(trial: Trial, device: Device | None) -> tuple[list[str], str, list[str]]:
    """How a family names a device: arguments before the input, filters, arguments of the encoder."""
    index = device.index if device is not None else 0
    path = device.path if device is not None else ""
    match trial.family:
        case "nvenc":
            return [], "", ["-gpu", str(index)]
        case "netint":
            return [], "", ["-enc", str(index)]
        case "ama":
            node = path or f"/dev/ama_transcoder{index}"
            return ["-init_hw_device", f"ama=card:{node}", "-filter_hw_device", "card"], "hwupload", []
        case "vaapi":
            node = path or f"/dev/dri/renderD{128 + index}"
            return ["-init_hw_device", f"vaapi=card:{node}", "-filter_hw_device", "card"], "hwupload", []
        case "qsv":
            named = f",child_device={path}" if path else ""
            return ["-init_hw_device", f"qsv=card:hw_any{named}", "-filter_hw_device", "card"], "", []
    return [], "", []


def _hardware(family: str, encoders: dict[str, str], eight: str, ten: str) -> Iterator[Trial]:
    for name, codec in encoders.items():
        yield Trial(family, name, codec, 8, (), eight)
        if codec != "h264":
            yield Trial(family, name, codec, 10, (), ten)


# Names: ffmpeg's own (nvenc, qsv, vaapi), NETINT's libxcoder patches, AMD's AMA SDK 1.2.
_UNTOLD: Final = (
    *_hardware("nvenc", {"h264_nvenc": "h264", "hevc_nvenc": "hevc", "av1_nvenc": "av1"},
               "yuv420p", "p010le"),
    *_hardware("netint", {"h264_ni_quadra_enc": "h264", "h265_ni_quadra_enc": "hevc",
                          "av1_ni_quadra_enc": "av1"}, "yuv420p", "yuv420p10le"),
    *_hardware("ama", {"h264_ama": "h264", "hevc_ama": "hevc", "av1_ama": "av1"}, "nv12", "p010le"),
    *_hardware("qsv", {"h264_qsv": "h264", "hevc_qsv": "hevc", "av1_qsv": "av1"}, "nv12", "p010le"),
    *_hardware("vaapi", {"h264_vaapi": "h264", "hevc_vaapi": "hevc", "av1_vaapi": "av1"},
               "nv12", "p010le"),
)  # fmt: skip
