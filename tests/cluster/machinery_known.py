"""What still differs from the real server, by conversation and step: a ratchet that only shrinks.

A step may also be here because labels (`<uid7>`) count on from a difference before it.
"""

KNOWN: dict[str, tuple[int, ...]] = {
    # a patch that makes a Secret of the object is decoded as one first; one without apiVersion as Go's internal type
    "json patch: malformed": (27, 30),
    # labels that a made name adds are owned; a path with an empty namespace
    "create: metadata of others": (29, 34),
    # YAML's errors in the words of Go's parser, repeated keys, several documents; a repeated map is merged; protobuf's words
    "create: bodies": (20, 36, 38, 39, 41, 42, 43, 44, 45, 50, 51, 52, 53, 58, 59),
    "create: bodies, strictly": (36, 38, 39, 41, 42, 43, 45, 50, 51, 52, 53, 58, 59),  # the same
    "create: bodies, leniently": (20, 38, 39, 41, 42, 43, 44, 45, 50, 51, 52, 53, 58, 59),  # the same
    # the Scale that an error shows; Tables of a Scale
    "generation and status": (13, 22),
    "accept: one": (22,),  # an age within YAML
    "accept: many": (23,),  # an error about a shape is JSON, whatever was asked for
    # a shape that an answer can't have is refused before anything is written, not after
    "accept: writing": (51,),
    # kinds that are not served, other servers' addresses and objects, a path with an empty namespace
    "paths": (5, 6, 16, 28),
    "paths: post": (16,),  # the same
    # methods that HTTP does not have (400); groups, paths and metrics that only one of the two serves
    "methods": (4, 11, 18, 25, 32, 37, 38, 39, 40, 41, 42, 46, 53, 57, 58, 59, 60, 61, 62, 66, 71, 72, 73, 74, 75, 76),
    "too large": (1, 2, 3, 4),  # etcd's limit of 1.5 MiB is not ours; the words of a body of 3 MiB
    "list: parameters": (40,),  # a token of a compacted revision
    "list: pages": (19,),  # the words for a damaged token, which go by its length
    # YAML's errors, repeated keys; a number for a text
    "apply: creates and checks": (20, 21, 42, 43, 45, 46, 47, 48),
    "apply: workloads": (18,),  # a warning about ports
    "managers: handed in on create": (36,),  # paths that can't be owned
    # of the long run: the real server compacts etcd; its etcd 3.4 can't tell progress, so it refuses such watches
    "watch: resourceVersion=1": (8,),
    **dict.fromkeys(
        (
            f"watch: {form}sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true{more}"
            for form, more in (
                ("", ""), ("", "&resourceVersion=0"),
                ("", "&resourceVersion={2.metadata.resourceVersion}"),
                ("", "&labelSelector=even%3Dtrue"), ("Tables, ", ""),
            )
        ),
        (8,),
    ),
    "watch: sendInitialEvents=x&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true": (8,),
    # a mistake of clients; bytes of protobuf are not compared; deprecated since 1.11
    "watch: accept application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1": (8,),
    "watch: accept application/vnd.kubernetes.protobuf;stream=watch": (8,),
    "watch: /api/v1/watch/namespaces/{ns}/configmaps": (5,),
    "watch: /api/v1/watch/namespaces/{ns}/configmaps/m1": (5,),
}  # fmt: skip
