"""Pure: what Kubernetes does to a Pod and to pod templates on their way in.

    create:  defaults → admission (priority, tolerations, service account) → status → validation
    update:  defaults → updates (what may change) ; /status: status

Sources: pkg/apis/core/v1/{defaults.go,conversion.go}, pkg/registry/core/pod, pkg/apis/core/validation,
plugin/pkg/admission (1.37).
"""
