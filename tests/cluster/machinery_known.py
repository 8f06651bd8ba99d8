"""What still differs from the real server, by conversation and step: a ratchet that only shrinks.

A step may also be here because labels (`<uid7>`) count on from a difference before it.
"""

KNOWN: dict[str, tuple[int, ...]] = {
    # a path with an empty namespace
    "create: metadata of others": (34,),
    # the Scale that an error shows; Tables of a Scale
    "generation and status": (13, 22),
    # a shape that an answer can't have is refused before anything is written, not after
    "accept: writing": (51,),
    # other servers' addresses; a path with an empty namespace
    "paths": (6,),
    "paths: post": (16,),
    # methods that HTTP does not have (400); groups, paths and metrics that only one of the two serves
    "methods": (4, 11, 18, 25, 32, 37, 38, 39, 40, 41, 42, 46, 53, 57, 58, 59, 60, 61, 62, 66, 71, 72, 73, 74, 75, 76),
    "list: parameters": (40,),  # a token of a compacted revision
    "managers: handed in on create": (36,),  # paths that can't be owned
    # owners by another version of autoscaling keep a field that was written by its other name
    "autoscaling: two versions": (21, 22),
    "autoscaling: applies": (8,),
    "kinds: /status of /apis/storage.k8s.io/v1/volumeattachments": (0,),  # status.attached before it is set
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
