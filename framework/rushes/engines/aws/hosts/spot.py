"""Whether the machine under us is taken back: the notice that EC2 gives a spot instance two minutes before.

It is in the machine's metadata
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html). Under ECS the
agent hears of it and sends SIGTERM; a machine without one has to look for itself. Where there are no metadata
nobody takes it back. This module must not know what is done about it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

__all__ = ["SpotWatch"]

ENDPOINT: Final = "http://169.254.169.254"
LOOK_S: Final = 5.0
"""As often as AWS says."""
TIMEOUT_S: Final = 1.0
TOKEN_S: Final = 21_600
_REFUSED: Final = 401


class SpotWatch:
    """Looks for the notice until it comes.

    Args:
        gone: called once, when it has.
        environ: `AWS_EC2_METADATA_SERVICE_ENDPOINT` and `AWS_EC2_METADATA_DISABLED` mean what they mean to
            the tools of AWS.
        look_s: between two looks.
    """

    def __init__(
        self, gone: Callable[[], None], environ: Mapping[str, str], *, look_s: float = LOOK_S
    ) -> None:
        self._gone = gone
        self._off = environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
        self._where = urlsplit(environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or ENDPOINT).netloc
        self._look_s = look_s
        self._stopping = threading.Event()
        self._token = ""

    def watch(self) -> None:
        """Look until the notice comes, or `stop` is called; returns at once where there is nobody to ask."""
        if self._off or not self._renew():
            return
        while not self._stopping.is_set():
            if self._noticed():
                self._gone()
                return
            self._stopping.wait(self._look_s)

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def _noticed(self) -> bool:
        status, _ = self._asked("GET", "/latest/meta-data/spot/instance-action")
        if status == _REFUSED:
            self._renew()
        return status == 200

    def _renew(self) -> bool:
        status, self._token = self._asked("PUT", "/latest/api/token")
        return status == 200

    def _asked(self, verb: str, path: str) -> tuple[int, str]:
        """Status and text of an answer; 0 where there is none."""
        connection = HTTPConnection(self._where, timeout=TIMEOUT_S)
        sent = (
            {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_S)}
            if verb == "PUT"
            else {"X-aws-ec2-metadata-token": self._token}
        )
        try:
            connection.request(verb, path, headers=sent)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, HTTPException):
            return 0, ""
        finally:
            connection.close()
