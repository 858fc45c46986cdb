"""A slice of `many_threads`, whose whole is `make threads`: one client, shared by 32 threads. [POOL-04, H2-22]"""

from __future__ import annotations

import pytest

from ..nginx import Nginx
from .many_threads import crowd
from .traffic import MANY_STREAMS, PROTOCOLS, place

SECONDS = 0.7


@pytest.mark.timeout(120)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_client_shared_by_threads_gives_each_its_own_answer(protocol: str) -> None:
    if protocol == "h2" and not Nginx.available():
        pytest.skip("nginx is not installed")

    with place(protocol, MANY_STREAMS) as there:
        assert crowd(there, SECONDS, seed=0) >= 32
