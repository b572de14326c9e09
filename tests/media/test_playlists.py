"""A ladder's playlists and its codecs strings: golden text, nothing is opened."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from media.planned_ladder import planned

from rushes.media.ladders.codec_strings import codec_string
from rushes.media.ladders.manifest import Representation, corrected, read_manifest
from rushes.media.ladders.packaging import complaints
from rushes.media.ladders.playlists import Segment, Track, master_playlist, media_playlist

# -- codecs strings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "extradata", "expected"),
    [
        ("h264", "01640028ffe1", "avc1.640028"),
        ("hevc", "0101600000009000000000005df0", "hvc1.1.6.L93.90"),
        ("hevc", "0122200000009000000000009900", "hvc1.2.4.H153.90"),
        ("av1", "81050c00", "av01.0.05M.08"),
        ("av1", "81 2d cc 00", "av01.1.13H.10"),
        ("aac", "1190", "mp4a.40.2"),
        ("aac", "2b92", "mp4a.40.5"),
        ("aac", "f94a", "mp4a.40.42"),
        ("ac3", "", "ac-3"),
        ("opus", "", "Opus"),
    ],
)
def test_a_codecs_string_is_read_from_the_decoder_configuration(
    codec: str, extradata: str, expected: str
) -> None:
    assert codec_string(codec, bytes.fromhex(extradata)) == expected


@pytest.mark.parametrize(("codec", "extradata"), [("h264", b"\x01"), ("prores", b"12345678")])
def test_a_configuration_that_says_nothing_is_refused(codec: str, extradata: bytes) -> None:
    with pytest.raises(ValueError, match="no configuration"):
        codec_string(codec, extradata)


# -- playlists ----------------------------------------------------------------------------------------------


def _track(name: str = "720p", frames: tuple[int, ...] = (50, 50, 20), **changes: Any) -> Track:
    start = 0
    segments = []
    for number, count in enumerate(frames, start=1):
        segments.append(
            Segment(f"segments/0-{number:05}.m4s", 1000 * count, count, Fraction(start, 25),
                    Fraction(count, 25), independent=True)
        )  # fmt: skip
        start += count
    facts: dict[str, Any] = {"size": (1280, 720), "rate": Fraction(25)}
    return Track(name, "segments/0-init.mp4", "avc1.64001f", tuple(segments), **{**facts, **changes})


def test_a_media_playlist_is_a_finished_recording_with_exact_durations() -> None:
    assert media_playlist(_track()).splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-TARGETDURATION:2",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MAP:URI="segments/0-init.mp4"',
        "#EXTINF:2.000000,",
        "segments/0-00001.m4s",
        "#EXTINF:2.000000,",
        "segments/0-00002.m4s",
        "#EXTINF:0.800000,",
        "segments/0-00003.m4s",
        "#EXT-X-ENDLIST",
    ]


_HEARD = Segment("s", 16_000, 94, Fraction(), Fraction(2), independent=True)


def test_the_master_playlist_states_measured_rates_of_picture_and_sound_together() -> None:
    heard = Track("sound-1", "i", "mp4a.40.2", (_HEARD,), language="eng", channels=2)

    assert master_playlist([_track()], [heard]).splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        (
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="sound-1",LANGUAGE="eng",DEFAULT=YES,AUTOSELECT=YES,'
            'CHANNELS="2",URI="sound-1.m3u8"'
        ),
        (
            '#EXT-X-STREAM-INF:BANDWIDTH=264000,AVERAGE-BANDWIDTH=264000,CODECS="avc1.64001f,mp4a.40.2",'
            'RESOLUTION=1280x720,FRAME-RATE=25.000,VIDEO-RANGE=SDR,AUDIO="sound"'
        ),
        "720p.m3u8",
    ]


@pytest.mark.parametrize("language", ['en"\n#EXT-X-KEY:METHOD=NONE', "", "e" * 40])
def test_a_language_that_is_no_code_stays_out_of_the_playlist(language: str) -> None:
    heard = Track("sound-1", "i", "mp4a.40.2", (_HEARD,), language=language)

    text = master_playlist([_track()], [heard])

    assert "LANGUAGE" not in text
    assert "EXT-X-KEY" not in text


def _listed(*durations: int) -> Representation:
    names = tuple(f"segments/0-{n:05}.m4s" for n in range(1, len(durations) + 1))
    return Representation(0, "segments/0-init.mp4", names, tuple(Fraction(d, 25) for d in durations))


def test_a_package_that_is_as_planned_has_no_complaint() -> None:
    track, listed = _track(), _listed(50, 50, 20)

    assert list(complaints(planned(720), [track], [], [listed], frames=50)) == []


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (_track("360p", (50, 70)), "not 50 pictures"),
        (_track("360p", (50, 50, 10)), "other segments"),
        (replace(_track("360p"), segments=tuple(replace(s, independent=False) for s in _track().segments)),
         "key frame"),
        (replace(_track("360p"), segments=(replace(_track().segments[0], duration=Fraction(3)),
                                           *_track().segments[1:])), "lasts"),
    ],
)  # fmt: skip
def test_rungs_that_do_not_match_are_complained_of(other: Track, word: str) -> None:
    listed = [_listed(50, 50, 20)] * 2

    found = list(complaints(planned(720), [_track(), other], [], listed, frames=50))

    assert any(word in complaint for complaint in found)


_MPD = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT4.8S"><Period><AdaptationSet>
<Representation id="0" codecs="" bandwidth="1"><SegmentTemplate timescale="25" startNumber="1"
 initialization="segments/$RepresentationID$-init.mp4" media="segments/$RepresentationID$-$Number%05d$.m4s">
<SegmentTimeline><S t="0" d="50" r="1" /><S d="20" /></SegmentTimeline>
</SegmentTemplate></Representation></AdaptationSet></Period></MPD>"""


def test_a_manifest_is_read_segment_by_segment() -> None:
    assert read_manifest(_MPD) == (_listed(50, 50, 20),)


def test_a_manifest_is_corrected_where_the_muxer_says_too_little() -> None:
    text = corrected(_MPD, codecs={0: "hvc1.1.6.L93.90"}, bits={0: 250}, duration=Fraction(48001, 10000))

    assert 'codecs="hvc1.1.6.L93.90"' in text
    assert 'bandwidth="250"' in text
    assert 'mediaPresentationDuration="PT4.801S"' in text
    assert read_manifest(text) == read_manifest(_MPD)


@pytest.mark.parametrize("text", ["", "<MPD", _MPD.replace("startNumber", "x").replace("timescale", "y")])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no manifest"):
        read_manifest(text)
