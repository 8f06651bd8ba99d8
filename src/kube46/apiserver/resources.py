"""The verbs on stored kinds: each turns a request into a call of reads, watches, writes or deletes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.api import errors
from kube46.apiserver import (
    applying,
    attributes,
    deleteoptions,
    deletes,
    fieldvalidation,
    labelselectors,
    options,
    patching,
    reads,
    selectors,
    statuses,
    watches,
)
from kube46.apiserver.admission import connecting
from kube46.apiserver.admission.attributes import CONNECT
from kube46.apiserver.answers import Answer
from kube46.apiserver.bodies import read_json, validation
from kube46.apiserver.customresources import bodies
from kube46.apiserver.customresources.conversions import asks
from kube46.apiserver.customresources.convertedwatches import ConvertedWatch
from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.negotiation import CUSTOM, OFFERED, PROTOBUF, negotiate
from kube46.apiserver.strategy import Strategy
from kube46.apiserver.transactions import key_of
from kube46.apiserver.views import AT_ONCE, View
from kube46.apiserver.views_protobuf import Messages, ProtobufView
from kube46.apiserver.writes import Call

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from kube46.apiserver.authorization import Authorizer
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.requests import Request, Target
    from kube46.apiserver.strategy import Object
    from kube46.apiserver.writes import Registry


BARE = Strategy()
KEPT_PODS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them "
    "or set propagationPolicy=Orphan to suppress this warning"
)
TITLES = {"PATCH": "PatchOptions", "POST": "CreateOptions", "PUT": "UpdateOptions"}


class Resources:
    """Answers requests for objects and collections."""

    def __init__(self, registry: Registry, stopping: asyncio.Event, authorizer: Authorizer) -> None:
        self.registry, self._authorizer = registry, authorizer
        self._store, self._stopping = registry.store, stopping
        self._messages = Messages()
        self.watching: dict[str, int] = {}  # plural → open watches, for the metrics

    def view(self, request: Request, target: Target) -> View | ProtobufView:
        """The form in which this client sees this kind."""
        whole = CUSTOM if target.kind.custom else OFFERED
        form = negotiate(request.accept, whole=whole, stream=request.verb == "watch")
        strategy = self.registry.strategy(target.kind)
        if target.subresource == "status" and strategy.bare_status:
            strategy = BARE
        if form.media_type == PROTOBUF:
            return ProtobufView(target.kind, strategy, form, self._messages)
        view = View(target.kind, strategy, form, request.query.get("includeObject", ""))
        if request.verb not in ("get", "list"):  # before anything is written; upstream refuses when it is done
            view.check(several=request.verb == "deletecollection")
        return view

    def call(self, request: Request, target: Target) -> Call:
        """The write that a request asks for."""
        title = TITLES[request.method]
        applies = request.content_type == applying.MEDIA_TYPE and title == "PatchOptions"
        given = options.write_options(request.query, request.every("dryRun"), title=title, applies=applies)
        call = Call(
            target.kind, target.name, target.namespace, target.subresource, request.user, given.dry_run,
            request.warnings, given.manager or applying.program(request), given.force,
            options=partial(options.shown, title, request.query, given),
        )  # fmt: skip
        if request.method != "POST":  # which was asked already; a PUT and an apply may create, too
            call.check_create = partial(self._check_create, request)
        return call

    def _check_create(self, request: Request) -> None:
        """Refuse with 403 who may not create what an update finds missing."""
        self._authorizer.check(request.user, replace(attributes.of(request), verb="create"))

    # Reading

    async def get(self, request: Request, target: Target) -> Answer:
        """GET of one object."""
        view = self.view(request, target)
        await reads.fresh(self._store, reads.revision_of(request.query.get("resourceVersion", "")))
        record = self._store.get(target.kind.resource, key_of(target.namespace, target.name))
        if record is None:
            raise statuses.not_found(target.kind, target.name)
        view.check(several=False)
        (value,) = await self._shown(target.kind, [record.value])
        return _answer(view, view.one(value))

    async def list(self, request: Request, target: Target) -> Answer:
        """GET of a collection."""
        view, selector = self.view(request, target), _selector(request, target)
        page = reads.page_of(request.query)
        _, values, metadata = await self._listing(target, selector, page)
        view.check(several=True)
        pieces = view.many(values, metadata)
        if len(values) <= AT_ONCE or request.flag("pretty"):
            return _answer(view, b"".join(pieces))
        first = next(pieces)  # refuses before the answer begins
        return Answer(content_type=view.media_type.encode(), pieces=chain((first,), pieces))

    async def watch(self, request: Request, target: Target) -> Answer:
        """GET of a collection with watch=true."""
        view, selector = self.view(request, target), _selector(request, target)
        options = watches.Options.parse(request.query)
        way = ConvertedWatch if asks(target.kind) else watches.Watch
        watch = way(
            self._store, target.kind, target.namespace, selector, options, view, lambda: self._ended(target.kind)
        )  # fmt: skip
        if isinstance(watch, ConvertedWatch):
            watch.conversions = self.registry.conversions
        await watch.prepare()
        return Answer(content_type=view.stream_type.encode(), watch=watch)

    async def _listing(
        self, target: Target, selector: selectors.Selector, page: reads.Page
    ) -> tuple[Sequence[bytes], Sequence[bytes], dict[str, Any]]:
        """The objects of a list as stored and as shown, and its metadata.

        Where a webhook converts them, what their fields select is seen only then: a page may have less than its limit.
        """
        kind = target.kind
        if not asks(kind):
            values, metadata = await reads.listing(self._store, kind, target.namespace, selector, page)
            return values, values, metadata
        early, late = selector.parted(kind.fields)
        values, metadata = await reads.listing(self._store, kind, target.namespace, early, page)
        pairs = zip(values, await self._shown(kind, values), strict=True)
        found = [(value, shown) for value, shown in pairs if late.matches(shown)]
        if late:
            metadata.pop("remainingItemCount", None)
        return [value for value, _ in found], [shown for _, shown in found], metadata

    async def _shown(self, kind: Kind, values: Sequence[bytes]) -> Sequence[bytes]:
        """Stored objects in the version that is asked for, where a webhook makes the difference."""
        return await self.registry.conversions.shown(kind, values) if asks(kind) else values

    def _ended(self, kind: Kind) -> bool:
        """Whether watches are to end: with the server, and with the definition of a custom kind."""
        return self._stopping.is_set() or (isinstance(kind, CustomKind) and kind.version_of.retired)

    # Writing

    async def create(self, request: Request, target: Target) -> Answer:
        """POST."""
        view, call = self.view(request, target), self.call(request, target)
        obj = await self.decode(request, target)
        return _written(view, await self.registry.create(call, obj), 201)

    async def update(self, request: Request, target: Target) -> Answer:
        """PUT."""
        view, call = self.view(request, target), self.call(request, target)
        obj, created = await self.registry.update(call, await self.decode(request, target))
        return _written(view, obj, 201 if created else 200)

    async def patch(self, request: Request, target: Target) -> Answer:
        """PATCH."""
        patching.check_media(request.headers.get(b"content-type", b"").decode("latin-1"), custom=target.kind.custom)
        view, call = self.view(request, target), self.call(request, target)
        if request.content_type == applying.MEDIA_TYPE:
            self.registry.check_there(call)
            config, settle = await applying.config_of(request, call)
            obj, created = await self.registry.apply(call, config, lambda merged: settle(merged, call.kind))
            return _written(view, obj, 201 if created else 200)
        edit = await self.edit(request, target)
        return _written(view, await self.registry.change(call, edit))

    async def delete(self, request: Request, target: Target) -> Answer:
        """DELETE of one object."""
        view = self.view(request, target)
        given = await deleteoptions.read(request)
        _warn(request, target, given)
        obj = await deletes.delete(self.registry, _deletion(request, target, given), given)
        if obj["kind"] == "Status":
            return _answer(view, view.whole(obj))
        lingers = obj["metadata"].get("deletionTimestamp") and given.orphans is False
        return _written(view, obj, 202 if lingers else 200)

    async def deletecollection(self, request: Request, target: Target) -> Answer:
        """DELETE of a collection."""
        view, selector = self.view(request, target), _selector(request, target)
        page = reads.page_of(request.query)
        given = await deleteoptions.read(request)
        if given.unsafe:
            text = "is not allowed with DELETECOLLECTION, try again after removing the option"
            raise options.invalid("DeleteOptions", [errors.invalid(deleteoptions.UNSAFE, True, text)])
        _warn(request, target, given)
        values, shown, metadata = await self._listing(target, selector, page)
        await deletes.delete_all(self.registry, _deletion(request, target, given), given, values)
        return _answer(view, b"".join(view.many(shown, metadata)))

    async def connect(self, request: Request, target: Target) -> None:
        """Let admission refuse what opens a stream."""
        call = Call(
            target.kind, target.name, target.namespace, target.subresource, request.user, warnings=request.warnings,
            options=dict,
        )  # fmt: skip
        await self.registry.gate.admitted(call, connecting.options(request, target), CONNECT)

    # Bodies

    async def decode(self, request: Request, target: Target) -> Object:
        """The object of a request's body, checked against its schema."""
        kind = target.kind
        body = await read_json(request, protobuf_too=not kind.custom)
        if isinstance(kind, CustomKind):
            return self._checked(request, bodies.decode(body, kind, validation(request)))
        return self._checked(request, fieldvalidation.decode(body, kind, validation(request)))

    def _checked(self, request: Request, decoded: fieldvalidation.Decoded) -> Object:
        request.warnings += decoded.warnings
        obj: Object = decoded.object
        return obj

    async def edit(self, request: Request, target: Target) -> Any:
        """The function that a patch is: stored object in, changed object out."""
        media = request.content_type
        kind = target.kind
        body = await request.body()
        patching.check_syntax(body)

        def change(current: Object) -> Object:
            if isinstance(kind, CustomKind):
                patched = bodies.patch(media, body, current, kind, validation(request))
            else:
                patched = patching.apply_patch(media, body, current, kind, validation(request))
            return self._checked(request, patched)

        return change


def _warn(request: Request, target: Target, given: deleteoptions.DeleteOptions) -> None:
    """Tell who deletes Jobs without saying what becomes of their pods; of ReplicationControllers nobody is told."""
    if target.kind.plural == "jobs" and not given.propagation:
        request.warnings.append(KEPT_PODS)


def _written(view: View | ProtobufView, obj: Object, code: int = 200) -> Answer:
    stored = {name: value for name, value in obj.items() if name not in ("kind", "apiVersion")}
    return _answer(view, view.one(msgspec.json.encode(stored)), code)


def _answer(view: View | ProtobufView, body: bytes, code: int = 200) -> Answer:
    return Answer(body, code, view.media_type.encode())


def _selector(request: Request, target: Target) -> selectors.Selector:
    query = request.query
    for name in ("timeoutSeconds", "limit"):
        options.integer(query, name)
    labels = labelselectors.parse(query.get("labelSelector", ""))
    terms = selectors.split_fields(query.get("fieldSelector", ""))
    options.check_list(query, watch=request.verb == "watch")
    return selectors.Selector(labels, selectors.fields(target.kind, terms))


def _deletion(request: Request, target: Target, given: deleteoptions.DeleteOptions) -> Call:
    return Call(
        target.kind, target.name, target.namespace, target.subresource, request.user, given.dry_run, request.warnings,
        options=given.shown,
    )  # fmt: skip
