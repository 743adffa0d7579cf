"""What stands in a file is an argument, never a shell's line."""

from __future__ import annotations

import ast
import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Owner
from sloproof.effects.command import Command
from sloproof.effects.process import Process
from sloproof.effects.switch import Switch
from sloproof.extensions import Extensions

ROOT = Path(__file__).parents[1]
OURS = ("sloproof", "fault_injectors", "load_profiles")
SHELLS = {"sh", "bash", "dash", "zsh", "/bin/sh", "/bin/bash", "cmd", "cmd.exe"}
CALLS = {
    "os.system",
    "os.popen",
    "pty.spawn",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell",
    "create_subprocess_shell",
}
EVIL = (
    "; touch pwned; $(touch pwned) `touch pwned` | touch pwned > pwned & 'x' \"y\" \n touch pwned"
)
ECHO = "import json, sys; from pathlib import Path; Path('heard').write_text(json.dumps(sys.argv))"


def offences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where a program could hand a string to a shell: a call of one, or a shell as a program."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from ((node.lineno, what) for what in _of_call(node))
        if isinstance(node, ast.ImportFrom):
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from ((node.lineno, name) for name in names if name in CALLS)
        if isinstance(node, ast.List | ast.Tuple) and node.elts:
            first = node.elts[0]
            if isinstance(first, ast.Constant) and first.value in SHELLS:
                yield node.lineno, str(first.value)


def _of_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    if name in CALLS:
        yield name
    for keyword in call.keywords:
        off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        if keyword.arg == "shell" and not off:
            yield "shell="


def test_nothing_in_sloproof_can_start_a_shell() -> None:
    files = [file for folder in OURS for file in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 100
    found = [
        f"{file.relative_to(ROOT)}:{line}: {what}"
        for file in files
        for line, what in offences(ast.parse(file.read_text("utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "subprocess.run(text, shell=True)",
        "subprocess.run(text, shell=wanted)",
        "os.system(text)",
        "os.popen(text)",
        "subprocess.getoutput(text)",
        "asyncio.create_subprocess_shell(text)",
        "from os import system",
        "subprocess.run(['sh', '-c', text])",
    ],
)
def test_what_starts_a_shell_would_be_found(code: str) -> None:
    assert list(offences(ast.parse(code)))


def argv() -> tuple[str, ...]:
    return (sys.executable, "-c", ECHO, EVIL)


def by_command() -> None:
    Command(apply_=argv(), undo_=("true",)).apply({"present": False})


def by_switch() -> None:
    act = {"command": list(argv())}
    Switch(instance="web-1", name="s", read=act, set=act, reset=act).apply({})


def by_process() -> None:
    process = Process(argv=argv(), words="it", log="log", folder=".").bound(Owner("run", 1))
    process.apply({})
    try:
        deadline = time.monotonic() + 30
        while not (Path("heard").exists() and Path("heard").read_text()):
            assert time.monotonic() < deadline, "the process said nothing"
            time.sleep(0.02)
    finally:
        process.undo({})


def by_probe() -> None:
    probe: Any = Extensions.of().probes["command"]
    asyncio.run(_sampled(probe(argv=argv())))


async def _sampled(probe: Any) -> None:
    await probe.open()
    try:
        await probe.sample()
    finally:
        await probe.close()


@pytest.mark.parametrize("way", [by_command, by_switch, by_process, by_probe])
def test_an_argument_arrives_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Callable[[], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    way()
    assert json.loads(Path("heard").read_text())[1:] == [EVIL]
    assert not Path("pwned").exists()
