#!/usr/bin/env python3
# ruff: noqa
# fmt: off
"""Replay recorded Kubernetes API scenarios against a server and compare every answer.

A scenario file is JSON lines. Each line: {"id", "group", "cluster", "steps": [...]}; "cluster" names the server's
--service-cluster-ip-range: v4 = 10.96.0.0/16, v6 = fd00:10:96::/112, dual46 = v4,v6, dual64 = v6,v4.
A step: {"method", "path", "type"?, "accept"?, "body"? | ("from": K, "ops": [...]), "code", "answer"}.
"{ns}" is the scenario's own namespace; "{ip4:N}"/"{ip6:N}" an explicit free Service address; "{port:N}" an explicit free node port.
"from": K with "ops" builds the body from the K-th answer of the scenario (JSON Patch add/replace/remove), as a client that read it would.
Answers are compared after normalisation: server-made metadata is dropped, allocated addresses and ports become <ip4#n>, <ip6#n>, <port#n>
in order of first appearance; ages, generated names, continue tokens and the prose of table columns are not compared.

usage: replay.py FILE --server v4=https://127.0.0.1:7453 --server dual46=https://127.0.0.1:7443 --token TOKEN [--group G] [--show N] [--record OUT] [--same OUT]
Exit status 1 when any answer differs.
"""
import argparse, copy, http.client, ipaddress, json, re, secrets, ssl, sys, urllib.parse
from collections import Counter

RANGE4, RANGE6 = ipaddress.ip_network("10.96.0.0/16"), ipaddress.ip_network("fd00:10:96::/112")
DROP = {"uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "deletionTimestamp"}
TOKENS = re.compile(r"10\.96\.\d+\.\d+|fd00:10:96::[0-9a-f:]*|(?<![\d.:])3[0-2]\d{3}(?![\d.])|(?<=:)3[0-2]\d{3}(?=/)")


class Api:
    def __init__(self, base, token):
        u = urllib.parse.urlsplit(base)
        self.ctx = ssl._create_unverified_context()
        self.u, self.token, self.c = u, token, None

    def call(self, method, path, body=None, ctype="application/json", accept="application/json"):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Accept": accept}
        if data is not None:
            headers["Content-Type"] = ctype
        for attempt in (0, 1):
            try:
                if self.c is None:
                    cls = http.client.HTTPSConnection if self.u.scheme == "https" else http.client.HTTPConnection
                    kw = {"context": self.ctx} if self.u.scheme == "https" else {}
                    self.c = cls(self.u.hostname, self.u.port, timeout=30, **kw)
                self.c.request(method, path, data, headers)
                r = self.c.getresponse()
                raw = r.read()
                warns = sorted(w for k, w in r.getheaders() if k.lower() == "warning")
                try:
                    return r.status, json.loads(raw), warns
                except ValueError:
                    return r.status, raw.decode(errors="replace"), warns
            except (http.client.HTTPException, OSError):
                self.c = None
                if attempt:
                    raise


class Names:
    """Substitutes placeholders on the way out and hides allocated values on the way back."""

    def __init__(self, ns, slot):
        self.ns, self.slot, self.seen, self.count = ns, slot, {}, Counter()

    def out(self, text):
        text = text.replace("{ns}", self.ns)
        text = re.sub(r"\{ip4:(\d+)\}", lambda m: self._own(str(RANGE4[16 + (self.slot * 8 + int(m[1])) % 224]), m[0]), text)
        text = re.sub(r"\{ip6:(\d+)\}", lambda m: self._own(str(RANGE6[16 + (self.slot * 8 + int(m[1])) % 224]), m[0]), text)
        text = re.sub(r'"\{port:(\d+)\}"', lambda m: self._own(str(30000 + (self.slot * 4 + int(m[1])) % 80), m[0][1:-1]), text)
        return text

    def _own(self, value, mark):
        self.seen[value] = mark
        return value

    def back(self, text):
        text = re.sub(r"^\d+[smh]$", "<age>", re.sub(r"gen-[a-z0-9]{5}\b", "gen-<random>", text))

        def sub(m):
            v = m[0]
            if v in self.seen:
                return self.seen[v]
            kind = "port" if v.isdigit() else "ip6" if ":" in v else "ip4"
            try:
                if kind == "ip4" and ipaddress.ip_address(v) not in RANGE4 or kind == "ip6" and ipaddress.ip_address(v) not in RANGE6:
                    return v
            except ValueError:
                return v
            if v in ("10.96.0.0", "10.96.0.1", "10.96.255.255", "fd00:10:96::", "fd00:10:96::1", "30000", "32767"):
                return v
            self.count[kind] += 1
            self.seen[v] = f"<{kind}#{self.count[kind]}>"
            return self.seen[v]
        return TOKENS.sub(sub, text.replace(self.ns, "{ns}"))


def strip(x):
    if isinstance(x, dict):
        return {k: strip(v) for k, v in x.items() if k not in DROP}
    if isinstance(x, list):
        return [strip(v) for v in x]
    return x


def normal(x, names):
    """Dropped metadata, tokens for allocated values; numbers that are node ports become strings."""
    def walk(v):
        if isinstance(v, dict):
            return {names.back(k): "<continue>" if k == "continue" and w else walk(w) for k, w in v.items() if not (k == "description" and "priority" in v)}
        if isinstance(v, list):
            return [walk(w) for w in v]
        if isinstance(v, str):
            return names.back(v)
        if isinstance(v, int) and not isinstance(v, bool) and 30000 <= v <= 32767:
            return names.back(str(v))
        return v
    x = strip(x)
    if isinstance(x, dict):  # fixed order of first appearance
        x = json.loads(json.dumps(x, sort_keys=True))
    return walk(x)


def patch(doc, ops):
    doc = copy.deepcopy(doc)
    for op in ops:
        *parents, last = [p.replace("~1", "/").replace("~0", "~") for p in op["path"].split("/")[1:]]
        node = doc
        for p in parents:
            node = node[int(p)] if isinstance(node, list) else node.setdefault(p, {})
        if isinstance(node, list):
            i = len(node) if last == "-" else int(last)
            if op["op"] == "remove":
                if i < len(node):
                    del node[i]
            elif op["op"] == "add":
                node.insert(i, op["value"])
            else:
                node[i] = op["value"]
        elif op["op"] == "remove":
            node.pop(last, None)
        else:
            node[last] = op["value"]
    return doc


NONCE = secrets.token_hex(3)  # a namespace deleted by an earlier run may still be terminating


def run(scenario, api, slot):
    ns = f"s-{NONCE}-{slot}"
    names, raw, got, made = Names(ns, slot), [], [], []
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": ns}})
    try:
        for step in scenario["steps"]:
            path = names.out(step["path"])
            if "from" in step:
                base = raw[step["from"]]
                body = patch(base if isinstance(base, dict) else {}, json.loads(names.out(json.dumps(step["ops"]))))
            else:
                body = json.loads(names.out(json.dumps(step["body"]))) if "body" in step else None
            code, answer, warns = api.call(step["method"], path, body, step.get("type", "application/json"), step.get("accept", "application/json"))
            raw.append(answer)
            if step["method"] == "POST" and code == 201 and isinstance(answer, dict) and "namespace" not in answer.get("metadata", {}):
                made.append(f"{path.split('?')[0]}/{answer['metadata'].get('name')}")
            got.append({"code": code, "answer": normal(answer, names), **({"warnings": [names.back(w) for w in warns]} if warns else {})})
    finally:
        for url in made:
            api.call("DELETE", url)
        for kind in ("services", "endpoints", "pods"):
            code, listing, _ = api.call("GET", f"/api/v1/namespaces/{ns}/{kind}")
            for item in (listing.get("items") or []) if isinstance(listing, dict) else []:
                api.call("DELETE", f"/api/v1/namespaces/{ns}/{kind}/{item['metadata']['name']}?gracePeriodSeconds=0")
        api.call("DELETE", f"/api/v1/namespaces/{ns}")
    return got


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("file")
    ap.add_argument("--server", action="append", default=[], metavar="CLUSTER=URL")
    ap.add_argument("--token", default="admintoken")
    ap.add_argument("--group")
    ap.add_argument("--show", type=int, default=5, help="print this many differences in full")
    ap.add_argument("--same", help="write the scenarios whose answers were the same to this file")
    ap.add_argument("--record", help="write the scenarios with this server's answers instead of comparing")
    a = ap.parse_args()
    servers = {k: Api(u, a.token) for k, u in (s.split("=", 1) for s in a.server)}
    total, bad, shown, sink = Counter(), Counter(), 0, open(a.record, "w") if a.record else None
    for slot, line in enumerate(open(a.file)):
        s = json.loads(line)
        if s["cluster"] not in servers or a.group and s["group"] != a.group:
            continue
        got = run(s, servers[s["cluster"]], slot)
        if sink:
            s["steps"] = [{**{k: v for k, v in st.items() if k not in ("code", "answer", "warnings")}, **g} for st, g in zip(s["steps"], got)]
            sink.write(json.dumps(s, sort_keys=True) + "\n")
            total[s["group"]] += 1
            continue
        total[s["group"]] += 1
        want = [{k: st[k] for k in ("code", "answer", "warnings") if k in st} for st in s["steps"]]
        if got == want and a.same:
            open(a.same, "a").write(line)
        if got != want:
            bad[s["group"]] += 1
            if shown < a.show:
                shown += 1
                i = next(i for i, (g, w) in enumerate(zip(got, want)) if g != w)
                print(f"--- {s['id']} ({s['cluster']}) step {i}: {s['steps'][i]['method']} {s['steps'][i]['path']}")
                print("  sent", json.dumps(s["steps"][i].get("body", s["steps"][i].get("ops")))[:600])
                print("  want", json.dumps(want[i], sort_keys=True)[:1500])
                print("  got ", json.dumps(got[i], sort_keys=True)[:1500])
    for g in sorted(total):
        print(f"{g}: {total[g] - bad[g]} of {total[g]} scenarios the same")
    print(f"{sum(total.values()) - sum(bad.values())} passed, {sum(bad.values())} failed")
    sys.exit(1 if bad and not sink else 0)


if __name__ == "__main__":
    main()
