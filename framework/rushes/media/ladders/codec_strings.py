"""The ``codecs`` parameter of a stream (RFC 6381), read from its decoder configuration.

Playlists need it, and what muxers write differs between builds: of HEVC ffmpeg 5.1 says ``hvc1`` and 9 says
nothing at all. Pure; it must not know playlists.

Sources: ISO/IEC 14496-15 (annex E), AV1 Codec ISO Media File Format Binding (section 5), ISO/IEC 14496-3.
"""

from __future__ import annotations

__all__ = ["codec_string"]


def codec_string(codec: str, extradata: bytes) -> str:
    """``avc1.64001f``, ``hvc1.2.4.L93.90``, ``av01.0.04M.08``, ``mp4a.40.2`` and the like.

    Args:
        codec: ffmpeg's name of the codec.
        extradata: its configuration as an mp4 carries it: avcC, hvcC, av1C, AudioSpecificConfig.

    Raises:
        ValueError: the codec is not known here, or its configuration is cut short.
    """
    if codec in {"ac3", "eac3"}:
        return {"ac3": "ac-3", "eac3": "ec-3"}[codec]
    if codec in {"opus", "flac"}:
        return {"opus": "Opus", "flac": "fLaC"}[codec]
    least = {"h264": 4, "hevc": 13, "av1": 4, "aac": 2}.get(codec)
    if least is None or len(extradata) < least:
        msg = f"{codec} has no configuration that a codecs string could be read from"
        raise ValueError(msg)
    if codec == "h264":
        return f"avc1.{extradata[1:4].hex()}"
    if codec == "hevc":
        return _hevc(extradata)
    return _av1(extradata) if codec == "av1" else _aac(extradata)


def _hevc(record: bytes) -> str:
    space = ("", "A", "B", "C")[record[1] >> 6]
    tier = "H" if record[1] & 0x20 else "L"
    profile = record[1] & 0x1F
    # The compatibility flags are written with their bits in reverse order, in hexadecimal.
    flags = int(f"{int.from_bytes(record[2:6], 'big'):032b}"[::-1], 2)
    constraints = record[6:12].rstrip(b"\0")
    parts = ["hvc1", f"{space}{profile}", f"{flags:X}", f"{tier}{record[12]}"]
    return ".".join([*parts, *(f"{byte:X}" for byte in constraints)])


def _av1(record: bytes) -> str:
    profile, level = record[1] >> 5, record[1] & 0x1F
    tier = "H" if record[2] & 0x80 else "M"
    high, twelve = record[2] & 0x40, record[2] & 0x20
    depth = 12 if high and twelve and profile == 2 else 10 if high else 8
    return f"av01.{profile}.{level:02d}{tier}.{depth:02d}"


def _aac(record: bytes) -> str:
    kind = record[0] >> 3
    if kind == 31:  # an escape: six more bits follow
        kind = 32 + ((record[0] & 7) << 3 | record[1] >> 5)
    return f"mp4a.40.{kind}"
