"""What a person who follows a batch is told while services do not answer: that, once, and that they do again.

Work that was sent goes on meanwhile. This module must not know what is asked, nor when following ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rushes.core.silence import Silence
from rushes.errors import RushesError
from rushes.printing import printable
from rushes.units import format_duration

__all__ = ["Bearing"]


class Bearing:
    """Bears the silence of an engine's services, of whom one has answered before.

    Args:
        batch: that is followed.
        say: prints a line.
        clock: seconds, on a clock that goes forward.
    """

    def __init__(
        self, batch: str, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._batch, self._say, self._clock = batch, say, clock
        self._silence = Silence(heard=True)
        self._sending = ""

    def failed(self, error: RushesError) -> float | None:
        """Something was not answered: seconds until it is worth asking again; None: it is not."""
        is_news = self._silence.since is None
        rest_s = self._silence.failed(error.code, self._clock())
        if rest_s is None:
            if not is_news:
                self._say(f"left running: rushes follow {self._batch}")
            return None
        if is_news:
            self._say(f"{printable(error.message)} {self._advice(error)}")
        return rest_s

    def _advice(self, error: RushesError) -> str:
        until = "it is asked again for an hour"
        if error.code == "no-credentials":
            return f"{error.fix} The batch goes on; {until}."
        return f"The batch goes on; {until}."

    def answered(self) -> None:
        """Something was answered."""
        since = self._silence.since
        if self._silence.answered() and since is not None:
            self._say(f"answered again after {format_duration(self._clock() - since)}")

    def sending(self, waits: str) -> None:
        """Why what is being sent does not go on, or ""; said once for each time that it stops."""
        if waits and not self._sending:
            self._say(f"{printable(waits)} The rest of the list is sent once that is answered.")
        self._sending = waits
