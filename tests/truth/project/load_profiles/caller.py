"""Somebody who asks the little system whether it is well."""

from locust import FastHttpUser, task


class Caller(FastHttpUser):
    @task
    def ask(self) -> None:
        self.client.get("/health")
