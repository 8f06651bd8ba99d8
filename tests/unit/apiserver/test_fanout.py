"""Listeners are told a few at a time, each of the newest."""

import asyncio

from kube46.apiserver.fanout import AT_ONCE, Fanout


def test_requests_are_served_between() -> None:
    """A thousand listeners are all told, and another task gets its turns meanwhile."""

    async def run() -> tuple[int, int]:
        fanout, told, turns = Fanout(), 0, 0

        def listener() -> None:
            nonlocal told
            told += 1

        for number in range(1000):
            fanout.add(lambda number=number: listener())
        fanout.wake()
        while told < 1000:
            turns += 1
            await asyncio.sleep(0)
        return told, turns

    told, turns = asyncio.run(run())
    assert told == 1000
    assert turns >= 1000 // AT_ONCE


def test_what_happens_meanwhile_is_told_once_more() -> None:
    """Wakes during a round make one more round, however many they are; none is lost."""

    async def run() -> int:
        fanout, told = Fanout(), 0

        def listener() -> None:
            nonlocal told
            told += 1
            if told <= AT_ONCE:
                fanout.wake()

        for number in range(AT_ONCE + 1):
            fanout.add(lambda number=number: listener())
        fanout.wake()
        for _ in range(20):
            await asyncio.sleep(0)
        return told

    assert asyncio.run(run()) == 2 * (AT_ONCE + 1)


def test_who_left_is_not_told() -> None:
    """A listener that another one of the same round discards is left alone."""

    async def run() -> list[str]:
        fanout, told = Fanout(), list[str]()

        def second() -> None:
            told.append("second")

        def first() -> None:
            told.append("first")
            fanout.discard(second)

        fanout.add(first)
        fanout.add(second)
        fanout.wake()
        await asyncio.sleep(0.01)
        return told

    assert asyncio.run(run()) == ["first"]
