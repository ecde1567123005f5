"""Which file systems are taken for those of a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipekit.stores.mount import find_network_file_system

TABLE = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/local ext4 rw 0 0
//nas/data /mnt/my\\040data cifs rw 0 0
server:/x /var/scratch nfs rw 0 0
tmpfs /var/scratch tmpfs rw 0 0
malformed
"""


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("/srv/project", None),
        ("/home/ann/project/.pipekit", "nfs4"),
        ("/home", "nfs4"),
        ("/homes", None),
        ("/home/local/project", None),
        ("/mnt/my data/project", "cifs"),
        ("/var/scratch/project", None),
    ],
)
def test_the_innermost_mount_decides_and_the_last_of_equals(
    tmp_path: Path, folder: str, found: str | None
) -> None:
    table = tmp_path / "mounts"
    table.write_text(TABLE)
    assert find_network_file_system(Path(folder), mounts=table) == found


def test_a_link_is_followed_to_where_it_leads(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    table.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/x {tmp_path / 'far'} nfs rw 0 0\n")
    assert find_network_file_system(tmp_path / "near", mounts=table) == "nfs"


def test_where_there_is_no_table_nothing_is_said(tmp_path: Path) -> None:
    assert find_network_file_system(tmp_path, mounts=tmp_path / "none") is None
