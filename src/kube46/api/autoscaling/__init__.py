"""The rules of HorizontalPodAutoscalers: defaulting, the two versions, validation."""
