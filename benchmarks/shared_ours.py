"""Small invocations through shared queues to two hosts, or one urgent one among busy work, printed as JSON.

shared_ours.py many COUNT WIDTH | urgent|poll|displaced TIMES PHASE

`many`: from the first request of the submission to the last result read, with what all three processes asked
of AWS. `urgent`: a host's one core is busy with background work; from when an urgent invocation's message is
sent until its body begins. `poll`: from when a message is sent until a long poll of the bare SDK has it.
`displaced`: the same urgent invocation on the embedded engine, whose one core is as busy.

The local server looks for messages every tenth of a second of a long poll's own time: who sends always at
the same moment of a poll measures that moment. Messages are sent at moments spread over that tenth; PHASE,
below 1, moves all of them within their part of it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import measure
import requests_counted
import shared
from noop import noop
from urgent_among import among, stamp

from rushes.asset import Asset
from rushes.batch import Batch
from rushes.engines.aws.engine import AwsEngine
from rushes.shared_ledger.sqs import SqsQueue

WARM = 40
LOOK_S = 0.1
"""How often the local server looks for messages while a long poll waits."""


def main(what: str, *rest: str) -> None:
    with tempfile.TemporaryDirectory(prefix="rushes-bench-") as name:
        folder = Path(name)
        if what == "displaced":
            made = _displaced(folder, int(rest[0]), float(rest[1]))
        else:
            with shared.served(folder) as variables:
                os.environ.update(variables)
                made = _WHAT[what](folder, variables, *map(json.loads, rest))
    print(json.dumps(made))


def _many(folder: Path, variables: dict[str, str], count: int, width: int) -> dict[str, Any]:
    with shared.hosts(2, folder, variables, width) as files:
        engine = AwsEngine()
        _through(engine, range(-WARM, 0))
        everybody = [os.getpid(), *shared.workers(folder, 2)]
        with requests_counted.counted() as asked, measure.cost_of(everybody) as cost:
            _through(engine, range(count))
    total = Counter(asked)
    for file in files:
        total.update(json.loads(file.read_text(encoding="utf-8")))
    return {
        "rate": count / cost.wall_s,
        "cpu_ms": 1000 * cost.cpu_s / count,
        "requests": {name: n / count for name, n in total.items()},
    }


def _through(engine: AwsEngine, numbers: range) -> None:
    items = ((Asset(shared.CLIP), {"n": n}) for n in numbers)
    batch, total = engine.launch(noop, noop.options, items, noop.params())
    results = Batch(engine, batch, noop.result_model, total).results()
    assert sorted(one.n for one in results) == list(numbers)


def _urgent(folder: Path, variables: dict[str, str], times: int, phase: float) -> dict[str, Any]:
    with shared.hosts(1, folder, variables, 3):
        _through(AwsEngine(), range(-WARM, 0))
        return _among("aws", shared.CLIP, folder, times, phase)


def _displaced(folder: Path, times: int, phase: float) -> dict[str, Any]:
    os.environ |= {"RUSHES_HOME": str(folder / "home"), "RUSHES_CPU": "1"}
    clip = folder / "clip.mov"
    clip.write_bytes(b"clip")
    try:
        for number in range(3):
            stamp.with_options(priority="urgent").remote(str(clip), n=-1 - number)
        return _among("local", str(clip), folder, times, phase)
    finally:
        measure.end_worker(folder / "home")


def _among(engine: str, clip: str, folder: Path, times: int, phase: float) -> dict[str, Any]:
    """Urgent work, one at a time, on a core that background work has."""
    gate = folder / "gate"
    low = among.with_options(engine=engine, priority="background").map([clip], gate=str(gate))
    while not low.progress.counts.running:
        time.sleep(0.05)
    taken = []
    for number in range(times + 1):
        # What has run for less than a second is left alone, and after three times what is displaced is, too.
        time.sleep(1.6 + LOOK_S * (number + phase) / times)
        taken.append(_reaction(engine, clip, number))
    del taken[0]  # it began with a slot for it
    gate.touch()
    low.wait()
    return {"seconds": taken}


def _reaction(engine: str, clip: str, number: int) -> float:
    function = stamp.with_options(engine=engine, priority="urgent")
    sent = [time.time()]
    with _noted(sent):
        batch = function.map([clip], n=number)
    (end,) = batch.results()
    return float(end.began) - sent[-1]


@contextmanager
def _noted(sent: list[float]) -> Iterator[None]:
    """Note when a message was sent, if one was."""
    send = SqsQueue.send

    def noting(self: SqsQueue, *args: Any, **more: Any) -> None:
        sent.append(time.time())
        send(self, *args, **more)

    SqsQueue.send = noting  # type: ignore[method-assign]
    try:
        yield
    finally:
        SqsQueue.send = send  # type: ignore[method-assign]


def _poll(_folder: Path, variables: dict[str, str], times: int, phase: float) -> dict[str, Any]:
    sqs = shared.client("sqs", variables)
    url = sqs.get_queue_url(QueueName="urgent")["QueueUrl"]
    taken = []
    for number in range(times):
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=5)
            time.sleep(0.3 + LOOK_S * (number + phase) / times)
            began = time.perf_counter()
            sqs.send_message(QueueUrl=url, MessageBody="urgent")
            assert waiting.result()["Messages"]
            taken.append(time.perf_counter() - began)
    return {"seconds": taken}


_WHAT: dict[str, Callable[..., dict[str, Any]]] = {"many": _many, "urgent": _urgent, "poll": _poll}


if __name__ == "__main__":
    main(*sys.argv[1:])
