"""One encode in a process of its own, for test_device_turns: SOURCE TARGET CHOICE FALLBACK.

Prints what became of it as one line of JSON. The ledger is the one that the environment names.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from rushes.asset import Asset
from rushes.media.devices.device_turns import Devices
from rushes.media.devices.ledger import open_ledger
from rushes.media.encoding.encode import encode
from rushes.media.encoding.means import Means
from rushes.media.planning.choice import parse_choice
from rushes.media.profile import Profile

PROFILE = Profile.model_validate(
    {"video": {"codec": "h264", "speed": "ultrafast", "width": 160, "height": 90}, "audio": {"codec": "none"}}
)

if __name__ == "__main__":
    source, target, chosen, fallback = sys.argv[1:]
    made = encode(
        Asset.of(source),
        Path(target),
        PROFILE,
        means=Means(
            parse_choice(chosen, fallback),
            devices=Devices(lambda: open_ledger(os.environ), wait_s=60.0, cores=2),
        ),
    )
    tried = [one.to_dict() for one in made.tried]
    print(json.dumps([made.encoder, made.frames, list(made.warnings), tried]))  # noqa: T201 - its answer
