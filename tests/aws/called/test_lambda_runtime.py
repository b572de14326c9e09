"""The image's entry point under Lambda's own runtime: events as AWS makes them, a limit of time, a death.

What runs is the wheel, called by awslambdaric in AWS's emulator; S3, ledger and queues are a server's.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from lambda_account import Account, bridged, messages
from lambda_runtime import sam_event

from rushes.core.states import State
from rushes.engines.aws.notices.sweeping import sweep
from rushes.notices import notice_text
from rushes.runtime.shared.claims.run import ClaimRunner
from rushes.storage.s3_uri import local_name, place_of

# One process builds the wheel for all of these.
pytestmark = pytest.mark.xdist_group("lambda")


def test_an_object_that_s3_tells_of_twice_is_worked_on_once(account: Account) -> None:
    account.put("day 1/A+001 é.mov")
    event = sam_event("s3", "put", bucket=account.cards, key="day 1/A+001 é.mov")
    shout = account.of("shout")
    first, second = shout.invoke(event), shout.invoke(event)
    assert first == second
    assert first[0]["outputs"] == [f"s3://{account.proxies}/dune/A+001 é.txt"]
    assert account.outputs() == ["dune/A+001 é.txt", "dune/A+001 é.txt.rushes.json"]
    entry = account.ledger.entry(first[0]["invocation"])
    assert entry is not None
    assert (entry.state, entry.attempt) == (State.succeeded, 1)
    assert entry.end is not None
    cost = json.loads(entry.end.data)["cost"]
    assert cost["total"] == entry.end.cost_nano == cost["compute"] + cost["requests"]
    assert cost["compute"] > 0
    # The request of Lambda; a clip and a place looked at, the clip read, a receipt and an output written.
    assert cost["requests"] >= 200 + 3 * 400 + 2 * 5000
    receipt = account.s3.get_object(Bucket=account.proxies, Key="dune/A+001 é.txt.rushes.json")["Body"]
    assert 0 < json.loads(receipt.read())["cost_usd"] * 1e9 < cost["total"]
    measured = [one for one in shout.said() if "_aws" in one]
    assert measured[0]["cost"] == [pytest.approx(cost["total"] / 1e9)]
    assert (measured[0]["cold_start"], measured[0]["attempts"]) == ([1.0], [1.0])
    assert "attempts" not in measured[1]


def test_a_body_has_the_credentials_of_its_attempt_and_not_of_its_function(account: Account) -> None:
    source = account.put("A001.mov")
    (said,) = account.of("who").invoke({"source": source})
    assert said["result"]["key"].startswith("ASIA")


def test_event_bridge_and_a_direct_call_come_to_the_same(account: Account) -> None:
    source = account.put("A001.mov")
    shout = account.of("shout")
    told = shout.invoke(bridged(account.cards, "A001.mov"))
    assert shout.invoke({"source": source}) == told
    assert account.outputs() == ["dune/A001.txt", "dune/A001.txt.rushes.json"]


def test_of_messages_only_those_that_failed_come_back(account: Account) -> None:
    notices = account.submit("shout", account.put("A001.mov"), account.put("A002.mov"))
    event = messages(notice_text(notices[0]), "no notice", notice_text(notices[1]))
    assert account.of("shout").invoke(event) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    tally = account.ledger.tally("k7m2qx")
    assert tally is not None
    assert tally.ended == {State.succeeded: 2}


def test_a_failure_is_an_error_of_the_call_and_the_next_call_goes_on(account: Account) -> None:
    source = account.put("A001.mov")
    refuse = account.of("refuse", {"RUSHES_TABLE": ""})
    for _ in range(2):
        said = refuse.invoke({"source": source})
        assert said["errorType"] == "MediaError"
        assert "cut short" in said["errorMessage"]


def test_inspect_of_the_wheel_describes_a_clip(account: Account, media: Any) -> None:
    account.s3.upload_file(str(media.get("h264.mp4")), account.cards, "A001.mov")
    (said,) = account.of("inspect:", {"RUSHES_FUNCTION": "inspect"}).invoke(
        {"source": f"s3://{account.cards}/A001.mov"}
    )
    assert said["result"]["media"]["video"][0]["codec"] == "h264"


def test_what_does_not_end_in_time_is_stopped_handed_to_hosts_and_done_there_once(
    account: Account, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    (notice,) = account.submit("sleep", account.put("A001.mov"), gate=str(gate))
    # Twenty seconds before the end of its time an attempt is stopped: here after two.
    sleep = account.of("sleep", timeout_s=22)
    assert sleep.invoke(messages(notice_text(notice))) == {"batchItemFailures": []}
    assert sleep.processes("sleep") == []
    entry = account.ledger.entry(notice.invocation)
    assert entry is not None
    assert (entry.state, entry.attempt) == (State.queued, 0)

    (message,) = account.queues["hosts"].receive(10, 0)
    assert message.notice == notice
    gate.touch()
    host = ClaimRunner(
        account.ledger, account.store, tmp_path, "host", lambda uri: local_name(place_of(uri).key)
    )
    assert host.run(notice.invocation).state is State.succeeded
    entry = account.ledger.entry(notice.invocation)
    assert entry is not None
    assert entry.end is not None
    assert (entry.state, entry.attempt) == (State.succeeded, 1)
    assert entry.end.cost_nano > 200  # of the Lambda; this host has no price
    assert account.outputs("batch/") == ["batch/A001~1.txt", "batch/A001~1.txt.rushes.json"]


def test_a_process_that_dies_under_a_clip_loses_it_to_the_next_and_nothing_else(
    account: Account, tmp_path: Path
) -> None:
    (notice,) = account.submit("die", account.put("A001.mov"), gate=str(tmp_path / "gate"))
    die = account.of("die")
    assert die.invoke(messages(notice_text(notice)))["errorType"] == "Runtime.ExitError"
    later = time.time() + 61  # its claim has lapsed by then
    queues = {"urgent": account.queues["urgent"]}
    assert sweep(account.ledger, queues, later) == 1
    (message,) = account.queues["urgent"].receive(10, 0)
    runner = ClaimRunner(
        account.ledger, account.store, tmp_path, "other", lambda uri: local_name(place_of(uri).key),
        clock=lambda: later,
    )  # fmt: skip
    assert runner.run(message.notice.invocation).state is State.succeeded
    entry = account.ledger.entry(notice.invocation)
    assert entry is not None
    assert (entry.attempt, entry.losses) == (2, 1)


def test_nothing_listens_beyond_this_machine(account: Account) -> None:
    shout = account.of("shout")
    places = set()
    for process in [shout.process, *(one.itself for one in shout.processes())]:
        with suppress(psutil.NoSuchProcess):
            found = process.net_connections()
            places |= {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}
    assert places == {"127.0.0.1"}
