"""Templates: the built-in ones, and a project's own in their place, which are named when wrong."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.errors import InvalidInput, Problem, said
from sloproof.report import words
from sloproof.spec.places import suggestion

if TYPE_CHECKING:
    from jinja2 import Environment, TemplateSyntaxError

PACKAGE = Path(__file__).parents[1]
BUILT_IN = (PACKAGE / "_builtin" / "templates", PACKAGE.parent / "reports" / "templates")
"""Where the templates are: in an installed package, and in a checkout."""


def render(name: str, given: Mapping[str, Any], templates: Path | None) -> str:
    """A template with what it is given.

    A file in `templates` stands in for the built-in template of the same name; raises
    `InvalidInput` with file and line where such a file is wrong, or fails with what it is given.
    """
    from jinja2 import TemplateSyntaxError

    try:
        return _environment(templates).get_template(name).render(given)
    except TemplateSyntaxError as error:
        raise InvalidInput([_no_template(error)]) from None
    except UnicodeDecodeError as error:
        message = f"is not text in UTF-8: {error}"
        raise InvalidInput([Problem(str(templates), 0, "", message)]) from None
    except Exception as error:
        place = _place(error, templates)
        if place is None:
            raise
        raise InvalidInput([Problem(*place, "", f"can't be filled in: {said(error)}")]) from error


def template_problems(templates: Path) -> list[Problem]:
    """What is wrong with each file of a project's own templates, as far as reading it tells."""
    return list(_problems(templates)) if templates.is_dir() else []


def _problems(templates: Path) -> Iterator[Problem]:
    environment = _environment(templates)
    ours = {file.name for folder in BUILT_IN for file in folder.glob("*.html")}
    own = sorted(templates.glob("*.html"))
    used, all_read = set(ours), True
    for file in own:
        try:
            included = _included(environment, file)
        except InvalidInput as error:
            yield from error.problems
            all_read = False  # nobody knows what it would include
            continue
        used |= included
        for name in sorted(included - ours):
            if not (templates / name).is_file():
                yield Problem(str(file), 0, "", f"there is no template {name!r} to include")
    for file in own if all_read else ():
        if file.name not in used:
            message = "stands for no template of ours, and none of yours includes it"
            yield Problem(str(file), 0, "", message + suggestion(file.name, ours))


def _included(environment: Environment, file: Path) -> set[str]:
    """The templates that one includes, by name; raises `InvalidInput` where it is none."""
    from jinja2 import TemplateSyntaxError
    from jinja2.meta import find_referenced_templates

    try:
        tree = environment.parse(file.read_text("utf-8"), file.name, str(file))
        included = set(filter(None, find_referenced_templates(tree)))
        environment.compile(tree, file.name, str(file))
    except TemplateSyntaxError as error:
        raise InvalidInput([_no_template(error)]) from None
    except (OSError, UnicodeDecodeError) as error:
        message = f"can't be read as text in UTF-8: {error}"
        raise InvalidInput([Problem(str(file), 0, "", message)]) from None
    return included


def _no_template(error: TemplateSyntaxError) -> Problem:
    where = error.filename or error.name or "template"
    return Problem(where, error.lineno, "", str(error.message))


def _place(error: Exception, templates: Path | None) -> tuple[str, int] | None:
    """The line of a project's own template in which it came about; None where it was in none."""
    if templates is None:
        return None
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(templates)]
    return (inside[-1].filename, inside[-1].lineno or 0) if inside else None


def _environment(templates: Path | None) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    folders = [folder for folder in (templates, *BUILT_IN) if folder is not None]
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else words.clean(value),
    )
    environment.filters.update(
        about=words.about,
        seconds=words.seconds,
        ratio=words.ratio,
        plain=words.plain,
        interval=words.interval,
        spoken=words.spoken,
        figure=words.figure,
        window=words.window,
    )
    return environment
