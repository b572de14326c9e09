"""The DASH manifest that ffmpeg wrote, read, corrected and compared.

Two things that ffmpeg writes are not good enough: the codecs of HEVC, and the duration, which is cut to
tenths of a second. Pure; it must not know how segments were made.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

__all__ = ["Representation", "corrected", "read_manifest"]

_NAMESPACE: Final = "urn:mpeg:dash:schema:mpd:2011"
_IN: Final = {"mpd": _NAMESPACE}


@dataclass(frozen=True, slots=True)
class Representation:
    """One track of a manifest.

    Args:
        number: its id, which is its place among the inputs.
        init: file of its initialisation.
        segments: files, in order.
        durations: of each segment, in seconds.
    """

    number: int
    init: str
    segments: tuple[str, ...]
    durations: tuple[Fraction, ...]


def read_manifest(text: str) -> tuple[Representation, ...]:
    """The tracks of a manifest whose segments are listed in time lines.

    Raises:
        ValueError: it is not shaped so.
    """
    try:
        found = [_representation(one) for one in _root(text).iterfind(".//mpd:Representation", _IN)]
    except (ET.ParseError, AttributeError, KeyError, TypeError) as error:
        msg = f"it is no manifest of segments in time lines ({error})"
        raise ValueError(msg) from error
    return tuple(sorted(found, key=lambda r: r.number))


def corrected(text: str, *, codecs: Mapping[int, str], bits: Mapping[int, int], duration: Fraction) -> str:
    """The same manifest with measured facts.

    Args:
        text: as ffmpeg wrote it.
        codecs: of each track, by its number.
        bits: bits a second that suffice for each.
        duration: of the presentation in seconds.
    """
    ET.register_namespace("", _NAMESPACE)
    ET.register_namespace("xsi", "http://www.w3.org/2001/XMLSchema-instance")
    root = _root(text)
    # Rounded up: a player stops at this time, whatever is left.
    root.set("mediaPresentationDuration", f"PT{math.ceil(duration * 1000) / 1000:.3f}S")
    for one in root.iterfind(".//mpd:Representation", _IN):
        number = int(one.attrib["id"])
        one.set("codecs", codecs[number])
        one.set("bandwidth", str(bits[number]))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _root(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own command wrote it a moment ago


def _representation(element: ET.Element) -> Representation:
    template = element.find("mpd:SegmentTemplate", _IN)
    if template is None:
        msg = "a representation has no template"
        raise KeyError(msg)
    number = element.attrib["id"]
    scale = int(template.attrib["timescale"])
    first = int(template.attrib.get("startNumber", "1"))
    durations: list[Fraction] = []
    for entry in template.iterfind("mpd:SegmentTimeline/mpd:S", _IN):
        durations += [Fraction(int(entry.attrib["d"]), scale)] * (1 + int(entry.attrib.get("r", "0")))
    media = template.attrib["media"].replace("$RepresentationID$", number)
    return Representation(
        number=int(number),
        init=template.attrib["initialization"].replace("$RepresentationID$", number),
        segments=tuple(media.replace("$Number%05d$", f"{first + n:05d}") for n in range(len(durations))),
        durations=tuple(durations),
    )
