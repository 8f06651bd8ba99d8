"""Pure: what Kubernetes does to a Service on its way in and out.

The order decides which error a client sees (semantics 1.1):

    create:  defaults → sync → families → addresses → nodeports → validation → warnings
    update:  defaults → reading(old) → carry → sync → families → addresses → nodeports → wipe
             → immutable → validation → warnings
    read:    reading

The API server's strategy for Services calls them in this order; `addresses` and `nodeports` say what to allocate.
Every function takes JSON objects; one that is said to change its argument changes it in place.
Sources: pkg/registry/core/service/{strategy.go,storage/*.go}, pkg/apis/core/{v1/defaults.go,validation},
pkg/api/service (1.37).
"""
