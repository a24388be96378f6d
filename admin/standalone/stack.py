"""The embedded stack from start to stop."""

import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from admin.commands.processes import prepare
from admin.standalone import announcements, readiness
from admin.standalone.broker import stop_strayed_broker
from admin.standalone.child import Child
from admin.standalone.first_account import prepare_first_account
from admin.standalone.foreground import Foreground
from admin.standalone.home import PRIVATE, Home
from admin.standalone.parts import HOST, broker_part, choose_port, parts_environment, python_parts
from admin.standalone.signals import SignalInbox
from admin.standalone.state import State, end_leftovers, recorded_now
from admin.standalone.supervisor import Death, Supervisor
from shared.config import Settings, load_settings
from shared.errors import ConfigurationError, UsageError
from shared.home_paths import leave_socket_folder, make_socket_folder
from shared.services import Services, connect
from shared.temporary import check_temporary_folder

_PREPARE_SECONDS = 60.0
# Importing torch on a busy machine with a cold disk takes most of it.
_START_SECONDS = 300.0
# So often a part may die before the first `ready`; later it is started again for ever.
_DEATHS_AT_START = 3
_PERMANENT = 2  # the exit code by which a part says that trying again gives the same answer
_TICK = 0.25
_IDLE = 3600.0


@dataclass(frozen=True)
class Options:
    """The arguments of `admin standalone`; see its help."""

    home: Path | None = None
    temporary: bool = False
    port: int | None = None
    verbose: bool = False
    command: tuple[str, ...] = ()


class _Interrupted(Exception):
    """A signal asked to stop before the stack was ready."""

    def __init__(self, request: signal.Signals) -> None:
        super().__init__(f"stopped by {request.name} before the stack was ready")
        self.exit_code = 128 + request


def run(options: Options) -> int:
    """Run the stack until a signal, or until the command has ended, and return the exit code.

    Raises:
        UsageError: a stack runs in this folder already, or the command does not exist.
        ConfigurationError: a part cannot come up; the line says why.
        Retryable: a service that is configured elsewhere is away.
    """
    if options.temporary and options.home:
        raise UsageError("--temporary makes a folder of its own: leave out --home")
    # What the stack writes is for its user alone; what the command writes is the user's own business.
    umask = os.umask(PRIVATE)
    try:
        return _run(options, umask)
    finally:
        os.umask(umask)


def _run(options: Options, umask: int) -> int:
    with _opened_home(options) as (home, settings):
        environment = parts_environment(settings, only_embedded=options.temporary)
        if options.command and not shutil.which(options.command[0], path=environment["PATH"]):
            raise UsageError(f"there is no command {options.command[0]!r}")
        check_temporary_folder()
        with SignalInbox() as inbox:
            return _Stack(home, settings, options, environment, inbox, umask).run()


@contextmanager
def _opened_home(options: Options) -> Iterator[tuple[Home, Settings]]:
    if options.temporary:
        folder = Path(tempfile.mkdtemp(prefix="delineate-"))
        # Thrown away with all that is in it, so it uses nothing that is configured elsewhere.
        settings = load_settings(delineate_home=folder, database_url="", broker_url="", store_url="")
    else:
        settings = load_settings(**({"delineate_home": Path.cwd() / options.home} if options.home else {}))
    home = Home(settings.delineate_home)
    try:
        yield home, settings
    finally:
        if options.temporary:
            home.remove()
        else:
            home.close()


class _Stack:
    def __init__(
        self,
        home: Home,
        settings: Settings,
        options: Options,
        environment: dict[str, str],
        inbox: SignalInbox,
        umask: int,
    ) -> None:
        self._umask = umask
        self._home = home
        self._settings = settings
        self._options = options
        self._environment = environment
        self._inbox = inbox
        self._address = ""
        self._hurry = False
        self._is_ready = False
        self._deaths: Counter[str] = Counter()
        self._supervisor = Supervisor(
            logs=home.logs,
            say=self._say,
            wakeup=inbox,
            on_change=self._record,
            on_death=self._judge,
            verbose=options.verbose,
        )

    def run(self) -> int:
        try:
            self._clear_leftovers()
            self._start()
            return self._attend_command() if self._options.command else self._attend()
        except _Interrupted as interrupted:
            self._say(f"{interrupted}")
            return interrupted.exit_code
        finally:
            self._supervisor.stop(hurry=self._is_hurried)
            if not self._settings.broker_url:
                leave_socket_folder(self._settings.broker_socket, self._settings.delineate_home)
            self._home.state_file.unlink(missing_ok=True)

    # -- starting ------------------------------------------------------------------------------------------------

    def _clear_leftovers(self) -> None:
        for name in end_leftovers(State.load(self._home.state_file).children):
            self._say(f"ended a {name} that a killed stack had left running")
        if not self._settings.broker_url and stop_strayed_broker(self._settings.broker_socket):
            self._say("ended a broker that nobody looked after")

    def _start(self) -> None:
        settings = self._settings
        self._say(*announcements.elsewhere(settings), *announcements.network_disk(settings))
        port = self._choose_port()
        self._address = f"http://{HOST}:{port}"
        services = connect(settings)
        try:
            if settings.broker_url:
                services.queue.check()
            else:
                make_socket_folder(settings.broker_socket)
                self._say("starting the broker and the database …")
                self._supervisor.start(broker_part(settings, self._home, self._environment))
            prepare(services, wait=_PREPARE_SECONDS, pause=self._pause)
            password_file = self._home.password_file
            password = prepare_first_account(self._home, settings, services.database)
            if password and not self._options.command:
                self._say(*announcements.first_password(settings, password, password_file))
            self._wait_for([readiness.broker_check(services)])  # or the others would start with a warning
            self._say("starting reconciler, admin and worker; the worker loads its model and measures its speed …")
            secret_key = settings.secret_key.get_secret_value() if settings.secret_key else self._home.secret_key()
            *_, worker = [
                self._supervisor.start(part)
                for part in python_parts(self._environment, port=port, secret_key=secret_key)
            ]
            self._wait_for(self._checks(services, port, worker))
        finally:
            services.close()
        self._is_ready = True
        self._say(*announcements.ready(settings, self._address, password_file))

    def _choose_port(self) -> int:
        if self._options.port is not None:
            return choose_port(self._options.port, insist=True)
        return choose_port(0 if self._options.temporary else self._settings.admin_port, insist=False)

    def _checks(self, services: Services, port: int, worker: Child) -> list[readiness.Check]:
        # The slowest first: until it answers the others need not be asked.
        return [
            readiness.worker_check(services, worker.lived),
            readiness.admin_check(HOST, port),
            readiness.broker_check(services),
            readiness.database_check(services),
        ]

    def _wait_for(self, checks: list[readiness.Check]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while silent := readiness.first_silent(checks):
            if time.monotonic() > deadline:
                logs = announcements.shown(self._home.logs)
                raise ConfigurationError(f"the {silent} did not answer within {_START_SECONDS:g} s, see {logs}")
            self._pause(_TICK)

    def _pause(self, seconds: float) -> None:
        """Look after the parts while the start waits for something."""
        if request := self._inbox.next_request():
            raise _Interrupted(request)
        self._supervisor.step(seconds)

    def _judge(self, death: Death) -> None:
        """End the start when a part cannot work, with the part's own line; a stack that was ready lives on."""
        if self._is_ready:
            return
        self._deaths[death.name] += 1
        if death.code == _PERMANENT or self._deaths[death.name] >= _DEATHS_AT_START:
            log = announcements.shown(self._home.logs / f"{death.name}.log")
            raise ConfigurationError(f"the {death.name} cannot start: {death.reason or death} (log: {log})")

    # -- running -------------------------------------------------------------------------------------------------

    def _attend(self) -> int:
        while not (request := self._inbox.next_request()):
            self._supervisor.step(_IDLE)
        self._say(f"{request.name}: stopping; the images in work are finished first (again: stop at once)")
        return 0

    def _attend_command(self) -> int:
        command = Foreground(self._options.command, self._environment, umask=self._umask)
        told = False
        while (code := command.exit_code()) is None:
            request = self._inbox.next_request()
            if request is None:
                self._supervisor.step(_IDLE)
            elif told:
                self._hurry = True
                command.kill()
            else:
                told = True
                command.interrupt(request)
        self._say(f"{self._options.command[0]} ended with code {code}; stopping")
        return code

    def _is_hurried(self) -> bool:
        self._hurry = self._hurry or self._inbox.next_request() is not None
        return self._hurry

    def _record(self, children: list[Child]) -> None:
        processes = recorded_now([(child.part.name, child.pid) for child in children])
        State(pid=os.getpid(), address=self._address, children=processes).save(self._home.state_file)

    def _say(self, *lines: str) -> None:
        # With a command, standard output is the command's. A terminal that is gone must not stop the stack.
        with suppress(OSError):
            for line in lines:
                click.echo(line, err=bool(self._options.command))
