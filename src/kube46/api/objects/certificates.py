"""Certificates: bundles of trusted authorities, and what becomes of pods' requests; see the package."""

from kube46.api.objects.meta import Condition, Object, Value


class ClusterTrustBundleSpec(Value, frozen=True):
    """spec of a ClusterTrustBundle."""

    signer_name: str = ""
    trust_bundle: str = ""


class ClusterTrustBundle(Object, frozen=True):
    """Certificates of authorities, in PEM."""

    spec: ClusterTrustBundleSpec = ClusterTrustBundleSpec()


class PodCertificateRequestStatus(Value, frozen=True):
    """status of a PodCertificateRequest: one condition, once it is answered."""

    conditions: tuple[Condition, ...] = ()
    certificate_chain: str = ""
    not_before: str | None = None
    begin_refresh_at: str | None = None
    not_after: str | None = None


class PodCertificateRequest(Object, frozen=True):
    """What a kubelet asks a signer for, on behalf of a pod."""

    status: PodCertificateRequestStatus = PodCertificateRequestStatus()
