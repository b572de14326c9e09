"""How each family of encoders meets its devices: which ffmpeg has it, how a device is named, what decodes.

``{index}`` is the number of a device within its family, ``{node}`` its device node. Option names: ffmpeg's
own documentation for CUDA, QSV and VA-API; libavcodec/nidec.h and nienc.h of NETINT's ffmpeg; the AMA SDK's
pages. Data only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rushes.media.encoders.rows import EncoderFamily

__all__ = ["FAMILIES", "Decode", "Family"]


@dataclass(frozen=True, slots=True)
class Decode:
    """Decoding on the device.

    Args:
        args: before ``-i``; ``{decoder}`` is the name that `codecs` has for the source's codec.
        codecs: of sources that it reads, each with its decoder's name ("" where ffmpeg's own does it).
        depths: bits a sample that it reads, by codec; 8 alone where nothing is said.
        keep: arguments that leave the pictures on the device.
        scale: the filter that scales them there, with ``w`` and ``h``; None without one.
    """

    args: tuple[str, ...]
    codecs: Mapping[str, str]
    depths: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    scale: str | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """One family of encoders.

    Args:
        title: for people.
        own_build: only a vendor's ffmpeg has it; others may have it compiled in.
        node: the usual device node; ``{render}`` is 128 and the index.
        open: arguments before the input that open the device.
        encode: arguments of the encoder that name the device.
        upload: filters that put frames onto the device, after their format is set.
        decode: decoding on the device, or None.
    """

    name: EncoderFamily
    title: str
    own_build: bool = False
    node: str = ""
    open: tuple[str, ...] = ()
    encode: tuple[str, ...] = ()
    upload: tuple[str, ...] = ()
    decode: Decode | None = None


FAMILIES: Final[Mapping[str, Family]] = {
    family.name: family
    for family in (
        Family("software", "software"),
        Family(
            "nvenc",
            "NVIDIA NVENC",
            encode=("-gpu", "{index}"),
            decode=Decode(
                args=("-hwaccel", "cuda", "-hwaccel_device", "{index}"),
                codecs=dict.fromkeys(("h264", "hevc", "av1", "vp9", "vp8", "mpeg2video", "mpeg4", "vc1"), ""),
                depths={"hevc": (8, 10), "av1": (8, 10), "vp9": (8, 10)},
                keep=("-hwaccel_output_format", "cuda"),
                scale="scale_cuda",
            ),
        ),
        Family(
            "netint",
            "NETINT Quadra",
            own_build=True,
            encode=("-enc", "{index}"),
            decode=Decode(
                args=("-c:v", "{decoder}", "-dec", "{index}"),
                codecs={
                    "h264": "h264_ni_quadra_dec",
                    "hevc": "h265_ni_quadra_dec",
                    "vp9": "vp9_ni_quadra_dec",
                },
                depths={"h264": (8, 10), "hevc": (8, 10), "vp9": (8, 10)},
                keep=("-xcoder-params", "out=hw"),
                scale="ni_quadra_scale",
            ),
        ),
        Family(
            "ama",
            "AMD Alveo MA35D",
            own_build=True,
            node="/dev/ama_transcoder{index}",
            open=("-init_hw_device", "ama=card:{node}", "-filter_hw_device", "card"),
            upload=("hwupload",),
        ),
        Family(
            "qsv",
            "Intel Quick Sync",
            node="/dev/dri/renderD{render}",
            open=(
                "-init_hw_device",
                "qsv=card:hw_any,child_device={node}",
                "-filter_hw_device",
                "card",
            ),
        ),
        Family(
            "vaapi",
            "VA-API",
            node="/dev/dri/renderD{render}",
            open=("-vaapi_device", "{node}"),
            upload=("hwupload",),
            decode=Decode(
                args=("-hwaccel", "vaapi", "-hwaccel_device", "{node}"),
                codecs=dict.fromkeys(("h264", "hevc", "av1", "vp9", "vp8", "mpeg2video", "vc1"), ""),
                depths={"hevc": (8, 10), "av1": (8, 10), "vp9": (8, 10)},
            ),
        ),
    )
}
"""By name, software first."""
