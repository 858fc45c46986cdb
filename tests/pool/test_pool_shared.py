"""PoolState where HTTP/2 may be spoken: who rides on whose dial, who shares a connection, who dials after all."""

from __future__ import annotations

import pytest

from httpfast._cext.pool import PoolState, Waiter

from .connections import Connection, SharedConnection, dialed


def multiplexed(*limits: int | None, late_binding: bool = False) -> PoolState:
    return PoolState(*limits, late_binding=late_binding, multiplex=True)


def shared(state: PoolState, capacity: int, key: str = "a") -> SharedConnection:
    """A connection in use by one request, dialed for it."""
    waiter = state.enter(key)
    assert waiter.may_dial
    connection = SharedConnection(state, capacity)
    state.adopt(connection, waiter.origin)
    return connection


def share_all(state: PoolState, connection: SharedConnection) -> list[Waiter]:
    served = []
    while (turn := state.share(connection)) is not None:
        served.append(turn)
    return served


def test_requests_ride_on_the_first_dial_to_their_origin():
    state = multiplexed()
    first = state.enter("a")

    riders = [state.enter("a") for _ in range(3)]
    other = state.enter("b")

    assert first.may_dial
    assert not any(rider.may_dial for rider in riders)
    assert other.may_dial
    assert state.connections == 2


def test_riders_share_the_connection_in_order_of_arrival():
    state = multiplexed()
    first = state.enter("a")
    riders = [state.enter("a") for _ in range(3)]
    connection = SharedConnection(state, 4)
    state.adopt(connection, first.origin)

    assert share_all(state, connection) == riders

    assert [rider.connection for rider in riders] == [connection] * 3
    assert connection.leases == 4
    assert state.connections == 1


def test_connection_is_checked_out_while_it_has_room():
    state = multiplexed()
    connection = shared(state, 2)

    assert state.checkout("a", 0.0) is connection
    assert state.checkout("a", 0.0) is None
    assert state.release(connection, 0.0) is None
    assert state.checkout("a", 0.0) is connection


def test_least_loaded_connection_is_checked_out():
    state = multiplexed()
    busy = shared(state, 4)
    state.checkout("a", 0.0)
    free = shared(state, 4)

    assert state.checkout("a", 0.0) is not None
    assert (busy.leases, free.leases) == (2, 2)
    assert {state.checkout("a", 0.0), state.checkout("a", 0.0)} == {busy, free}


def test_one_rider_more_than_there_is_room_for_dials_and_the_others_ride_on_that():
    """Another connection when all streams are taken."""
    state = multiplexed()
    first = state.enter("a")
    riders = [state.enter("a") for _ in range(4)]
    connection = SharedConnection(state, 2)
    state.adopt(connection, first.origin)
    assert share_all(state, connection) == riders[:1]

    assert state.promote(first.origin, if_stranded=True) is riders[1]

    assert riders[1].may_dial
    assert state.promote(first.origin, if_stranded=True) is None
    assert not riders[2].may_dial
    assert state.release(connection, 0.0) is riders[2]


def test_each_rider_dials_when_the_server_speaks_http_1():
    state = multiplexed(3)
    first = state.enter("a")
    riders = [state.enter("a") for _ in range(3)]
    connection = Connection()
    state.adopt(connection, first.origin)

    assert [state.promote(first.origin) for _ in range(3)] == [riders[0], riders[1], None]

    assert not riders[2].may_dial
    assert state.waiting == 1
    assert state.release(connection, 0.0) is riders[2]
    assert not state.enter("a").may_dial  # the limit; it does not ride


def test_requests_after_http_1_was_spoken_do_not_ride():
    state = multiplexed()
    first = state.enter("a")
    state.adopt(Connection(), first.origin)
    assert state.enter("a").may_dial

    assert state.enter("a").may_dial


def test_riders_dial_when_the_dial_fails():
    state = multiplexed()
    first = state.enter("a")
    rider = state.enter("a")

    assert state.vacate(first.origin) is rider

    assert state.promote(first.origin) is None
    assert rider.may_dial
    assert state.connections == 1


def test_rider_that_has_to_wait_after_all_keeps_his_place():
    """He came before the one that waits for a slot now."""
    state = multiplexed(1)
    first = state.enter("a")
    rider = state.enter("a")
    late = state.enter("b")
    connection = Connection()
    state.adopt(connection, first.origin)
    assert state.promote(first.origin) is None

    assert state.drop(connection) is rider

    assert rider.may_dial
    assert not late.may_dial


@pytest.mark.parametrize("per_origin", [None, 1])
def test_waiter_of_the_origin_shares_what_has_room_again(per_origin: int | None):
    state = multiplexed(1, None, per_origin)
    connection = shared(state, 1)
    waiter = state.enter("a")
    other = state.enter("b")

    connection.set_capacity(2)

    assert state.share(connection) is waiter
    assert state.share(connection) is None
    assert not other.may_dial


def test_connection_that_goes_away_is_given_to_nobody_and_its_slot_to_the_next():
    """GOAWAY."""
    state = multiplexed(1)
    connection = shared(state, 2)
    assert state.checkout("a", 0.0) is connection
    waiter = state.enter("a")
    connection.go_away()

    assert state.checkout("a", 0.0) is None
    assert state.release(connection, 0.0) is None
    assert state.release(connection, 0.0) is waiter

    assert waiter.may_dial
    assert waiter.connection is None
    assert state.discarded == [connection]


def test_connection_that_is_dropped_gives_its_slot_back_once():
    state = multiplexed(2)
    connection = shared(state, 3)
    state.checkout("a", 0.0)

    assert state.drop(connection) is None
    assert state.release(connection, 0.0) is None
    assert state.release(connection, 0.0) is None
    assert state.drop(connection) is None

    assert (state.connections, state.origin_count) == (0, 0)


def test_shared_connection_goes_idle_when_nothing_is_left():
    state = multiplexed()
    connection = shared(state, 3)
    state.checkout("a", 0.0)

    state.release(connection, 1.0)
    assert not connection.is_idle
    state.release(connection, 2.0)

    assert connection.is_idle
    assert state.idle_connections() == [connection]
    assert state.checkout("a", 2.0) is connection
    assert connection.leases == 1


def test_dial_serves_the_waiter_that_dials_first_then_riders():
    state = multiplexed(late_binding=True)
    first = state.enter("a")
    rider = state.enter("a")
    connection = SharedConnection(state, 3)
    state.adopt(connection, first.origin)

    assert state.arrive(connection, 0.0) is first
    assert share_all(state, connection) == [rider]
    assert connection.leases == 2


def test_rider_that_gives_up_is_not_served():
    state = multiplexed()
    first = state.enter("a")
    gone, there = state.enter("a"), state.enter("a")
    state.leave(gone)
    connection = SharedConnection(state, 5)
    state.adopt(connection, first.origin)

    assert share_all(state, connection) == [there]


def test_plain_dial_in_a_pool_that_could_share_is_as_ever():
    state = multiplexed()

    connection = dialed(state, state.enter("a"))

    assert state.release(connection, 0.0) is None
    assert state.checkout("a", 0.0) is connection


def test_requests_wait_while_the_server_takes_none():
    """H2-19: MAX_CONCURRENT_STREAMS of 0. Another connection would fare no better."""
    state = multiplexed()
    connection = shared(state, 2)
    state.release(connection, 0.0)
    connection.set_capacity(0)

    assert state.checkout("a", 0.0) is None
    waiters = [state.enter("a") for _ in range(3)]
    assert not any(waiter.may_dial for waiter in waiters)
    connection.set_capacity(2)

    assert share_all(state, connection) == waiters[:2]
    assert connection.leases == 2
    assert not connection.is_idle
    assert state.idle == 0
    state.expire(1e9)
    assert state.discarded == []
    assert state.release(connection, 1e9) is waiters[2]


def test_server_that_takes_no_requests_holds_back_no_other_origin():
    state = multiplexed(1)
    connection = shared(state, 1)
    waiter = state.enter("a")
    other = state.enter("b")
    connection.set_capacity(0)

    assert state.release(connection, 0.0) is waiter

    assert state.discarded == [connection]
    assert waiter.may_dial
    assert state.vacate(waiter.origin) is other


def test_server_that_goes_away_and_takes_no_requests_is_not_waited_for():
    state = multiplexed()
    connection = shared(state, 2)
    connection.set_capacity(0)
    connection.go_away()

    assert state.checkout("a", 0.0) is None
    assert state.enter("a").may_dial


def test_connection_that_takes_none_for_now_does_not_expire_under_those_who_wait_for_it():
    """H2-19: nobody would dial for them."""
    state = multiplexed(None, None, None, 5.0)
    connection = shared(state, 1)
    state.release(connection, 0.0)
    connection.set_capacity(0)
    waiter = state.enter("a")

    state.expire(1e9)

    assert state.discarded == []
    connection.set_capacity(1)
    assert share_all(state, connection) == [waiter]


def test_connection_that_takes_none_for_now_expires_when_nobody_waits_for_it():
    state = multiplexed(None, None, None, 5.0)
    connection = shared(state, 1)
    state.release(connection, 0.0)
    connection.set_capacity(0)

    state.expire(1e9)

    assert state.discarded == [connection]
    assert state.enter("a").may_dial
