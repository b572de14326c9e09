"""What starts a function by itself: objects that come, hours, messages, files in a folder. Pure.

    on_s3         an object comes into a bucket
    on_schedule   an hour comes, for what lies in a bucket and was not worked on
    on_sqs        a message names an object
    on_folder     a file comes into a folder of this machine, for `rushes watch`

The first three compile to rules and queues of an environment on AWS, and are matched by its router. This
module must not know how an event travels.
"""

from __future__ import annotations

from rushes.triggers.folder import OnFolder, is_of_kind, on_folder
from rushes.triggers.s3 import Match, OnS3, on_s3, rule_of
from rushes.triggers.started import OnSchedule, OnSqs, on_schedule, on_sqs

__all__ = [
    "Match",
    "OnFolder",
    "OnS3",
    "OnSchedule",
    "OnSqs",
    "Trigger",
    "is_of_kind",
    "on_folder",
    "on_s3",
    "on_schedule",
    "on_sqs",
    "rule_of",
]

Trigger = OnS3 | OnFolder
