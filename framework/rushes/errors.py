"""Every error that Rushes raises, split by who has to act.

    RushesError
    ├── CallerError      the call is wrong: fix the argument, the path, the function. Never retried.
    ├── MediaError       the media is at fault: damaged, hostile, unsupported. Never retried.
    ├── PlatformError    this machine is at fault: disk, memory, a slot, a tool. Retried with back-off.
    └── PolicyError      refused on purpose: a deadline, a budget, a class. Held or failed, not retried.

`Cancelled` stands beside the tree: it is nobody's fault. An error carries data, so that a person reads
one sentence and a program reads `code` and `details`. This module must not know what raises them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

Kind = Literal["caller", "media", "platform", "policy", "cancelled"]

__all__ = [
    "CallerError",
    "Cancelled",
    "Kind",
    "MediaError",
    "PlatformError",
    "PolicyError",
    "RushesError",
    "error_from_dict",
]


class RushesError(Exception):
    """An error with a stable code, one clear sentence and the next step.

    Args:
        message: what happened, naming the thing and the value.
        code: a stable lower-case word for programs, e.g. ``not-found``, ``truncated``, ``disk-full``.
        fix: what the reader can do next; empty when there is nothing to do.
        details: JSON-able data: for ffmpeg the argv, the exit status, a bounded tail of stderr.
    """

    kind: ClassVar[Kind] = "platform"

    def __init__(
        self, message: str, *, code: str, fix: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.fix = fix
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip() if self.fix else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.to_dict()))

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON-able data; `error_from_dict` is its inverse."""
        return {
            "kind": self.kind,
            "code": self.code,
            "message": self.message,
            "fix": self.fix,
            "details": self.details,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            str(data.get("message", "")),
            code=str(data.get("code", "unknown")),
            fix=str(data.get("fix", "")),
            details=data.get("details") or {},
        )


class CallerError(RushesError):
    """The caller's mistake: a wrong option, a missing file, a function that cannot be imported."""

    kind = "caller"


class MediaError(RushesError):
    """The media is at fault: damaged, hostile, unsupported, or changed while it was read."""

    kind = "media"


class PlatformError(RushesError):
    """This machine is at fault: no space, no memory, a slot that died, a tool that could not start."""

    kind = "platform"


class PolicyError(RushesError):
    """Refused on purpose: a deadline has passed, a budget is spent, a class may not be used."""

    kind = "policy"


class Cancelled(RushesError):  # noqa: N818 - it is an outcome, not an error
    """The work was cancelled by a person; nothing of it is visible."""

    kind = "cancelled"

    def __init__(
        self,
        message: str = "cancelled",
        *,
        code: str = "cancelled",
        fix: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, fix=fix, details=details)


_BY_KIND: dict[str, type[RushesError]] = {
    c.kind: c for c in (CallerError, MediaError, PlatformError, PolicyError, Cancelled)
}


def error_from_dict(data: Mapping[str, Any]) -> RushesError:
    """The error that `to_dict` described; an unknown kind becomes a `PlatformError`."""
    return _BY_KIND.get(str(data.get("kind")), PlatformError).from_dict(data)


def _rebuild(cls: type[RushesError], data: Mapping[str, Any]) -> RushesError:
    return cls.from_dict(data)
