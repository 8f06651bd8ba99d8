"""Settings of the EndpointSlice loop."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """`max_endpoints` is the most endpoints in a slice (1 to 1000), `workers` how many Services are synced at once."""

    max_endpoints: int = 100
    workers: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.max_endpoints <= 1000:
            raise ValueError(f"--max-endpoints-per-slice must be from 1 to 1000, not {self.max_endpoints}")
