"""What was installed into an image, as requirements with hashes: with them the next image has the same.

``python -m rushes.engines.aws.infra.lock REPORT`` prints them of a report of pip
(https://pip.pypa.io/en/stable/reference/installation-report/). It is made in the image, by its own Python on
its own machine, for which packages differ. Wheels that came in the folder of the image are left out: they
come again. This module must not know what an image is called.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["lock_of"]


def lock_of(report: Mapping[str, Any]) -> str:
    """The requirements of a report, one a line."""
    found = []
    for one in report["install"]:
        came = one["download_info"]
        if came["url"].startswith("file:"):
            continue
        said, (kind, value) = one["metadata"], next(iter(came["archive_info"]["hashes"].items()))
        found.append(f"{said['name'].lower()}=={said['version']} --hash={kind}:{value}\n")
    return "".join(sorted(found))


if __name__ == "__main__":
    sys.stdout.write(lock_of(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
