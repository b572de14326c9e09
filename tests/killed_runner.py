"""Works on one invocation of a shared ledger, and is killed with SIGKILL on the way: its argument is JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from aws_server import AwsServer

from rushes.runtime.shared.claims.run import ClaimRunner
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.storage.s3 import S3Store

__all__ = ["main", "runner_of"]


def runner_of(server: AwsServer, table: str, scratch: Path, holder: str, **more: Any) -> ClaimRunner:
    """A runner of a ledger and a store on a server."""
    ledger, store = DynamoLedger(server.client("dynamodb"), table), S3Store(server.client("s3"))
    return ClaimRunner(ledger, store, scratch, holder, lambda uri: uri.rpartition("/")[2], **more)


def main(asked: dict[str, Any]) -> None:
    """Run; whoever asks is to find out what became of it."""
    runner = runner_of(AwsServer(asked["endpoint"]), asked["table"], Path(asked["scratch"]), "host-a")
    port, verb = (runner.ledger, "finish") if asked["at"] == "finish" else (runner.store, "publish")
    real = getattr(port, verb)
    left = [asked["left"]]

    def killed(*arguments: Any, **told: Any) -> Any:
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return real(*arguments, **told)

    setattr(port, verb, killed)
    runner.run(asked["invocation"])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
