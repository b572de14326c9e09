"""Small clips that are hard to cut: variable rates, B-frames, open groups, edit lists, fields, two clocks."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

__all__ = ["RECIPES", "maker"]

_PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=192x108:r=25:d=4")
_SOUND = ("-f", "lavfi", "-i", "sine=d=4")
_GOP = (
    "-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "20", "-pix_fmt", "yuv420p", "-c:a", "aac",
)  # fmt: skip
_FIELDS = ("-vf", "interlace", "-flags", "+ildct+ilme")
_VFR = ("-vf", "select='not(mod(n,3))+gt(n,40)'", "-fps_mode", "vfr")

# Each as ffmpeg's arguments; "@name" opens another clip.
RECIPES: dict[str, tuple[str, ...]] = {
    "plain.mp4": (*_PICTURE, *_SOUND, *_GOP),
    # As large as the devices ask for.
    "large.mp4": ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4", *_SOUND, *_GOP),
    "variable.mp4": (*_PICTURE, *_SOUND, *_VFR, *_GOP),
    "variable.mkv": (*_PICTURE, *_SOUND, *_VFR, *_GOP),
    "open.mp4": (
        *_PICTURE, "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p",
        "-x264-params", "open-gop=1:keyint=12:bframes=3",
    ),
    "open-hevc.mp4": (
        *_PICTURE, "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1",
        "-x265-params", "open-gop=1:keyint=12:bframes=3:log-level=0",
    ),
    "film.ts": (
        "-f", "lavfi", "-i", "testsrc2=s=192x108:r=24000/1001:d=4", *_SOUND, *_GOP, "-output_ts_offset", "3",
    ),
    "fields.mp4": (*_PICTURE, *_SOUND, *_FIELDS, *_GOP),
    "fields.ts": (*_PICTURE, *_SOUND, *_FIELDS, "-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2"),
    "edits.mp4": ("-ss", "0.7", "-i", "@plain.mp4", "-c", "copy"),
    "edits.mov": ("-ss", "0.7", "-i", "@plain.mp4", "-c", "copy"),
    "late.mp4": ("-itsoffset", "0.5", *_PICTURE, *_SOUND, *_GOP),
    "deep.mov": (
        *_PICTURE, *_SOUND, "-c:v", "prores_ks", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s24le",
        "-timecode", "01:00:00:00",
    ),
    # Two tracks of sound, none of them marked; the file's clock starts at a second.
    "tracks.mkv": (
        "-itsoffset", "1", "-i", "@plain.mp4", "-itsoffset", "1", *_SOUND, "-map", "0:v", "-map", "1:a",
        "-map", "0:a", "-c:v", "copy", "-c:a", "aac", "-disposition:a", "0", "-metadata", "title=Take 3",
    ),
}  # fmt: skip


def maker(folder: Path, ffmpeg: Path) -> Callable[[str], Path]:
    """Makes a clip of `RECIPES` by its name, in a folder, when it is first asked for."""

    def make(name: str) -> Path:
        path = folder / name
        if not path.exists():
            args: list[str] = []
            for word in RECIPES[name]:
                args += [str(make(word[1:]))] if word.startswith("@") else [word]
            command = [str(ffmpeg), "-v", "error", "-nostdin", *args, str(path)]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        return path

    return make
