"""Subscribers are notified of every change until they unsubscribe."""

import threading

from editor.workspace.notifying import Changes, Notifier


def test_every_subscriber_is_called_with_all_topics() -> None:
    notifier = Notifier()
    first: list[Changes] = []
    second: list[Changes] = []
    notifier.subscribe(first.append)
    end = notifier.subscribe(second.append)
    notifier.notify("disk", "document")
    end()
    end()
    notifier.notify("saved")
    assert first == [{"disk", "document"}, {"saved"}]
    assert second == [{"disk", "document"}]


def test_callback_subscribed_twice_is_called_twice() -> None:
    notifier = Notifier()
    changes: list[Changes] = []
    end = notifier.subscribe(changes.append)
    notifier.subscribe(changes.append)
    notifier.notify("report")
    end()
    notifier.notify("report")
    assert len(changes) == 3


def test_subscriber_may_unsubscribe_itself() -> None:
    notifier = Notifier()
    changes: list[Changes] = []

    def once(change: Changes) -> None:
        changes.append(change)
        end()

    end = notifier.subscribe(once)
    notifier.subscribe(changes.append)
    notifier.notify("report")
    notifier.notify("report")
    assert len(changes) == 3


def test_subscriptions_from_many_threads_are_all_kept() -> None:
    notifier = Notifier()
    changes: list[Changes] = []

    def come_and_go() -> None:
        for _ in range(500):
            notifier.subscribe(changes.append)()
        notifier.subscribe(changes.append)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    notifier.notify("report")
    assert len(changes) == 4
