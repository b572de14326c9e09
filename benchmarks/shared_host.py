"""One host, as `rushes worker --engine aws` is; counts its requests by what they ask.

shared_host.py WIDTH FILE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import requests_counted

from rushes.engines.aws.worker import run_host
from rushes.engines.local import LocalEngine


def main(width: str, file: str) -> None:
    with requests_counted.counted() as counts:
        run_host("", LocalEngine(), width=int(width))
    Path(file).write_text(json.dumps(counts), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
