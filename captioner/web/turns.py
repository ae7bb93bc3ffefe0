"""One thread that runs the models, and everyone waits for their turn.

Torch would start as many threads of its own for every thread that calls it, and large pictures
opened side by side would fill the memory.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from captioner.errors import CaptionerError

# Functions that may wait or run at once. Each holds a thread of the server while it waits, so the
# server needs more threads than that, see `serving.py`: else nobody would be there to say "busy".
PLACES = 24


class Busy(CaptionerError):
    """There are too many before this one."""


class Turns:
    """Runs one function at a time, first come, first served.

    Args:
        places: functions that may wait or run at once.
        patience: seconds that one waits for its turn.
    """

    def __init__(self, *, places: int = PLACES, patience: float = 20.0) -> None:
        self._places = threading.Semaphore(places)
        self._patience = patience
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")

    def run(self, function: Callable, *arguments: Any) -> Any:
        """Runs the function when it is its turn, and gives its result.

        Raises:
            Busy: its turn does not come in time.
        """
        if not self._places.acquire(blocking=False):
            raise Busy("too many pictures are waiting: try again in a moment")
        try:
            future = self._thread.submit(function, *arguments)
            done, _ = wait([future], self._patience)
            # What runs already can't be cancelled, and its result is near.
            if not done and future.cancel():
                raise Busy("other pictures took too long: try again in a moment")
            return future.result()
        finally:
            self._places.release()
