"""Users of `HttpFastUser` for tests/interop/test_locust.py, and of docs/interop.md's claims; Locust runs this file."""

from __future__ import annotations

import os
import sys

if "HTTPFAST_TESTS_HIDE_UVLOOP" in os.environ:
    sys.modules["uvloop"] = None  # type: ignore[assignment]

import gevent
from gevent.event import Event
from locust import constant, task

from httpfast.integrations.locust import HttpFastUser

USERS = int(os.environ["HTTPFAST_TESTS_USERS"])

everybody, lazy = Event(), Event()


class Visitor(HttpFastUser):
    """Does everything once; the last one ends the run."""

    here = waiting = most = 0

    wait_time = constant(0)
    client_options = {"headers": {"X-Token": "t"}}  # noqa: RUF012

    def on_start(self) -> None:
        with self.client.rename_request("renamed"):
            assert self.client.get("/json?a=1").json()["items"]
        assert self.client.get("/redirect/2").text == "arrived\n"
        self.client.get("/cookies/set?a=1%3B%20Path%3D/", name="set")
        assert self.client.get("/cookies", headers={"X-A": "b"}).json() == {"cookies": {"a": "1"}}
        assert self.client.post("/echo", json={"a": 1}).json()["length"] == 7
        assert self.client.get("/status/404").status_code == 404
        assert self.client.get("/drop").status_code == 0
        assert "disconnected" in str(self.client.get("/drop").error)
        with self.client.get("/status/404", name="forgiven", catch_response=True) as response:
            if response.status_code == 404:
                response.success()
        with self.client.get("/json", name="refused", catch_response=True) as response:
            response.failure("not what was wanted")
        with self.client.get("/json", name="asserted", catch_response=True) as response:
            assert response.status_code == 201, "no 201"
        with self.client.get("/json", name="taken", catch_response=True):
            pass

        self.wait_together()

    def wait_together(self) -> None:
        """All at once: the one that comes last ends the wait of the others for it, and the last to go ends the run."""
        Visitor.here += 1
        if Visitor.here == USERS:
            everybody.set()
        everybody.wait()
        Visitor.waiting += 1
        Visitor.most = max(Visitor.most, Visitor.waiting)
        assert self.client.get("/delay/1").text == "late\n"
        Visitor.waiting -= 1
        Visitor.here -= 1
        if Visitor.here == 0:
            lazy.wait()
            self.environment.events.request.fire(
                request_type="TEST",
                name="most at once",
                response_time=0,
                response_length=Visitor.most,
                exception=None,
                context={},
            )
            assert self.environment.runner is not None
            gevent.spawn(self.environment.runner.quit)

    @task
    def rest(self) -> None:
        gevent.sleep(0.05)  # Locust's users run until the run is ended: without it they would keep the others from it.


class Lazy(HttpFastUser):
    """Is killed while it waits for its first response."""

    fixed_count = 1

    @task
    def wait_long(self) -> None:
        lazy.set()
        self.client.get("/delay/600")
