"""Everyone waits for their turn, and not for ever."""

import threading
import time

import pytest

from captioner.web.turns import PLACES, Busy, Turns


def test_one_runs_at_a_time_in_the_order_of_coming_and_always_in_the_same_thread():
    turns, running, order, threads = Turns(), [], [], set()

    def work(number):
        running.append(number)
        threads.add(threading.get_ident())
        assert running == [number]
        time.sleep(0.01)
        order.append(running.pop())
        return 10 * number

    results = {}
    visitors = []
    for number in range(5):
        visitor = threading.Thread(target=lambda n=number: results.update({n: turns.run(work, n)}))
        visitor.start()
        time.sleep(0.003)
        visitors.append(visitor)
    for visitor in visitors:
        visitor.join()
    assert order == [0, 1, 2, 3, 4] and len(threads) == 1
    assert results == {n: 10 * n for n in range(5)}


def test_an_error_reaches_the_one_who_asked_and_the_next_goes_on():
    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        turns.run(lambda: 1 / 0)
    assert turns.run(lambda: 7) == 7


def blocked(turns):
    """Has something run until the event is set."""
    event, started = threading.Event(), threading.Event()

    def work():
        started.set()
        event.wait(10)

    thread = threading.Thread(target=lambda: turns.run(work))
    thread.start()
    started.wait(10)
    return event, thread


def test_whose_turn_does_not_come_in_time_is_told_to_try_again():
    turns = Turns(patience=0.05)
    event, thread = blocked(turns)
    ran = []
    with pytest.raises(Busy, match="other pictures took too long: try again in a moment"):
        turns.run(ran.append, 1)
    event.set()
    thread.join()
    assert turns.run(lambda: "back") == "back" and ran == []


def test_too_many_are_sent_away_at_once():
    turns = Turns(places=1)
    event, thread = blocked(turns)
    start = time.monotonic()
    with pytest.raises(Busy, match="too many pictures are waiting: try again in a moment"):
        turns.run(int)
    assert time.monotonic() - start < 1
    event.set()
    thread.join()
    assert turns.run(int) == 0


def test_the_server_has_threads_left_for_those_who_find_no_place():
    pytest.importorskip("gradio")
    from captioner.web.serving import MAX_THREADS

    assert MAX_THREADS >= 2 * PLACES
    turns = Turns()
    event, thread = blocked(turns)
    waiting = [threading.Thread(target=turns.run, args=[int]) for _ in range(PLACES - 1)]
    for each in waiting:
        each.start()
    while turns._places._value:
        time.sleep(0.01)
    with pytest.raises(Busy, match="too many pictures are waiting"):
        turns.run(int)
    event.set()
    for each in (thread, *waiting):
        each.join()


def test_what_has_begun_is_waited_for():
    turns = Turns(patience=0.01)
    assert turns.run(lambda: time.sleep(0.1) or "done") == "done"
