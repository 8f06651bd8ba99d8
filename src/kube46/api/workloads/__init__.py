"""Pure: Deployments and ReplicaSets (pkg/apis/apps/{v1/defaults.go,validation}, 1.37)."""
