"""PoolState, limits and lines: who waits, who is served first, what makes room, and late binding."""

from __future__ import annotations

import pytest

from httpfast._cext.pool import PoolState

from .connections import Connection, dialed, idle, opened

LATE = pytest.mark.parametrize("late_binding", [True, False], ids=["event-loop", "threads"])


# The limit in all


@LATE
def test_limit_in_all_at_the_limit_dials_and_above_waits(late_binding: bool):
    state = PoolState(2, late_binding=late_binding)

    waiters = [state.enter(key) for key in "abc"]

    assert [waiter.may_dial for waiter in waiters] == [True, True, False]
    assert (state.connections, state.waiting) == (2, 1)


@LATE
def test_limit_in_all_counts_dials_connections_in_use_and_idle_ones(late_binding: bool):
    state = PoolState(3, late_binding=late_binding)
    idle(state, "a")
    opened(state, "b")
    state.enter("c")

    assert state.connections == 3
    assert state.idle == 1


@LATE
def test_waiter_is_given_the_connection_that_its_origin_sets_free(late_binding: bool):
    state = PoolState(1, late_binding=late_binding)
    connection = opened(state, "a")
    waiter = state.enter("a")

    turn = state.release(connection, 0.0)

    assert turn is waiter
    assert waiter.connection is connection
    assert not waiter.may_dial
    assert not connection.is_idle
    assert (state.connections, state.idle, state.waiting) == (1, 0, 0)


@LATE
def test_waiter_of_another_origin_dials_on_the_slot_of_a_connection_set_free(late_binding: bool):
    state = PoolState(1, late_binding=late_binding)
    connection = opened(state, "a")
    waiter = state.enter("b")

    turn = state.release(connection, 0.0)

    assert turn is waiter
    assert waiter.may_dial
    assert waiter.connection is None
    assert state.discarded == [connection]
    assert (state.connections, state.origin_count) == (1, 1)


@LATE
def test_waiter_dials_when_a_connection_closes(late_binding: bool):
    state = PoolState(1, late_binding=late_binding)
    connection = opened(state, "a")
    waiter = state.enter("a")

    assert state.drop(connection) is waiter
    assert waiter.may_dial
    assert state.connections == 1


@LATE
def test_waiter_dials_when_a_dial_fails(late_binding: bool):
    state = PoolState(1, late_binding=late_binding)
    failing = state.enter("a")
    waiter = state.enter("b")
    state.leave(failing)

    assert state.vacate(failing.origin) is waiter
    assert waiter.may_dial
    assert state.connections == 1


# First come, first served


@LATE
def test_waiters_of_one_origin_are_served_in_order(late_binding: bool):
    state = PoolState(1, late_binding=late_binding)
    connection = opened(state, "a")
    waiters = [state.enter("a") for _ in range(5)]

    assert [state.release(connection, 0.0) for _ in range(6)] == [*waiters, None]


@LATE
def test_waiters_of_several_origins_are_served_in_order(late_binding: bool):
    state = PoolState(1, late_binding=late_binding)
    connection = opened(state, "x")
    waiters = [state.enter(key) for key in "abacbb"]

    for waiter in waiters:
        assert state.drop(connection) is waiter
        connection = dialed(state, waiter)

    assert state.release(connection, 0.0) is None


@LATE
def test_waiter_that_came_first_is_served_even_if_another_origin_could_use_the_connection(late_binding: bool):
    state = PoolState(1, late_binding=late_binding)
    connection = opened(state, "a")
    first, second = state.enter("b"), state.enter("a")

    assert state.release(connection, 0.0) is first
    assert state.discarded == [connection]
    assert state.waiting == 1
    assert state.drop(dialed(state, first)) is second


@pytest.mark.parametrize("which", [0, 1, 2], ids=["first", "middle", "last"])
@LATE
def test_waiter_that_leaves_is_passed_over(late_binding: bool, which: int):
    state = PoolState(1, late_binding=late_binding)
    connection = opened(state, "a")
    waiters = [state.enter("a") for _ in range(3)]

    state.leave(waiters.pop(which))

    assert state.waiting == 2
    assert [state.release(connection, 0.0) for _ in range(3)] == [*waiters, None]


def test_waiter_that_leaves_twice_leaves_once():
    state = PoolState(1)
    opened(state, "a")
    waiter, _ = state.enter("a"), state.enter("a")

    state.leave(waiter)
    state.leave(waiter)

    assert state.waiting == 1


# Idle connections make room


@LATE
def test_idle_connection_of_another_origin_makes_room_the_oldest_first(late_binding: bool):
    state = PoolState(2, late_binding=late_binding)
    oldest, newest = idle(state, "a", "oldest", 0.0), idle(state, "b", "newest", 1.0)

    waiter = state.enter("c")

    assert waiter.may_dial
    assert state.discarded == [oldest]
    assert state.idle_connections() == [newest]
    assert (state.connections, state.origin_count) == (2, 2)


def test_connection_in_use_never_makes_room():
    state = PoolState(1)
    opened(state, "a")

    assert not state.enter("b").may_dial
    assert state.discarded == []


# The limit per origin


@LATE
def test_limit_per_origin_at_the_limit_dials_and_above_waits(late_binding: bool):
    state = PoolState(max_per_origin=2, late_binding=late_binding)

    waiters = [state.enter("a") for _ in range(3)]

    assert [waiter.may_dial for waiter in waiters] == [True, True, False]
    assert state.enter("b").may_dial
    assert state.waiting == 1


@LATE
def test_limit_per_origin_holds_back_its_own_waiters_only(late_binding: bool):
    state = PoolState(2, max_per_origin=1, late_binding=late_binding)
    connection = opened(state, "a")
    held = state.enter("a")

    other = state.enter("b")

    assert other.may_dial
    assert state.drop(connection) is held
    assert held.may_dial


@LATE
def test_slot_of_another_origin_does_not_serve_a_waiter_at_its_own_limit(late_binding: bool):
    state = PoolState(2, max_per_origin=1, late_binding=late_binding)
    opened(state, "a")
    state.enter("a")
    other = opened(state, "b")

    assert state.drop(other) is None
    assert (state.connections, state.waiting) == (1, 1)


@LATE
def test_limit_per_origin_holds_for_waiters_that_the_limit_in_all_held_back(late_binding: bool):
    """Two waiters of one origin in the common line, with room for one of them at their origin."""
    state = PoolState(2, max_per_origin=1, late_binding=late_binding)
    busy = [opened(state, "x"), opened(state, "y")]
    first, second = state.enter("a"), state.enter("a")

    assert state.drop(busy[0]) is first
    assert state.drop(busy[1]) is None

    assert first.origin.connections == 1
    assert not second.may_dial
    assert state.drop(dialed(state, first)) is second


@LATE
def test_limit_per_origin_holds_when_connections_of_other_origins_are_released(late_binding: bool):
    state = PoolState(2, max_per_origin=1, late_binding=late_binding)
    busy = [opened(state, "x"), opened(state, "y")]
    first, second, other = state.enter("a"), state.enter("a"), state.enter("b")

    turns = [state.release(connection, 0.0) for connection in busy]

    assert turns == [first, other]
    assert first.origin.connections == 1
    assert not second.may_dial


@LATE
def test_waiter_that_its_origin_no_longer_holds_back_keeps_its_place(late_binding: bool):
    """It came before the last of the common line, and is served before it."""
    state = PoolState(2, max_per_origin=1, late_binding=late_binding)
    a, b = opened(state, "a"), opened(state, "b")
    common = state.enter("c")
    held = state.enter("a")
    last = state.enter("d")

    assert state.drop(a) is common
    assert state.drop(b) is held
    assert state.drop(dialed(state, common)) is last


# fresh


def test_fresh_dials_though_a_connection_is_idle():
    state = PoolState()
    connection = idle(state, "a")

    waiter = state.enter("a", fresh=True)

    assert waiter.may_dial
    assert connection.is_idle
    assert state.connections == 2


def test_fresh_at_the_limit_per_origin_makes_room_with_the_oldest_idle_connection():
    state = PoolState(max_per_origin=2)
    oldest, newest = idle(state, "a", "oldest", 0.0), idle(state, "a", "newest", 1.0)

    waiter = state.enter("a", fresh=True)

    assert waiter.may_dial
    assert state.discarded == [oldest]
    assert state.idle_connections() == [newest]


@pytest.mark.parametrize(
    "limits", [(1, None, None), (None, None, 1), (1, None, 1)], ids=["in-all", "per-origin", "both"]
)
def test_fresh_at_a_limit_takes_the_slot_of_the_only_idle_connection(limits: tuple[int | None, ...]):
    state = PoolState(*limits)
    connection = idle(state, "a")

    waiter = state.enter("a", fresh=True)

    assert waiter.may_dial
    assert state.discarded == [connection]
    assert (state.connections, state.origin_count) == (1, 1)


def test_fresh_at_a_limit_without_idle_connections_waits():
    state = PoolState(max_per_origin=1)
    connection = opened(state, "a")

    waiter = state.enter("a", fresh=True)

    assert not waiter.may_dial
    assert state.drop(connection) is waiter


# Late binding


def test_waiter_whose_dial_runs_takes_a_connection_that_comes_free_first():
    state = PoolState()
    connection = opened(state, "a")
    waiter = state.enter("a")

    turn = state.release(connection, 0.0)

    assert turn is waiter
    assert waiter.connection is connection
    assert not waiter.may_dial


def test_dial_whose_waiter_was_served_goes_idle():
    state = PoolState()
    connection = opened(state, "a")
    waiter = state.enter("a")
    state.release(connection, 0.0)
    late = Connection("late")

    state.adopt(late, waiter.origin)
    turn = state.arrive(late, 1.0)

    assert turn is None
    assert late.is_idle
    assert state.connections == 2
    assert state.checkout("a", 1.0) is late


def test_dial_that_ends_first_serves_the_first_waiter():
    state = PoolState()
    first, second = state.enter("a"), state.enter("a")
    connection = Connection()

    state.adopt(connection, second.origin)
    turn = state.arrive(connection, 0.0)

    assert turn is first
    assert first.connection is connection
    assert second.may_dial


def test_dial_that_ends_serves_a_waiter_that_dials_before_one_held_back():
    """Those that dial hold slots of their own; whoever a limit holds back is served when they have done."""
    state = PoolState(max_per_origin=2)
    first, second = state.enter("a"), state.enter("a")
    held = state.enter("a")
    state.leave(first)
    connection = Connection()

    state.adopt(connection, first.origin)
    turn = state.arrive(connection, 0.0)

    assert turn is second
    assert held.connection is None
    assert not held.may_dial


def test_dial_whose_waiter_has_left_serves_one_held_back():
    state = PoolState(1)
    gone = state.enter("a")
    held = state.enter("a")
    state.leave(gone)
    connection = Connection()

    state.adopt(connection, gone.origin)
    turn = state.arrive(connection, 0.0)

    assert turn is held
    assert held.connection is connection


def test_dial_whose_waiter_has_left_keeps_its_slot_until_it_ends():
    state = PoolState(1)
    gone = state.enter("a")

    state.leave(gone)

    assert state.connections == 1
    assert not state.enter("b").may_dial


def test_dial_whose_waiter_was_served_fails_and_gives_its_slot_to_the_next():
    state = PoolState(2)
    connection = opened(state, "a")
    served = state.enter("a")
    state.release(connection, 0.0)
    waiter = state.enter("b")

    turn = state.vacate(served.origin)

    assert turn is waiter
    assert waiter.may_dial


def test_waiters_that_dial_are_not_counted_as_waiting():
    state = PoolState()

    waiters = [state.enter("a") for _ in range(3)]

    assert state.waiting == 0
    assert waiters[0].origin.waiting == 3


def test_without_late_binding_a_waiter_that_dials_keeps_to_its_dial():
    """A thread is busy while it dials: a connection that comes free goes idle."""
    state = PoolState(late_binding=False)
    connection = opened(state, "a")
    waiter = state.enter("a")

    assert state.release(connection, 0.0) is None
    assert connection.is_idle
    assert waiter.connection is None
    assert waiter.may_dial


@LATE
def test_released_connection_serves_its_own_origin_before_a_later_waiter_of_another(late_binding: bool):
    state = PoolState(2, max_per_origin=1, late_binding=late_binding)
    x, y = opened(state, "x"), opened(state, "y")
    common = state.enter("a")
    assert state.drop(x) is common
    connection = dialed(state, common)
    held = state.enter("a")
    other = state.enter("b")

    assert state.release(connection, 0.0) is held
    assert state.release(y, 0.0) is other


def test_nobody_is_held_back_by_an_origin_that_has_room_again() -> None:
    state = PoolState(2, None, 2)
    first = opened(state, "a")
    second = opened(state, "a")
    other = state.enter("b")
    early, late = state.enter("a"), state.enter("a")

    assert state.release(first, 0.0) is other
    dialed_for_other = Connection("b")
    state.adopt(dialed_for_other, other.origin)
    assert state.arrive(dialed_for_other, 0.0) is other
    assert state.release(second, 0.0) is early
    turn = state.release(dialed_for_other, 0.0)

    assert turn is late
    assert late.may_dial
    assert (state.connections, state.waiting) == (2, 0)
