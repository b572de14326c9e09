"""Encodes that are quoted, run and compared, after others have been learnt from; prints JSON.

quote_ours.py FOLDER TRAINED TESTED

Both numbers are of encodes. What is learnt from and what is tested share no clip. All run on the pool, one at
a time; the quotes are those that `Function.quote` gives, for one clip each, before any of them has run.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quote_clips import varied_clips

from rushes import catalog
from rushes.batch import Batch
from rushes.core.learning.estimates import Estimates
from rushes.core.learning.work import WorkTraits
from rushes.engines.local import LocalEngine
from rushes.engines.local_quotes import estimator_of
from rushes.media.describing.inspection import describe
from rushes.runtime.sending.workload import work_of

WAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("proxy", {}),
    ("proxy", {"height": 180}),
    ("proxy", {"codec": "prores_proxy"}),
    ("transcode", {}),
    ("transcode", {"video": "hevc"}),
    ("transcode", {"height": 180, "upscale": "skip"}),
    ("thumbnails", {"every": 0.5}),
    ("ladder", {"rungs": ("360", "240", "144")}),
)
"""Functions with their options."""
ENCODES_A_CLIP = 2


@dataclass(frozen=True, slots=True)
class Encode:
    """One clip in one way, and what came of it."""

    way: int
    clip: Path
    wall_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def function(self) -> Any:
        return catalog.find(WAYS[self.way][0])

    @property
    def options(self) -> Mapping[str, Any]:
        return WAYS[self.way][1]

    def work(self) -> WorkTraits:
        function = self.function
        clip = function.bind(self.clip).source
        return work_of(function, function.params(None, **self.options), clip, describe(clip))


def main(folder: str, trained: str, tested: str) -> None:
    place, draw = Path(folder), random.Random(20)  # noqa: S311 - a sample, not a secret
    count = (int(trained) + int(tested)) // ENCODES_A_CLIP
    clips = varied_clips(place / "clips", count)
    ways = [draw.sample(range(len(WAYS)), ENCODES_A_CLIP) for _ in clips]
    encodes = [Encode(way, clip) for clip, own in zip(clips, ways, strict=True) for way in own]
    training, testing = encodes[: int(trained)], encodes[int(trained) :]
    engine = LocalEngine()
    try:
        learnt = _run(training, place / "trained")
        quoted = [one.function.quote([one.clip], **one.options) for one in testing]
        assert all(one.invocations == 1 for one in quoted)
        ran = _run(testing, place / "tested")
    finally:
        engine.control("stop")
    believed = estimator_of(engine.settings, {}).believed
    by_cpu = Estimates(believed)
    for one in learnt:
        by_cpu.learn(one.work(), one.cpu_s)
    says = {
        "wall": [(quote.work_s.likely, one.wall_s) for quote, one in zip(quoted, ran, strict=True)],
        "cpu": [(by_cpu.expects(one.work()), one.cpu_s) for one in ran],
        "cpu_elsewhere": [(by_cpu.expects(one.work()._replace(place="")), one.cpu_s) for one in ran],
        "one_ratio": _one_ratio(learnt, ran),
    }
    inside = [
        quote.answer.seconds.low <= one.wall_s <= quote.answer.seconds.high
        for quote, one in zip(quoted, ran, strict=True)
    ]
    told = {name: _told(pairs) for name, pairs in says.items()}
    print(json.dumps({**told, "inside": statistics.mean(inside)}))


def _run(encodes: Sequence[Encode], out: Path) -> list[Encode]:
    """The encodes with what they took, one after another on one slot, whatever else their order."""
    batches: list[Batch[Any]] = []
    for way, (name, options) in enumerate(WAYS):
        mine = [one for one in encodes if one.way == way]
        after = [batch.id for batch in batches[-1:]]
        function = catalog.find(name).with_options(out=out / str(way), slots=1, after=after)
        if mine:
            batches.append(function.map([one.clip for one in mine], **options))
    found = []
    for batch in batches:
        for outcome in batch:
            assert outcome.ok, outcome.error
            way = int(Path(outcome.outputs[0]).relative_to(out).parts[0])
            receipt = json.loads(Path(str(outcome.finished.receipt)).read_text())
            cpu_s = float(receipt["timings"]["cpu_s"])
            found.append(Encode(way, Path(outcome.asset), outcome.finished.seconds, cpu_s))
    order = {(one.way, one.clip): number for number, one in enumerate(encodes)}
    assert len(found) == len(encodes)
    return sorted(found, key=lambda one: order[one.way, one.clip])


def _one_ratio(learnt: Sequence[Encode], ran: Sequence[Encode]) -> list[tuple[float, float]]:
    """What one would say by hand: so many seconds a megapixel, for each function and its options."""
    seconds: dict[int, float] = {}
    megapixels: dict[int, float] = {}
    for one in learnt:
        work = one.work()
        seconds[one.way] = seconds.get(one.way, 0.0) + one.cpu_s
        megapixels[one.way] = megapixels.get(one.way, 0.0) + work.width * work.height * work.frames / 1e6
    pairs = []
    for one in ran:
        work = one.work()
        mine = work.width * work.height * work.frames / 1e6
        pairs.append((seconds[one.way] / megapixels[one.way] * mine, one.cpu_s))
    return pairs


def _told(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    errors = sorted(abs(says / took - 1.0) for says, took in pairs)
    return {
        "median": errors[len(errors) // 2],
        "p90": errors[int(len(errors) * 0.9)],
        "says_s": sum(says for says, _ in pairs),
        "took_s": sum(took for _, took in pairs),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
