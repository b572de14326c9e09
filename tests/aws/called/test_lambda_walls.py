"""What runs in the image finds on Lambda: a root it cannot write, no user, no `/dev/shm`, a small `/tmp`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lambda_account import Account, bridged
from lambda_runtime import sam_event
from lambda_walls import SCRATCH_BYTES, USER

from rushes.core.states import State

# One process builds the wheel for these and those of `test_lambda_runtime`.
pytestmark = pytest.mark.xdist_group("lambda")


def test_the_walls_are_those_of_lambda(account: Account) -> None:
    source = account.put("A001.mov")
    (said,) = account.of("place", walled=True).invoke({"source": source})
    assert said["result"] == {
        "user": USER,
        "scratch_bytes": SCRATCH_BYTES,
        "writable": ["/tmp"],
        "shared_memory": False,
        "box": False,
    }


def test_a_clip_that_comes_is_inspected_and_its_proxy_published_within_them(
    account: Account, media: Any
) -> None:
    account.s3.upload_file(str(media.get("h264.mp4")), account.cards, "A001.mov")
    inspect = account.of("inspect:", {"RUSHES_FUNCTION": "inspect"}, walled=True)
    (seen,) = inspect.invoke(bridged(account.cards, "A001.mov"))
    assert seen["result"]["media"]["video"][0]["codec"] == "h264"

    proxy = account.of("proxy:", {"RUSHES_FUNCTION": "proxy"}, walled=True)
    event = sam_event("s3", "put", bucket=account.cards, key="A001.mov")
    (made,) = proxy.invoke(event)
    assert proxy.invoke(event)[0]["invocation"] == made["invocation"]
    entry = account.ledger.entry(made["invocation"])
    assert entry is not None
    assert (entry.state, entry.attempt) == (State.succeeded, 1)
    (output,) = made["outputs"]
    key = output.removeprefix(f"s3://{account.proxies}/")
    receipt = account.s3.get_object(Bucket=account.proxies, Key=f"{key}.rushes.json")["Body"]
    told = json.loads(receipt.read())
    assert told["encoder"] == "libx264"
    assert "bubblewrap" not in json.dumps(told["box"])
