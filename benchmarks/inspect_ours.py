"""Our `inspect` over a folder of files, as a script that prints one line of JSON.

inspect_ours.py HOME FOLDER WARM_UP_CLIP
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from rushes import catalog
from rushes.engines.local import LocalEngine


def main(home: str, folder: str, warm: str) -> None:
    os.environ["RUSHES_HOME"] = home
    os.environ["RUSHES_CPU"] = "2"
    inspect = catalog.find("inspect")
    engine = LocalEngine()
    try:
        started = time.monotonic()
        while sum(bool(slot["ready"]) for slot in engine.pool()["slots"]) < 2:
            assert time.monotonic() - started < 60, "the slots did not come up"
            inspect.with_options(force=True).map([warm] * 20).wait()
        inspect.with_options(force=True).map([warm] * 40).wait()
        files = sorted(str(path) for path in Path(folder).iterdir())
        began = time.perf_counter()
        outcomes = list(inspect.map(files))
        seconds = time.perf_counter() - began
        failed = [(Path(o.asset).name, (o.error or {}).get("message")) for o in outcomes if not o.ok]
        assert not any(outcome.finished.cached for outcome in outcomes), "some results were known already"
        assert all(outcome.finished.result for outcome in outcomes if outcome.ok)
    finally:
        engine.control("stop")
    print(json.dumps({"count": len(outcomes), "seconds": seconds, "failed": failed}))


if __name__ == "__main__":
    main(*sys.argv[1:])
