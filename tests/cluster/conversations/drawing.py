"""Conversations of a topic, drawn by hypothesis."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st

from cluster.conversations.steps import (
    APPLY,
    JSON,
    MERGE,
    POINTERS,
    REMOVED,
    STRATEGIC,
    Conversation,
    Edit,
    Step,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Json = Any
T = TypeVar("T")
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
OTHERS = (TABLE, TABLE, "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json")
WRONG: tuple[Json, ...] = (None, 7, -1, 1.5, "text", "", True, [], {}, [1], ["a"], {"a": "b"}, [{}], [None])


@dataclass(frozen=True)
class Field:
    """A field and values that it may be tried with; now and then it is removed, or gets one of a wrong type."""

    path: tuple[str | int, ...]
    values: tuple[Json, ...]


def fields(under: str, values: dict[str, tuple[Json, ...]]) -> tuple[Field, ...]:
    """Fields by their dotted paths below `under`; digits are indices, a tilde stands for a dot in a key."""

    def path(text: str) -> tuple[str | int, ...]:
        parts = [part.replace("~", ".") for part in (under, *text.split(".")) if part]
        return tuple(int(part) if part.isdigit() else part for part in parts)

    return tuple(Field(path(text), tried) for text, tried in values.items())


@dataclass(frozen=True)
class Topic:
    """What conversations about one kind are made of.

    `bases` are valid objects, `starts` pairs of paths and objects that are made first, `status` fields are written by
    way of /status, `queries` go behind GETs of the collection; `afterwards` is
    looked at when all is said; `weight` is how often a topic comes up.
    """

    name: str
    collection: str
    bases: tuple[Json, ...]
    fields: tuple[Field, ...]
    names: tuple[str, ...] = ("app", "app", "app", "app", "db", "Bad_Name")
    status: tuple[Field, ...] = ()
    queries: tuple[str, ...] = ()
    afterwards: tuple[str, ...] = ()
    weight: int = 1


OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
METADATA = fields(
    "metadata",
    {
        "labels": ({"a": "b"}, {"a": "c", "d": "e"}, {}, {"Bad Key": "x"}, {"a": "bad value!"}, {"a": ""}),
        "labels.a": ("b", "c", "", "-bad", 1, "x" * 64),
        "labels.example~com/part": ("web", "_", "ä"),
        "annotations": ({"note": "x"}, {}, {"Note/With/Slashes": "x"}, {"a b": "c"}, {"n": 1}),
        "annotations.note": ("one", "two", "", None),
        "finalizers": (["example.com/a"], ["example.com/a", "example.com/b"], ["bad"], [], ["kubernetes"]),
        "resourceVersion": ("1", "", "0", "999999999", "x"),
        "uid": ("11111111-2222-3333-4444-555555555555", ""),
        "name": ("app", "db", "other", "Upper", "-a", "a" * 64, "a" * 254, "1a", "a.b", "", "a b"),
        "namespace": ("conversation", "other", ""),
        "generation": (5, 0, -1),
        "deletionTimestamp": ("2030-01-01T00:00:00Z", None),
        "deletionGracePeriodSeconds": (0, 5),
        "creationTimestamp": ("2020-01-01T00:00:00Z", None, "yesterday"),
        "selfLink": ("/x",),
        "managedFields": ([], [{}], None),
        "ownerReferences": (
            [OWNER], [OWNER | {"controller": True, "blockOwnerDeletion": False}], [{"kind": "Pod"}], [],
            [{"apiVersion": "", "kind": "", "name": "", "uid": ""}],
        ),
        "surplus": ("x",),
    },
) + fields(
    "",
    {
        "kind": ("Pod", "", "List"),
        "apiVersion": ("v2", "", "apps/v1", "a/b/c"),
        "surplus": (1, {"a": 1}),
        "spec.surplus": ("x", None, []),
    },
)  # fmt: skip


def _draw_edits(draw: st.DrawFn, fields: Sequence[Field], least: int, most: int) -> tuple[Edit, ...]:
    made = []
    for _ in range(draw(st.integers(least, most))):
        chosen = draw(st.sampled_from(fields))
        luck = draw(st.integers(0, 19))
        if luck == 0:
            value = draw(st.sampled_from(WRONG))
        elif luck <= 2:
            value = REMOVED
        else:
            value = draw(st.sampled_from(chosen.values))
        made.append(Edit(chosen.path, value))
    return tuple(made)


class Drawer:
    """Draws one conversation."""

    def __init__(self, draw: st.DrawFn, topic: Topic, *, machinery: bool = True) -> None:
        self.draw, self.topic = draw, topic
        self.machinery, self.accepts = machinery, OTHERS if machinery else (TABLE,)
        times = -(-40 // len(topic.fields))  # metadata are to be in the minority
        self.fields = (*topic.fields * times, *METADATA) if machinery else topic.fields
        self.number = 0

    def one(self, *choices: T) -> T:
        """Any of the choices."""
        return self.draw(st.sampled_from(choices))

    def name(self) -> str:
        """A name out of few, so that steps meet."""
        return self.one(*self.topic.names)

    def path(self, name: str = "", part: str = "", query: str = "") -> str:
        """The path of an object, of a part of it, or of the collection."""
        path = self.topic.collection + (f"/{name}" if name else "") + (f"/{part}" if part else "")
        return f"{path}?{query}" if query else path

    def edits(self, least: int, most: int, fields: Sequence[Field] | None = None) -> tuple[Edit, ...]:
        """Some edits."""
        return _draw_edits(self.draw, fields or self.fields, least, most)

    def query(self, *more: str) -> str:
        """Options of a write: most often none."""
        options = ["dryRun=All"] if self.machinery and self.draw(st.integers(0, 14)) == 0 else []
        luck = self.draw(st.integers(0, 24))
        if luck < 3:
            options.append(f"fieldValidation={('Strict', 'Warn', 'Ignore')[luck]}")
        elif luck == 3:
            options.append("fieldManager=tester")
        elif luck == 4:
            options.append("pretty=true")
        return "&".join([*more, *options])

    def whole(self, name: str) -> Json:
        """One of the valid objects, under a name."""
        made = copy.deepcopy(self.one(*self.topic.bases))
        made["metadata"] = {**made.get("metadata", {}), "name": name}
        return made

    def create(self, most: int = 3) -> Step:
        """POST."""
        self.number += 1
        name = self.name()
        base = self.whole(name)
        if self.draw(st.integers(0, 11)) == 0:
            base["metadata"].pop("name")
            base["metadata"]["generateName"] = f"gen-{self.number}-"
        return Step("POST", self.path(query=self.query()), base, self.edits(0, most))

    def put(self) -> Step:
        """PUT of an object written from scratch."""
        name = self.name()
        return Step("PUT", self.path(name, query=self.query()), self.whole(name), self.edits(0, 3))

    def replace(self) -> Step:
        """PUT of what was read, but for some edits."""
        name = self.name()
        return Step("PUT", self.path(name, query=self.query()), self.whole(name), self.edits(1, 3), self.path(name))

    def patch(self, part: str = "", fields: Sequence[Field] | None = None) -> Step:
        """A merge patch, strategic or not."""
        return Step(
            "PATCH",
            self.path(self.name(), part, self.query()),
            {},
            self.edits(1, 3, fields),
            form=self.one(MERGE, STRATEGIC),
        )

    def pointers(self) -> Step:
        """A JSON Patch: fields are mostly added or removed, but also replaced, tested, moved and copied."""
        edits = tuple(self.operation(edit) for edit in self.edits(1, 3))
        return Step("PATCH", self.path(self.name(), query=self.query()), edits=edits, form=POINTERS)

    def operation(self, edit: Edit) -> Edit:
        """The edit as one of JSON Patch's operations; what is moved comes from a place of its own."""
        chosen = self.one("add", "add", "add", "add", "replace", "replace", "test", "move", "copy")
        if edit.value is REMOVED:
            return edit
        value = self.edits(1, 1)[0].pointer if chosen in ("move", "copy") else edit.value
        return replace(edit, operation=chosen, value=value)

    def apply(self, part: str = "") -> Step:
        """Server-side apply of a few fields by one of two managers."""
        name = self.name()
        options = [f"fieldManager={self.one('first', 'second')}", *self.one((), (), ("force=true",))]
        base = self.whole(name)
        if self.draw(st.integers(0, 1)):
            base = {key: base[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": name}}
        fields = self.topic.status if part else None
        return Step("PATCH", self.path(name, part, self.query(*options)), base, self.edits(0, 3, fields), form=APPLY)

    def report(self) -> Step:
        """A write to /status, from what was read or patched; now and then it brings other fields, too."""
        fields = (*self.topic.status, *self.topic.status, *self.topic.status, *self.fields)
        choice, name = self.draw(st.integers(0, 4)), self.name()
        if choice == 0:
            return self.apply("status")
        if choice <= 2:
            return self.patch("status", fields)
        return Step(
            "PUT", self.path(name, "status", self.query()), self.whole(name), self.edits(1, 3, fields), self.path(name)
        )

    def delete(self) -> Step:
        """DELETE, mostly plain."""
        options: Json = self.one(
            None, None, None, {"propagationPolicy": self.one("Foreground", "Background", "Orphan", "Bad")},
            {"preconditions": {"uid": "11111111-2222-3333-4444-555555555555"}}, {"gracePeriodSeconds": 0},
            {"preconditions": {"resourceVersion": "1"}}, {"dryRun": ["All"]}, {"orphanDependents": True},
        )  # fmt: skip
        return Step("DELETE", self.path(self.name()), options)

    def delete_all(self) -> Step:
        """DELETE of those that a selector finds; of what a cluster has by itself, too, nothing else would be safe."""
        everything = ("", "labelSelector=a=b") if "namespaces/" in self.topic.collection else ()
        query = self.one(*everything, "fieldSelector=metadata.name=app", "labelSelector=a=b,!d")
        options: Json = self.one(None, None, {"propagationPolicy": "Background"}, {"dryRun": ["All"]})
        return Step("DELETE", self.path(query=query), options)

    def get(self) -> Step:
        """GET of one object or of all, as JSON or as a table."""
        if self.draw(st.integers(0, 1)):
            return Step("GET", self.path(self.name()), accept=self.one(JSON, *self.accepts))
        query = self.one(
            "",
            *self.topic.queries,
            "labelSelector=a=b",
            "labelSelector=a in (b,c),!d",
            "fieldSelector=metadata.name=app",
        )
        return Step("GET", self.path(query=query), accept=self.one(JSON, *self.accepts))

    def steps(self, most: int) -> list[Step]:
        """Steps about the topic; the first creates something."""
        kinds: list[Callable[[], Step]] = [
            self.create, self.put, self.put, self.replace, self.replace, self.replace, self.replace, self.patch,
            self.patch, self.patch, self.pointers, self.apply, self.apply, self.delete, self.get,
        ]  # fmt: skip
        kinds += [self.report, self.report] if self.topic.status else []
        kinds += [self.delete_all] if self.draw(st.integers(0, 3)) == 0 else []
        steps = [self.one(self.create, self.create, self.create, self.put, self.apply)()]
        return [*steps, *(self.one(*kinds)() for _ in range(self.draw(st.integers(0, most))))]

    def looks(self) -> list[Step]:
        """All that there is to see when all is said."""
        looks = [Step("GET", path) for path in (self.topic.collection, *self.topic.afterwards)]
        return [*looks, Step("GET", self.topic.collection, accept=TABLE)]


def conversations(topics: Sequence[Topic], most: int = 6, *, machinery: bool = True) -> st.SearchStrategy[Conversation]:
    """Conversations that end with a look at everything; without the machinery, about the kinds' own fields only.

    Most are about one topic. Every tenth has steps about two in turns: Services and IPAddresses, for one, meet.
    """
    weighted = [topic for topic in topics for _ in range(topic.weight)]

    @st.composite
    def made(draw: st.DrawFn) -> Conversation:
        chosen = [draw(st.sampled_from(weighted)) for _ in range(2 if draw(st.integers(0, 9)) == 0 else 1)]
        drawers = [Drawer(draw, topic, machinery=machinery) for topic in {one.name: one for one in chosen}.values()]
        turns = zip_longest(*(drawer.steps(most // len(drawers)) for drawer in drawers))
        steps = [step for turn in turns for step in turn if step is not None]
        looks = [look for drawer in drawers for look in drawer.looks()]
        return Conversation("+".join(drawer.topic.name for drawer in drawers), (*steps, *looks))

    return made()
