"""The table of what ffmpeg and the encoders say when they fail, in the order in which it is read.

Each row: the text that gives a failure away, who has to act (`errors`), a stable code, one sentence, the next
step, and what the encode core does about it (`action`). Texts are those of 5.1 and 9.0, captured or quoted
from public reports of drivers and cards. All text is searched, not its last line: the last lines are generic
("Conversion failed!"). This module is data only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from rushes.errors import CallerError, MediaError, PlatformError, RushesError

__all__ = [
    "BY_EXIT_STATUS",
    "FALSE_SUCCESS",
    "FRAMES_DUPLICATED",
    "GENERIC",
    "NAMED_FILES",
    "ROWS",
    "Action",
    "KnownFailure",
]

Action = Literal["fail", "retry", "busy", "fallback", "sick"]
"""``fail``: nothing else will help. ``retry``: later or elsewhere. ``busy``: the device is full, wait or take
another. ``fallback``: this device cannot do this job, another encoder can; the device is well. ``sick``: the
device needs care, give it no more work."""


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """One way to fail.

    In `sentence` ``{source}`` is the clip's name, ``{found}`` the text that matched, ``{file}`` the name of
    the file that the text is about.
    """

    code: str
    error: type[RushesError]
    action: Action
    pattern: re.Pattern[str]
    sentence: str
    fix: str = ""


def _row(  # noqa: PLR0917 - a table is read by its columns
    code: str,
    error: type[RushesError],
    action: Action,
    pattern: str,
    sentence: str,
    fix: str = "",
) -> KnownFailure:
    return KnownFailure(code, error, action, re.compile(pattern, re.IGNORECASE | re.MULTILINE), sentence, fix)


_SOFTWARE: Final = "Use a software encoder, or a machine whose device can do it."
_COPY_AGAIN: Final = "Copy it from the source again, or wait until its copy is complete."
_DEVICE: Final = "Look at the device's own health report; restart the container or the machine."

_SECURITY_AND_LIMITS: Final = (
    _row(
        "refused-format", MediaError, "fail",
        r"Format not on whitelist|Codec .* not on whitelist|Protocol '.*' not on whitelist|Unsafe file name"
        r"|not in allowed_segment_extensions|Not detecting m3u8/hls with non standard extension",
        "{source} is a playlist or refers to other files; only media that holds all of itself is opened.",
        "Give the media file itself.",
    ),
    _row(
        "over-limits", MediaError, "fail",
        r"Picture size \d+x\d+ (is invalid|exceeds specified max pixel count)"
        r"|Number of (streams|tracks) exceeds max_streams"
        # An index that claims millions of samples meets `-max_alloc` while the file is opened.
        r"|(Error opening input|^file:).*Cannot allocate memory",
        "{source} asks for more pixels, streams or memory than any camera makes.",
    ),
)  # fmt: skip

_DEVICES: Final = (
    _row(
        "encoder-busy", PlatformError, "busy",
        r"OpenEncodeSessionEx failed: out of memory \(10\)"
        r"|Create(Bitstream|Input)Buffer failed: out of memory"
        # A known double free of nvenc's start-up after the line above.
        r"|free\(\): invalid pointer"
        r"|CUDA_ERROR_OUT_OF_MEMORY|Failed creating CUDA context for NVENC: 0x2",
        "The GPU has no free encoder session or memory.",
        "Run fewer encodes on it at once.",
    ),
    _row(
        "encoder-unsupported", PlatformError, "fallback",
        r"(10 bit encode|YUV444P|Lossless encoding|B frames.*|Multiple reference frames|Weighted.*|lookahead"
        r"|Codec) (is |are )?not supported|Provided device doesn't support required NVENC features"
        r"|(Width|Height) \d+ exceeds \d+",
        "The GPU's encoder cannot do this format: {found}.", _SOFTWARE,
    ),
    _row(
        "no-device", PlatformError, "fallback",
        r"No (NVENC |CUDA )?capable devices found", "No capable GPU was found.", _SOFTWARE,
    ),
    _row(
        "driver-mismatch", PlatformError, "fallback",
        r"Driver does not support the required nvenc API version\. Required: [\d.]+ Found: [\d.]+",
        "The GPU's driver is older than this ffmpeg needs.",
        "Update the driver, or name an older ffmpeg in RUSHES_FFMPEG.",
    ),
    _row(
        "no-device", PlatformError, "fallback",
        r"Cannot load libcuda\.so|Cannot load libnvidia-encode|Could not dynamically load CUDA",
        "This machine has no NVIDIA driver.", _SOFTWARE,
    ),
    _row(
        "bad-encoder-option", CallerError, "fallback", r"InitializeEncoder failed: invalid param \(8\).*",
        "The GPU's encoder refuses these options: {found}.",
        "Change the profile's encoder options or size.",
    ),
    _row(
        "device-sick", PlatformError, "sick",
        r"cuInit\(0\) failed -> CUDA_ERROR_(UNKNOWN|NO_DEVICE|SYSTEM_NOT_READY)"
        r"|Failed to initialize NVML: (Unknown Error|Driver/library version mismatch)",
        "The GPU cannot be reached: {found}.", _DEVICE,
    ),
    _row(
        "device-decode", PlatformError, "fallback",
        r"cuvid(ParseVideoData|MapVideoFrame).*CUDA_ERROR_(UNKNOWN|LAUNCH_FAILED|ILLEGAL_ADDRESS)",
        "The GPU could not decode {source}.", "Decode in software.",
    ),
    _row(
        # Its decoder could not be set up: ffmpeg's own stepped in, so its scaler has nothing.
        "device-decode", PlatformError, "fallback",
        r"Impossible to convert between the formats supported by the filter",
        "The device did not decode {source}, and its filters can do nothing with what did.",
        "Decode in software.",
    ),
    _row(
        "encoder-failed", PlatformError, "fallback",
        r"Failed locking bitstream buffer: not enough buffer \(14\)",
        "The GPU's encoder gave up on {source}.", _SOFTWARE,
    ),
    _row(
        "encoder-failed", PlatformError, "retry",
        r"Failed (un)?locking bitstream buffer|resource register failed|EncodePicture failed"
        r"|generic error \(20\)|device does not exist|encoder busy|lock busy",
        "The GPU's encoder failed: {found}.", "It is tried again on another device.",
    ),
    _row(
        "device-sick", PlatformError, "sick", r"NVRM: Xid .*: (79|48|63|64|74|119|120|154)\b",
        "The GPU reported a fault: {found}.", _DEVICE,
    ),
    _row(
        "encoder-busy", PlatformError, "busy",
        r"NI_RETCODE_ERROR_RESOURCE_UNAVAILABLE|EXCEED_MAX_NUM_SESSIONS|VPU_RSRC_INSUFFICIENT"
        r"|WRITE_BUFFER_FULL|Unable to allocate MPSoC encoder session",
        "The encoder card has no free session.", "Run fewer encodes on it at once.",
    ),
    _row(
        "device-sick", PlatformError, "sick",
        r"VPU_RECOVERY|VPU_GENERAL_ERROR|NVME_CMD_FAILED|ERROR_OPEN_DEVICE|ni_device_open\(\) failed"
        r"|LOCK_DOWN_DEVICE",
        "The encoder card reported a fault: {found}.", _DEVICE,
    ),
    _row(
        "encoder-unsupported", PlatformError, "fallback",
        r"UNSUPPORTED_FW_VERSION|UNSUPPORTED_FEATURE|PARAM_ERROR_(WIDTH|HEIGHT|AREA)_TOO_(BIG|SMALL)"
        r"|pix_fmt .* not supported",
        "The encoder card cannot do this format: {found}.", _SOFTWARE,
    ),
    _row(
        "device-sick", PlatformError, "sick", r"MFX_ERR_DEVICE_(LOST|FAILED)|device failed \(-17\)",
        "The graphics device was lost: {found}.", _DEVICE,
    ),
    _row(
        "no-device", PlatformError, "fallback",
        r"No VA display found|Failed to create a VAAPI device"
        r"|Error (creating a|initializing an internal) MFX session"
        r"|Device creation failed: -\d+|No device available for decoder|DLL libamfrt\S* failed to open"
        r"|Failed to create\s+hardware device context",
        "This machine has no such hardware encoder: {found}.", _SOFTWARE,
    ),
)  # fmt: skip

# Before what is said of the source: a damaged clip is often read to its end, a full disk ends everything.
_DISK: Final = (
    _row(
        "disk-full", PlatformError, "retry", r"No space left on device|Disk quota exceeded",
        "The disk is full.", "Free some space; what has failed for good runs again with `rushes retry`.",
    ),
)  # fmt: skip

_SOURCES: Final = (
    _row(
        "not-media", MediaError, "fail",
        r"detected only with low score of 1\b", "{source} is not media, whatever its name says.",
        "Look at what the file holds.",
    ),
    _row(
        "truncated", MediaError, "fail", r"moov atom not found",
        "{source} has no index (moov atom): its end is missing, or it is still being written.", _COPY_AGAIN,
    ),
    _row(
        "damaged", MediaError, "fail",
        r"File ended prematurely|partial file|corrupt (decoded frame|input packet)"
        r"|error while decoding (MB|stream)|Error splitting the input into NAL units|Decoding error"
        r"|Error submitting packet|Packet corrupt|Cannot determine format of input"
        r"|Decode error rate .* exceeds maximum"
        # A track of sound that says neither rate nor channels meets a filter.
        r"|Neither number of channels nor channel layout specified|time_base to value 1/0",
        "{source} is damaged: {found}.", _COPY_AGAIN,
    ),
    _row(
        "no-decoder", MediaError, "fail",
        r"no decoder found for|Decoder \(codec .*\) not found|Decoding requested, but no decoder",
        "{source} holds a codec that this ffmpeg cannot decode.",
        "Name a build that can in RUSHES_FFMPEG.",
    ),
    _row(
        "not-media", MediaError, "fail",
        r"EBML header parsing failed"
        r"|^(?!.*(?:while decoding|Decoding error|submitting packet|Task finished|Terminating thread|"
        r"option|output)).*Invalid data found when processing input",
        "{source} cannot be opened as media.", _COPY_AGAIN,
    ),
)  # fmt: skip

_SETTINGS: Final = (
    _row(
        "output-exists", CallerError, "fail", r"File '.*' already exists\. Exiting",
        "The output is already there.", "Write to a name that is not taken.",
    ),
    _row(
        "bad-size", CallerError, "fail",
        r"(width|height) not divisible by 2|Picture width must be an integer multiple|is not multiple of",
        "The encoder refuses this size: {found}.", "Choose an even width and height.",
    ),
    _row(
        "bad-container", CallerError, "fail",
        r"codec not currently supported in container|Could not find tag for codec.*"
        r"|Unable to (choose an|find a suitable) output format.*|unsupported codec .* for container",
        "The container cannot hold this codec: {found}.", "Choose another container or codec.",
    ),
    _row(
        "bad-encoder-option", CallerError, "fail",
        r"x265 \[error\].*|Cannot open libx265 encoder|SVT \[Error\].*|Svt\[error\].*"
        r"|x264 \[error\]: (?!malloc of size).*|Error setting profile.*"
        r"|video parameters incompatible with DNxHD",
        "The encoder refuses its options: {found}.", "Change the profile's options or size.",
    ),
)  # fmt: skip

_MACHINE: Final = (
    _row(
        "out-of-memory", PlatformError, "retry",
        r"x264 \[error\]: malloc of size|Cannot allocate memory|get_buffer\(\) failed",
        "There was not enough memory for {source}.", "Give it more memory, or run fewer at once.",
    ),
    _row(
        "output-limit", MediaError, "fail", r"File too large",
        "{source} makes more output than its limit allows.", "Raise the limit if this size is right.",
    ),
    _row(
        "no-permission", PlatformError, "retry", r"Permission denied|Read-only file system",
        "A file may not be read or written: {found}.",
        "Look at the rights of the input and of the output folder.",
    ),
    _row(
        "not-a-file", CallerError, "fail", r"Is a directory", "A folder was given where a file is needed.",
    ),
    _row(
        "not-found", PlatformError, "retry", r"^.*No such file or directory",
        "{file} is not there, or its folder is not.",
        "Check that it still exists, and that the disk or share that it is on is still mounted.",
    ),
    _row(
        "bad-option", CallerError, "fail",
        r"Option not found|Unrecognized option.*|Unknown encoder.*|Encoder not found|No such filter.*"
        r"|Stream map .* matches no streams|Error parsing.*|No option name near.*"
        r"|Error initializing filters?.*|Error setting option.*|does not contain any stream",
        "ffmpeg refuses the options: {found}.", "Change the option that it names.",
    ),
    _row(
        "io-error", PlatformError, "retry",
        r"Connection (reset|timed out)|5\d\d Server Error|I/O error|Input/output error|Stale file handle",
        "Reading or writing failed: {found}.", "Look at the disk or the network mount.",
    ),
    _row(
        "interrupted", PlatformError, "retry",
        r"Exiting normally, received signal \d+|Immediate exit requested",
        "ffmpeg was told to stop from outside.", "It is tried again.",
    ),
)  # fmt: skip

# 5.1 with `-xerror` ends on a decoder's own words and adds none of its own: "[prores @ 0x…] invalid frame
# header". Read last, for some encoders go by the same names.
_DECODERS: Final = (
    _row(
        "damaged", MediaError, "fail",
        r"^\[(?:h264|hevc|mpeg[124]video|mpeg4|prores|dnxhd|dvvideo|mjpeg|jpeg2000|ffv1|cfhd|vp[89]|libdav1d"
        r"|av1|png|exr|dpx|tiff|aac|ac3|mp[23]float|flac|opus|vorbis) @ [^\]]+\] "
        r".*(?:invalid|wrong|damaged|mismatch|overread|corrupt|exceeds limit).*",
        "{source} is damaged: {found}.", _COPY_AGAIN,
    ),
    # A software decoder refuses a header that is wrong; the exit status then says 255, "interrupted".
    _row(
        "damaged", MediaError, "fail",
        r"(?:\[dec:(?!\S*(?:cuvid|_ni_|_qsv|_ama|_vaapi))[^\]]*\] |^)Error while opening decoder\b.*",
        "{source} is damaged: {found}.", _COPY_AGAIN,
    ),
)  # fmt: skip

_NOTHING: Final = (
    _row(
        "nothing-decoded", MediaError, "fail",
        # After an encoder or a filter that failed nothing is written either: no fault of the source.
        r"\A(?![\s\S]*Error while (?:opening encoder|filtering))[\s\S]*?"
        r"(?:Nothing was written into output file|Output file is empty, nothing was encoded)",
        "Nothing of {source} could be decoded.", _COPY_AGAIN,
    ),
)  # fmt: skip

ROWS: Final = (
    *_SECURITY_AND_LIMITS,
    *_DEVICES,
    *_DISK,
    *_SOURCES,
    *_SETTINGS,
    *_MACHINE,
    *_DECODERS,
    *_NOTHING,
)

NAMED_FILES: Final = (
    # From 6 on the line with the reason leaves the input's name to the next one.
    re.compile(r"^Error opening (?:input|output) file (.+)\.$", re.MULTILINE),
    re.compile(r"^(?:\[[^\]]*\] )?(?!.*Error opening)(.+): No such file or directory", re.MULTILINE),
)
"""Where a failing ffmpeg names the file that it is about."""

FRAMES_DUPLICATED: Final = re.compile(r"More than \d+ frames duplicated", re.IGNORECASE)

# Measured: 5.1 exits 0 when the trailer meets a full disk, and 9 when the output is already there.
FALSE_SUCCESS: Final = re.compile(
    r"Error (writing trailer|closing file)|File '.*' already exists\. Exiting", re.IGNORECASE
)

# 5.1 says 1 for everything; from 6 on it is the low byte of the error (183 = invalid data), as a last resort.
BY_EXIT_STATUS: Final = {
    69: "damaged", 183: "not-media", 228: "disk-full", 243: "no-permission", 244: "out-of-memory",
    254: "not-found", 251: "io-error", 8: "bad-option", 255: "interrupted",
}  # fmt: skip

# Lines that come after any failure and say nothing of it.
GENERIC: Final = re.compile(
    r"Conversion failed|Nothing was written|Task finished with error|Terminating thread|Last message repeated"
    r"|Error opening (input|output) files?\b|Error while opening encoder|Error marking filters"
    r"|left in the queue on closing"
    r"|^\s*$",
    re.IGNORECASE,
)
