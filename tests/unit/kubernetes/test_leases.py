"""Leader election: who may take a Lease when."""

import pytest

from kube46.api.objects import LeaseSpec
from kube46.kubernetes.leases import Observation


@pytest.mark.parametrize(
    ("holder", "age", "free"),
    [("", 0, True), (None, 0, True), ("me", 0, True), ("other", 14, False), ("other", 16, True)],
)
def test_when_a_lease_is_free(holder: str | None, age: float, free: bool) -> None:
    """A Lease is free when it has no holder, is ours, or did not change for its duration on our own clock."""
    seen = Observation()
    seen.see(LeaseSpec(holder_identity=holder, lease_duration_seconds=15), 100.0)
    assert seen.free_for("me", 100.0 + age) is free


def test_a_renewal_starts_the_time_again() -> None:
    """Only changes count: a holder with a wrong clock keeps its Lease as long as it writes."""
    seen = Observation()
    for moment in range(0, 60, 10):
        spec = LeaseSpec("other", 15, renew_time=f"1999-01-01T00:00:{moment:02}.000000Z")
        seen.see(spec, float(moment))
    assert not seen.free_for("me", 60.0)
    seen.see(spec, 61.0)
    assert seen.free_for("me", 66.0)
