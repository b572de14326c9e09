"""A host as its task of ECS starts it, in a process of its own, with the waits of minutes left out."""

from __future__ import annotations

import sys

from rushes.cli.app import app
from rushes.engines.aws.hosts import host
from rushes.runtime.shared.claims import sent_version

if __name__ == "__main__":
    host.SWEEP_S = 1.0  # type: ignore[misc]
    sent_version.MOST_CLAIMS = 0  # type: ignore[misc]
    app(sys.argv[1:])
