"""A worker or a reconciler as it is, with points at which the suite can strike it, and a journal.

    python -m tests.faults.armed FOLDER worker
    python -m tests.faults.armed FOLDER reconciler

Nothing of the parts is replaced: methods that they call are wrapped. An item whose name says POISON ends the process
as a defect of a native library would, by a segmentation fault.
"""

import ctypes
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.journal import Journal
from tests.faults.points import Point, Points

POISON = "poison"


def armed_command(folder: Path, part: str) -> list[str]:
    """The command of an armed part; its working folder has to be the checkout."""
    return [sys.executable, "-m", "tests.faults.armed", str(folder), part]


def _before(owner: type, method: str, action: Callable[..., None]) -> None:
    original = getattr(owner, method)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        action(*arguments, **options)
        return original(*arguments, **options)

    setattr(owner, method, wrapped)


def _after(owner: type, method: str, action: Callable[..., None]) -> None:
    """`action` gets the result first."""
    original = getattr(owner, method)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        action(result, *arguments, **options)
        return result

    setattr(owner, method, wrapped)


def _arm_worker(points: Points, journal: Journal) -> None:
    from shared.jobs.claims import Claims
    from shared.net.backends.torch_backend import TorchBackend
    from shared.store.local_folder import LocalFolderStore
    from shared.store.s3 import S3Store
    from worker.items import ItemProcessor

    def begin(_processor: object, item: Any, *_arguments: object) -> None:
        journal.began(item.id)
        if POISON in item.path:
            ctypes.string_at(0)

    def put(_result: None, _store: object, key: str, *_arguments: object) -> None:
        if "/prob/" in key:  # the second of an item's two objects
            points.reach(Point.AFTER_PUT)

    def completed(ended: dict[str, Any], *_arguments: object) -> None:
        points.reach(Point.AFTER_COMMIT)
        for item_id, state in ended.items():
            journal.ended(item_id, state)

    _before(ItemProcessor, "process", begin)
    # Not where the network warms up and is measured at the start, which asks for levels alone.
    _before(TorchBackend, "answers", lambda *_: points.reach(Point.IN_BATCH))
    _before(TorchBackend, "_run_quantised", lambda *_: points.use_device())
    for store in (LocalFolderStore, S3Store):
        _after(store, "put", put)
    _before(Claims, "claim", lambda *_, **__: points.reach(Point.BEFORE_CLAIM))
    _before(Claims, "complete", lambda *_: points.reach(Point.BEFORE_COMMIT))
    _after(Claims, "complete", completed)


def _arm_reconciler(points: Points) -> None:
    from shared.queue.celery_app import ShardQueue

    _before(ShardQueue, "publish", lambda *_: points.reach(Point.PUBLISHING))


def main(folder: Path, part: str) -> int:
    """Run the part until it ends."""
    points = Points(folder / "points")
    if part == "worker":
        from worker.__main__ import main as run_worker

        _arm_worker(points, Journal(folder / "journal"))
        return run_worker()
    from admin.cli import main as run_admin

    _arm_reconciler(points)
    run_admin(["reconcile"])
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
