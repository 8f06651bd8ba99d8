"""Everything that there are conversations about, by name."""

from cluster.conversations.discovery import ENDPOINTS, SLICES
from cluster.conversations.drawing import Topic
from cluster.conversations.machines import NODES, PODS
from cluster.conversations.networking import CLASSES, INGRESSES, IPADDRESSES, POLICIES, SERVICECIDRS
from cluster.conversations.services import SERVICES

ALL = (SERVICES, SLICES, ENDPOINTS, SERVICECIDRS, IPADDRESSES, INGRESSES, CLASSES, POLICIES, PODS, NODES)
TOPICS: dict[str, Topic] = {topic.name: topic for topic in ALL}
