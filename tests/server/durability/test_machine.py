"""A real server against a dictionary: random writes, kills in the midst of them, and restarts."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from server.durability.forked import ForkedServer
from server.durability.model import VERBS, Content, Key, Op, content
from server.durability.truth import Past
from server.running import Server

NAMES = tuple("abcdef")
VALUES = st.text("abcdefgh", min_size=1, max_size=4)
Found = dict[Key, tuple[Content, str, int]]  # content, uid, revision


def ops(resource: str, verbs: tuple[str, ...]) -> st.SearchStrategy[Op]:
    return st.builds(
        Op,
        st.just(resource),
        st.sampled_from(NAMES),
        st.sampled_from(verbs),
        st.from_regex("[a-z]{1,4}", fullmatch=True),
    )


ANY = st.one_of(
    ops("configmaps", tuple(v for v in VERBS if v != "status")), ops("services", tuple(v for v in VERBS if v != "put"))
)
BURST = st.lists(ANY, min_size=1, max_size=12, unique_by=lambda op: op.key)
STARTED = [0]  # servers


class Machine(RuleBasedStateMachine):
    """One server for all examples, a namespace for each."""

    server: Server
    namespaces = 0

    @initialize()
    def begin(self) -> None:
        Machine.namespaces += 1
        if self.server.process is None or self.server.process.poll() is not None:  # an example failed while it was dead
            self.server.start()
        self.namespace = f"e{Machine.namespaces}"
        self.client = self.server.client()
        made = self.client.post("/api/v1/namespaces", json={"metadata": {"name": self.namespace}})
        assert made.status_code == 201
        self.model: dict[Key, Content] = {}
        self.uids: dict[Key, str] = {}
        self.given: dict[int, Key] = {}  # revision → whose it is
        self.newest = 0

    @rule(op=ANY)
    def write(self, op: Op) -> None:
        """One write, answered."""
        self._learn(op, self._send(self.client, op))

    @rule(op=BURST)
    def together(self, op: list[Op]) -> None:
        """Many writes at once, answered."""
        with ThreadPoolExecutor(len(op)) as pool:
            for one, answer in zip(op, pool.map(lambda o: self._send(self.client, o), op), strict=True):
                self._learn(one, answer)

    @rule()
    def clear(self) -> None:
        """deletecollection."""
        assert self.client.delete(f"/api/v1/namespaces/{self.namespace}/configmaps").status_code == 200
        for key in [key for key in self.model if key[0] == "configmaps"]:
            del self.model[key], self.uids[key]

    @rule()
    def compare(self) -> None:
        """Everything the model knows is there, and nothing else."""
        found = self._found()
        assert {key: what for key, (what, _, _) in found.items()} == self.model
        assert {key: uid for key, (_, uid, _) in found.items()} == self.uids

    @rule(number=st.sampled_from([signal.SIGKILL, signal.SIGTERM]))
    def restart(self, number: int) -> None:
        """Die idle."""
        assert self.server.stop(number) == (0 if number == signal.SIGTERM else -number)
        self._return()
        self.compare()

    @rule(delay=st.floats(0, 0.4))
    def die_young(self, delay: float) -> None:
        """Die while starting."""
        self.server.stop(signal.SIGKILL)
        self.server.launch()
        time.sleep(delay)
        self.server.stop(signal.SIGKILL)
        self._return()
        self.compare()

    @rule(op=BURST, delay=st.floats(0, 0.06), sweeping=st.booleans())
    def die_writing(self, op: list[Op], delay: float, sweeping: bool) -> None:
        """Die in the midst of many requests: each is there wholly or not at all, and if it was answered, it is."""

        def attempt(one: Op) -> httpx2.Response | None:
            try:
                with self.server.client() as client:
                    return self._send(client, one)
            except (httpx2.TransportError, OSError):
                return None

        def sweep() -> None:
            with self.server.client() as client, suppress(httpx2.TransportError, OSError):
                client.delete(f"/api/v1/namespaces/{self.namespace}/configmaps")

        with ThreadPoolExecutor(len(op) + 1) as pool:
            answers = [pool.submit(attempt, one) for one in op]
            if sweeping:
                pool.submit(sweep)
            time.sleep(delay)
            assert self.server.process is not None
            self.server.process.kill()
        self.server.stop(signal.SIGKILL)
        self._return()
        self._reconcile(op, [a.result() for a in answers], sweeping=sweeping)

    def _reconcile(self, op: list[Op], answers: list[httpx2.Response | None], *, sweeping: bool) -> None:
        found = self._found()
        named = {one.key for one in op}
        for one, answer in zip(op, answers, strict=True):
            swept = sweeping and one.resource == "configmaps"  # it went at any time, before or after
            if answer is not None and not swept:
                self._learn(one, answer)
            elif one.key in found:
                what, uid, _ = found[one.key]
                before = self.model.get(one.key)
                assert what in (before, one.after(before)[1], one.after(None)[1] if swept else before)
                assert swept or before is None or one.verb == "delete" or uid == self.uids[one.key]
                self.model[one.key], self.uids[one.key] = what, uid
            else:
                before = self.model.pop(one.key, None)
                self.uids.pop(one.key, None)
                assert swept or before is None or one.after(before)[1] is None
        if sweeping:
            for key in [k for k in self.model if k[0] == "configmaps" and k not in named and k not in found]:
                del self.model[key], self.uids[key]
        self.compare()

    @precondition(lambda self: any(key[0] == "services" for key in self.model))
    @rule(data=st.data())
    def allocators_know(self, data: st.DataObject) -> None:
        """An address and a port that a Service has are not given to another one."""
        name = data.draw(st.sampled_from(sorted(n for resource, n in self.model if resource == "services")))
        path = f"/api/v1/namespaces/{self.namespace}/services"
        spec = self.client.get(f"{path}/{name}").json()["spec"]
        for wish in (
            {"clusterIP": spec["clusterIP"]},
            {"ports": [{"port": 1, "nodePort": spec["ports"][0]["nodePort"]}]},
        ):
            body = {"metadata": {"name": "thief"}, "spec": {"type": "NodePort", "ports": [{"port": 1}], **wish}}
            assert self.client.post(path, json=body).status_code == 422

    # What is beside the rules

    def _send(self, client: httpx2.Client, op: Op) -> httpx2.Response:
        method, path, form, body = op.request(self.namespace)
        return client.request(method, path, headers={"content-type": form}, json=body)

    def _learn(self, op: Op, answer: httpx2.Response) -> None:
        before = self.model.get(op.key)
        code, after = op.after(before)
        assert answer.status_code == code, answer.text
        said: dict[str, Any] = answer.json()
        if after is None:
            self.model.pop(op.key, None)
            self.uids.pop(op.key, None)
            return
        self.model[op.key] = after
        if code not in (200, 201):
            return
        meta = said["metadata"]
        assert content(said) == after
        assert self.uids.setdefault(op.key, meta["uid"]) == meta["uid"]
        revision = int(meta["resourceVersion"])
        assert self.given.setdefault(revision, op.key) == op.key, "a revision was given twice"

    def _found(self) -> Found:
        found: Found = {}
        for resource in ("configmaps", "services"):
            listing = self.client.get(f"/api/v1/namespaces/{self.namespace}/{resource}").json()
            revision = int(listing["metadata"]["resourceVersion"])
            assert revision >= self.newest, "revisions went back"
            self.newest = revision
            for obj in listing["items"]:
                meta = obj["metadata"]
                key, own = (resource, meta["name"]), int(meta["resourceVersion"])
                assert own <= revision
                assert self.given.setdefault(own, key) == key, "a revision was given twice"
                found[key] = content(obj), meta["uid"], own
        return found

    def _return(self) -> None:
        STARTED[0] += 1
        self.client.close()
        self.server.start()
        self.client = self.server.client()

    def teardown(self) -> None:
        if hasattr(self, "client"):
            self.client.close()


@pytest.mark.timeout(3600)
def test_server_is_a_dictionary(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Answered writes are there after every death, refused ones never, unanswered ones wholly or not at all."""
    examples, length = (24, 40) if pytestconfig.getoption("long") else (6, 12)
    Machine.server = ForkedServer(tmp_path, flags=("--default-watch-cache-size", "1000000")).start()
    shape = settings(
        max_examples=examples, stateful_step_count=length, derandomize=True, database=None,
        phases=[Phase.generate],  # a shorter failure would come after many more deaths
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    try:
        run_state_machine_as_test(Machine, settings=shape)
    finally:
        Machine.server.stop()
    past = Past.read(tmp_path / "data.db")
    past.check()
    assert STARTED[0] > 0
    print(f"examples={examples} starts={STARTED[0]} changes={len(past.changes)}")
