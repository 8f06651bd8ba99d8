"""The plugins in kube-apiserver's order, and the two phases of a write.

Source: k8s.io/kubernetes pkg/kubeapiserver/options/plugins.go (AllOrderedPlugins), k8s.io/apiserver
pkg/admission/reinvocation.go. What upstream's plugins for namespaces, nodes and pods do is in `writes`,
`noderestriction` and the strategies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.apiserver.admission.dispatching import Dispatcher
from kube46.apiserver.admission.limitranger import LimitRanger
from kube46.apiserver.admission.matching import Matcher
from kube46.apiserver.admission.mutatingpolicies import MutatingPolicies
from kube46.apiserver.admission.resourcequota import ResourceQuota
from kube46.apiserver.admission.validatingpolicies import ValidatingPolicies
from kube46.apiserver.admission.webhooks import MutatingWebhooks, ValidatingWebhooks

if TYPE_CHECKING:
    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.admission.plugin import Parts, Plugin
    from kube46.apiserver.strategy import Transaction
    from kube46.apiserver.writes import Call


class Chain:
    """Asked at each write that a request makes."""

    def __init__(self, plugins: tuple[Plugin, ...] = ()) -> None:
        self._plugins = plugins
        self._asking = tuple(plugin for plugin in plugins if plugin.asks)

    def concerns(self, call: Call) -> bool:
        """Whether anybody has anything to say of a write at this moment."""
        return _concerned(self._plugins, call)

    def asks(self, call: Call) -> bool:
        """Whether anybody at this moment may have to ask somebody outside about it."""
        return _concerned(self._asking, call)

    def admit(self, asked: Attributes, txn: Transaction) -> None:
        """The mutating phase; once more when a webhook has changed what others had looked at before."""
        self._admit(asked, txn)
        if asked.again:
            asked.reinvoked = True
            self._admit(asked, txn)

    def _admit(self, asked: Attributes, txn: Transaction) -> None:
        for plugin in self._plugins:
            if plugin.active():
                plugin.admit(asked, txn)

    def validate(self, asked: Attributes, txn: Transaction) -> None:
        """The validating phase."""
        for plugin in self._plugins:
            if plugin.active():
                plugin.validate(asked, txn)


def _concerned(plugins: tuple[Plugin, ...], call: Call) -> bool:
    for plugin in plugins:  # noqa: SIM110  a generator would cost each write more
        if plugin.active() and plugin.concerns(call):
            return True
    return False


def chain(parts: Parts) -> Chain:
    """LimitRanger, MutatingAdmissionPolicy, MutatingAdmissionWebhook, ValidatingAdmissionPolicy,
    ValidatingAdmissionWebhook, ResourceQuota.
    """
    dispatcher, matcher = Dispatcher(parts, parts.caller), Matcher(parts)
    return Chain((
        LimitRanger(parts), MutatingPolicies(parts, matcher), MutatingWebhooks(parts.store, dispatcher),
        ValidatingPolicies(parts, matcher), ValidatingWebhooks(parts.store, dispatcher), ResourceQuota(parts),
    ))  # fmt: skip
