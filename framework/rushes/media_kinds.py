"""Which names a folder's walk takes for media, as data.

The list is generous: a file that turns out to be no media fails alone with a clear error, but a clip that is
passed over is missed by nobody until the edit. A file that is named explicitly is taken whatever its name.
This module must not know how anything is decoded.
"""

from __future__ import annotations

from typing import Final

from rushes.asset import IMAGE_SUFFIXES

__all__ = ["AUDIO_SUFFIXES", "MEDIA_SUFFIXES", "VIDEO_SUFFIXES", "suffix_of"]

VIDEO_SUFFIXES: Final = frozenset(
    {
        ".264", ".265", ".3g2", ".3gp", ".amv", ".apng", ".arw", ".asf", ".av1", ".avc", ".avi", ".avs",
        ".braw", ".cine", ".crm", ".dav", ".divx", ".dv", ".dvr-ms", ".evo", ".f4v", ".ffm", ".flv", ".gxf",
        ".h261", ".h263", ".h264", ".h265", ".hevc", ".insv", ".ismv", ".ivf", ".lrv", ".lxf", ".m1v",
        ".m2t", ".m2ts", ".m2v", ".m4v", ".mcf", ".mj2", ".mjpeg", ".mjpg", ".mjp2", ".mk3d", ".mkv",
        ".mov", ".mp2v", ".mp4", ".mpe", ".mpeg", ".mpg", ".mpv", ".mqv", ".mts", ".mxf", ".nev", ".nsv",
        ".nut", ".obu", ".ogm", ".ogv", ".ps", ".qt", ".r3d", ".rm", ".rmvb", ".roq", ".rv", ".smk",
        ".swf", ".tod", ".trp", ".ts", ".ty", ".vc1", ".vob", ".vp8", ".vp9", ".vro", ".webm", ".wmv",
        ".wtv", ".xavc", ".y4m", ".yuv",
    }
)  # fmt: skip

AUDIO_SUFFIXES: Final = frozenset(
    {
        ".aac", ".ac3", ".adts", ".aif", ".aifc", ".aiff", ".alac", ".amr", ".ape", ".au", ".bwf", ".caf",
        ".dff", ".dsf", ".dts", ".dtshd", ".eac3", ".ec3", ".flac", ".m4a", ".m4b", ".mka", ".mlp", ".mp1",
        ".mp2", ".mp3", ".mpa", ".mpc", ".oga", ".ogg", ".oma", ".opus", ".ra", ".rf64", ".sd2", ".snd",
        ".spx", ".tak", ".thd", ".truehd", ".tta", ".voc", ".w64", ".wav", ".wave", ".wma", ".wv",
    }
)  # fmt: skip

MEDIA_SUFFIXES: Final = VIDEO_SUFFIXES | AUDIO_SUFFIXES | IMAGE_SUFFIXES


def suffix_of(name: str) -> str:
    """The extension of a file name with its dot, lower case; "" where there is none."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""
