"""Files that are no text, or too much of it, are refused at once and in little memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.refusals.conftest import Scene
from tests.refusals.real import sloproof

EXPERIMENT = "experiments/pause.yaml"
OBJECTIVE = "slo/back-again.yaml"
HUNDRED_MB = 100_000_000


def bomb(levels: int) -> str:
    """Ten to the power of `levels` words in a few hundred bytes."""
    first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    each = (f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, levels))
    return first + "".join(each)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "is empty", id="nothing"),
        pytest.param(b"\xef\xbb\xbf", "is empty", id="only a mark of UTF-8"),
        pytest.param(bytes(range(256)) * 20, "is not text in UTF-8", id="every byte"),
        pytest.param(b"\x7fELF\x02\x01\x01" + b"\0" * 100, "is not text: it has", id="program"),
        pytest.param(b"\x1f\x8b\x08\0\0\0\0\0", "is not text in UTF-8", id="gzip"),
        pytest.param("kind: Expériment".encode("latin-1"), "is not text in UTF-8", id="latin-1"),
        pytest.param("kind: Experiment".encode("utf-16"), "is not text in UTF-8", id="UTF-16"),
        pytest.param("kind: Experiment".encode("utf-32"), "is not text in UTF-8", id="UTF-32"),
        pytest.param(b"a: \xed\xa0\x80", "is not text in UTF-8", id="half a surrogate pair"),
        pytest.param(bomb(9).encode(), "has more than 20000 values (aliases count)", id="bomb"),
    ],
)
def test_what_is_no_text_is_refused(scene: Scene, content: bytes, said: str) -> None:
    (scene.root / EXPERIMENT).write_bytes(content)
    (line,) = scene.refused("run", EXPERIMENT)
    assert line.startswith(EXPERIMENT)
    assert said in line


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_an_experiment_in_another_encoding_is_not_overlooked_in_a_folder(
    scene: Scene, encoding: str
) -> None:
    file = scene.root / EXPERIMENT
    text = file.read_text().replace("two seconds", "zwölf Stunden")
    (scene.root / "experiments" / "other.yaml").write_bytes(text.encode(encoding))
    (line,) = scene.refused("run", "experiments")
    assert line.startswith("experiments/other.yaml")
    assert line.endswith("is not text in UTF-8")


def test_objectives_in_another_encoding_are_said_to_be_where_they_are_missed(scene: Scene) -> None:
    file = scene.root / OBJECTIVE
    file.write_bytes(file.read_text().encode("utf-16"))
    missed, said = scene.refused("run", EXPERIMENT)
    assert 'no recovery objective is called "back-again"' in missed
    assert said == f"{OBJECTIVE}:1: is not text in UTF-8"


@pytest.mark.parametrize("place", [EXPERIMENT, OBJECTIVE, "experiments/targets/site.yaml"])
def test_a_hundred_megabytes_are_refused_unread(scene: Scene, place: str) -> None:
    small = sloproof(scene.root, "check", "nowhere.yaml")
    with (scene.root / place).open("a") as file:
        file.write("#" * 200_000)  # what is written, and then a hole to the end
        file.truncate(HUNDRED_MB)
    done = sloproof(scene.root, "run", EXPERIMENT)
    assert done.status == 2
    assert f"{place}: is larger than 1 MiB (100000000 bytes)" in done.err.splitlines()
    # Loading the models takes about 27 MiB; the file itself would take 95, and 190 as text.
    assert done.mib < small.mib + 60
    assert done.seconds < 10, "half a second on a machine with nothing else to do"


def test_an_alias_bomb_takes_neither_time_nor_memory(scene: Scene) -> None:
    text = (scene.root / EXPERIMENT).read_text()
    plain = sloproof(scene.root, "check", EXPERIMENT)
    (scene.root / EXPERIMENT).write_text(bomb(20) + text)
    done = sloproof(scene.root, "check", EXPERIMENT)
    assert (done.status, done.out) == (2, "")
    assert "has more than 20000 values (aliases count)" in done.err
    # Unfolded it would be 10²⁰ words; the limit of 20,000 takes a few MiB more than none.
    assert done.mib < plain.mib + 30
    assert done.seconds < 10, "half a second on a machine with nothing else to do"


def test_what_has_no_end_is_not_read(scene: Scene) -> None:
    pipe = scene.root / "pipe.yaml"
    os.mkfifo(pipe)
    assert scene.refused("check", "pipe.yaml") == [
        "pipe.yaml: is not a file that can be read to its end"
    ]
    (line,) = scene.refused("check", "/dev/zero")
    assert line.endswith("zero: is not a file that can be read to its end")


def test_no_object_of_python_is_ever_made(scene: Scene, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for tag in ("object/apply:os.mkdir", "object/new:os.mkdir", "object:os.mkdir"):
        file = scene.root / EXPERIMENT
        file.write_text(f"a: !!python/{tag} ['{mark}']\n")
        (line,) = scene.refused("run", EXPERIMENT)
        assert "is not allowed" in line
    assert not mark.exists()
