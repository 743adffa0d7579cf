"""YAML is read as plain data with the line of everything, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from sloproof.errors import InvalidInput
from sloproof.spec.reading import read_file, read_text


def refusal(text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        read_text(text, "f.yaml")
    return str(caught.value)


def aliases(levels: int) -> str:
    first = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"
    more = (f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels))
    return "\n".join([first, *more])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "f.yaml: is empty", id="nothing"),
        pytest.param("# only a comment\n", "f.yaml: is empty", id="only a comment"),
        pytest.param("a:\n\tb: c", "f.yaml:2: has a tab: YAML is indented with spaces", id="tab"),
        pytest.param("a: [1,\n2", "f.yaml:3: is not YAML: did not find expected", id="unclosed"),
        pytest.param("a: 1\na: 2", "f.yaml:2: a: stands twice (first in line 1)", id="twice"),
        pytest.param("a: 1:30", "YAML reads 1:30 as the number 90", id="sexagesimal"),
        pytest.param("a: yes", "YAML reads yes as true: write true, or quote it", id="yes"),
        pytest.param("a: Off", "YAML reads Off as false", id="off"),
        pytest.param("on: 1", "f.yaml:1: on: YAML reads on as true", id="key on"),
        pytest.param("5: 1", 'the key 5 is not text: quote it: "5"', id="number as key"),
        pytest.param("[a]: 1", "a key must be a word", id="list as key"),
        pytest.param("a: 0x1F", "readers of YAML differ about 0x1F", id="hexadecimal"),
        pytest.param("a: 017", "readers of YAML differ about 017", id="octal"),
        pytest.param("a: 1_000", "readers of YAML differ about 1_000", id="underscores"),
        pytest.param("a: .inf", "readers of YAML differ about .inf", id="infinity"),
        pytest.param("a: !!binary aGk=", "the tag !!binary is not allowed", id="binary"),
        pytest.param("a: !!set {b}", "the tag !!set is not allowed", id="set"),
        pytest.param("<<: {a: 1}", "merge keys (<<) are not read", id="merge key"),
        pytest.param(aliases(9), "has more than 20000 values (aliases count)", id="alias bomb"),
        pytest.param("a: &a [*a]", "nests deeper than 40 levels", id="alias of itself"),
        pytest.param("[" * 300_000, "nests deeper than 40 levels", id="many brackets"),
        pytest.param("- " * 300_000, "nests deeper than 40 levels", id="many dashes"),
        pytest.param("? " * 300_000, "nests deeper than 40 levels", id="many questions"),
        pytest.param("a: \x00", "f.yaml:1: is not text", id="control characters"),
        pytest.param("{a: ${b}}", "variables are written $(name)", id="braces of a shell"),
    ],
)
def test_what_is_not_plain_yaml_is_refused(text: str, said: str) -> None:
    assert said in refusal(text)


def test_an_object_is_never_made(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    refusal(f"a: !!python/object/apply:os.mkdir ['{mark}']")
    assert not mark.exists()


def test_all_mistakes_of_a_file_are_said_at_once() -> None:
    assert refusal("a: yes\nb: 1\nb: 2\nc: 1:30\n").count("\n") == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"a: " + b"x" * (1 << 20), "is larger than 1 MiB", id="too large"),
        pytest.param(b"a: 1\nb: \xff\xfe", "f.yaml:2: is not text in UTF-8", id="other encoding"),
        pytest.param("a: 1".encode("utf-16"), "f.yaml:1: is not text in UTF-8", id="UTF-16"),
        pytest.param(b"\x7fELF\x02\x01\x01\x00", "is not text", id="a program"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        read_file(file, "f.yaml")
    assert said in str(caught.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="can't be read: No such file"):
        read_file(tmp_path / "none.yaml", "none.yaml")


def test_plain_words_mean_what_all_readers_agree_on() -> None:
    text = "a: 5\nb: -0.5\nc: true\nd: null\ne: 10s\nf: '5'\ng: 2026-01-01 12:00:00\nh: ~\n"
    (document,) = read_text(text, "f.yaml")
    assert document.data == {
        "a": 5,
        "b": -0.5,
        "c": True,
        "d": None,
        "e": "10s",
        "f": "5",
        "g": "2026-01-01 12:00:00",
        "h": None,
    }


def test_everything_has_a_line() -> None:
    (document,) = read_text("a:\n  b:\n    - 1\n    - c: x\n", "f.yaml")
    assert document.line(("a",)) == 1
    assert document.line(("a", "b")) == 2
    assert document.line(("a", "b", 0)) == 3
    assert document.line(("a", "b", 1, "c")) == 4
    assert document.line(("a", "b", 1, "missing", "thing")) == 4


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_file(file, "f.yaml")[0].data == {"a": 1}
