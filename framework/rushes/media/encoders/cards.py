"""What devices can encode, what they draw and what they cost: published figures, each with its source.

None of these was measured by Rushes. They order the tries of an encode until a calibration of this host has
measured its own curves, and give the documentation its economics. A vendor's density is live streams; batch
work is bounded by it, and the host's processor and disks often bind first. Whoever shows a figure shows its
mark: ``published`` at its source, ``second-hand``, or an ``estimate``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rushes.media.encoders.rows import EncoderFamily

__all__ = ["CARDS", "CPU", "Card", "CodecSpeed", "Figure", "Rate", "card_of", "fit"]

Mark = Literal["published", "second-hand", "estimate"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, where it comes from, and how far it can be believed."""

    value: float
    source: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Rate:
    """Frames a second of one size, all streams of the device together."""

    width: int
    height: int
    frames_per_s: float

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class CodecSpeed:
    """How fast a device makes one codec: ``seconds = per_pixel_s · pixels + per_frame_s · frames``.

    Args:
        rates: as published; the two parts are fitted to them. One size alone cannot tell the parts apart, so
            all is then put on the pixels, which flatters small pictures.
        single: of one stream on its host, reading and decoding included, instead of the whole device.
    """

    codec: str
    preset: str
    rates: tuple[Rate, ...]
    source: str
    mark: Mark
    single: bool = False

    def seconds(self, pixels: float, frames: int) -> float:
        """What `frames` frames of `pixels` pixels in all take."""
        per_pixel_s, per_frame_s = fit(self.rates)
        return per_pixel_s * pixels + per_frame_s * frames


@dataclass(frozen=True, slots=True)
class Card:
    """One kind of device.

    Args:
        pattern: what a device of this kind calls itself.
        capacities: by codec and preset; where one stream and the whole device are both known, both.
        sessions: encodes at once that its driver allows; None where none is known.
        shared_sessions: they are those of all such cards of a host together.
        watts: under load, or its limit where that is all that is known.
        usd_per_h: of a rented machine with one of them.
    """

    key: str
    title: str
    family: EncoderFamily
    pattern: str
    capacities: tuple[CodecSpeed, ...]
    sessions: Figure | None = None
    shared_sessions: bool = False
    watts: Figure | None = None
    usd_per_h: Figure | None = None

    def capacity(self, codec: str) -> CodecSpeed | None:
        """The figures that tell what one encode will take: of one stream, else of the whole device."""
        fitting = [c for c in self.capacities if c.codec == codec]
        return next((c for c in fitting if c.single), fitting[0] if fitting else None)


def fit(rates: Sequence[Rate]) -> tuple[float, float]:
    """(seconds a pixel, seconds a frame) nearest to the rates, neither below 0, by relative error."""
    rows = [(one.pixels * one.frames_per_s, one.frames_per_s) for one in rates]
    xx, yy = sum(x * x for x, _ in rows), sum(y * y for _, y in rows)
    xy, sx, sy = sum(x * y for x, y in rows), sum(x for x, _ in rows), sum(y for _, y in rows)
    determinant = xx * yy - xy * xy
    if determinant > 1e-9 * xx * yy:
        a, b = (yy * sx - xy * sy) / determinant, (xx * sy - xy * sx) / determinant
        if a >= 0 and b >= 0:
            return a, b
    return sx / xx, 0.0


def card_of(family: str, model: str) -> Card | None:
    """The kind of a device, by what it calls itself; None where no row is of it."""
    of_family = [card for card in CARDS if card.family == family]
    return next((card for card in of_family if re.search(card.pattern, model, re.IGNORECASE)), None)


# -- sources -------------------------------------------------------------------------------------------------

_GUIDE: Final = "Linode guide on video transcoding with VPUs, https://github.com/linode/docs/pull/7450"
_RATIO: Final = (
    f"{_GUIDE}: x264's rate over the ratio of processor time, ffmpeg 9.0, one noisy synthetic clip"
)
_REPORT: Final = "NETINT, https://docs.netint.com/vpu/quadra/appnotes/akamai/capacity-report"
_SERVER: Final = "NETINT, review of the Quadra video server, https://netint.com"
_AMA: Final = "AMD AMA SDK, https://amd.github.io/ama-sdk/latest/specs_and_features.html"
_SDK: Final = "NVIDIA Video Codec SDK, table of encoder throughput, as transcribed by third parties"
_LIST: Final = "list price of the cloud, as quoted by several comparison sites"
_MEDIA_DELIVERY: Final = "Intel, https://github.com/intel/media-delivery"
_FLEX: Final = "Intel Data Center GPU Flex density, as quoted by third parties"

_HD: Final = (1920, 1080)


def _single(codec: str, preset: str, source: str, *rates: tuple[int, int, float]) -> CodecSpeed:
    return CodecSpeed(codec, preset, tuple(Rate(*one) for one in rates), source, "published", single=True)


def _all(codec: str, preset: str, source: str, mark: Mark, *rates: tuple[int, int, float]) -> CodecSpeed:
    return CodecSpeed(codec, preset, tuple(Rate(*one) for one in rates), source, mark)


def _nvenc(engines: int, **fps: tuple[float, float]) -> tuple[CodecSpeed, ...]:
    """p5 first: between the default p4 and what is published stand p3 and p5, and p5 promises less."""
    return tuple(
        _all(codec, preset, _SDK, "second-hand", (*_HD, engines * value))
        for codec, pair in fps.items()
        for preset, value in zip(("p5", "p3"), pair, strict=True)
    )


CPU: Final = Card(
    key="cpu-8",
    title="8 dedicated virtual cores",
    family="software",
    pattern="",
    capacities=(
        _single("h264", "medium", _GUIDE, (1920, 1080, 47.3), (1280, 720, 81.3), (854, 480, 140.3),
                (640, 360, 195.3)),
        _all("hevc", "medium", _RATIO, "estimate", (1920, 1080, 34.0), (640, 360, 130.0)),
        _all("av1", "8", _RATIO, "estimate", (1920, 1080, 115.0), (640, 360, 210.0)),
    ),
    usd_per_h=Figure(0.216, _GUIDE, "published"),
)  # fmt: skip
"""What a software encode takes, where nothing was measured here."""

_QUADRA: Final = Card(
    key="quadra-t1u",
    title="NETINT Quadra T1U",
    family="netint",
    pattern="quadra|netint",
    capacities=(
        _single("h264", "default", _GUIDE, (1920, 1080, 192.7), (1280, 720, 321.0), (854, 480, 318.0),
                (640, 360, 333.0)),
        _all("h264", "look-ahead 16, RDO", _REPORT, "published", (1920, 1080, 1000.0), (1280, 720, 2125.0),
             (960, 540, 3375.0)),
        _all("hevc", "look-ahead 16, RDO", _REPORT, "published", (1920, 1080, 1250.0), (1280, 720, 2375.0),
             (960, 540, 3500.0)),
        _all("av1", "default", f"{_SERVER}; 32 streams of 1080p30 a card, taken as the same for AV1",
             "estimate", (1920, 1080, 960.0), (1280, 720, 1920.0)),
    ),
    watts=Figure(12.0, "NETINT podcast: measured at 19 jobs", "second-hand"),
    usd_per_h=Figure(0.42, f"{_GUIDE}: one card, 8 cores, 16 GB", "published"),
)  # fmt: skip

_MA35D: Final = Card(
    key="ma35d",
    title="AMD Alveo MA35D",
    family="ama",
    pattern="ma35|ama|alveo",
    capacities=tuple(
        _all(codec, "medium", _AMA, "published", (1920, 1080, 960.0)) for codec in ("h264", "hevc", "av1")
    ),
    watts=Figure(35.0, "typical, 50 at most", "estimate"),
)

# Professional and data-centre parts have no cap: https://github.com/livepeer/go-livepeer/issues/870.
_UNCAPPED: Final = None
_T4: Final = Card(
    key="t4", title="NVIDIA T4", family="nvenc", pattern=r"\bT4\b", sessions=_UNCAPPED,
    capacities=_nvenc(1, h264=(264, 602), hevc=(334, 552)),
    watts=Figure(70.0, "NVIDIA T4 data sheet", "published"),
    usd_per_h=Figure(0.526, f"g4dn.xlarge, {_LIST}", "second-hand"),
)  # fmt: skip
_A10G: Final = Card(
    key="a10g", title="NVIDIA A10G", family="nvenc", pattern=r"\bA10G?\b", sessions=_UNCAPPED,
    capacities=_nvenc(1, h264=(266, 617), hevc=(335, 557)),
    watts=Figure(150.0, "board power", "estimate"),
    usd_per_h=Figure(1.006, f"g5.xlarge, {_LIST}", "second-hand"),
)  # fmt: skip
_L4: Final = Card(
    key="l4", title="NVIDIA L4", family="nvenc", pattern=r"\bL4\b", sessions=_UNCAPPED,
    capacities=(
        *_nvenc(2, h264=(283, 647), hevc=(411, 706)),
        # 1,040 streams of AV1 at 720p30 are of a server with eight cards, not of one.
        _all("av1", "default", "NVIDIA: 1,040 AV1 720p30 streams in an 8-GPU server", "second-hand",
             (1280, 720, 3900.0)),
    ),
    watts=Figure(72.0, "NVIDIA L4 data sheet, as quoted by third parties", "second-hand"),
    usd_per_h=Figure(0.8048, f"g6.xlarge, {_LIST}", "second-hand"),
)  # fmt: skip
_L40S: Final = Card(
    key="l40s", title="NVIDIA L40S", family="nvenc", pattern=r"\bL40S?\b", sessions=_UNCAPPED,
    capacities=_nvenc(3, h264=(283, 647), hevc=(411, 706)),
    watts=Figure(350.0, "NVIDIA L40S data sheet, as quoted by third parties", "second-hand"),
    usd_per_h=Figure(1.861, f"g6e.xlarge, {_LIST}", "second-hand"),
)  # fmt: skip
# Their encoder is gone, their decoders are not: the driver loads, and every session is refused.
_NO_NVENC: Final = Card(
    key="no-nvenc", title="NVIDIA A100, H100, H200", family="nvenc",
    pattern=r"\b(A100|A30|H100|H200|GH200)\b",
    capacities=(),
    sessions=Figure(0, "https://github.com/kijai/ComfyUI-CogVideoXWrapper/issues/20: unsupported device",
                    "published"),
)  # fmt: skip
_GEFORCE: Final = Card(
    key="geforce", title="NVIDIA GeForce", family="nvenc", pattern="geforce",
    capacities=_nvenc(1, h264=(264, 602), hevc=(334, 552)),
    # Of the whole system, whatever the number of cards; it was 2, then 3, and has risen since.
    sessions=Figure(3, "https://github.com/rigaya/NVEnc/issues/439", "second-hand"),
    shared_sessions=True,
)  # fmt: skip
_FLEX_140: Final = Card(
    key="flex-140", title="Intel Flex 140", family="qsv", pattern="flex.*140",
    capacities=(
        _all("h264", "default", _FLEX, "second-hand", (1920, 1080, 2160.0)),
        _all("hevc", "default", _FLEX, "second-hand", (1920, 1080, 2160.0), (3840, 2160, 480.0)),
    ),
    watts=Figure(75.0, _MEDIA_DELIVERY, "published"),
)  # fmt: skip
_FLEX_170: Final = Card(
    key="flex-170", title="Intel Flex 170", family="qsv", pattern="flex.*170",
    capacities=(
        _all("h264", "default", "half the media engines of a Flex 140", "estimate", (1920, 1080, 1080.0)),
        _all("hevc", "default", "half the media engines of a Flex 140", "estimate", (1920, 1080, 1080.0)),
    ),
    watts=Figure(150.0, _MEDIA_DELIVERY, "published"),
)  # fmt: skip

CARDS: Final[tuple[Card, ...]] = (
    CPU, _QUADRA, _MA35D, _NO_NVENC, _L40S, _L4, _T4, _A10G, _GEFORCE, _FLEX_140, _FLEX_170,
)  # fmt: skip
