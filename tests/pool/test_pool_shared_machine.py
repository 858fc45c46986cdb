"""PoolState where HTTP/2 may be spoken, under any order of events (a stateful test). See test_pool_machine.py.

A dial may bring a connection that several requests share, with more or less room on it, or one of HTTP/1.1; requests
that come while it is under way ride along. After each step:

- slots taken = connections + dials, in all and per origin, and never above a limit;
- each connection carries as many exchanges as were given to it, and was given no more than it has room for;
- each waiter is served once;
- nobody waits while a connection of his origin has room, while a slot that may be his is free, or for nothing: a rider
  has a dial to ride on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from httpfast._cext.pool import Origin, PooledConnection, PoolState, Waiter

from .connections import Connection, SharedConnection

NO_LIMIT = 10**9
EXPIRY = 5.0
keys = st.sampled_from("abc")
indices = st.integers(0, 99)


@dataclass(eq=False)
class Dial:
    """A dial under way, and the waiter that fails if it does, or None."""

    origin: Origin
    owner: Waiter | None


@dataclass
class Served:
    """Who was given what; `leases` counts for each connection."""

    leases: dict[PooledConnection, int] = field(default_factory=dict)
    tickets: set[int] = field(default_factory=set)


class SharedPoolMachine(RuleBasedStateMachine):
    """What a driver knows, and does as httpfast's own drivers do."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.served = Served()
        self.idle: set[PooledConnection] = set()
        self.dials: list[Dial] = []
        self.waiters: list[Waiter] = []
        self.fresh: set[int] = set()  # tickets of those who would not have what was there when they came

    @initialize(
        in_all=st.none() | st.integers(1, 4),
        per_origin=st.none() | st.integers(1, 3),
        max_idle=st.none() | st.integers(0, 3),
        late=st.booleans(),
    )
    def open(self, in_all: int | None, per_origin: int | None, max_idle: int | None, late: bool) -> None:
        self.limit = NO_LIMIT if in_all is None else in_all
        self.limit_per_origin = NO_LIMIT if per_origin is None else per_origin
        self.late = late
        self.state = PoolState(in_all, max_idle, per_origin, EXPIRY, late_binding=late, multiplex=True)

    # What the driver keeps count of

    @property
    def busy(self) -> dict[PooledConnection, int]:
        return self.served.leases

    def busy_list(self) -> list[PooledConnection]:
        return list(self.busy)

    def slots(self, key: str | None = None) -> int:
        held: list[Any] = [*self.idle, *self.busy, *self.dials]
        return len(held) if key is None else sum(each.origin.key == key for each in held)

    def lend(self, connection: PooledConnection) -> None:
        """One exchange more on a connection, which has to have room for it."""
        self.idle.discard(connection)
        if isinstance(connection, SharedConnection):
            assert self.busy.get(connection, 0) < connection.capacity
        else:
            assert connection not in self.busy
        self.busy[connection] = self.busy.get(connection, 0) + 1

    def give_back(self, connection: PooledConnection) -> None:
        self.busy[connection] -= 1
        if not self.busy[connection]:
            del self.busy[connection]

    def serve(self, turn: Waiter | None) -> None:
        """As the drivers' `serve`."""
        self.close_discarded()
        if turn is None:
            return
        assert turn in self.waiters, "a waiter has his turn twice, or after he has given up"
        if turn.connection is None:
            assert turn.may_dial
            self.dials.append(Dial(turn.origin, turn))
            return
        connection = turn.connection
        assert connection.origin is turn.origin
        assert turn.ticket not in self.served.tickets
        self.served.tickets.add(turn.ticket)
        self.waiters.remove(turn)
        for dial in self.dials:
            if dial.owner is turn:
                dial.owner = None
        self.lend(connection)

    def close_discarded(self) -> None:
        for connection in self.state.discarded:
            assert connection not in self.busy
            self.idle.discard(connection)
            assert self.state.drop(connection) is None
        self.state.discarded = []

    def share(self, connection: PooledConnection) -> None:
        while (turn := self.state.share(connection)) is not None:
            assert turn.connection is connection
            self.serve(turn)

    def promote(self, origin: Origin, *, if_stranded: bool) -> None:
        while (turn := self.state.promote(origin, if_stranded)) is not None:
            assert turn.may_dial
            self.serve(turn)

    # What happens

    @rule(key=keys, fresh=st.booleans())
    def request(self, key: str, fresh: bool) -> None:
        if not fresh:
            connection = self.state.checkout(key, self.now)
            self.close_discarded()
            if connection is not None:
                assert connection.origin.key == key
                self.lend(connection)
                return
        waiter = self.state.enter(key, fresh)
        if fresh:
            self.fresh.add(waiter.ticket)
        self.close_discarded()
        assert waiter.connection is None
        self.waiters.append(waiter)
        if waiter.may_dial:
            self.dials.append(Dial(waiter.origin, waiter))

    @rule(seconds=st.sampled_from([1.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.state.expire(self.now)
        self.close_discarded()

    @precondition(lambda self: self.busy)
    @rule(index=indices)
    def release(self, index: int) -> None:
        connection = self.busy_list()[index % len(self.busy)]
        self.give_back(connection)
        turn = self.state.release(connection, self.now)
        if connection.is_idle:
            assert connection not in self.busy
            self.idle.add(connection)
        self.serve(turn)

    @precondition(lambda self: self.busy)
    @rule(index=indices)
    def close_busy(self, index: int) -> None:
        """A connection has broken: its exchanges end first, or not before it is dropped."""
        connection = self.busy_list()[index % len(self.busy)]
        leases = self.busy.pop(connection)
        if isinstance(connection, SharedConnection):
            connection.abort()
        if index % 2 and connection.is_shared:
            for _ in range(leases):
                self.serve(self.state.release(connection, self.now))
        self.serve(self.state.drop(connection))
        assert self.state.drop(connection) is None
        assert self.state.release(connection, self.now) is None

    @precondition(lambda self: self.idle)
    @rule(index=indices)
    def close_idle(self, index: int) -> None:
        connection = self.state.idle_connections()[index % len(self.idle)]
        self.idle.remove(connection)
        self.serve(self.state.drop(connection))

    @rule(index=indices, capacity=st.integers(0, 4))
    def say_settings(self, index: int, capacity: int) -> None:
        """The server grants more places, or fewer; none at all is as after GOAWAY, too."""
        connections = [
            each for each in (*self.busy, *self.state.idle_connections()) if isinstance(each, SharedConnection)
        ]
        if connections:
            connection = connections[index % len(connections)]
            connection.set_capacity(capacity)
            self.share(connection)
            self.promote(connection.origin, if_stranded=True)

    @precondition(lambda self: self.dials)
    @rule(index=indices, capacity=st.none() | st.integers(1, 4))
    def dial_ends(self, index: int, capacity: int | None) -> None:
        """With a connection of HTTP/1.1, or with one of HTTP/2 that has room for so many."""
        dial = self.dials.pop(index % len(self.dials))
        connection: PooledConnection = Connection() if capacity is None else SharedConnection(self.state, capacity)
        self.state.adopt(connection, dial.origin)
        if self.late:
            turn = self.state.arrive(connection, self.now)
            if turn is not None and turn.connection is connection and turn is not dial.owner:
                for other in self.dials:
                    if other.owner is turn:
                        other.owner, dial.owner = dial.owner, None
                        break
            if connection.is_idle:
                self.idle.add(connection)
            self.serve(turn)
        else:
            assert dial.owner is not None
            self.waiters.remove(dial.owner)
            self.lend(connection)
        if connection.is_shared:
            self.share(connection)
        self.promote(dial.origin, if_stranded=connection.is_shared)

    @precondition(lambda self: self.dials)
    @rule(index=indices)
    def dial_fails(self, index: int) -> None:
        dial = self.dials.pop(index % len(self.dials))
        if dial.owner is not None:
            self.state.leave(dial.owner)
            self.waiters.remove(dial.owner)
        self.serve(self.state.vacate(dial.origin))
        self.promote(dial.origin, if_stranded=False)

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
        assert self.state.idle == len(self.idle) <= self.state.max_idle
        assert set(self.state.idle_connections()) == self.idle
        held: list[Any] = [*self.idle, *self.busy, *self.dials, *self.waiters]
        for each in held:
            assert each.origin.connections == self.slots(each.origin.key) <= self.limit_per_origin

    @invariant()
    def connections_carry_what_was_given_to_them(self) -> None:
        for connection, leases in self.busy.items():
            assert connection.leases == leases
            assert not connection.is_idle
        for connection in self.idle:
            assert connection.leases == 0
            assert connection.is_idle

    @invariant()
    def nobody_waits_while_something_could_serve_him(self) -> None:
        dialing = {dial.origin.key for dial in self.dials}
        stalled = {
            each.origin.key
            for each in (*self.busy, *self.idle)
            if isinstance(each, SharedConnection) and each.capacity == 0 and not each.is_closed
        }
        for waiter in self.waiters:
            key = waiter.origin.key
            for connection, leases in self.busy.items():
                if isinstance(connection, SharedConnection) and connection.origin.key == key:
                    is_busy = waiter.ticket in self.fresh or (waiter.may_dial and not self.late)
                    assert is_busy or connection.capacity <= leases
            if waiter.may_dial or key in dialing or key in stalled:
                continue  # where a server takes nothing for now, another connection to it would fare no better
            if self.slots(key) < self.limit_per_origin:
                assert self.slots() == self.limit
                assert not self.idle

    @invariant()
    def each_waiter_that_dials_has_a_dial(self) -> None:
        owners = [dial.owner.ticket for dial in self.dials if dial.owner is not None]
        assert sorted(owners) == sorted(waiter.ticket for waiter in self.waiters if waiter.may_dial)

    @invariant()
    def unused_origins_are_forgotten(self) -> None:
        held: list[Any] = [*self.idle, *self.busy, *self.dials, *self.waiters]
        used = {each.origin.key for each in held}
        assert self.state.origin_count == len(used)

    def teardown(self) -> None:
        """Whatever has happened, the pool can be emptied and is usable again."""
        if not hasattr(self, "state"):
            return
        while self.waiters or self.dials or self.busy or self.idle:
            if self.dials:
                self.dial_fails(0)
            elif self.busy:
                self.close_busy(1)
            elif self.idle:
                self.close_idle(0)
            else:
                self.state.leave(self.waiters.pop())
        assert (self.state.connections, self.state.idle, self.state.waiting, self.state.origin_count) == (0, 0, 0, 0)
        assert self.state.enter("a").may_dial


TestSharedPool = SharedPoolMachine.TestCase
TestSharedPool.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
