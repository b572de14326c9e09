"""What a host says to the agent of ECS, and hears from it: which task it is, and that it is not to be ended.

A service that becomes smaller ends tasks that are not protected
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html). A
protection ends by itself after an hour, so that of a host that hangs does not last. Where there is no agent
there is nothing to do. This module must not know what a host does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["EcsProtection", "ecs_task"]

EXPIRES_MIN: Final = 60
RENEW_S: Final = 1_200.0
"""Three times within an hour, so that two lost answers do no harm."""
IDLE_S: Final = 30.0
"""Nothing has to be here for so long before it may be ended: between two messages it is not idle."""
AGAIN_S: Final = 10.0
"""Between tries of an agent that refuses or does not answer."""
TIMEOUT_S: Final = 5.0


class EcsProtection:
    """Protects this task while something is here: a `rushes.engines.aws.hosts.host.Protection`.

    Args:
        agent: URI of the agent, `ECS_AGENT_URI`.
        say: writes a line of the log.
        clock: seconds, on any clock.
    """

    def __init__(
        self,
        agent: str,
        say: Callable[..., None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._agent = agent.rstrip("/")
        self._say = say
        self._clock = clock
        self._protected = False
        self._said_at = float("-inf")
        self._busy_at = float("-inf")

    def hold(self) -> None:
        now = self._clock()
        self._busy_at = now
        due = self._said_at + (RENEW_S if self._protected else AGAIN_S)
        if now >= due or (not self._protected and self._said_at == float("-inf")):
            self._protect(now, wanted=True)

    def release(self) -> None:
        now = self._clock()
        if self._protected and now - self._busy_at >= IDLE_S and now - self._said_at >= AGAIN_S:
            self._protect(now, wanted=False)

    def _protect(self, now: float, *, wanted: bool) -> None:
        self._said_at = now
        body = {"ProtectionEnabled": wanted, **({"ExpiresInMinutes": EXPIRES_MIN} if wanted else {})}
        answer = _asked("PUT", f"{self._agent}/task-protection/v1/state", body)
        found = answer.get("protection")
        if isinstance(found, Mapping):
            self._protected = bool(found.get("ProtectionEnabled"))
            if not self._protected:
                self._said_at = float("-inf")  # what comes next is protected at once
            return
        why = answer.get("failure") or answer.get("error") or "no answer"
        self._say("unprotected" if wanted else "still protected", reason=str(why)[:200])


def ecs_task(environ: Mapping[str, str]) -> str:
    """The ARN of this task; "" where this is none, or nobody says."""
    metadata = environ.get("ECS_CONTAINER_METADATA_URI_V4", "")
    return str(_asked("GET", f"{metadata}/task").get("TaskARN", "")) if metadata else ""


def _asked(verb: str, uri: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What an agent on this machine answers; what went wrong under ``error``."""
    parts = urlsplit(uri)
    connection = HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request(
            verb,
            f"{parts.path}?{parts.query}" if parts.query else parts.path,
            None if body is None else json.dumps(body),
            {"Content-Type": "application/json"},
        )
        found = json.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        connection.close()
    return found if isinstance(found, dict) else {"error": "it answered something else"}
