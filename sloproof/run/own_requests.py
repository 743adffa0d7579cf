"""How the harness's own requests are known, so that they count as nobody's."""

from __future__ import annotations

import uuid

USER_AGENT = "sloproof-witness"
REQUEST_ID = "x-request-id"
PREFIX = "sloproof-"


def request_id() -> str:
    """An id by which the calls that one of our requests causes are known, however deep they lie.

    It holds where services hand the header on to those they call, as Envoy and tracers do.
    """
    return f"{PREFIX}{uuid.uuid4()}"


def is_own(user_agent: object, parent: str) -> bool:
    """Whether a call was made by the harness, or because of a request of the harness's."""
    return user_agent == USER_AGENT or parent.startswith(PREFIX)
