"""The tests' own server."""

from pathlib import Path

from server.running import Server


def test_kubeconfig_is_written_once(tmp_path: Path) -> None:
    """Who reads the file while others ask for it never sees half of it; another port makes another file."""
    server = Server(tmp_path, port=1)
    path = server.kubeconfig()
    before = path.stat()
    assert (server.kubeconfig(), path.stat().st_ino, path.stat().st_mtime_ns) == (
        path,
        before.st_ino,
        before.st_mtime_ns,
    )
    assert ":2" in Server(tmp_path, port=2).kubeconfig().read_text()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
