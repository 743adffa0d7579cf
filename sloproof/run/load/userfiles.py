"""Loading Locust files: by path, under a private module name. Only for the load process."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

from locust import LoadTestShape, TaskSet, User

from sloproof.run.load.spec import Part


class BadProfile(Exception):
    """A profile that can't be used; says which and why."""


def load_users(part: Part, number: int) -> list[type[User]]:
    """The user classes of a part of the mix. Raises `BadProfile`."""
    module = _imported(Path(part.path), f"_sloproof_profile_{number}")
    found = vars(module).values()
    shapes = [each.__name__ for each in found if _runnable(each, LoadTestShape)]
    if shapes:
        raise BadProfile(
            f"{part.path}: has a LoadTestShape ({', '.join(shapes)}), but the arrivals are the "
            "experiment's: take it out"
        )
    users = {each.__name__: each for each in found if _runnable(each, User)}
    if not users:
        raise BadProfile(f"{part.path}: has no user class")
    unknown = [name for name in part.users if name not in users]
    if unknown:
        raise BadProfile(
            f"{part.path}: has no user class {', '.join(unknown)} (it has {', '.join(users)})"
        )
    chosen = [user for name, user in users.items() if not part.users or name in part.users]
    for user in chosen:
        _check_tasks(part.path, user)
    return chosen


def _imported(path: Path, name: str) -> ModuleType:
    if not path.is_file():
        raise BadProfile(f"{path}: there is no such file")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadProfile(f"{path}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # A locustfile may import what lies beside it, as it may under plain Locust.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadProfile(f"{path}: does not import: {type(error).__name__}: {error}") from error
    except SystemExit as error:
        raise BadProfile(f"{path}: does not import: it ends the process") from error
    return module


def _runnable(item: object, kind: type) -> bool:
    return inspect.isclass(item) and issubclass(item, kind) and not getattr(item, "abstract", True)


def _check_tasks(path: str, user: type[User]) -> None:
    def has_task(task: object) -> bool:
        if inspect.isclass(task) and issubclass(task, TaskSet):
            # A Markov chain keeps its steps elsewhere and has checked them itself.
            return hasattr(task, "current") or any(map(has_task, task.tasks))
        return callable(task)

    if not any(map(has_task, user.tasks)):
        raise BadProfile(f"{path}: the user class {user.__name__} has no task")
