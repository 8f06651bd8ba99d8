"""Role-based access control: what rules allow, and which Roles and bindings are valid (rbac/v1)."""
