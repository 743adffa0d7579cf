"""The command line: `python -m digital_human up | down | status | restart | …`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from digital_human.control import ControlError, ask
from digital_human.orders import ORDERS, NotDone, add_parsers, order
from digital_human.ports import NoFreePort
from digital_human.processes import die_with_parent, sweep
from digital_human.settings import PROFILES, Settings, SettingsError, keys, load
from digital_human.state_file import AlreadyRunning, StateFile, UnfitFolder

OK = 0
FAILED = 1
USAGE = 2
NOT_RUNNING = 3
READY = b"ready"
STOP_PATIENCE_S = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status: 0 done, 1 failed, 2 usage, 3 not running."""
    options = _parser().parse_args(arguments)
    state = StateFile(options.state) if options.state else StateFile.default(os.environ)
    match options.command:
        case "up":
            return _up(state, options)
        case "down":
            return _down(state)
        case "restart":
            return _restart(state, options.instance)
        case command if command in ORDERS:
            return _order(state, options)
        case _:
            return _status(state, as_json=options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m digital_human", description="A digital human's platform, small and real."
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="the state file (default: $DIGITAL_HUMAN_STATE, else .digital-human/state.json)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser(
        "up",
        parents=[shared],
        help="start the system and stay until SIGTERM or SIGINT",
        epilog=f"settings: {', '.join(keys())}",
    )
    up.add_argument("--profile", choices=list(PROFILES), default="default")
    up.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    life = up.add_mutually_exclusive_group()
    life.add_argument("--detach", action="store_true", help="return once the system is ready")
    life.add_argument(
        "--die-with-parent",
        nargs="?",
        type=int,
        const=0,
        metavar="PID",
        help="stop when the thread that started this process ends; PID says whose that must be",
    )
    up.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="where the stores keep their data (default: beside the state file)",
    )
    up.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    commands.add_parser("down", parents=[shared], help="stop the system")
    status = commands.add_parser("status", parents=[shared], help="say what runs")
    status.add_argument("--json", action="store_true", help="one object on standard output")
    restart = commands.add_parser("restart", parents=[shared], help="start a copy afresh")
    restart.add_argument("instance", help="for example dialogue-1")
    add_parsers(commands, shared)
    return parser


def _up(state: StateFile, options: argparse.Namespace) -> int:
    if options.die_with_parent is not None:
        parent = options.die_with_parent or os.getppid()
        if parent != os.getppid():
            return _say(f"the parent is process {os.getppid()}, not {parent}", USAGE)
        die_with_parent(parent, signal.SIGTERM)
    try:
        settings = load(options.profile, options.overrides)
    except SettingsError as error:
        return _say(str(error), USAGE)
    if options.detach:
        return _detach(state, options)
    data = (options.data or _data_beside(state)).absolute()
    status, message = _supervise(state, settings, data, options.ready_fd)
    if options.ready_fd is not None and message:
        os.write(options.ready_fd, message.encode())
        return status
    return _say(message, status) if message else status


def _data_beside(state: StateFile) -> Path:
    return state.folder / "data"


def _supervise(
    state: StateFile, settings: Settings, data: Path, ready_fd: int | None
) -> tuple[int, str]:
    from digital_human.readiness import StartFailed
    from digital_human.run import run

    def ready(content: dict[str, Any]) -> None:
        if ready_fd is None:
            _say(f"ready at {content['gateway']['url']}; state file {state.path}", OK)
        else:
            os.write(ready_fd, READY)
            os.close(ready_fd)

    try:
        state.acquire()
    except (AlreadyRunning, UnfitFolder, OSError) as error:
        return USAGE, str(error)
    if ready_fd is not None:
        _log_to(state.folder / "supervisor.log")
    try:
        asyncio.run(run(state, settings, data, ready))
    except (StartFailed, NoFreePort) as error:
        return FAILED, f"not started: {error}"
    finally:
        state.remove()
    return OK, ""


def _log_to(path: Path) -> None:
    """Send what this process says to a file, as nobody listens to a detached one."""
    with path.open("wb") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())


def _detach(state: StateFile, options: argparse.Namespace) -> int:
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "digital_human", "up", "--state", str(state.path)]
    command += ["--profile", options.profile, "--ready-fd", str(writing)]
    for override in options.overrides:
        command += ["--set", override]
    if options.data is not None:
        command += ["--data", str(options.data)]
    package = Path(__file__).parent.parent
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH", "")]))
    supervisor = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[writing],
        start_new_session=True,
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        message = pipe.read()
    if message == READY:
        return OK
    status = supervisor.wait()
    return _say(message.decode() or f"the supervisor ended with status {status}", status or FAILED)


def _down(state: StateFile) -> int:
    owner = state.owner()
    if owner is None:
        return _clean_up(state)
    owner.signal(signal.SIGTERM)
    # A stopped supervisor would not notice before it is continued.
    owner.signal(signal.SIGCONT)
    if owner.wait(STOP_PATIENCE_S):
        left = sweep(state.folder)
        return _say(f"stopped{_swept(left)}", OK)
    owner.signal(signal.SIGKILL)
    owner.wait(STOP_PATIENCE_S)
    return _clean_up(state)


def _clean_up(state: StateFile) -> int:
    from digital_human.database import remove_data

    if not state.traces():
        return _say("nothing is running", OK)
    try:
        state.acquire()
    except AlreadyRunning as error:
        return _say(str(error), FAILED)
    left = sweep(state.folder)
    content = state.read() or {}
    remove_data(Path(content.get("data", {}).get("wanted", _data_beside(state))))
    state.remove()
    return _say(f"the supervisor was dead; cleaned up after it{_swept(left)}", OK)


def _swept(pids: list[int]) -> str:
    return f", processes {', '.join(map(str, pids))} killed" if pids else ""


def _restart(state: StateFile, instance: str) -> int:
    if state.owner() is None:
        return _say("nothing is running", NOT_RUNNING)
    try:
        answer = asyncio.run(ask(state.folder, {"command": "restart", "instance": instance}))
    except ControlError as error:
        return _say(str(error), FAILED)
    return _say(f"{instance} is process {answer['pid']} now", OK)


def _order(state: StateFile, options: argparse.Namespace) -> int:
    try:
        told = order(state, options)
    except NotDone as error:
        return _say(str(error), FAILED)
    sys.stdout.write(f"{told}\n")
    return OK


def _status(state: StateFile, *, as_json: bool) -> int:
    content = state.read() if state.owner() is not None else None
    processes: dict[str, Any] = {}
    if content is not None:
        try:
            processes = asyncio.run(ask(state.folder, {"command": "list"}))["processes"]
        except ControlError as error:
            return _say(str(error), FAILED)
    if as_json:
        told = {"running": content is not None, "state": content, "processes": processes}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif content is None:
        sys.stdout.write("nothing is running\n")
    else:
        sys.stdout.write(f"{content['gateway']['url']} (profile {content['profile']})\n")
        for name, process in processes.items():
            how = "running" if process["running"] else process["ending"]
            sys.stdout.write(f"  {name:<12} {process['pid']:>8}  {how}\n")
    return OK if content is not None else NOT_RUNNING


def _say(message: str, status: int) -> int:
    sys.stderr.write(f"digital human: {message}\n")
    return status
