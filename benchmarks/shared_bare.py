"""The same requests without any of ours: two processes of the SDK that do nothing else, printed as JSON.

shared_bare.py COUNT THREADS QUERIES ENDS

QUERIES is how often whoever follows asks how far it is, ENDS in how many requests the invocations end.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import measure
import shared

LOT = 99
TEN = 10


def main(count: str, threads: str, queries: str, ends: str) -> None:
    with tempfile.TemporaryDirectory(prefix="rushes-bench-") as name, shared.served(Path(name)) as variables:
        url = shared.client("sqs", variables).get_queue_url(QueueName="standard")["QueueUrl"]
        context = multiprocessing.get_context("spawn")
        go, ready = context.Event(), context.Semaphore(0)
        numbers = [range(1, int(count) + 1)[half::2] for half in (0, 1)]
        workers = [
            context.Process(
                daemon=True,
                target=_work,
                args=(variables, url, its, (int(threads), int(ends) / int(count)), (go, ready)),
            )
            for its in numbers
        ]
        for worker in workers:
            worker.start()
        for _ in workers:
            ready.acquire()
        with measure.cost_of([os.getpid()]) as cost:
            _send(variables, url, int(count))
            go.set()
            _follow(variables, int(queries))
            for worker in workers:
                worker.join()
                assert worker.exitcode == 0
    print(json.dumps({"rate": int(count) / cost.wall_s, "cpu_ms": 1000 * cost.cpu_s / int(count)}))


def _key(n: int) -> dict[str, Any]:
    return {"pk": {"S": f"I#batch#{n // 256}"}, "sk": {"S": f"{n:010}"}}


def _send(variables: dict[str, str], url: str, count: int) -> None:
    dynamodb, sqs = shared.client("dynamodb", variables), shared.client("sqs", variables)
    for start in range(1, count + 1, LOT):
        lot = range(start, min(start + LOT, count + 1))
        items: list[Any] = [
            {"Put": {"TableName": "ledger", "ConditionExpression": "attribute_not_exists(pk)",
                     "Item": {**_key(n), "source": {"S": shared.CLIP}, "key": {"S": f"{n:032x}"},
                              "params": {"S": f'{{"n":{n}}}'}, "state": {"S": "queued"},
                              "attempt": {"N": "0"}, "fence": {"N": "0"}}}}
            for n in lot
        ]  # fmt: skip
        head = {
            "TableName": "ledger",
            "Key": {"pk": {"S": "B#batch"}, "sk": {"S": "B"}},
            "UpdateExpression": "ADD #total :n",
            "ExpressionAttributeNames": {"#total": "total"},
            "ExpressionAttributeValues": {":n": {"N": str(len(lot))}},
        }
        dynamodb.transact_write_items(TransactItems=[*items, {"Update": head}])
        for first in range(0, len(lot), TEN):
            entries = [
                {
                    "Id": str(n),
                    "MessageBody": f'{{"schema":1,"invocation":"batch.{n}","priority":"standard"}}',
                }
                for n in lot[first : first + TEN]
            ]
            sqs.send_message_batch(QueueUrl=url, Entries=entries)


def _follow(variables: dict[str, str], queries: int) -> None:
    """Some ask for the batch and its counts, the others the index for what ended."""
    dynamodb = shared.client("dynamodb", variables)
    for number in range(queries):
        index = {"IndexName": "wake"} if number % 9 else {}
        key = f"D#batch#{number % 8}" if index else "B#batch"
        dynamodb.query(
            TableName="ledger",
            KeyConditionExpression="wk=:p" if index else "pk=:p",
            ExpressionAttributeValues={":p": {"S": key}},
            **index,
        )


def _work(variables: dict[str, str], url: str, numbers: Any, how: Any, gates: Any) -> None:
    (threads, ends_each), (go, ready) = how, gates
    dynamodb, s3, sqs = (shared.client(one, variables) for one in ("dynamodb", "s3", "sqs"))

    def lot(some: list[int]) -> None:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=TEN).get("Messages", ())
        began: list[int] = []
        for at, n in enumerate(some, start=1):
            _begin(dynamodb, s3, n)
            began.append(n)
            if at == len(some) or int(at * ends_each) > int((at - 1) * ends_each):
                _end(dynamodb, began)
                began = []
        if found:
            entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(found)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)

    ready.release()
    go.wait()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lot, [list(numbers[at : at + TEN]) for at in range(0, len(numbers), TEN)]))


def _begin(dynamodb: Any, s3: Any, n: int) -> None:
    """What one invocation asks until it ends: a claim, a look at the clip and its bytes."""
    dynamodb.update_item(
        TableName="ledger",
        Key=_key(n),
        UpdateExpression="SET #state=:to, holder=:holder, wk=:wk, wa=:wa ADD fence :one, attempt :one",
        ConditionExpression="attribute_exists(pk) AND #state=:was",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={
            ":to": {"S": "running"}, ":was": {"S": "queued"}, ":holder": {"S": "host"},
            ":wk": {"S": f"W#batch#{n % 8}"}, ":wa": {"N": "1"}, ":one": {"N": "1"},
        },
        ReturnValues="ALL_NEW",
    )  # fmt: skip
    s3.head_object(Bucket=shared.BUCKET, Key="clip.mov", ChecksumMode="ENABLED")
    s3.get_object(Bucket=shared.BUCKET, Key="clip.mov")["Body"].read()


def _end(dynamodb: Any, numbers: list[int]) -> None:
    """Some that end at the same moment: each and its key, and one count."""
    parts: list[Any] = [
        {"Update": {
            "TableName": "ledger",
            "Key": _key(n),
            "UpdateExpression": "SET #state=:to, wk=:wk, wa=:wa",
            "ConditionExpression": "#state=:was",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {
                ":to": {"S": "succeeded"}, ":was": {"S": "running"}, ":wk": {"S": f"D#batch#{n % 8}"},
                ":wa": {"N": "2"},
            },
        }}
        for n in numbers
    ]  # fmt: skip
    parts.append({"Update": {
        "TableName": "ledger",
        "Key": {"pk": {"S": "B#batch"}, "sk": {"S": f"C#{numbers[0] % 16:02}"}},
        "UpdateExpression": "ADD succeeded :many",
        "ExpressionAttributeValues": {":many": {"N": str(len(numbers))}},
    }})  # fmt: skip
    for n in numbers:
        item = {"pk": {"S": f"K#show#{n:032x}"}, "sk": {"S": "K"}, "invocation": {"S": f"batch.{n}"}}
        parts.append({"Put": {"TableName": "ledger", "Item": item}})
    dynamodb.transact_write_items(TransactItems=parts)


if __name__ == "__main__":
    main(*sys.argv[1:])
