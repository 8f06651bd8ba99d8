"""Which certificates a node may ask for: its own, and those that its pods mount. Texts are kube-apiserver's.

Source: k8s.io/kubernetes plugin/pkg/admission/noderestriction/admission.go (admitCSR, admitPodCertificateRequest).
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from kube46.api.errors import go_quote
from kube46.apiserver import podreferences, statuses

if TYPE_CHECKING:
    from kube46.apiserver.strategy import Object
    from kube46.apiserver.transactions import Txn

SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")


def signing_request(node: str, _: str, name: str, new: Object | None, old: Object | None, txn: Txn) -> str:
    """Why a node may not make this CertificateSigningRequest; the signers look at all but the name."""
    spec = (new or {}).get("spec") or {}
    if old is not None or spec.get("signerName") not in SIGNERS:
        return ""
    try:
        asked = x509.load_pem_x509_csr(base64.b64decode(spec.get("request") or ""))
    except (ValueError, binascii.Error) as error:
        return f"unable to parse csr: {error}"
    names = [str(part.value) for part in asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    own = f"system:node:{node}"
    return "" if names[-1:] == [own] else f"can only create a node CSR with CN={own}"


def pod_certificate(node: str, subresource: str, name: str, new: Object | None, old: Object | None, txn: Txn) -> str:
    """Why a node may not make this PodCertificateRequest. Raises StatusError 500 for what may be a matter of time."""
    if old is not None or new is None:
        return f"unexpected operation {'DELETE' if new is None else 'UPDATE'}"
    if subresource:
        return f"unexpected subresource {subresource}"
    spec, namespace = new.get("spec") or {}, new["metadata"].get("namespace", "")
    wanted, owner = str(spec.get("nodeName") or ""), str(spec.get("serviceAccountName") or "")
    if wanted != node:
        quoted = go_quote(wanted)
        return f"PodCertificateRequest.Spec.NodeName={quoted}, which is not the requesting node {go_quote(node)}"
    place = go_quote(f"{namespace}/{spec.get('podName', '')}")
    account = go_quote(f"{namespace}/{owner}")
    _same(txn.get("nodes", node), spec.get("nodeUID"), f"node {go_quote(node)}", place)
    pod = _same(txn.get("pods", str(spec.get("podName")), namespace), spec.get("podUID"), f"pod {place}", place)
    if pod["spec"].get("nodeName") != node:
        return f"pod {place} is not running on node {go_quote(node)} named in the PodCertificateRequest"
    if podreferences.MIRROR in (pod["metadata"].get("annotations") or {}):
        return f"pod {place} is a mirror pod"
    if pod["spec"].get("serviceAccountName", "") != owner:
        text = (
            f"({go_quote(owner)}) that differs from running pod ({go_quote(pod['spec'].get('serviceAccountName', ''))})"
        )
        return f"PodCertificateRequest for pod {place} contains serviceAccountName {text}"
    found = txn.get("serviceaccounts", owner, namespace)
    _same(found, spec.get("serviceAccountUID"), f"service account {account}", place)
    if not _mounts(pod, str(spec.get("signerName"))):
        signer = go_quote(str(spec.get("signerName")))
        return f"pod {place} does not mount a podCertificate projected volume for signer {signer}"
    return ""


def _same(found: Object | None, uid: str | None, what: str, pod: str) -> Object:
    """The object that a request names, if it is there and that one."""
    if found is None:
        raise statuses.StatusError(500, "", f"while retrieving {what} named in the PodCertificateRequest: not found")
    if found["metadata"]["uid"] != uid:
        text = f"PodCertificateRequest for pod {pod} names the UID {go_quote(uid or '')} of {what}"
        raise statuses.StatusError(500, "", f"{text}, which is {go_quote(found['metadata']['uid'])}")
    return found


def _mounts(pod: Object, signer: str) -> bool:
    sources = [
        source
        for volume in pod["spec"].get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
    ]
    return any((source.get("podCertificate") or {}).get("signerName") == signer for source in sources)
