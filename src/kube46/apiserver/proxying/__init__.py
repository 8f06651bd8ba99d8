"""The `proxy` subresources of nodes, pods and Services: HTTP through the API server."""
