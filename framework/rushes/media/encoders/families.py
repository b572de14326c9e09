"""How each family of encoders meets its devices: which ffmpeg has it, how a device is named, what decodes.

``{index}`` is the number of a device within its family, ``{node}`` its device node. Option names: ffmpeg's
own documentation for CUDA, QSV and VA-API; libavcodec/nidec.h and nienc.h of NETINT's ffmpeg; the AMA SDK's
pages (https://amd.github.io/ama-sdk/latest/examples/ffmpeg/tutorials.html). Data only.
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
        args: before ``-i``; ``{decoder}`` is the name that `codecs` has for the source's codec,
            ``{planar}`` and ``{semiplanar}`` the two layouts of 4:2:0 at its depth.
        codecs: of sources that it reads, each with its decoder's name ("" where ffmpeg's own does it).
        depths: bits a sample that it reads, by codec; 8 alone where nothing is said.
        keep: arguments that leave the pictures on the device.
        spare: arguments for more pictures at once, where several encoders hold those of the decoder.
        fetch_args, fetch: arguments and filters that bring them down, where a decoder would not.
        download: filters that bring pictures down which `keep` has left there; () where their layout is
            the card's own.
        scale: the filter that scales them there; None without one.
        scale_by: its options, with ``{w}`` and ``{h}``.
    """

    args: tuple[str, ...]
    codecs: Mapping[str, str]
    depths: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()
    fetch_args: tuple[str, ...] = ()
    fetch: tuple[str, ...] = ()
    download: tuple[str, ...] = ()
    scale: str | None = None
    scale_by: Mapping[str, str] = field(default_factory=lambda: {"w": "{w}", "h": "{h}"})


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
        aligned: arguments of the encoder with which groups of pictures are closed and start at their regular
            distance only; what goes without saying, and what is said in the rate control, aside.
        decode: decoding on the device, or None.
    """

    name: EncoderFamily
    title: str
    own_build: bool = False
    node: str = ""
    open: tuple[str, ...] = ()
    encode: tuple[str, ...] = ()
    upload: tuple[str, ...] = ()
    aligned: tuple[str, ...] = ()
    decode: Decode | None = None


# A decoder has as many pictures as its stream refers to and one or two more ("No decoder surfaces left").
# NVDEC has 32 in all, of which a stream of 1080 lines takes up to 16.
_SPARE: Final = ("-extra_hw_frames", "8")
_SEMIPLANAR: Final = ("hwdownload", "format={semiplanar}")

FAMILIES: Final[Mapping[str, Family]] = {
    family.name: family
    for family in (
        Family("software", "software"),
        Family(
            "nvenc",
            "NVIDIA NVENC",
            encode=("-gpu", "{index}"),
            aligned=("-no-scenecut", "1"),
            decode=Decode(
                args=("-hwaccel", "cuda", "-hwaccel_device", "{index}"),
                codecs=dict.fromkeys(("h264", "hevc", "av1", "vp9", "vp8", "mpeg2video", "mpeg4", "vc1"), ""),
                depths={"hevc": (8, 10), "av1": (8, 10), "vp9": (8, 10)},
                keep=("-hwaccel_output_format", "cuda"),
                spare=_SPARE,
                download=_SEMIPLANAR,
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
                # Planar, as its decoders give pictures where nothing else is asked.
                download=("hwdownload", "format={planar}"),
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
            aligned=("-forced_idr", "1", "-dynamic_gop", "0"),
            decode=Decode(
                args=("-hwaccel", "ama", "-hwaccel_device", "card", "-c:v", "{decoder}"),
                codecs={"h264": "h264_ama", "hevc": "hevc_ama", "av1": "av1_ama", "vp9": "vp9_ama"},
                depths={"hevc": (8, 10), "av1": (8, 10), "vp9": (8, 10)},
                # This decoder always leaves its pictures on the card, in a layout of its own unless told.
                fetch_args=("-out_fmt", "{planar}"),
                fetch=("hwdownload", "format={planar}"),
                scale="scaler_ama",
                scale_by={"outputs": "1", "out_res": "({w}x{h})"},
            ),
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
            aligned=("-adaptive_i", "0", "-flags:v", "+cgop"),
            decode=Decode(
                args=("-hwaccel", "qsv", "-hwaccel_device", "card", "-c:v", "{decoder}"),
                codecs={
                    "h264": "h264_qsv",
                    "hevc": "hevc_qsv",
                    "av1": "av1_qsv",
                    "vp9": "vp9_qsv",
                    "mpeg2video": "mpeg2_qsv",
                    "vc1": "vc1_qsv",
                },
                depths={"hevc": (8, 10), "av1": (8, 10), "vp9": (8, 10)},
                keep=("-hwaccel_output_format", "qsv"),
                # With nothing said ffmpeg leaves them there, "for compatibility with old commandlines".
                fetch_args=("-hwaccel_output_format", "{semiplanar}"),
                spare=_SPARE,
                download=_SEMIPLANAR,
                scale="scale_qsv",
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
                keep=("-hwaccel_output_format", "vaapi"),
                spare=_SPARE,
                download=_SEMIPLANAR,
                scale="scale_vaapi",
            ),
        ),
    )
}
"""By name, software first."""
