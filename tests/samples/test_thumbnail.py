"""The ten-line sample does what its first line says, here and on the engine."""

from __future__ import annotations

from pathlib import Path

import make_media
from rushes import catalog

THUMBNAIL = Path(make_media.__file__).parent / "thumbnail.py"
JPEG = b"\xff\xd8"


def test_the_sample_makes_a_picture_of_a_clip(media: make_media.Workshop, tmp_path: Path) -> None:
    clip = media("h264_24p.mp4")

    made = catalog.find(str(THUMBNAIL))(str(clip), out=str(tmp_path / "here"))

    assert made.picture.path == tmp_path / "here" / "h264_24p.jpg"
    assert made.picture.path.read_bytes().startswith(JPEG)


def test_the_sample_runs_on_the_engine(media: make_media.Workshop, tmp_path: Path) -> None:
    clip = media("h264_24p.mp4")
    thumbnail = catalog.find(str(THUMBNAIL)).with_options(out=str(tmp_path / "there"))

    (made,) = thumbnail.map([str(clip)]).results()

    assert made.picture.path.read_bytes().startswith(JPEG)
