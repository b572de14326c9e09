"""The same requests without any of ours: two processes of the SDK that do nothing else, printed as JSON.

shared_bare.py COUNT THREADS REQUESTS

REQUESTS says of ours how many of which there were an invocation, as JSON. Of what is as it must be (a claim,
a look at the clip and its bytes) there are as many anyway. How often whoever follows asks how far it is, and
in how many requests invocations end, are as ours were; so is what has ended when that is asked, for a server
may look at all of it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import measure
import requests_counted
import shared
import shared_requests as requests

LOT = 99
TEN = 10
READ = 100
AGAIN_MS = 10_000
"""Whoever follows asks for what has ended since a little before the newest that it knows."""


def main(count: str, threads: str, requests_each: str) -> None:
    each = {name: float(n) for name, n in json.loads(requests_each).items()}
    with tempfile.TemporaryDirectory(prefix="rushes-bench-") as name, shared.served(Path(name)) as variables:
        url = shared.client("sqs", variables).get_queue_url(QueueName="standard")["QueueUrl"]
        context = multiprocessing.get_context("spawn")
        go, ready, done = context.Event(), context.Semaphore(0), context.Value("l", 0)
        ends_each = each["dynamodb:TransactWriteItems"] - 1 / LOT  # the others add invocations
        workers = [
            context.Process(
                daemon=True,
                target=_work,
                args=(variables, url, range(1, int(count) + 1)[half::2], (int(threads), ends_each)),
                kwargs={"go": go, "ready": ready, "done": done},
            )
            for half in (0, 1)
        ]
        for worker in workers:
            worker.start()
        for _ in workers:
            ready.acquire()
        with requests_counted.counted() as asked, measure.cost_of([os.getpid()]) as cost:
            _send(variables, url, int(count), each)
            go.set()
            _follow(variables, int(count), each, lambda: int(done.value))
            for worker in workers:
                worker.join()
                assert worker.exitcode == 0
    said = {"rate": int(count) / cost.wall_s, "cpu_ms": 1000 * cost.cpu_s / int(count)}
    print(json.dumps({**said, "requests": {name: n / int(count) for name, n in asked.items()}}))


def _send(variables: dict[str, str], url: str, count: int, each: Mapping[str, float]) -> None:
    dynamodb, sqs = shared.client("dynamodb", variables), shared.client("sqs", variables)
    dynamodb.put_item(**requests.opened(_now_ms()))
    for start in range(1, count + 1, LOT):
        lot = range(start, min(start + LOT, count + 1))
        if each.get("dynamodb:BatchGetItem"):
            dynamodb.batch_get_item(**requests.known(lot))
        dynamodb.transact_write_items(**requests.submitted(lot, _now_ms()))
        for first in range(0, len(lot), TEN):
            entries = [requests.message(n, place) for place, n in enumerate(lot[first : first + TEN])]
            sqs.send_message_batch(QueueUrl=url, Entries=entries)


def _follow(
    variables: dict[str, str], count: int, each: Mapping[str, float], ended: Callable[[], int]
) -> None:
    """Ask for the batch and its counts, and the index for what ended, as often as ours, from start to end."""
    dynamodb = shared.client("dynamodb", variables)
    heads, looks = (round(each.get(name, 0.0) * count) for name in ("dynamodb:Query", "dynamodb:Query:index"))
    reads = max(round(each.get("dynamodb:BatchGetItem", 0.0) * count) - count // LOT - 1, 0)
    plan = [((at + 1) / heads, 0) for at in range(heads)]
    plan += [((at + 1) / looks, 1) for at in range(looks)]
    plan += [((at + 1) / reads, 2) for at in range(reads)]
    for at, (part, what) in enumerate(sorted(plan)):
        while ended() < int(part * count):
            time.sleep(0.01)
        if what == 2:
            last = max(int(part * count), 1)
            dynamodb.batch_get_item(**requests.read(range(max(last - READ, 0) + 1, last + 1)))
        else:
            dynamodb.query(
                **(requests.newly_ended(at % 8, _now_ms() - AGAIN_MS) if what else requests.head())
            )


def _work(
    variables: dict[str, str],
    url: str,
    numbers: Any,
    how: tuple[int, float],
    *,
    go: Any,
    ready: Any,
    done: Any,
) -> None:
    threads, ends_each = how
    dynamodb, s3, sqs = (shared.client(one, variables) for one in ("dynamodb", "s3", "sqs"))

    def lot(some: list[int]) -> None:
        asked = {"WaitTimeSeconds": 5, "MessageSystemAttributeNames": ["ApproximateReceiveCount"]}
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=TEN, **asked).get("Messages", ())
        began: list[int] = []
        for at, n in enumerate(some, start=1):
            dynamodb.update_item(**requests.claim(n, _now_ms()))
            looked = s3.head_object(**requests.looked_at())
            s3.get_object(**requests.fetched(looked["ETag"], looked["ContentLength"]))["Body"].read()
            began.append(n)
            if at == len(some) or int(at * ends_each) > int((at - 1) * ends_each):
                dynamodb.transact_write_items(**requests.ends(began, _now_ms()))
                with done.get_lock():
                    done.value += len(began)
                began = []
        if found:
            entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(found)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)

    ready.release()
    go.wait()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lot, [list(numbers[at : at + TEN]) for at in range(0, len(numbers), TEN)]))


def _now_ms() -> int:
    return int(time.time() * 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
