"""Run the fault suite: `python -m tests.faults --seed 7 --minutes 30 --stack full`. Exit code 1 on any violation."""

import argparse
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from devservers import ServerMissing
from tests.faults.chaos import Chaos
from tests.faults.drivers import Drivers
from tests.faults.embedded_stack import embedded_world
from tests.faults.full_stack import full_world
from tests.faults.injections import heal
from tests.faults.journal import Executions
from tests.faults.load import plan_jobs, plan_single_images
from tests.faults.plan import Fault, StackKind, plan_faults
from tests.faults.report import Outcome, report
from tests.faults.verdict import judge, no_leftovers
from tests.faults.world import World

_WORLDS = {StackKind.FULL: full_world, StackKind.EMBEDDED: embedded_world}
# Enough for most kinds of faults; both together stay under six minutes on two cores.
_SHORT_MINUTES = {StackKind.FULL: 1.1, StackKind.EMBEDDED: 0.8}
_LONG_MINUTES = 30.0
_BATCH_DRIVERS = 2  # so many large jobs are open at a time, which bounds the backlog at the end
_SINGLE_PAUSE = 2.0
_WORKERS, _REPORTED_WITHIN = 2, 60.0


def main() -> int:
    """Run one stack through one plan; return 0 where the audit is clean, else 1."""
    options = _options()
    logging.basicConfig(level=logging.ERROR)  # that services are away is no news here
    folder = Path(tempfile.mkdtemp(prefix="delineate-faults-"))
    seconds = 60 * (options.minutes or (_SHORT_MINUTES[options.stack] if options.short else _LONG_MINUTES))
    faults = plan_faults(options.seed, stack=options.stack, seconds=seconds, short=options.short)
    again = f"--seed {options.seed} --minutes {seconds / 60:g} --stack {options.stack}{' --short' * options.short}"
    _say(f"python -m tests.faults {again}\nlogs in {folder}\nthe plan:")
    for fault in faults:
        _say(f"  {fault}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the stack is taken down
    try:
        with _WORLDS[options.stack](folder) as world:
            outcome = _run(world, faults, seconds, options, again)
    except ServerMissing as error:
        _say(f"the fault suite {error}")
        return 1 if os.environ.get("CI") == "true" else 0  # as the tests on servers do
    text = report(outcome)
    _say(text)
    if outcome.is_clean:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    (folder / "report").write_text(text + "\n")
    return 1


def _run(world: World, faults: list[Fault], seconds: float, options: argparse.Namespace, title: str) -> Outcome:
    if not _comes_about(lambda: len(world.past.workers.alive(within=_REPORTED_WITHIN)) >= _WORKERS, _soon(options)):
        raise TimeoutError(f"the workers did not come up: see {world.folder}")
    drivers = Drivers(world.through)
    jobs = plan_jobs(options.seed, short=options.short)
    for _ in range(_BATCH_DRIVERS):
        drivers.start(jobs)
    drivers.start(plan_single_images(options.seed), pause=_SINGLE_PAUSE)
    chaos = Chaos(world, faults, _say)
    _say("the stack is ready, the faults begin")
    chaos.run(seconds)
    drivers.no_more()
    not_reached = heal(world)
    _say("the faults are over, the rest has to happen by itself")
    began = time.monotonic()
    unfinished = drivers.finish(options.patience)
    drained = time.monotonic() - began
    if not _comes_about(lambda: _admin_is_ready(world), _soon(options)):
        unfinished.append("the admin does not say that it is ready")
    # Reconcilers clear away what a job left behind, a while after its end; what they leave is a finding.
    _comes_about(lambda: no_leftovers(world.past), _soon(options))
    return Outcome(
        title=title,
        verdict=judge(world.past, drivers.jobs, Executions.read(world.folder / "journal")),
        injected=chaos.injected,
        not_reached=not_reached,
        unfinished=unfinished,
        jobs=drivers.jobs,
        restarts=world.restarts,
        drained=drained,
    )


def _soon(options: argparse.Namespace) -> float:
    return time.monotonic() + float(options.patience)


def _comes_about(condition: Callable[[], bool], deadline: float) -> bool:
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def _admin_is_ready(world: World) -> bool:
    try:
        with urllib.request.urlopen(f"{world.admin_address}/health/ready", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _say(text: str) -> None:
    print(text, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--stack", type=StackKind, choices=list(StackKind), default=StackKind.FULL)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="what all chance comes from")
    parser.add_argument("--minutes", type=float, help="how long faults are injected")
    parser.add_argument("--short", action="store_true", help="faults follow each other quickly, and are short")
    parser.add_argument("--patience", type=float, default=300.0, metavar="S", help="for all jobs to end afterwards")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
