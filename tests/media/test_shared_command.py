"""Several ffmpeg commands as one: which are put together, and what becomes of their words."""

from __future__ import annotations

import pytest

from rushes.media.running.shared_command import Command, groups, merged, parse_command

HEAD = ("/opt/ffmpeg", "-hide_banner", "-nostdin", "-v", "warning", "-progress", "pipe:1", "-nostats")
ENCODE = [
    *HEAD, "-stats_period", "0.25", "-xerror", "-max_error_rate", "0", "-filter_complex_threads", "4",
    "-threads", "4", "-protocol_whitelist", "file", "-i", "file:/a.mov",
    "-filter_complex", "[0:0]scale=w=640[s0];[s0]setsar=sar=1/1[s1]",
    "-map", "[s1]", "-map", "0:2", "-c:v", "libx264", "-map_metadata", "0", "-y", "file:/out/a.mov",
]  # fmt: skip
STILLS = [
    *HEAD, "-threads", "2", "-protocol_whitelist", "file", "-i", "file:/a.mov",
    "-filter_complex_threads", "2", "-filter_complex", r"[0:0]select=expr=gte(t\,1)[s0];[s0]scale=w=320[s1]",
    "-y", "-map", "[s1]", "-c:v", "mjpeg", "-map_metadata", "-1", "file:/out/a/%05d.jpg",
]  # fmt: skip
KEYS = [*HEAD, "-threads", "2", "-skip_frame", "nokey", *STILLS[10:]]


def parsed(argv: list[str]) -> Command:
    command = parse_command(argv)
    assert command is not None
    return command


def test_commands_that_open_a_file_alike_share_its_decoder_and_keep_their_own_graphs() -> None:
    assert merged([parsed(ENCODE), parsed(STILLS)]) == [
        "/opt/ffmpeg", "-hide_banner", "-nostdin", "-v", "warning", "-progress", "pipe:1", "-nostats",
        "-stats_period", "0.25", "-xerror", "-max_error_rate", "0", "-filter_complex_threads", "4",
        "-threads", "4", "-protocol_whitelist", "file", "-i", "file:/a.mov",
        "-filter_complex", "[0:0]scale=w=640[p0s0];[p0s0]setsar=sar=1/1[p0s1]",
        "-filter_complex", r"[0:0]select=expr=gte(t\,1)[p1s0];[p1s0]scale=w=320[p1s1]",
        "-y",
        "-map", "[p0s1]", "-map", "0:2", "-c:v", "libx264", "-map_metadata", "0", "file:/out/a.mov",
        "-map", "[p1s1]", "-c:v", "mjpeg", "-map_metadata", "-1", "file:/out/a/%05d.jpg",
    ]  # fmt: skip


def test_a_command_that_decodes_otherwise_has_an_input_of_its_own() -> None:
    argv = merged([parsed(ENCODE), parsed(KEYS)])

    assert argv.count("-i") == 2
    assert argv[argv.index("-skip_frame") + 1 : argv.index("-skip_frame") + 6] == [
        "nokey", "-protocol_whitelist", "file", "-i", "file:/a.mov",
    ]  # fmt: skip
    assert any(word.startswith("[1:0]select") for word in argv)
    assert argv[argv.index("[p1s1]") + 1 :] == [
        "-c:v", "mjpeg", "-map_metadata", "-1", "file:/out/a/%05d.jpg",
    ]  # fmt: skip


def test_text_in_a_graph_that_looks_like_a_label_is_left_alone() -> None:
    quoted = [word.replace("scale=w=320", r"drawtext=text=\[0:0\]") for word in STILLS]

    (graph,) = [word for word in merged([parsed(ENCODE), parsed(quoted)]) if "drawtext" in word]

    assert r"text=\[0:0\][p1s1]" in graph


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([w.replace("/a.mov", "/b.mov") for w in STILLS], id="another file"),
        pytest.param(["/usr/bin/ffmpeg", *STILLS[1:]], id="another build"),
        pytest.param([*HEAD[:3], "-v", "info", *STILLS[5:]], id="another log level"),
        pytest.param([*HEAD, "-max_error_rate", "1", *STILLS[8:]], id="damage allowed"),
        pytest.param([*HEAD, "-ss", "2", *ENCODE[8:]], id="another part, with the input's metadata"),
    ],
)
def test_what_cannot_be_put_together_runs_by_itself(other: list[str]) -> None:
    commands = [parse_command(ENCODE), parse_command(other)]

    assert groups(commands) == [[0], [1]]


@pytest.mark.parametrize(
    "argv",
    [
        ["/usr/bin/exiftool", "-i", "a.mov"],
        [*HEAD, "-i", "a.mov", "-i", "b.mov", "out.mov"],
        [*ENCODE[:-1], "-pass", "1", "-f", "null", "-"],
        [*HEAD, "-i", "a.mov", "-map", "0", "-map", "-0:1", "out.mov"],
    ],
)
def test_a_command_that_is_not_of_that_kind_is_not_taken_apart(argv: list[str]) -> None:
    assert parse_command(argv) is None


def test_commands_join_the_first_group_that_takes_them() -> None:
    commands = [parse_command(ENCODE), None, parse_command(STILLS), parse_command(KEYS)]

    assert groups(commands) == [[0, 2, 3], [1]]


def test_a_graph_names_a_file_by_the_whole_of_its_name() -> None:
    command = parsed(
        [word.replace("scale=w=640", "lut3d=file=look.cube,scale=out_range=pc") for word in ENCODE]
    )

    assert command.reads_staged("look.cube")
    assert not any(command.reads_staged(name) for name in ("out", "look", "cube", "ook.cube"))


def test_files_beside_two_commands_may_have_one_name_only_where_they_are_the_same() -> None:
    commands = [parse_command(ENCODE), parse_command(STILLS)]

    assert groups(commands, [{"lut.cube": "link /x"}, {"lut.cube": "link /x"}]) == [[0, 1]]
    assert groups(commands, [{"lut.cube": "link /x"}, {"lut.cube": "link /y"}]) == [[0], [1]]
