"""Messages to a child that does not behave: nobody waits for it longer than told."""

import subprocess
import threading
import time

import pytest

from core.frames import Pipes, Turns, end_child, receive, send


@pytest.fixture
def deaf():
    """A child that reads nothing and says nothing."""
    child = subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield child
    end_child(child)


@pytest.mark.parametrize("speak", [lambda pipes: send(pipes, {}, bytes(3_000_000)), receive])
def test_child_that_does_not_move_holds_nobody_beyond_the_deadline(deaf, speak):
    raised = []

    def work() -> None:
        try:
            speak(Pipes(deaf, 0.3))
        except TimeoutError as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)  # else a test that fails never ends
    thread.start()
    thread.join(10)
    assert len(raised) == 1


def test_who_asks_again_and_again_lets_others_in_between():
    turns, done, held = Turns(), [], threading.Event()

    def many() -> None:
        while "other" not in done and len(done) < 500:
            with turns.turn():
                held.set()
                time.sleep(0.002)
                done.append("many")

    thread = threading.Thread(target=many)
    thread.start()
    held.wait()
    with turns.turn():
        done.append("other")
    thread.join()
    assert done.index("other") < 50


def test_turn_is_taken_at_once_or_not_at_all():
    turns = Turns()
    with turns.turn(), turns.turn_if_free() as free:
        assert not free
    with turns.turn_if_free() as free:
        assert free
        with turns.turn_if_free() as again:
            assert not again
    with turns.turn():
        pass
