"""Visitors: an ordinary Locust user, which also runs under plain `locust -f`."""

from locust import FastHttpUser, task


class Visitor(FastHttpUser):
    """Somebody who looks at the page."""

    @task
    def look(self) -> None:
        """Get the page."""
        self.client.get("/")
