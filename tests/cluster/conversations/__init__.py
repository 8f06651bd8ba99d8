"""Random conversations with two API servers, kube46's and the real one: every answer must be the same.

A `Topic` (services, networking, …) says what there is to say about a kind, `drawing` makes conversations of it,
`playing` holds one with a server, `normal` hides what the server made up, `comparing` tells where answers differ and
how short a conversation still shows it. `python -m cluster.conversations` holds them by the thousands.
"""
