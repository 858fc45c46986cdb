"""PoolState, rule by rule: reuse, service, expiry, idle limits, and what is forgotten. No socket, a clock passed in."""

from __future__ import annotations

import weakref

import pytest

from httpfast._cext.pool import PoolState

from .connections import Connection, dialed, idle, opened

LATE = pytest.mark.parametrize("late_binding", [True, False], ids=["event-loop", "threads"])


# Reuse


def test_checkout_of_an_empty_pool_gives_none():
    state = PoolState()

    assert state.checkout("a", 0.0) is None
    assert state.origin_count == 0


@LATE
def test_released_connection_goes_idle_and_is_given_out_again(late_binding: bool):
    state = PoolState(late_binding=late_binding)
    connection = opened(state, "a")

    turn = state.release(connection, 1.0)

    assert turn is None
    assert connection.is_idle
    assert connection.idle_since == 1.0
    assert (state.connections, state.idle) == (1, 1)
    assert state.checkout("a", 2.0) is connection
    assert not connection.is_idle
    assert (state.connections, state.idle) == (1, 0)


def test_connection_in_use_is_not_given_out():
    state = PoolState()
    opened(state, "a")

    assert state.checkout("a", 0.0) is None


def test_checkout_gives_the_warmest_connection_first():
    state = PoolState()
    first, second, third = (idle(state, "a", name, float(at)) for at, name in enumerate("123"))

    assert [state.checkout("a", 9.0) for _ in range(4)] == [third, second, first, None]


def test_checkout_gives_connections_of_this_origin_only():
    state = PoolState()
    connection = idle(state, "a")

    assert state.checkout("b", 0.0) is None
    assert state.checkout("a", 0.0) is connection


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((b"http", b"a", 80), (b"https", b"a", 80)),
        ((b"http", b"a", 80), (b"http", b"a", 81)),
        ((b"http", b"a", 80), (b"http", b"b", 80)),
        ((b"https", b"a", 443), (b"https", b"a", 443, "sni")),
        ((b"https", b"a", 443, "one"), (b"https", b"a", 443, "two")),
    ],
    ids=["scheme", "port", "host", "sni", "other-sni"],
)
def test_keys_that_differ_in_one_part_share_no_connection(first: object, second: object):
    state = PoolState()
    idle(state, first)

    assert state.checkout(second, 0.0) is None
    assert state.checkout(first, 0.0) is not None


def test_idle_connections_are_listed_oldest_first():
    state = PoolState()
    a, b = idle(state, "a", "a", 0.0), idle(state, "b", "b", 1.0)
    assert state.checkout("a", 2.0) is a

    state.release(a, 2.0)

    assert state.idle_connections() == [b, a]


# Expiry


def test_connection_idle_for_just_the_expiry_is_given_out():
    state = PoolState(keepalive_expiry=5.0)
    connection = idle(state, "a", now=10.0)

    assert state.checkout("a", 15.0) is connection


def test_connection_idle_for_longer_than_the_expiry_is_discarded_at_checkout():
    state = PoolState(keepalive_expiry=5.0)
    connection = idle(state, "a", now=10.0)

    assert state.checkout("a", 15.001) is None
    assert state.discarded == [connection]
    assert (state.connections, state.idle, state.origin_count) == (0, 0, 0)


def test_checkout_of_one_origin_discards_what_has_expired_in_others():
    state = PoolState(keepalive_expiry=5.0)
    old, young = idle(state, "a", "old", 0.0), idle(state, "b", "young", 4.0)

    assert state.checkout("b", 6.0) is young
    assert state.discarded == [old]


def test_expire_discards_the_old_and_keeps_the_young():
    state = PoolState(keepalive_expiry=5.0)
    old = [idle(state, key, key, at) for key, at in (("a", 0.0), ("b", 1.0), ("a", 2.0))]
    young = idle(state, "a", "young", 3.0)

    state.expire(7.5)

    assert state.discarded == old
    assert state.idle_connections() == [young]


def test_connection_in_use_never_expires():
    state = PoolState(keepalive_expiry=5.0)
    connection = opened(state, "a")

    state.expire(1e9)

    assert state.discarded == []
    assert state.release(connection, 1e9) is None
    assert state.checkout("a", 1e9) is connection


def test_time_in_use_does_not_count_as_idle():
    state = PoolState(keepalive_expiry=5.0)
    connection = idle(state, "a", now=0.0)
    state.checkout("a", 4.0)

    state.release(connection, 100.0)

    assert state.checkout("a", 104.0) is connection


def test_expiry_of_none_keeps_connections_for_ever():
    state = PoolState(keepalive_expiry=None)
    connection = idle(state, "a", now=0.0)

    assert state.checkout("a", 1e12) is connection


def test_expiry_of_zero_keeps_connections_for_the_same_instant_only():
    state = PoolState(keepalive_expiry=0.0)
    connection = idle(state, "a", now=1.0)

    assert state.checkout("a", 1.0) is connection
    state.release(connection, 1.0)
    assert state.checkout("a", 1.001) is None


# max_idle


def test_max_idle_discards_the_oldest_of_any_origin():
    state = PoolState(max_idle=2)
    oldest, second = idle(state, "a", "oldest", 0.0), idle(state, "b", "second", 1.0)

    third = idle(state, "b", "third", 2.0)

    assert state.discarded == [oldest]
    assert state.idle_connections() == [second, third]
    assert state.connections == 2


def test_max_idle_of_zero_discards_each_connection_at_its_release():
    state = PoolState(max_idle=0)
    connection = opened(state, "a")

    assert state.release(connection, 0.0) is None
    assert state.discarded == [connection]
    assert not connection.is_idle
    assert (state.connections, state.idle, state.origin_count) == (0, 0, 0)


@LATE
def test_max_idle_of_zero_still_hands_a_connection_to_a_waiter(late_binding: bool):
    state = PoolState(1, 0, late_binding=late_binding)
    connection = opened(state, "a")
    waiter = state.enter("a")

    assert state.release(connection, 0.0) is waiter
    assert waiter.connection is connection
    assert state.discarded == []


def test_max_idle_of_none_keeps_them_all():
    state = PoolState()

    for number in range(1000):
        idle(state, number % 7)

    assert state.idle == 1000
    assert state.discarded == []


# Closed connections


def test_drop_of_a_connection_in_use_gives_its_slot_back():
    state = PoolState()
    connection = opened(state, "a")

    assert state.drop(connection) is None
    assert (state.connections, state.origin_count) == (0, 0)


@pytest.mark.parametrize("which", [0, 1, 2], ids=["oldest", "middle", "newest"])
def test_drop_of_an_idle_connection_takes_it_from_wherever_it_stands(which: int):
    state = PoolState()
    connections = [idle(state, "a", name, float(at)) for at, name in enumerate("123")]
    gone = connections.pop(which)

    assert state.drop(gone) is None

    assert (state.connections, state.idle) == (2, 2)
    assert state.idle_connections() == connections
    assert [state.checkout("a", 3.0) for _ in range(3)] == [connections[1], connections[0], None]


def test_drop_twice_gives_one_slot_back():
    state = PoolState()
    connection, _ = opened(state, "a"), opened(state, "a")

    state.drop(connection)
    state.drop(connection)

    assert state.connections == 1


def test_drop_of_a_discarded_connection_changes_nothing():
    """The driver closes what is discarded, and its closing is reported like any other."""
    state = PoolState(max_idle=0)
    connection = opened(state, "a")
    state.release(connection, 0.0)
    opened(state, "a")

    assert state.drop(connection) is None
    assert state.connections == 1


def test_release_after_drop_changes_nothing():
    """A connection may close while its last response is being read."""
    state = PoolState()
    connection = opened(state, "a")
    state.drop(connection)

    assert state.release(connection, 0.0) is None
    assert (state.connections, state.idle) == (0, 0)
    assert state.checkout("a", 0.0) is None


def test_connection_that_was_never_adopted_is_dropped_without_effect():
    state = PoolState()

    assert state.drop(Connection()) is None
    assert state.connections == 0


# Origins are forgotten


@LATE
def test_origin_is_kept_while_it_has_a_dial_a_connection_or_a_waiter(late_binding: bool):
    state = PoolState(1, late_binding=late_binding)
    dialing = state.enter("a")
    assert state.origin_count == 1

    connection = dialed(state, dialing)
    assert state.origin_count == 1

    waiter = state.enter("b")
    assert state.origin_count == 2

    state.leave(waiter)
    assert state.origin_count == 1

    state.release(connection, 0.0)
    assert state.origin_count == 1

    state.drop(connection)
    assert state.origin_count == 0


@LATE
def test_origin_of_a_failed_dial_is_forgotten(late_binding: bool):
    state = PoolState(late_binding=late_binding)
    waiter = state.enter("a")

    state.leave(waiter)
    assert state.origin_count == 1
    assert state.vacate(waiter.origin) is None

    assert (state.connections, state.origin_count) == (0, 0)


def test_origins_of_a_scraper_leave_nothing_behind():
    state = PoolState(max_idle=10, keepalive_expiry=5.0)

    for number in range(5000):
        assert state.checkout(number, float(number)) is None
        idle(state, number, now=float(number))
        state.discarded.clear()

    assert state.origin_count == state.idle == state.connections <= 10


def test_discarded_connection_is_held_by_nothing_but_the_list():
    state = PoolState(max_idle=1)
    gone = weakref.ref(idle(state, "a", now=0.0))
    idle(state, "a", now=1.0)
    idle(state, "b", now=2.0)

    state.discarded.clear()

    assert gone() is None


def test_new_pool_has_no_limits():
    state = PoolState()

    waiters = [state.enter("a") for _ in range(1000)]

    assert all(waiter.may_dial for waiter in waiters)
    assert state.connections == 1000
    assert state.waiting == 0
