"""A host as a process of its own, which may be killed: its first argument is JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import aws_settings
from rushes.engines.aws.hosts import host as host_module
from rushes.engines.aws.hosts import taker
from rushes.engines.aws.hosts.host import AwsHost
from rushes.engines.aws.notices import sweeping
from rushes.engines.local import LocalEngine
from rushes.storage import s3_transfers

__all__ = ["main"]


def main(asked: dict[str, Any]) -> None:
    """Work until SIGTERM."""
    taker.REST_S = 0.1  # type: ignore[misc]
    host_module.SWEEP_S = 1.0  # type: ignore[misc]
    sweeping.AGAIN_S = 20.0  # type: ignore[misc]
    s3_transfers.PART_BYTES = 5 * 2**20  # type: ignore[misc]
    services = Services(aws_settings({**os.environ, "RUSHES_POLL": "1s"}), asked["name"])
    host = AwsHost(services, LocalEngine(), asked["queues"], name=asked["name"], width=asked["width"])
    signal.signal(signal.SIGTERM, lambda *_: host.stop())
    host.run()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
