"""Ctrl-C waits for work that must not be left half done; a second one does not."""

import signal
import threading

import pytest

from lipsync_ray.engine.stop_signals import put_off


def interrupted(times, done):
    """Work during which Ctrl-C comes so many times."""
    with put_off():
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        done.append("all")


def test_ctrl_c_comes_after_the_block():
    done = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(1, done)
    assert done == ["all"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_one_comes_at_once():
    done = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(2, done)
    assert done == []


def test_a_signal_is_not_lost_where_the_block_fails():
    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted(1, None)
    assert isinstance(caught.value.__context__, AttributeError)


def test_what_python_does_not_handle_stays():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with put_off():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_have_no_signals():
    ended = []

    def work():
        with put_off():
            ended.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [signal.default_int_handler]
