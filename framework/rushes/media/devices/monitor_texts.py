"""What the vendors' monitors print, read: load, sessions, heat and faults of each device.

Pure, and tolerant: each reader takes what it can of whatever it is given. Formats: NVIDIA's ``nvidia-smi -q
-x`` of drivers from 418 to 580; NETINT's ``ni_rsrc_mon -o json`` as libxcoder's source prints it, which is no
JSON (words and hexadecimal without quotes, commas before brackets, several objects with banners between);
AMD's ``mautil examine`` as its SDK shows it; NVIDIA's reports in the kernel's log. This module must not know
how they are run, nor what follows from what they say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from rushes.core.devices import Reading

__all__ = ["Seen", "parse_lost", "parse_mautil", "parse_ni", "parse_nvidia", "parse_xids", "reading_of"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a monitor says of one device; None for what it does not say.

    Args:
        where: its PCI address, in small letters, or its device node; the order is that of the tool.
        encoder_pct, decoder_pct: load of its engines, 0 to 100.
        sessions: encodes on it now.
        most_sessions: that it allows.
        temperature_c: the hottest place that is told.
        power_w: drawn now.
        slowed: why it runs slower than it could, in the tool's own words.
        clock: share of its highest video clock that it runs at.
        fault: why it is of no use; "" when it is.
    """

    where: str = ""
    encoder_pct: int | None = None
    decoder_pct: int | None = None
    sessions: int | None = None
    most_sessions: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    slowed: tuple[str, ...] = ()
    clock: float | None = None
    fault: str = ""


_SLOWED: Final = 0.5
"""NVML: a hardware slowdown takes a factor of 2 or more off the clocks. Used where clocks are not told."""


def reading_of(seen: Seen) -> Reading:
    """What a device is worth by what is seen of it."""
    rate = 1.0
    if seen.slowed:
        rate = seen.clock if seen.clock is not None and 0 < seen.clock <= 1 else _SLOWED
    return Reading(rate=rate, sessions=seen.sessions, lost=seen.fault)


# -- NVIDIA --------------------------------------------------------------------------------------------------

# What takes speed away. Idle, application clocks and sync boost do so too, and are nobody's trouble.
_TROUBLE: Final = {
    "hw_slowdown": "hardware slowdown",
    "hw_thermal_slowdown": "heat (hardware)",
    "hw_power_brake_slowdown": "power brake",
    "sw_thermal_slowdown": "heat",
    "sw_power_cap": "power cap",
}
_REASON: Final = re.compile(r"clocks_(?:throttle|event)_reasons?_(\w+)")
_RECOVERY: Final = re.compile(r"reset|reboot", re.IGNORECASE)


def parse_nvidia(text: str) -> list[Seen]:
    """The cards of ``nvidia-smi -q -x``, in its order; none where that is not what it is."""
    start = text.find("<nvidia_smi_log")
    if start < 0 or "<!ENTITY" in text:
        return []
    try:
        root = ET.fromstring(text[start:])  # noqa: S314 - no entities; the document type before it is cut off
    except ET.ParseError:
        return []
    return [_nvidia(card) for card in root.iter("gpu")]


def _nvidia(card: ET.Element) -> Seen:
    slowed = []
    for node in card.iter():
        found = _REASON.fullmatch(node.tag)
        if found and found[1] in _TROUBLE and (node.text or "").strip() == "Active":
            slowed.append(_TROUBLE[found[1]])
    clock, highest = _number(card, "clocks/video_clock"), _number(card, "max_clocks/video_clock")
    power = _number(card, "gpu_power_readings/power_draw")
    if power is None:
        power = _number(card, "power_readings/power_draw")
    return Seen(
        where=_address(card.get("id", "")),
        encoder_pct=_whole(_number(card, "utilization/encoder_util")),
        decoder_pct=_whole(_number(card, "utilization/decoder_util")),
        sessions=_whole(_number(card, "encoder_stats/session_count")),
        temperature_c=_whole(_number(card, "temperature/gpu_temp")),
        power_w=power,
        slowed=tuple(slowed),
        clock=clock / highest if clock and highest else None,
        fault=_nvidia_fault(card),
    )


def _nvidia_fault(card: ET.Element) -> str:
    action = (card.findtext("gpu_recovery_action") or "").strip()
    if _RECOVERY.search(action):
        return f"nvidia-smi asks for: {action}"
    if (card.findtext("remapped_rows/remapped_row_failure") or "").strip() == "Yes":
        return "its memory has more damaged rows than it can replace"
    if "GPU is lost" in "".join(card.itertext()):
        return "nvidia-smi says that the GPU is lost"
    return ""


_LOST: Final = re.compile(
    r"Unable to determine the device handle for GPU\s*([0-9a-f:.]+): (GPU is lost|Unknown Error)",
    re.IGNORECASE,
)


def parse_lost(text: str) -> dict[str, str]:
    """The cards that ``nvidia-smi`` cannot reach any more, by PCI address, with what it says of them."""
    return {_address(found[1].rstrip(":")): f"nvidia-smi says: {found[2]}" for found in _LOST.finditer(text)}


# What needs the card looked at or reset. Others (13, 31, 43, 45) are a program's own doing. From NVIDIA's
# "XID Errors": 48 double-bit ECC, 63/64 rows remapped, 74 NVLink, 79 off the bus, 119/120 GSP, 154 recovery.
_FATAL_XIDS: Final = frozenset({48, 63, 64, 74, 79, 119, 120, 154})
_XID: Final = re.compile(
    r"^\d+,\d+,(\d+),[^;]*;.*?NVRM: Xid \(PCI:([0-9a-f:.]+)\): (\d+)", re.IGNORECASE | re.MULTILINE
)


def parse_xids(text: str, since_us: int) -> dict[str, str]:
    """The cards of which the driver reported what they do not recover from, by PCI address.

    Args:
        text: records of ``/dev/kmsg``: ``priority,number,microseconds since boot,flags;message``.
        since_us: what is older is not news.
    """
    return {
        _address(found[2]): f"the driver reported Xid {found[3]}"
        for found in _XID.finditer(text)
        if int(found[1]) >= since_us and int(found[3]) in _FATAL_XIDS
    }


# -- NETINT --------------------------------------------------------------------------------------------------

_SECTION: Final = re.compile(r'"(\w+)"\s*:\s*\[(.*?)\]', re.DOTALL)
_OBJECT: Final = re.compile(r"\{([^{}]*)\}?")
_PAIR: Final = re.compile(r'"([\w-]+)"\s*:\s*(?:"([^"]*)"|([^\s,}\]]+))')


def parse_ni(text: str) -> list[Seen]:
    """The cards of ``ni_rsrc_mon -o json`` (or ``json1``), by node, in the order of their indices."""
    cards: dict[str, dict[str, dict[str, str]]] = {}
    for section in _SECTION.finditer(text):
        kind = section[1].lower().removesuffix("s")
        for body in _OBJECT.finditer(section[2]):
            row = {name: quoted or bare for name, quoted, bare in _PAIR.findall(body[1])}
            if "DEVICE" in row and kind in {"encoder", "decoder"}:
                cards.setdefault(_node(row["DEVICE"]), {}).setdefault(kind, row)
    found = sorted(cards.items(), key=lambda one: min(_int(row.get("INDEX")) or 0 for row in one[1].values()))
    return [_netint(node, kinds) for node, kinds in found]


def _netint(node: str, kinds: dict[str, dict[str, str]]) -> Seen:
    encoder, decoder = kinds.get("encoder", {}), kinds.get("decoder", {})
    return Seen(
        where=node,
        encoder_pct=_load(encoder),
        decoder_pct=_load(decoder),
        # INST-ALL counts what other machines on the same card (virtual functions) have open too.
        sessions=_int(encoder.get("INST-ALL", encoder.get("INST"))),
        most_sessions=_int(encoder.get("MAX_INST")) or None,
    )


def _load(row: dict[str, str]) -> int | None:
    """What the engine does, or what its sessions have booked of it, whichever is more."""
    told = [_int(row.get(name)) for name in ("LOAD", "MODEL_LOAD")]
    return max((one for one in told if one is not None), default=None)


def _node(name: str) -> str:
    """``/dev/nvme0`` of ``/dev/nvme0n1``: the card, whichever of its names it goes by."""
    found = re.match(r"/dev/nvme\d+", name)
    return found[0] if found else name


# -- AMD -----------------------------------------------------------------------------------------------------

_CARD: Final = re.compile(r"^\s*\d+/\d+\s*\[([0-9a-f:.]+)\]", re.IGNORECASE | re.MULTILINE)
_VALUE: Final = re.compile(r"id:\s*([\w ]+?)\s*\[\s*(-?[\d.]+)\s*(m?[A-Z%]+)\s*\]")


def parse_mautil(text: str) -> list[Seen]:
    """The cards of ``mautil examine -r electrical thermal utilization -d all``, in its order."""
    return [_ama(address, body) for address, body in _blocks(text)]


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    heads = list(_CARD.finditer(text))
    for at, head in enumerate(heads):
        end = heads[at + 1].start() if at + 1 < len(heads) else len(text)
        yield _address(head[1]), text[head.end() : end]


def _ama(address: str, body: str) -> Seen:
    values = [(name.lower(), float(value), unit) for name, value, unit in _VALUE.findall(body)]
    heat = [value for _, value, unit in values if unit == "C"]
    power = next((value for name, value, unit in values if name == "board_power" and unit == "mW"), None)

    def load(kind: str) -> int | None:
        return max(
            (round(value) for name, value, unit in values if unit == "%" and kind in name), default=None
        )

    return Seen(
        where=address,
        encoder_pct=load("enc"),
        decoder_pct=load("dec"),
        temperature_c=round(max(heat)) if heat else None,
        power_w=power / 1000 if power is not None else None,
    )


# -- values --------------------------------------------------------------------------------------------------


def _address(text: str) -> str:
    """``0000:3b:00`` of ``00000000:3B:00.0``, as each tool writes it otherwise."""
    parts = text.strip().lower().partition(".")[0].split(":")
    if len(parts) == 3:
        parts[0] = parts[0][-4:].rjust(4, "0")
    return ":".join(parts)


def _number(card: ET.Element, path: str) -> float | None:
    found = re.match(r"\s*(-?\d+(?:\.\d+)?)", card.findtext(path) or "")
    return float(found[1]) if found else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _int(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,9}", text) else None
