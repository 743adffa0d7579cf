"""People who talk to a digital human: they open a session, say things, and rate the answers.

Runs under plain Locust as well: `locust -f load_profiles/conversation.py --headless -H URL`.
"""

import random

from locust import FastHttpUser, task

SAYINGS = (
    "Hello, who are you?",
    "What are your opening hours?",
    "Where is my parcel?",
    "I would like to speak to a person.",
    "Can you say that again, please?",
    "Thank you, that is all.",
)


class Conversation(FastHttpUser):
    """One person. A session that could not be opened, or was lost, is opened at the next task."""

    session: str | None = None

    def on_start(self) -> None:
        self.open_session()

    def open_session(self) -> None:
        self.session = None
        with self.client.post("/sessions", json={}, catch_response=True) as response:
            try:
                self.session = str(response.json()["id"])
            except (ValueError, KeyError, TypeError):
                if response.ok:
                    response.failure("the session has no id")

    @task(18)
    def turn(self) -> None:
        self.say("turns", {"text": random.choice(SAYINGS)})

    @task(2)
    def feedback(self) -> None:
        answers = {about: random.random() < 0.9 for about in ("completed", "accurate", "solved")}
        self.say("feedback", {"satisfaction": random.randint(3, 5), **answers})

    @task(1)
    def new_session(self) -> None:
        self.open_session()

    def say(self, what: str, words: dict[str, object]) -> None:
        if self.session is None:
            self.open_session()
        if self.session is None:
            return
        answer = self.client.post(
            f"/sessions/{self.session}/{what}", json=words, name=f"/sessions/[id]/{what}"
        )
        if answer.status_code == 404:
            self.open_session()
