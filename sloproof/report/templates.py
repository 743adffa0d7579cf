"""Templates: the built-in ones, and a project's own in their place, which are named when wrong."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.errors import InvalidInput, Problem
from sloproof.report import words
from sloproof.spec.places import suggestion

if TYPE_CHECKING:
    from jinja2 import Environment

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
        where = error.filename or error.name or "template"
        raise InvalidInput([Problem(where, error.lineno, "", str(error.message))]) from None
    except UnicodeDecodeError as error:
        message = f"is not text in UTF-8: {error}"
        raise InvalidInput([Problem(str(templates), 0, "", message)]) from None
    except Exception as error:
        place = _place(error, templates)
        if place is None:
            raise
        message = f"can't be filled in: {type(error).__name__}: {error}"
        raise InvalidInput([Problem(*place, "", message)]) from error


def template_problems(templates: Path) -> list[Problem]:
    """What is wrong with each file of a project's own templates, as far as reading it tells."""
    return list(_problems(templates)) if templates.is_dir() else []


def _problems(templates: Path) -> Iterator[Problem]:
    from jinja2 import TemplateSyntaxError
    from jinja2.meta import find_referenced_templates

    environment = _environment(templates)
    known = {file.name for folder in BUILT_IN for file in folder.glob("*.html")}
    own = sorted(templates.glob("*.html"))
    included: set[str] | None = known
    for file in own:
        try:
            text = file.read_text("utf-8")
            environment.compile(text, file.name, str(file))
        except TemplateSyntaxError as error:
            yield Problem(str(file), error.lineno, "", str(error.message))
        except (OSError, UnicodeDecodeError) as error:
            yield Problem(str(file), 0, "", f"can't be read as text in UTF-8: {error}")
        else:
            wanted = set(filter(None, find_referenced_templates(environment.parse(text))))
            for name in sorted(wanted - known):
                if not (templates / name).is_file():
                    yield Problem(str(file), 0, "", f"there is no template {name!r} to include")
            included = None if included is None else included | wanted
            continue
        included = None  # nobody knows what it would include
    for file in own:
        if included is not None and file.name not in included:
            message = "stands for no template of ours, and none of yours includes it"
            yield Problem(str(file), 0, "", message + suggestion(file.name, known))


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
