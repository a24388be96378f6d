"""Whether a SQLite database would lie on a disk of another machine, where it cannot be shared safely."""

import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
# NFS, SMB in all its names, AFS, shared folders of virtual machines, cluster file systems, and whatever a program
# serves: SSH, clouds.
_KINDS = re.compile(
    r"nfs\d?|cifs|smb\w*|ncpfs|afs|9p|virtiofs|vboxsf|prl_fs|ceph|lustre|gpfs|beegfs|glusterfs|ocfs2|gfs2|fuse(\.\w+)?"
)
_LOCAL_FUSE = re.compile(r"fuse(blk|\.(fuse-overlayfs|ntfs(-3g)?|exfat|lxcfs))")


def network_disk(path: Path, *, mounts: Path = _MOUNTS) -> str | None:
    """Return the kind of file system under `path` if it is one over a network, or None, also where nobody knows."""
    try:
        lines = mounts.read_text().splitlines()
        place = path.resolve()
    except OSError:
        return None
    found, kind = Path("/"), ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4]))
        if place.is_relative_to(point) and len(point.parts) >= len(found.parts):
            found, kind = point, after.split()[0]
    return kind if _KINDS.fullmatch(kind) and not _LOCAL_FUSE.fullmatch(kind) else None


def warning_of(path: Path) -> str:
    """Return a line for whoever puts a SQLite database there, empty where there is nothing to say."""
    kind = network_disk(path)
    if kind is None:
        return ""
    return (
        f"{path} is on a network disk ({kind}), where SQLite can lose data: put DELINEATE_HOME on a local disk,"
        " or set DATABASE_URL to a PostgreSQL server"
    )
