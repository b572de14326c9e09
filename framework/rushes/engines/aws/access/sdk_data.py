"""What the SDK knows of the services, made small for an image: reading it is most of a first client.

botocore describes every service of AWS with all its documentation, and every region of every one; for its
first client it lists all their folders and parses what that client needs. ``python -m
rushes.engines.aws.access.sdk_data FOLDER`` writes the descriptions of the services that Rushes talks to as
botocore here has them, less their prose: every operation stays. Where `RUSHES_SDK_DATA` names that folder,
clients of these services are made of it, and of others as always. It counts only for the botocore that it was
made of.
This module must not know what is asked of a service.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

__all__ = ["SERVICES", "loader_of", "make"]

SERVICES: Final = ("autoscaling", "dynamodb", "ecs", "events", "lambda", "logs", "s3", "sqs", "ssm", "sts")
_DESCRIPTIONS: Final = ("service-2", "endpoint-rule-set-1", "paginators-1", "waiters-2")
_OF_ALL: Final = ("partitions", "sdk-default-configuration", "_retry")
_PROSE: Final = frozenset({"documentation", "documentationUrl"})


def make(folder: Path) -> None:
    """Write the descriptions below a folder, as the botocore that is installed has them."""
    from botocore import __version__ as version  # noqa: PLC0415 - when an image is built
    from botocore.exceptions import DataNotFoundError  # noqa: PLC0415 - as above
    from botocore.loaders import Loader  # noqa: PLC0415 - as above

    whole, place = Loader(), folder / version
    for service in SERVICES:
        of_day = whole.determine_latest_version(service, "service-2")
        for what in _DESCRIPTIONS:
            try:
                said = whole.load_service_model(service, what, of_day)
            except DataNotFoundError:  # it has no waiters, say
                continue
            _write(place / service / of_day / f"{what}.json", said)
    for what in _OF_ALL:
        _write(place / f"{what}.json", whole.load_data(what))
    regions, wanted = whole.load_data("endpoints"), _prefixes(place)
    for partition in regions["partitions"]:
        of_all = partition["services"]
        partition["services"] = {name: said for name, said in of_all.items() if name in wanted}
    _write(place / "endpoints.json", regions)


def loader_of(folder: str, service: str) -> Any:
    """A loader for a session of botocore that finds a service's description in a folder.

    Returns:
        None where there is none, or where it was made of another botocore.
    """
    if not folder or service not in SERVICES:
        return None
    from botocore import __version__ as version  # noqa: PLC0415 - not at a cold start
    from botocore.loaders import Loader  # noqa: PLC0415 - as above

    place = Path(folder) / version
    if not (place / service).is_dir():
        return None

    class Described(Loader):  # type: ignore[misc]
        # In the place of the SDK's own, not beside it: addresses that lie elsewhere are taken for somebody's
        # own servers, which have no access points, and no address that serves all regions.
        BUILTIN_DATA_PATH = str(place)

    return Described()


def _prefixes(place: Path) -> set[str]:
    """What the list of regions calls the services of a folder."""
    found = (json.loads(one.read_text("utf-8")) for one in place.glob("*/*/service-2.json"))
    return {said["metadata"]["endpointPrefix"] for said in found}


def _write(path: Path, said: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_without_prose(said), separators=(",", ":")), encoding="utf-8")


def _without_prose(said: Any) -> Any:
    """A description whose texts are empty: botocore looks some of them up, and would miss them."""
    if isinstance(said, dict):
        return {
            name: "" if name in _PROSE and isinstance(one, str) else _without_prose(one)
            for name, one in said.items()
        }
    return [_without_prose(one) for one in said] if isinstance(said, list) else said


if __name__ == "__main__":
    make(Path(sys.argv[1]))
