"""Paths below directories that containers write to never lead out of them."""

import errno
import os

import pytest

from kube46.lab.kubelet.beneath import open_beneath


@pytest.fixture
def volume(tmp_path):
    """A volume full of traps beside a file that is none of its business."""
    (tmp_path / "secret").write_text("secret")
    volume = tmp_path / "volume"
    (volume / "dir").mkdir(parents=True)
    (volume / "dir/file").write_text("mine")
    (volume / "out").symlink_to(tmp_path)
    (volume / "relative").symlink_to("../secret")
    (volume / "inside").symlink_to("dir/file")
    (volume / "..data").symlink_to("dir")
    (volume / "key").symlink_to("..data/file")
    (volume / "dangling").symlink_to(tmp_path / "made-by-trap")
    return volume


@pytest.mark.parametrize("path", ["dir/file", "inside", "key", "dir/../dir/file", "..data/file"])
def test_links_inside_are_followed(volume, path):
    """Links that stay inside lead to the file, as those of ConfigMap volumes do."""
    fd = open_beneath(volume, path, create="")
    with open(f"/proc/self/fd/{fd}") as file:
        assert file.read() == "mine"
    os.close(fd)


@pytest.mark.parametrize("path", ["out/secret", "out", "relative", "..", "../secret", "dir/../../secret", "dangling/x"])
@pytest.mark.parametrize("create", ["directory", ""])
def test_nothing_leads_out(volume, path, create):
    """A link or `..` out of the volume is refused, also when directories would be made on the way."""
    with pytest.raises(OSError) as caught:
        os.close(open_beneath(volume, path, create=create))

    assert caught.value.errno == errno.EXDEV
    assert sorted(p.name for p in volume.parent.iterdir()) == ["secret", "volume"]


def test_missing_directories_are_made(volume):
    """What lacks is made for everybody, whatever our umask, through links that stay inside."""
    before = os.umask(0o077)
    try:
        os.close(open_beneath(volume, "..data/new/deep", create="directory"))
    finally:
        os.umask(before)

    assert (volume / "dir/new/deep").stat().st_mode & 0o777 == 0o777
    with pytest.raises(FileNotFoundError):
        open_beneath(volume, "no/such", create="")


def test_a_file_on_the_way(volume):
    """A path through a file is an error of its own, not an escape."""
    with pytest.raises(NotADirectoryError):
        open_beneath(volume, "dir/file/x", create="directory")
