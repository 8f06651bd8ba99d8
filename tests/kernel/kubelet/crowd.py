"""Makes N pods at once, waits until all are Ready, deletes them at once, waits until all are gone; prints the times.

`crowd.py DIRECTORY NODE COUNT [nodelete]`: JSON of seconds from each pod's creation to its Ready condition as a watch
saw it (`ready`, sorted) and of the deletion of all (`gone`). Standard library only.
"""

import json
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request

DIRECTORY, NODE, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
PREFIX = "crowd-"
POD = {
    "nodeName": NODE,
    "terminationGracePeriodSeconds": 1,
    "volumes": [{"name": "v", "emptyDir": {}}],
    "containers": [
        {
            "name": "main",
            "image": "host",
            # An orphan that a first process which reaps nobody has to live with.
            "command": ["sh", "-c", "(sh -c 'sleep 1000 & exit' &); trap 'exit 0' TERM; sleep 1000 & wait"],
            "volumeMounts": [{"name": "v", "mountPath": "/crowd"}],
        }
    ],
}
context = ssl.create_default_context(cafile=f"{DIRECTORY}/pki/ca.crt")


def request(method, path, body=None, timeout=60):
    """An open answer of the API."""
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Authorization": "Bearer etoken-admin", "Content-Type": "application/json"}
    made = urllib.request.Request(f"https://127.0.0.1:6443{path}", data, headers, method=method)
    return urllib.request.urlopen(made, timeout=timeout, context=context)


def is_ready(pod):
    """Whether the pod's Ready condition is True."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def watch(version, seen, gone, enough):
    """Notes when each pod was first seen Ready, and gone."""
    path = f"/api/v1/namespaces/default/pods?watch=1&resourceVersion={version}&timeoutSeconds=300"
    for line in request("GET", path, timeout=300):
        event = json.loads(line)
        pod, now = event["object"], time.monotonic()
        name = pod["metadata"].get("name", "")
        if name.startswith(PREFIX):
            if event["type"] == "DELETED":
                gone[name] = now
            elif is_ready(pod):
                seen.setdefault(name, now)
        if len(seen) == COUNT:
            enough["ready"].set()
        if len(gone) == COUNT:
            enough["gone"].set()
            return


def main():
    """Makes, waits, deletes, waits."""
    version = json.load(request("GET", "/api/v1/namespaces/default/pods"))["metadata"]["resourceVersion"]
    seen, gone, enough = {}, {}, {"ready": threading.Event(), "gone": threading.Event()}
    threading.Thread(target=watch, args=(version, seen, gone, enough), daemon=True).start()
    created = {}
    for number in range(COUNT):
        name = f"{PREFIX}{number}"
        created[name] = time.monotonic()
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": POD}
        request("POST", "/api/v1/namespaces/default/pods", body).read()
    made = time.monotonic() - min(created.values())
    if not enough["ready"].wait(120):
        sys.exit(f"not ready: {sorted(set(created) - set(seen))}")
    print(json.dumps({"created": made, "ready": sorted(seen[n] - created[n] for n in created)}), flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    for name in created:
        request("DELETE", f"/api/v1/namespaces/default/pods/{name}").read()
    if not enough["gone"].wait(120):
        sys.exit(f"not gone: {sorted(set(created) - set(gone))}")
    print(json.dumps({"gone": time.monotonic() - began}), flush=True)


main()
