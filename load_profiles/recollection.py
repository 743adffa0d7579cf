"""People who come back: they open a session, say something, and read again what was said.

Runs under plain Locust as well: `locust -f load_profiles/recollection.py --headless -H URL`.
"""

from locust import FastHttpUser, task


class Recollection(FastHttpUser):
    """One person. A session that could not be opened is opened at the next task."""

    session: str | None = None

    def on_start(self) -> None:
        self.open_session()

    def open_session(self) -> None:
        with self.client.post("/sessions", json={}, catch_response=True) as response:
            try:
                self.session = str(response.json()["id"])
            except (ValueError, KeyError, TypeError):
                if response.ok:
                    response.failure("the session has no id")

    @task(3)
    def read_again(self) -> None:
        self.read("/turns", "/sessions/[id]/turns")

    @task(1)
    def read_session(self) -> None:
        self.read("", "/sessions/[id]")

    def read(self, what: str, name: str) -> None:
        if self.session is None:
            self.open_session()
        if self.session is None:
            return
        answer = self.client.get(f"/sessions/{self.session}{what}", name=name)
        if answer.status_code == 404:
            self.session = None
