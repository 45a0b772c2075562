"""The smallest provider: takes every request as one message. For tests of the engine and of what speaks HTTP."""

from __future__ import annotations

from time import time

from tests.standin.provider import Provider, Reply, Request, Taken


class Echo(Provider):
    """Answers 202 to everything."""

    name = "echo"
    prefix = "/echo"

    def answer(self, request: Request) -> Reply:
        self.take(Taken(self.name, request.headers.get("x-delivery", ""), "", "", {"text": request.path}, "1", time()))
        return Reply(202, {"size": len(request.body), "query": dict(request.query)})

    def throttled(self, request: Request) -> Reply:
        return Reply(429, {"message": "too many requests"})
