# ruff: noqa: E501 - the lines of drivers are quoted whole
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from rushes.errors import error_from_dict
from rushes.media.running.dialect import claims_success_falsely, classify, damage_in
from rushes.media.running.failures import ROWS, KnownFailure
from rushes.media.running.process import ToolRun
from rushes.media.running.redact import redact

# Real runs of 9.0.2 and 5.1.9, "<case>/<major>".
CAPTURED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "captured_failures.json").read_text()
)

# case: kind, code, action
MEANING = {
    "moov": ("media", "truncated", "fail"),
    "cut_fast_xerror": ("media", "damaged", "fail"),
    "flip_rate0": ("media", "damaged", "fail"),
    "flip_xerror": ("media", "damaged", "fail"),
    "random": ("media", "not-media", "fail"),
    "soundless": ("media", "damaged", "fail"),
    "zeros": ("media", "not-media", "fail"),
    "text": ("media", "not-media", "fail"),
    "hls": ("media", "refused-format", "fail"),
    "concat": ("media", "refused-format", "fail"),
    "dash": ("media", "refused-format", "fail"),
    "bigpng": ("media", "over-limits", "fail"),
    "hugepng": ("media", "over-limits", "fail"),
    "svt": ("caller", "bad-option", "fail"),
    "noenc": ("caller", "bad-option", "fail"),
    "noopt": ("caller", "bad-option", "fail"),
    "nomap": ("caller", "bad-option", "fail"),
    "nofilter": ("caller", "bad-option", "fail"),
    "badfilt": ("caller", "bad-option", "fail"),
    "noinput": ("platform", "not-found", "retry"),
    "dirinput": ("caller", "not-a-file", "fail"),
    "nodir": ("platform", "not-found", "retry"),
    "exists": ("caller", "output-exists", "fail"),
    "nvenc": ("platform", "no-device", "fallback"),
    "vaapi": ("platform", "no-device", "fallback"),
    "qsv": ("platform", "no-device", "fallback"),
    "offcard": ("platform", "device-decode", "fallback"),
    "cudadec": ("platform", "no-device", "fallback"),
    "profile": ("caller", "bad-encoder-option", "fail"),
    "muxer": ("caller", "bad-container", "fail"),
    "codecinmux": ("caller", "bad-container", "fail"),
    "dnx": ("caller", "bad-encoder-option", "fail"),
    "novideo": ("media", "not-media", "fail"),
    "yuv444prores": ("caller", "bad-option", "fail"),
    "devfull": ("platform", "disk-full", "retry"),
    "nodecoder": ("media", "no-decoder", "fail"),
    "nomemory": ("platform", "out-of-memory", "retry"),
    "toolarge": ("media", "output-limit", "fail"),
    "readonly": ("platform", "no-permission", "retry"),
    "eio": ("platform", "io-error", "retry"),
    "term": ("platform", "interrupted", "retry"),
    "badheader": ("media", "damaged", "fail"),
    "aac_bands": ("media", "damaged", "fail"),
    "prores_header": ("media", "damaged", "fail"),
    "max_streams": ("media", "over-limits", "fail"),
    "svtopt": ("caller", "bad-encoder-option", "fail"),
    "ebml": ("media", "not-media", "fail"),
    "empty": ("media", "nothing-decoded", "fail"),
    "hwenc_amf/9": ("platform", "no-device", "fallback"),
    "hwenc_amf/5": ("caller", "bad-option", "fail"),
}

# case: the file that is not there.
MISSING = {"noinput": "/clips/missing.mp4", "nodir": "nodir/o.mp4"}

# Lines quoted from public reports of drivers and cards, which no test machine has.
QUOTED = [
    ("[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: out of memory (10): (no details)", "encoder-busy", "busy"),
    (
        "[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: out of memory (10)\n[h264_nvenc @ 0x1] No capable devices found",
        "encoder-busy",
        "busy",
    ),
    ("[hevc_nvenc @ 0x1] CreateBitstreamBuffer failed: out of memory (10)", "encoder-busy", "busy"),
    ("CreateInputBuffer failed: out of memory (10)\nfree(): invalid pointer", "encoder-busy", "busy"),
    ("[AVHWDeviceContext @ 0x1] cu->cuCtxCreate() failed -> CUDA_ERROR_OUT_OF_MEMORY: out of memory", "encoder-busy", "busy"),
    ("Failed creating CUDA context for NVENC: 0x2", "encoder-busy", "busy"),
    ("[hevc_nvenc @ 0x1] 10 bit encode not supported\nNo capable devices found", "encoder-unsupported", "fallback"),
    ("[h264_nvenc @ 0x1] YUV444P not supported", "encoder-unsupported", "fallback"),
    ("[av1_nvenc @ 0x1] Codec not supported", "encoder-unsupported", "fallback"),
    ("Provided device doesn't support required NVENC features", "encoder-unsupported", "fallback"),
    ("[h264_nvenc @ 0x1] Width 5120 exceeds 4096", "encoder-unsupported", "fallback"),
    ("[h264_nvenc @ 0x1] No NVENC capable devices found", "no-device", "fallback"),
    (
        "Driver does not support the required nvenc API version. Required: 12.1 Found: 11.1",
        "driver-mismatch",
        "fallback",
    ),
    ("Cannot load libnvidia-encode.so.1", "no-device", "fallback"),
    ("InitializeEncoder failed: invalid param (8): Invalid Level.", "bad-encoder-option", "fallback"),
    ("cu->cuInit(0) failed -> CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected", "device-sick", "sick"),
    ("Failed to initialize NVML: Driver/library version mismatch", "device-sick", "sick"),
    (
        "ctx->cvdl->cuvidParseVideoData(ctx->cuparser, &cupkt) failed -> CUDA_ERROR_UNKNOWN: unknown error",
        "device-decode",
        "fallback",
    ),
    ("Failed locking bitstream buffer: not enough buffer (14)", "encoder-failed", "fallback"),
    ("[h264_nvenc @ 0x1] EncodePicture failed!: generic error (20)", "encoder-failed", "retry"),
    ("NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, GPU has fallen off the bus.", "device-sick", "sick"),
    ("ni_device_session_open() returned NI_RETCODE_ERROR_RESOURCE_UNAVAILABLE", "encoder-busy", "busy"),
    ("Error: ni_device_open() failed", "device-sick", "sick"),
    ("NI_RETCODE_PARAM_ERROR_WIDTH_TOO_BIG", "encoder-unsupported", "fallback"),
    ("Unable to allocate MPSoC encoder session", "encoder-busy", "busy"),
    ("Failed to create a VAAPI device", "no-device", "fallback"),
    ("Error during encoding: device failed (-17)", "device-sick", "sick"),
    ("[matroska,webm @ 0x1] EBML header parsing failed", "not-media", "fail"),
    ("[matroska,webm @ 0x1] File ended prematurely", "damaged", "fail"),
    ("[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] stream 0, offset 0x1a2b: partial file", "damaged", "fail"),
    ("Error splitting the input into NAL units.", "damaged", "fail"),
    ("[dec:h264 @ 0x1] Decode error rate 0.9 exceeds maximum 0.666667", "damaged", "fail"),
    ("Decoding requested, but no decoder found for: none", "no-decoder", "fail"),
    ("[libx264 @ 0x1] width not divisible by 2 (321x181)", "bad-size", "fail"),
    ("x265 [error]: Invalid profile", "bad-encoder-option", "fail"),
    ("Svt[error]: Instance 1: QP must be [0 - 63]", "bad-encoder-option", "fail"),
    ("x264 [error]: malloc of size 1081345 failed", "out-of-memory", "retry"),
    ("[h264 @ 0x1] get_buffer() failed", "out-of-memory", "retry"),
    ("[in#0 @ 0x1] Error opening input: Cannot allocate memory", "over-limits", "fail"),
    ("Number of streams exceeds max_streams parameter (256)", "over-limits", "fail"),
    ("[out#0/mp4 @ 0x1] Error writing trailer: No space left on device", "disk-full", "retry"),
    ("[h264 @ 0x1] corrupt decoded frame\nav_interleaved_write_frame(): No space left on device", "disk-full", "retry"),
    ("/mnt/out/a.mp4: Read-only file system", "no-permission", "retry"),
    ("av_interleaved_write_frame(): Input/output error", "io-error", "retry"),
    ("Exiting normally, received signal 15.", "interrupted", "retry"),
    ("More than 1000 frames duplicated", "timestamps", "fail"),
    ("Nothing was written into output file, because at least one of its streams received no packets.", "nothing-decoded", "fail"),
]  # fmt: skip


def failed(stderr: str = "", status: int = 1, stopped: str | None = None, tool: str = "ffmpeg") -> ToolRun:
    argv = (f"/opt/{tool}", "-i", "file:/clips/A001.mov", "file:/out/a.mp4")
    return ToolRun(argv, status, 12.0, 3.0, stderr, None, cast("Any", stopped), "", Path("/logs/1.log"))


@pytest.mark.parametrize("case", CAPTURED)
def test_each_captured_failure_has_its_meaning(case: str) -> None:
    name, _, major = case.partition("/")
    found = CAPTURED[case]
    error = classify(failed(found["stderr"], found["exit_status"]), int(major))
    assert (error.kind, error.code, error.details["action"]) == MEANING.get(case, MEANING.get(name))
    assert "\n" not in error.message
    assert error.message.endswith(".")
    assert "0x" not in error.message
    assert len(error.message) < 400


@pytest.mark.parametrize("case", [case for case in CAPTURED if case.partition("/")[0] in MISSING])
def test_what_is_not_there_is_named(case: str) -> None:
    name, _, major = case.partition("/")
    found = CAPTURED[case]

    error = classify(failed(found["stderr"], found["exit_status"]), int(major))

    assert error.message == f"{MISSING[name]} is not there, or its folder is not."


def test_where_nothing_names_what_is_not_there_it_is_the_source() -> None:
    error = classify(failed("[AVFilterGraph @ 0x1] Error opening input: No such file or directory"))

    assert error.message == "A001.mov is not there, or its folder is not."


@pytest.mark.parametrize(("text", "code", "action"), QUOTED)
def test_each_quoted_failure_has_its_meaning(text: str, code: str, action: str) -> None:
    error = classify(failed(text))
    assert (error.code, error.details["action"]) == (code, action)


def test_every_row_of_the_table_is_met_by_some_text() -> None:
    texts = [found["stderr"] for found in CAPTURED.values()] + [text for text, _, _ in QUOTED]

    unmet = [row.pattern.pattern for row in ROWS if not any(_first(text) is row for text in texts)]

    assert not unmet


# What no test machine has: cards, their drivers, and an encoder so old that it refuses odd sizes.
_ONLY_QUOTED = {
    "bad-encoder-option", "bad-size", "device-decode", "device-sick", "driver-mismatch", "encoder-busy",
    "encoder-failed", "encoder-unsupported", "no-device",
}  # fmt: skip


def test_every_row_that_needs_no_card_is_met_by_the_text_of_a_real_run() -> None:
    real = {id(_first(found["stderr"])) for found in CAPTURED.values()}

    assert {row.code for row in ROWS if id(row) not in real} <= _ONLY_QUOTED


def test_what_software_makes_of_a_real_run_is_never_left_unnamed() -> None:
    unnamed = [case for case, found in CAPTURED.items() if _first(found["stderr"]) is None]

    assert unnamed == []


def _first(text: str) -> KnownFailure | None:
    return next((row for row in ROWS if row.pattern.search(text)), None)


@pytest.mark.parametrize(
    ("stopped", "kind", "code"),
    [
        ("cancelled", "cancelled", "cancelled"),
        ("stalled", "platform", "stalled"),
        ("timeout", "platform", "timeout"),
        ("memory", "platform", "memory-limit"),
        ("output", "media", "output-limit"),
    ],
)
def test_our_own_reason_comes_before_any_text(stopped: str, kind: str, code: str) -> None:
    error = classify(failed("moov atom not found", 255, stopped))
    assert (error.kind, error.code) == (kind, code)


def test_a_gap_filled_with_frames_until_a_limit_is_the_medias_fault() -> None:
    error = classify(failed("More than 1000 frames duplicated", -25, "output"))
    assert (error.kind, error.code) == ("media", "timestamps")


@pytest.mark.parametrize(
    ("status", "major", "code"),
    [
        (-9, 9, "killed"),
        (137, 9, "killed"),
        (-11, 9, "crashed"),
        (139, 5, "crashed"),
        (134, 9, "crashed"),
        (228, 9, "disk-full"),
        (244, 9, "out-of-memory"),
        (69, 5, "damaged"),
        (255, 5, "interrupted"),
        (183, 9, "not-media"),
        (183, 5, "tool-failed"),
        (1, 5, "tool-failed"),
    ],
)
def test_without_text_the_exit_status_is_all_there_is(status: int, major: int, code: str) -> None:
    assert classify(failed("", status), major).code == code


def test_what_nobody_has_seen_before_is_told_by_its_last_line_of_meaning() -> None:
    error = classify(failed("[x @ 0x55aa] the moon is in the way\nConversion failed!\n\n", 1), 5)
    assert (error.kind, error.code) == ("platform", "tool-failed")
    assert error.message == "ffmpeg failed on A001.mov with exit status 1: the moon is in the way"


def test_another_tools_exit_status_is_its_own() -> None:
    error = classify(failed("", 228, tool="transkoder"), 9)
    assert (error.code, error.message) == (
        "tool-failed",
        "transkoder failed on A001.mov with exit status 228.",
    )


def test_an_error_carries_its_data_and_travels() -> None:
    error = classify(failed("moov atom not found", 183), 9)
    assert error.details["argv"][0] == "/opt/ffmpeg"
    assert error.details["exit_status"] == 183
    assert error.details["stderr_tail"] == "moov atom not found"
    assert error.details["log"] == "/logs/1.log"
    assert error_from_dict(json.loads(json.dumps(error.to_dict()))).code == "truncated"


def test_a_clips_name_cannot_break_the_sentence() -> None:
    argv = ("/opt/ffmpeg", "-i", "file:/x/a\n\x1b[31mb{found}.mov")
    run = ToolRun(argv, 1, 1.0, 1.0, "moov atom not found")
    assert classify(run).message.startswith("a b{found}.mov has no index")


@pytest.mark.parametrize(
    ("text", "is_false"),
    [
        ("Error writing trailer of /dev/full: No space left on device", True),
        ("File 'o.mp4' already exists. Exiting.", True),
        ("deprecated pixel format used", False),
    ],
)
def test_success_is_not_believed_against_the_text(text: str, *, is_false: bool) -> None:
    assert claims_success_falsely(failed(text, 0)) is is_false


@pytest.mark.parametrize(
    ("text", "damage"),
    [
        ("[matroska,webm @ 0x1] File ended prematurely", "File ended prematurely"),
        ("[h264 @ 0x1] error while decoding MB 0 10, bytestream 496", "error while decoding MB"),
        ("[aac @ 0x1] 2 frames left in the queue on closing", None),
        ("", None),
    ],
)
def test_damage_is_read_from_a_run_that_ended_with_0(text: str, damage: str | None) -> None:
    assert damage_in(failed(text, 0)) == damage


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("GET https://b.s3.amazonaws.com/k.mov?X-Amz-Signature=abc&X=1 403", "GET https://b.s3.amazonaws.com/k.mov?[redacted] 403"),
        ("s3+x://u:p@host/a#frag", "s3+x://[redacted]@host/a?[redacted]"),
        ("X-Amz-Security-Token: abc", "X-Amz-Security-Token: [redacted]"),
        ("'http://h/a?sig=1'", "'http://h/a?[redacted]'"),
        ("a\x1b]0;title\x07b\x1b[2Jc\rd", "abc\nd"),
        ("why? because", "why? because"),
    ],
)  # fmt: skip
def test_secrets_and_control_characters_are_taken_out(text: str, kept: str) -> None:
    assert redact(text) == kept
