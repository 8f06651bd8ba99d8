"""Finding the cluster and our identity."""

from pathlib import Path

import pytest
import yaml

from kube46.kubernetes.config import ClusterConfig, ConfigError


def _write(path: Path, **changes: object) -> Path:
    document = {
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://[::1]:6443/", "certificate-authority": "ca.crt"}}],
        "users": [{"name": "u", "user": {"token": "t0ken"}}],
        **changes,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    (path.parent / "ca.crt").write_text("PEM")
    return path


def test_a_kubeconfig_gives_server_ca_token_and_namespace(tmp_path: Path) -> None:
    """Files named in a kubeconfig are relative to it."""
    config = ClusterConfig.load(_write(tmp_path / "config"))
    assert (config.server, config.ca, config.bearer_token(), config.namespace) == (
        "https://[::1]:6443",
        "PEM",
        "t0ken",
        "team",
    )


def test_the_first_file_of_a_list_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBECONFIG is merged as client-go merges it."""
    first = _write(tmp_path / "a" / "config", clusters=[{"name": "c", "cluster": {"server": "https://first"}}])
    second = _write(tmp_path / "b" / "config")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/absent:{first}:{second}")
    assert ClusterConfig.load().server == "https://first"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"current-context": ""}, "has no current context"),
        ({"current-context": "two"}, "has no context 'two': `kubectl config get-contexts` lists them"),
        ({"clusters": []}, "names no known cluster"),
        ({"clusters": [{"name": "c", "cluster": {"server": "nonsense"}}]}, "has no server URL"),
        ({"contexts": None}, "has no contexts"),
    ],
)
def test_a_broken_kubeconfig_is_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    """The error says which file and what is wrong with it."""
    with pytest.raises(ConfigError, match=message):
        ClusterConfig.load(_write(tmp_path / "config", **changes))


def test_a_pod_uses_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any kubeconfig, the ServiceAccount's files and the IPv6 host of the environment are used."""
    for name, text in (("ca.crt", "PEM"), ("token", "one\n"), ("namespace", "apps")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("kube46.kubernetes.config.SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00:10:96::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    config = ClusterConfig.load()
    assert (config.server, config.bearer_token()) == ("https://[fd00:10:96::1]:443", "one")
    (tmp_path / "token").write_text("two")
    assert config.bearer_token() == "two"


def test_an_exec_plugin_gives_the_token(tmp_path: Path) -> None:
    """client.authentication.k8s.io plugins are run, and their failure names them."""
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh"}
    printed = """printf '{"status":{"token":"%s"}}' "$WHO" """
    user = {**plugin, "args": ["-c", printed], "env": [{"name": "WHO", "value": "me"}]}
    assert (
        ClusterConfig.load(_write(tmp_path / "a", users=[{"name": "u", "user": {"exec": user}}])).bearer_token() == "me"
    )
    failing = {**plugin, "args": ["-c", "exit 3"]}
    config = ClusterConfig.load(_write(tmp_path / "b", users=[{"name": "u", "user": {"exec": failing}}]))
    with pytest.raises(ConfigError, match="/bin/sh"):
        config.bearer_token()
