# ruff: noqa: E501 - the lines of drivers are quoted whole
"""What ffmpeg and the drivers of encoders say when they fail, for the stand-in to say it.

NVENC's lines are those of FFmpeg's nvenc.c and of public reports, NETINT's and AMD's names those of their
public headers; no test machine has such a card. Standard library only: the stand-in reads this at each start.
"""

from __future__ import annotations

import signal
from typing import Final, NamedTuple

__all__ = ["FAILURES", "Failure", "stderr_of"]


class Failure(NamedTuple):
    """One way to fail: lines, and how the process ends. `{encoder}` stands for the encoder's name.

    Args:
        lines: what is said, without the generic lines that follow.
        status: exit status of ffmpeg 6 and later; before that it is 1 for everything.
        signal: it dies of this signal instead.
        code: what `dialect.classify` must make of it.
        action: and what must be done then.
    """

    lines: tuple[str, ...]
    code: str
    action: str
    status: int = 187
    signal: int = 0


_ENCODER: Final = "[{encoder} @ 0x55d0c0ffee00] "
_NONE: Final = f"{_ENCODER}No capable devices found"

FAILURES: Final[dict[str, Failure]] = {
    # NVENC
    "sessions": Failure((f"{_ENCODER}OpenEncodeSessionEx failed: out of memory (10): (no details)", _NONE), "encoder-busy", "busy"),
    "bitstream-buffer": Failure((f"{_ENCODER}CreateBitstreamBuffer failed: out of memory (10): (no details)",), "encoder-busy", "busy", 244),
    "double-free": Failure((f"{_ENCODER}CreateInputBuffer failed: out of memory (10): (no details)", "free(): invalid pointer"), "encoder-busy", "busy", signal=signal.SIGABRT),
    "cuda-memory": Failure(("[AVHWDeviceContext @ 0x55d0c0ffee00] cu->cuCtxCreate(&hwctx->cuda_ctx, desired_flags, hwctx->internal->cuda_device) failed -> CUDA_ERROR_OUT_OF_MEMORY: out of memory",), "encoder-busy", "busy"),
    "no-10-bit": Failure((f"{_ENCODER}10 bit encode not supported", _NONE), "encoder-unsupported", "fallback"),
    "no-codec": Failure((f"{_ENCODER}Codec not supported", f"{_ENCODER}Provided device doesn't support required NVENC features"), "encoder-unsupported", "fallback", 218),
    "too-wide": Failure((f"{_ENCODER}Width 8192 exceeds 4096", _NONE), "encoder-unsupported", "fallback"),
    "no-device": Failure((_NONE,), "no-device", "fallback"),
    "old-driver": Failure((f"{_ENCODER}Driver does not support the required nvenc API version. Required: 13.0 Found: 12.1", f"{_ENCODER}The minimum required Nvidia driver for nvenc is 570.0 or newer"), "driver-mismatch", "fallback", 218),
    "no-driver": Failure((f"{_ENCODER}Cannot load libcuda.so.1",), "no-device", "fallback", 255),
    "bad-preset": Failure((f"{_ENCODER}InitializeEncoder failed: invalid param (8): Preset P1 to P7 not supported with older 2 Pass RC Modes.",), "bad-encoder-option", "fallback", 234),
    "gpu-lost": Failure(("[AVHWDeviceContext @ 0x55d0c0ffee00] cu->cuInit(0) failed -> CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected",), "device-sick", "sick"),
    "nvml": Failure(("Failed to initialize NVML: Driver/library version mismatch",), "device-sick", "sick", 18),
    "cuvid": Failure(("[h264_cuvid @ 0x55d0c0ffee00] ctx->cvdl->cuvidParseVideoData(ctx->cuparser, &cupkt) failed -> CUDA_ERROR_UNKNOWN: unknown error",), "device-decode", "fallback"),
    "buffer-too-small": Failure((f"{_ENCODER}Failed locking bitstream buffer: not enough buffer (14): (no details)",), "encoder-failed", "fallback", 244),
    "encode-picture": Failure((f"{_ENCODER}EncodePicture failed!: generic error (20): (no details)",), "encoder-failed", "retry"),
    "lost": Failure((f"{_ENCODER}Failed locking bitstream buffer: device does not exist (6): (no details)",), "encoder-failed", "retry", 251),
    "xid": Failure(("NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=ffmpeg, GPU has fallen off the bus.",), "device-sick", "sick"),
    # What nobody has a name for
    "strange": Failure(("Error while filtering: Internal bug, should not have happened",), "tool-failed", "retry"),
    # NETINT
    "ni-busy": Failure((f"{_ENCODER}ni_device_session_open() failed: NI_RETCODE_ERROR_RESOURCE_UNAVAILABLE",), "encoder-busy", "busy", 251),
    "ni-sick": Failure((f"{_ENCODER}Error: ni_device_open() failed, NI_RETCODE_ERROR_OPEN_DEVICE",), "device-sick", "sick", 251),
    "ni-recovery": Failure((f"{_ENCODER}ni_device_session_write() failed: NI_RETCODE_ERROR_VPU_RECOVERY",), "device-sick", "sick", 251),
    "ni-unsupported": Failure((f"{_ENCODER}NI_RETCODE_ERROR_UNSUPPORTED_FEATURE",), "encoder-unsupported", "fallback", 234),
    # AMD
    "mpsoc": Failure((f"{_ENCODER}Unable to allocate MPSoC encoder session",), "encoder-busy", "busy", 244),
    # VA-API and Quick Sync
    "no-display": Failure(("[AVHWDeviceContext @ 0x55d0c0ffee00] No VA display found for device: /dev/dri/renderD128.", "Device creation failed: -22."), "no-device", "fallback", 234),
    "mfx": Failure((f"{_ENCODER}Error creating a MFX session: -9.",), "no-device", "fallback", 171),
    "mfx-lost": Failure((f"{_ENCODER}Error during encoding: device failed (-17)",), "device-sick", "sick", 251),
}  # fmt: skip

_AFTER: Final = {
    9: ("[vost#0:0/{encoder} @ 0x55d0c0ffee40] Error while opening encoder - maybe incorrect parameters such as bit_rate, rate, width or height.",
        "[vf#0:0 @ 0x55d0c0ffee80] Task finished with error code: -542398533 (Generic error in an external library)",
        "[out#0/mp4 @ 0x55d0c0ffeec0] Nothing was written into output file, because at least one of its streams received no packets."),
    5: ("Error initializing output stream 0:0 -- Error while opening encoder for output stream #0:0 - maybe incorrect parameters such as bit_rate, rate, width or height",),
}  # fmt: skip


def stderr_of(failure: Failure, encoder: str, major: int, *, opening: bool) -> str:
    """All that a failing ffmpeg says, with the generic lines of its version."""
    lines = list(failure.lines)
    if opening:
        lines += _AFTER[9 if major >= 6 else 5]
    return "".join(f"{line.replace('{encoder}', encoder)}\n" for line in [*lines, "Conversion failed!"])
