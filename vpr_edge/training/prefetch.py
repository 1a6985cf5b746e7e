"""The next step's batch drawn while a GPU computes this one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from vpr_edge.training.batches import StepBatch

Draw = Callable[[int], StepBatch]


class Prefetcher:
    """Gives the batches of steps, one of them drawn ahead in a thread.

    A batch depends on its step alone, so who draws it, and when, changes nothing.

    Args:
        draw: from a step's number to its batch.
    """

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._thread = ThreadPoolExecutor(1, "draw")
        self._ahead: tuple[int, Future[StepBatch]] | None = None

    def __call__(self, step: int) -> StepBatch:
        """The batch of a step: the one drawn ahead, or drawn now."""
        if self._ahead and self._ahead[0] == step:
            batch = self._ahead[1].result()
            self._ahead = None
            return batch
        return self._draw(step)

    def prepare(self, step: int) -> None:
        """Start to draw the batch of a step."""
        self._ahead = (step, self._thread.submit(self._draw, step))

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)
