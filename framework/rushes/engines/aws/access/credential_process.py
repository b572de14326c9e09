"""A profile's `credential_process` that does not answer is ended after a while.

The SDK waits for it without end, and while it waits nobody in the process has credentials: a host would stand
still without a word. A person may have to type something first, so it has time for that. This module must not
know which program it is.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from botocore.session import Session

__all__ = ["LIMIT_S", "limit_process"]

LIMIT_S: Final = 120.0
_METHOD: Final = "custom-process"


class _Limited(subprocess.Popen[bytes]):
    """A program that is killed when it takes too long."""

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[bytes, bytes]:  # noqa: A002 - as there
        try:
            return super().communicate(input, timeout or LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()
            for pipe in (self.stdout, self.stderr):  # what it had begun may hold them open
                if pipe is not None:
                    pipe.close()
            return b"", f"it had not answered after {LIMIT_S:.0f} s and was ended".encode()


def limit_process(sdk: Session) -> None:
    """Let a session wait so long, and no longer, for the program that its profile names."""
    if not sdk.get_scoped_config().get("credential_process"):
        return
    from botocore.credentials import ProcessProvider  # noqa: PLC0415 - few have one

    providers = sdk.get_component("credential_provider")
    profile = sdk.get_config_variable("profile") or "default"
    limited = ProcessProvider(profile, lambda: sdk.full_config, popen=_Limited)
    providers.insert_before(_METHOD, limited)
    providers.providers = [
        one for one in providers.providers if one is limited or getattr(one, "METHOD", "") != _METHOD
    ]
