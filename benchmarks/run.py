"""Ours beside peers and limits, in one run, as ratios: `make bench`.

    python benchmarks/run.py                            all rows, written to benchmarks/results.md
    python benchmarks/run.py --rows dispatch,latency    some of them; the page keeps the others
    python benchmarks/run.py --quick                    one short round of each, printed only

A row is written as soon as it is measured, so that an interrupted run loses one at most.

The peers come with ``pip install -e .[bench]``; ``--peers-python`` names the interpreter of another
environment that has them. Celery needs `redis-server` on PATH, and STATIC_FFPROBE may name a static ffprobe.
What cannot be run is left out by name, with the reason.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import bench_box
import bench_chunks
import bench_cold_start
import bench_dispatch
import bench_displacement
import bench_fairness
import bench_ingest
import bench_inspect
import bench_ladder
import bench_latency
import bench_makespan
import bench_probe
import bench_quality
import bench_quote
import bench_s3
import bench_scale
import bench_shared
import bench_simulator
import bench_startup
import bench_transcode
import bench_twin
import measure
from report import Options, Section, block, blocks_of, page, shown

ROWS: dict[str, Callable[[Options], Section]] = {
    "dispatch": bench_dispatch.run,
    "scale": bench_scale.run,
    "latency": bench_latency.run,
    "inspect": bench_inspect.run,
    "transcode": bench_transcode.run,
    "startup": bench_startup.run,
    "cold_start": bench_cold_start.run,
    "ladder": bench_ladder.run,
    "chunks": bench_chunks.run,
    "ingest": bench_ingest.run,
    "box": bench_box.run,
    "probe": bench_probe.run,
    "quality": bench_quality.run,
    "fairness": bench_fairness.run,
    "quote": bench_quote.run,
    "displacement": bench_displacement.run,
    "shared": bench_shared.run,
    "simulator": bench_simulator.run,
    "makespan": bench_makespan.run,
    "twin": bench_twin.run,
    "s3_inspect": bench_s3.inspect,
    "s3_transfer": bench_s3.transfer,
}
RESULTS = Path(__file__).with_name("results.md")


def main(argv: Sequence[str] | None = None) -> int:
    asked = _arguments(argv)
    names = asked.rows.split(",") if asked.rows else list(ROWS)
    if unknown := [name for name in names if name not in ROWS]:
        sys.exit(f"there is no row {unknown[0]!r}: {', '.join(ROWS)}")
    kept = Path(asked.folder) if asked.folder else None
    folder = kept or Path(tempfile.mkdtemp(prefix="rushes-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    options = Options(
        rounds=1 if asked.quick else asked.rounds,
        count=1_000 if asked.quick else 10_000,
        large=2_000 if asked.quick else 100_000,
        largest=4_000 if asked.quick else 1_000_000,
        slow_count=200 if asked.quick else 10_000,
        files=100 if asked.quick else 600,
        clip_s=4 if asked.quick else 60,
        peers_python=asked.peers_python,
        folder=folder,
    )
    target = Path(asked.out) if asked.out else None if asked.quick else RESULTS
    sections = []
    try:
        for name in names:
            print(f"{name} ...", flush=True)
            began = time.monotonic()
            section = ROWS[name](options)
            sections.append(section)
            print(f"{shown(section)}\n  {time.monotonic() - began:.0f} s\n", flush=True)
            if target is not None:
                _keep(target, name, block(section, options, _versions(options)))
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)
    missed = [row for section in sections for row in section.rows if row.goal and not row.goal.met(row.ratio)]
    for row in missed:
        print(f"missed: {row.against}: {row.ratio}, wanted {row.goal}")
    return 0


def _keep(target: Path, name: str, text: str) -> None:
    """Put a row into the page, in the place of what was there of it."""
    blocks = blocks_of(target.read_text(encoding="utf-8")) if target.exists() else {}
    blocks[name] = text
    target.write_text(page({one: blocks[one] for one in ROWS if one in blocks}), encoding="utf-8")
    print(f"written to {target}\n", flush=True)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", metavar="NAMES", help=f"of {','.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one small round of each row")
    parser.add_argument("--out", metavar="FILE", help="the page to write to; results.md beside this file")
    parser.add_argument("--folder", metavar="DIR", help="keep the clips here for another run")
    parser.add_argument("--peers-python", metavar="PYTHON", default=sys.executable)
    return parser.parse_args(argv)


def _versions(options: Options) -> list[tuple[str, str]]:
    found = [(name, version(name)) for name in ("rushes", "pydantic", "click", "av", "imageio-ffmpeg")]
    ask = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    for name in ("huey", "celery", "redis", "ray"):
        done = subprocess.run(
            [options.peers_python, "-c", ask, name], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            found.append((name, done.stdout.strip()))
    server = shutil.which("redis-server")
    if server is not None:
        done = subprocess.run([server, "--version"], capture_output=True, text=True, check=False)
        found.append(("redis-server", done.stdout.partition("v=")[2].partition(" ")[0]))
    return found


if __name__ == "__main__":
    try:
        sys.exit(main())
    except measure.Failed as problem:
        sys.exit(f"benchmark: {problem}")
