"""PoolState under any order of requests, releases, closes, dials, failures and cancellations (a stateful test).

The machine drives the pool as the drivers do: on an event loop each dial runs for whoever is first in its origin's line
(late binding), a thread dials for itself. After each step:

- slots taken = idle + in use + dials, in all and per origin, and never above a limit;
- no connection is in two hands;
- nobody waits while a slot that may be his is free;
- the first of those who may be served is served;
- an origin without connections, dials and waiters is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from httpfast._cext.pool import Origin, PoolState, Waiter

from .connections import Connection

NO_LIMIT = 10**9
EXPIRY = 5.0
keys = st.sampled_from("abc")
indices = st.integers(0, 99)


@dataclass(eq=False)
class Dial:
    """A dial under way, and the waiter that fails if it does, or None."""

    origin: Origin
    owner: Waiter | None


class PoolMachine(RuleBasedStateMachine):
    """What a driver knows: who waits, what is in use, which dials run."""

    per_origin: st.SearchStrategy[int | None] = st.none()

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.in_use: list[Connection] = []
        self.idle: list[Connection] = []  # oldest first
        self.dials: list[Dial] = []
        self.waiters: list[Waiter] = []  # that have neither a connection nor given up, in order of arrival

    @initialize(
        data=st.data(),
        in_all=st.none() | st.integers(1, 4),
        max_idle=st.none() | st.integers(0, 3),
        late=st.booleans(),
    )
    def open(self, data: st.DataObject, in_all: int | None, max_idle: int | None, late: bool) -> None:
        per_origin = data.draw(self.per_origin)
        self.limit = NO_LIMIT if in_all is None else in_all
        self.limit_per_origin = NO_LIMIT if per_origin is None else per_origin
        self.max_idle = NO_LIMIT if max_idle is None else max_idle
        self.late = late
        self.state = PoolState(in_all, max_idle, per_origin, EXPIRY, late_binding=late)

    # What the driver keeps count of

    def slots(self, key: str | None = None) -> int:
        held: list[Any] = [*self.idle, *self.in_use, *self.dials]
        return len(held) if key is None else sum(each.origin.key == key for each in held)

    def held_back(self) -> list[Waiter]:
        return [waiter for waiter in self.waiters if not waiter.may_dial]

    def has_room(self, key: str) -> bool:
        return self.slots(key) < self.limit_per_origin

    def give(self, connection: Connection, waiter: Waiter) -> None:
        """A waiter was given a connection, which must be nobody else's."""
        assert waiter.connection is connection
        assert connection not in self.in_use
        assert connection not in self.idle
        assert connection.origin is waiter.origin
        self.waiters.remove(waiter)
        self.in_use.append(connection)
        for dial in self.dials:
            if dial.owner is waiter:
                dial.owner = None

    def close_discarded(self) -> None:
        for connection in self.state.discarded:
            assert connection not in self.in_use
            assert not connection.is_idle
            if connection in self.idle:
                self.idle.remove(connection)
            assert self.state.drop(connection) is None
        self.state.discarded = []

    def serve_slot(self, turn: Waiter | None) -> None:
        """A slot has come free: it belongs to the first waiter whose origin has room."""
        self.close_discarded()
        candidates = [waiter for waiter in self.held_back_before(turn) if self.has_room(waiter.origin.key)]
        assert turn is (candidates[0] if candidates and self.slots() < self.limit else None)
        if turn is not None:
            self.dials.append(Dial(turn.origin, turn))

    def held_back_before(self, turn: Waiter | None) -> list[Waiter]:
        """Who was held back before this waiter's turn came."""
        return [waiter for waiter in self.waiters if waiter is turn or not waiter.may_dial]

    # What happens

    @rule(key=keys, fresh=st.booleans())
    def request(self, key: str, fresh: bool) -> None:
        if not fresh:
            self.expire_all()
            warmest = [connection for connection in self.idle if connection.origin.key == key][-1:]
            connection = self.state.checkout(key, self.now)
            self.close_discarded()
            assert [connection] == (warmest or [None])
            if connection is not None:
                self.idle.remove(connection)
                self.in_use.append(connection)
                return
        evicted = self.to_make_room(key, fresh)
        waiter = self.state.enter(key, fresh)
        assert self.state.discarded == evicted
        self.close_discarded()
        assert waiter.connection is None
        self.waiters.append(waiter)
        if waiter.may_dial:
            self.dials.append(Dial(waiter.origin, waiter))

    def to_make_room(self, key: str, fresh: bool) -> list[Connection]:
        """The idle connection that a request for this origin ends, if one has to."""
        own = [connection for connection in self.idle if connection.origin.key == key]
        if not self.has_room(key):
            return own[:1] if fresh else []
        return self.idle[:1] if self.slots() >= self.limit else []

    def expire_all(self) -> None:
        self.state.expire(self.now)
        old = [connection for connection in self.idle if self.now - connection.idle_since > EXPIRY]
        assert self.state.discarded == old
        self.close_discarded()

    @rule(seconds=st.sampled_from([0.0, 1.0, 3.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.expire_all()

    @precondition(lambda self: self.in_use)
    @rule(index=indices)
    def release(self, index: int) -> None:
        connection = self.in_use.pop(index % len(self.in_use))
        self.released(connection, self.state.release(connection, self.now))

    def released(self, connection: Connection, turn: Waiter | None) -> None:
        """The first of those whom the connection or its slot can serve has his turn, else it goes idle."""
        own = [
            waiter
            for waiter in self.waiters
            if waiter.origin is connection.origin and (self.late or waiter in self.held_back_before(turn))
        ]
        others = [
            waiter
            for waiter in self.held_back_before(turn)
            if waiter.origin is not connection.origin and self.has_room(waiter.origin.key)
        ]
        if turn is None:
            assert not own
            assert not others or self.slots() + 1 < self.limit
            self.idle.append(connection)
            if len(self.idle) > self.max_idle:
                assert self.state.discarded == [self.idle[0]]
            self.close_discarded()
        elif turn.connection is not None:
            assert turn is own[0]
            assert all(waiter.ticket > turn.ticket for waiter in others)
            self.give(connection, turn)
        else:
            assert self.state.discarded == [connection]
            assert all(waiter.ticket > turn.ticket for waiter in own)
            self.serve_slot(turn)

    @precondition(lambda self: self.in_use)
    @rule(index=indices)
    def close_in_use(self, index: int) -> None:
        self.serve_slot(self.state.drop(self.in_use.pop(index % len(self.in_use))))

    @precondition(lambda self: self.idle)
    @rule(index=indices)
    def close_idle(self, index: int) -> None:
        self.serve_slot(self.state.drop(self.idle.pop(index % len(self.idle))))

    @precondition(lambda self: self.dials)
    @rule(index=indices)
    def dial_ends(self, index: int) -> None:
        dial = self.dials.pop(index % len(self.dials))
        connection = Connection()
        self.state.adopt(connection, dial.origin)
        if not self.late:
            assert dial.owner is not None
            self.waiters.remove(dial.owner)
            self.in_use.append(connection)
            return
        dialing = [waiter for waiter in self.waiters if waiter.may_dial and waiter.origin is dial.origin]
        turn = self.state.arrive(connection, self.now)
        if not dialing:
            self.released(connection, turn)
            return
        assert turn is dialing[0]
        for other in self.dials:
            if other.owner is turn and turn is not dial.owner:
                other.owner = dial.owner  # the dial of the one that was served is now for this dial's waiter
        self.give(connection, turn)

    @precondition(lambda self: self.dials)
    @rule(index=indices)
    def dial_fails(self, index: int) -> None:
        dial = self.dials.pop(index % len(self.dials))
        if dial.owner is not None:
            self.state.leave(dial.owner)
            self.waiters.remove(dial.owner)
        self.serve_slot(self.state.vacate(dial.origin))

    @precondition(lambda self: self.waiters)
    @rule(index=indices)
    def cancel(self, index: int) -> None:
        """A request gives up. Its dial goes on, and fails or ends later; a thread in its dial cannot be cancelled."""
        waiter = self.waiters[index % len(self.waiters)]
        if waiter.may_dial and not self.late:
            return
        self.state.leave(waiter)
        self.waiters.remove(waiter)
        for dial in self.dials:
            if dial.owner is waiter:
                dial.owner = None

    # What holds after each

    @invariant()
    def slots_are_counted_and_never_above_a_limit(self) -> None:
        assert self.state.connections == self.slots() <= self.limit
        assert self.state.idle == len(self.idle) <= self.max_idle
        for each in (*self.idle, *self.in_use, *self.dials, *self.waiters):
            assert each.origin.connections == self.slots(each.origin.key) <= self.limit_per_origin

    @invariant()
    def idle_connections_are_what_nobody_uses(self) -> None:
        assert self.state.idle_connections() == self.idle
        assert all(connection.is_idle for connection in self.idle)
        assert not any(connection.is_idle for connection in self.in_use)
        assert len({id(connection) for connection in (*self.idle, *self.in_use)}) == len(self.idle) + len(self.in_use)

    @invariant()
    def nobody_waits_while_a_slot_that_may_be_his_is_free(self) -> None:
        held_back = self.held_back()
        assert self.state.waiting == len(held_back)
        for waiter in held_back:
            assert not any(connection.origin is waiter.origin for connection in self.idle)
            if self.has_room(waiter.origin.key):
                assert self.slots() == self.limit
                assert not self.idle

    @invariant()
    def each_waiter_that_dials_has_a_dial(self) -> None:
        owners = [dial.owner for dial in self.dials if dial.owner is not None]
        assert sorted(waiter.ticket for waiter in owners) == [
            waiter.ticket for waiter in self.waiters if waiter.may_dial
        ]

    @invariant()
    def unused_origins_are_forgotten(self) -> None:
        used = {each.origin.key for each in (*self.idle, *self.in_use, *self.dials, *self.waiters)}
        assert self.state.origin_count == len(used)

    def teardown(self) -> None:
        """Whatever has happened, the pool can be emptied and is usable again."""
        if not hasattr(self, "state"):
            return
        while self.waiters or self.dials or self.in_use or self.idle:
            if self.dials:
                self.dial_fails(0)
            elif self.in_use:
                self.close_in_use(0)
            elif self.idle:
                self.close_idle(0)
            else:
                self.state.leave(self.waiters.pop())
        assert (self.state.connections, self.state.idle, self.state.waiting, self.state.origin_count) == (0, 0, 0, 0)
        assert self.state.enter("a").may_dial


class LimitedPerOrigin(PoolMachine):
    """The same with a limit per origin."""

    per_origin = st.integers(1, 3)


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
TestPoolLimitedPerOrigin = LimitedPerOrigin.TestCase
TestPoolLimitedPerOrigin.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
