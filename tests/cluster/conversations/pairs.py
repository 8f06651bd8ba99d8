"""A pair of servers, kube46's and the real one, with the same --service-cluster-ip-range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from hypothesis import HealthCheck, Phase, given, seed, settings

from cluster.conversations.comparing import Difference, alike, compare, shrink
from cluster.conversations.drawing import Topic, conversations
from cluster.conversations.playing import Speaker
from cluster.upstream import Upstream
from server.running import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cluster.conversations.steps import Conversation

Json = Any
V4, V6 = "10.96.0.0/16", "fd00:10:96::/112"
SETTINGS = {
    "v4": (V4, "192.0.2.1"),
    "v6": (V6, "2001:db8::1"),
    "dual46": (f"{V4},{V6}", "192.0.2.1"),
    "dual64": (f"{V6},{V4}", "2001:db8::1"),
}
ATTEMPTS = 3
TRIALS = 4  # of a conversation with a difference
BATCH = 250  # conversations that hypothesis makes before they are held


@dataclass
class Pair:
    """Two servers that are asked the same."""

    setting: str
    directory: Path
    servers: tuple[Server, Server] | None = None
    speakers: tuple[Speaker, Speaker] | None = None
    unsteady: int = 0  # differences that were not there each time

    def start(self) -> Self:
        """Start both; again where a busy machine took the port of one meanwhile."""
        for number in range(ATTEMPTS):
            try:
                return self._start(self.directory / str(number))
            except AssertionError:
                if number == ATTEMPTS - 1:
                    raise
        raise AssertionError

    def _start(self, directory: Path) -> Self:
        ranges, advertised = SETTINGS[self.setting]
        places = [directory / f"{self.setting}-{name}" for name in ("real", "kube46")]
        for place in places:
            place.mkdir(parents=True)
        flags = ("--service-cluster-ip-range", ranges, "--advertise-address", advertised)
        without = ("--disable-admission-plugins=ServiceAccount",)  # as recorded: no controller makes accounts
        real = Upstream(places[0], ranges=ranges, advertised=advertised, flags=without).start()
        try:
            self.servers = (real, Server(places[1], flags=flags).start())
        except BaseException:
            real.stop()
            raise
        self.speakers = (Speaker(self.servers[0]), Speaker(self.servers[1]))
        return self

    def stop(self) -> None:
        """End both."""
        for speaker in self.speakers or ():
            speaker.close()
        for server in self.servers or ():
            server.stop()

    def compare(self, conversation: Conversation) -> Difference | None:
        """Hold a conversation with both; a difference counts only if it is there each time.

        The real server itself does not always answer the same: its repair loop may remove an address that a Service
        has just been given, and it walks through maps (labels, families to allocate for) in an order of chance.
        """
        assert self.speakers is not None
        found = compare(conversation, *self.speakers)
        for _ in range(TRIALS if found is not None else 0):
            again = compare(conversation, *self.speakers)
            if again is None or (found is not None and not alike(again, found)):
                self.unsteady += 1
                return None
        return found

    def shrink(self, found: Difference) -> Difference:
        """The shortest conversation that shows a difference."""
        return shrink(found, self.compare)


def drawn(topics: Sequence[Topic], count: int, number: int, *, machinery: bool = True) -> list[Conversation]:
    """So many conversations, always the same for a seed."""
    made: list[Conversation] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(conversations(topics, machinery=machinery))
    def draw(conversation: Conversation) -> None:
        made.append(conversation)

    draw()
    return made


def differences(
    pair: Pair, topics: Sequence[Topic], count: int, number: int, *, machinery: bool = True
) -> Iterator[tuple[Conversation, Difference | None]]:
    """Each conversation that was held, and how the servers' answers differed."""
    place = list(SETTINGS).index(pair.setting)
    for batch in range(-(-count // BATCH)):
        of = (number * 1000 + batch) * len(SETTINGS) + place
        for conversation in drawn(topics, min(BATCH, count - batch * BATCH), of, machinery=machinery):
            yield conversation, pair.compare(conversation)
