"""ClusterTrustBundles as files: which are meant, and their certificates, each once (pure).

Source: k8s.io/kubernetes pkg/kubelet/clustertrustbundle.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping

from kube46.api import pem
from kube46.api.objects import ClusterTrustBundle
from kube46.api.selectors import matches
from kube46.lab.kubelet.manifests import BundleSource
from kube46.lab.kubelet.security import ConfigError

SALT = os.urandom(16)  # the order is this kubelet's own, so that nobody comes to rely on it
NO_SUCH = "while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io"
NONE_MATCHED = "combination of signerName and labelSelector matched zero ClusterTrustBundles"


def content(source: BundleSource, bundles: Mapping[str, ClusterTrustBundle]) -> bytes:
    """The file of a source; empty when what is optional is missing. Raises ConfigError when something else is."""
    if source.name is not None:
        found = [bundles[source.name]] if source.name in bundles else []
        missing = f'{NO_SUCH} "{source.name}" not found'
    else:
        selector = source.label_selector  # none selects nothing, an empty one all
        found = [
            bundle
            for bundle in bundles.values()
            if selector is not None
            and bundle.spec.signer_name == source.signer_name
            and matches(selector, bundle.metadata.labels)
        ]
        missing = NONE_MATCHED
    if not found and not source.optional:
        raise ConfigError(missing, "FailedMount")
    return anchors(bundle.spec.trust_bundle for bundle in found)


def anchors(bundles: Iterable[str], salt: bytes = SALT) -> bytes:
    """The certificates of all bundles, each once and with nothing between them, in an order that tells nothing."""
    found = {block.content for bundle in bundles for block in pem.blocks(bundle)}
    ordered = sorted(found, key=lambda content: hashlib.sha256(salt + content).digest())
    return b"".join(pem.encoded(pem.CERTIFICATE, content) for content in ordered)
