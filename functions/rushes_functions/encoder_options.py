"""Options by which a caller, not the author, says what may encode: of every function here that encodes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from rushes.errors import CallerError
from rushes.media.planning.choice import parse_choice

__all__ = ["ENCODER", "FALLBACK", "EncoderText", "FallbackText"]

ENCODER = "What may encode: any, software, nvenc, netint, ama, qsv, vaapi; several with commas, in order."
FALLBACK = "When that fails: allow another, forbid it, or the least VMAF that another has to reach."


def _encoder(value: object) -> object:
    """``[nvenc, software]`` as a job file has it."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _known_encoder(value: str) -> str:
    _require(value, "allow")
    return value


def _known_fallback(value: str) -> str:
    _require("any", value)
    return value


def _require(encoder: str, fallback: str) -> None:
    try:
        parse_choice(encoder, fallback)
    except CallerError as error:
        raise ValueError(f"{error.message} {error.fix}") from error


EncoderText = Annotated[str, BeforeValidator(_encoder), AfterValidator(_known_encoder)]
FallbackText = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value),
    AfterValidator(_known_fallback),
]
