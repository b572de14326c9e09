"""`describe` on every clip of the catalogue: what is claimed of it is what is found."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest

import make_media
from rushes.errors import CallerError, MediaError
from rushes.media.describing.inspection import describe
from rushes.media.describing.schema import MediaInfo, VideoStream

_OF_PICTURE = (
    "codec", "width", "height", "rate_mode", "pix_fmt", "bit_depth", "sar", "field_order", "rotation",
)  # fmt: skip
_OF_COLOUR = ("primaries", "transfer", "matrix")
_RANGES = {"tv": "limited", "pc": "full"}
# The catalogue has the demuxer's word, the description has the kind of file.
_FORMATS = {"mov": {"mov", "mp4", "m4a"}, "matroska": {"matroska", "webm"}}
_WHOLE_CODES = {"truncated", "disagreement", "timestamp-jump", "frame-count-mismatch", "corrupt-packets"}

_GOOD = [name for name, recipe in make_media.RECIPES.items() if recipe.facts.get("expect") == "good"]
_UNREADABLE = [n for n, r in make_media.RECIPES.items() if r.facts.get("expect") == "unreadable"]
_CALLER = [n for n, r in make_media.RECIPES.items() if r.facts.get("expect") == "caller"]
_OTHER = [
    n
    for n, r in make_media.RECIPES.items()
    if r.facts.get("expect") in {"damaged", "unprovable", "limited", "contained"}
]


@pytest.mark.parametrize("name", _GOOD)
def test_a_good_clip_is_described_as_what_it_is(media: make_media.Workshop, name: str) -> None:
    facts = media.facts(name)

    info = describe(media.get(name))

    assert _claimed(facts) == _found(info, facts)


@pytest.mark.parametrize("name", _GOOD)
def test_a_good_clip_raises_no_suspicion_of_damage(media: make_media.Workshop, name: str) -> None:
    info = describe(media.get(name), count_frames=True)

    assert not info.warning_codes & _WHOLE_CODES, info.warnings


@pytest.mark.parametrize("name", _UNREADABLE)
def test_an_unreadable_clip_is_the_medias_fault(media: make_media.Workshop, name: str) -> None:
    with pytest.raises(MediaError) as raised:
        describe(media.get(name))

    assert raised.value.message.endswith((".", "!"))
    assert raised.value.code != "unknown"


@pytest.mark.parametrize("name", _CALLER)
def test_what_is_no_file_of_media_is_the_callers_fault(media: make_media.Workshop, name: str) -> None:
    with pytest.raises(CallerError):
        describe(media.get(name))


@pytest.mark.parametrize("name", _OTHER)
def test_a_damaged_or_hostile_clip_is_described_or_refused_but_never_worse(
    media: make_media.Workshop, name: str
) -> None:
    path = media.get(name)
    info = None
    with suppress(MediaError):
        info = describe(path)

    assert info is None or MediaInfo.model_validate_json(info.model_dump_json()) == info


def _claimed(facts: make_media.Facts) -> dict[str, object]:
    skipped = {"expect", "why", "cover_art", "frames", "missing_frames", "frame_range", "tags", "hdr"}
    found = {key: value for key, value in facts.items() if key not in skipped}
    for key in ("fps",):
        if key in found:
            found[key] = Fraction(str(found[key]))
    if "cover_art" in facts:
        found["cover_art"] = facts["cover_art"]
    if "range" in found:
        found["range"] = _RANGES[str(found["range"])]
    if "hdr" in facts:
        found["hdr"] = facts["hdr"]
    if "missing_frames" in facts:
        found["missing_frames"] = facts["missing_frames"]
    if "duration_s" in found:
        found["duration_s"] = True
    if "tags" in facts:
        found["tags"] = True
    return found


def _found(info: MediaInfo, facts: make_media.Facts) -> dict[str, object]:
    picture = info.primary_video
    values: dict[str, object] = {}
    for key in facts:
        if key in _OF_PICTURE:
            values[key] = getattr(picture, key)
        elif key in _OF_COLOUR:
            values[key] = getattr(picture.color, key) if picture else None
    values |= (
        {
            "format": facts["format"]
            if info.container.format in _FORMATS.get(facts.get("format", ""), {facts.get("format")})
            else info.container.format
        }
        if "format" in facts
        else {}
    )
    others: dict[str, object] = {
        "fps": picture.fps if picture else None,
        "range": picture.color.range if picture else None,
        "hdr": picture.hdr.format if picture and picture.hdr else None,
        "duration_s": info.duration_s is not None and abs(info.duration_s - facts.get("duration_s", 0)) < 0.1,
        "timecode": info.timecode.value if info.timecode else None,
        "drop_frame": info.timecode.drop_frame if info.timecode else None,
        "reel": info.reel,
        "audio_codecs": [a.codec for a in info.audio],
        "audio_channels": [a.channels for a in info.audio],
        "sample_rate": info.audio[0].sample_rate if info.audio else None,
        "languages": [a.language for a in info.audio],
        "subtitles": [s.codec for s in info.subtitles],
        "chapters": len(info.chapters),
        "cover_art": any(v.attached_picture for v in info.video),
        "missing_frames": [n for a, b in info.sequence.missing for n in range(a, b + 1)]
        if info.sequence
        else None,
        "tags": all(info.tags.get(k) == v for k, v in facts.get("tags", {}).items()),
        **_light(picture),
    }
    return values | {key: others[key] for key in facts if key in others}


def _light(picture: VideoStream | None) -> dict[str, object]:
    hdr = picture.hdr if picture else None
    return {
        "max_cll": hdr.content_light.max_cll if hdr and hdr.content_light else None,
        "max_fall": hdr.content_light.max_fall if hdr and hdr.content_light else None,
        "max_luminance": hdr.mastering.max_luminance if hdr and hdr.mastering else None,
    }
