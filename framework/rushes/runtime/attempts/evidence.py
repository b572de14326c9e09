"""What an attempt has done, gathered while it runs: for the row of its result, and for the receipt.

This module must not know how anything was made, nor where outputs go.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rushes.runtime.attempts.task import Made, Task

if TYPE_CHECKING:
    from rushes.declaration import Result
    from rushes.media.encoding.encode import Encoded
    from rushes.media.running.process import ToolRun
    from rushes.runtime.outputs.provenance import Provenance
    from rushes.runtime.outputs.receipt import Receipt

__all__ = ["Evidence", "row_of"]

HOST: Final = socket.gethostname()


@dataclass(slots=True)
class Evidence:
    """What one attempt has done so far.

    Args:
        warnings: what the reader should know.
        provenances: how each encode, ladder or set of stills was made.
        encodes: the encodes among them.
        runs: every other command.
        build: the ffmpeg that commands used which are no encode.
    """

    warnings: list[str] = field(default_factory=list)
    provenances: list[Provenance] = field(default_factory=list)
    encodes: list[Encoded] = field(default_factory=list)
    runs: list[ToolRun] = field(default_factory=list)
    build: Mapping[str, str] | None = None

    def receipt(self, task: Task, fingerprint: str, started: float) -> Receipt:
        """The provenance of what was made; its outputs are filled in by the publication."""
        from rushes.media.readers.reader import walls_used  # noqa: PLC0415 - the media stack is imported when used
        from rushes.runtime.outputs.receipt import Receipt  # noqa: PLC0415

        function, frames = task.function, task.source.frames
        last = self.provenances[-1] if self.provenances else None
        runs: list[Encoded | ToolRun] = [*self.encodes, *self.runs]
        return Receipt.model_validate(
            {
                "function": function.name,
                "version": function.version,
                "ref": function.ref,
                "source_digest": task.source_digest,
                "params": task.params.model_dump(mode="json"),
                "key": task.key,
                "source": {
                    "uri": task.source.uri,
                    "fingerprint": fingerprint,
                    "frames": [frames.start, frames.stop] if frames else None,
                },
                "invocation": task.invocation,
                "attempt": task.attempt,
                "show": task.show,
                "host": HOST,
                "ffmpeg": last.build if last else self.build,
                "argv": [list(words) for words in self._commands()],
                "encoder": last.encoder if last else None,
                "tried": last.tried if last else [],
                "parts": last.parts if last else [],
                "verification": last.verification if last else None,
                "quality": last.quality if last else None,
                "box": _box_of(runs),
                "reader": walls_used(),
                "warnings": self.warnings,
                "timings": {
                    "queued": task.queued_at or started,
                    "started": started,
                    "finished": time.time(),
                    "cpu_s": sum(run.cpu_s for run in runs),
                },
            }
        )

    def _commands(self) -> Iterator[Sequence[str]]:
        """Every command; those of the parts of a clip are told beside each part."""
        for encode in self.encodes:
            of_parts = {tuple(part["argv"]) for part in encode.parts}
            yield from (words for words in encode.commands if words not in of_parts)
        for run in self.runs:
            yield run.argv


def row_of(result: Result, evidence: Evidence | None) -> Made:
    """The row of what a body returned; None for a body of which there is nothing to say."""
    if evidence is None:
        return Made(_as_json(result))
    return Made(
        _as_json(result),
        encoder=evidence.provenances[-1].encoder if evidence.provenances else None,
        warnings=tuple(evidence.warnings),
        media_s=sum(one.media_s for one in evidence.provenances),
    )


def _box_of(runs: list[Encoded | ToolRun]) -> str:
    if not runs:
        return "none"
    from rushes.media.running.box import weakest  # noqa: PLC0415 - as above

    return weakest(run.box for run in runs)


def _as_json(result: Result) -> str:
    try:
        return result.model_dump_json()
    except ValueError:  # pydantic writes UTF-8 only, and a name on disk may be none
        return json.dumps(result.model_dump(mode="json"), separators=(",", ":"))
