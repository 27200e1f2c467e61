# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversions that are cut short, and how the host must look before, in between, and at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

#: A host with a past: an image, a container with something in its layer, and a volume with what careless copies lose.
PREPARE = r"""
set -eu
mkdir -p /etc/docker /usr/local/bin
[ -e /etc/docker/daemon.json ] || echo '{"bridge":"none","iptables":false,"ip6tables":false}' >/etc/docker/daemon.json
systemctl enable --quiet --now docker
tree=$(mktemp -d)
for program in /bin/sh /bin/cat /bin/sleep; do
  cp --parents --dereference "$program" $(ldd "$program" | grep -o '/[^ ]*') "$tree"
done
tar -C "$tree" -c . | docker import - bulkhead-test/tiny:1 >/dev/null
rm -rf "$tree"
docker volume create keepsake >/dev/null
docker run --name keeper --network none --volume keepsake:/keepsake bulkhead-test/tiny:1 \
  /bin/sh -c 'echo treasure >/keepsake/gold; echo layer >/in-the-layer'
cd "$(docker volume inspect --format '{{.Mountpoint}}' keepsake)"
ln gold link
python3 -c "import os; os.setxattr('gold', 'user.origin', b'east')"
mknod null c 1 3
cp /bin/cat cat
setcap cap_net_raw=ep cat
sync
"""

#: The same past on an XFS without project quotas, which a mount unit of the host's own mounts.
PREPARE_XFS = (
    r"""
set -eu
truncate --size 1G /srv/docker.xfs
mkfs.xfs -q /srv/docker.xfs
cat >/etc/systemd/system/var-lib-docker.mount <<END
[Unit]
Before=docker.service
[Mount]
What=/srv/docker.xfs
Where=/var/lib/docker
Type=xfs
Options=loop,noatime
[Install]
RequiredBy=docker.service
END
systemctl daemon-reload
systemctl enable --quiet --now var-lib-docker.mount
"""
    + PREPARE
)

#: The checksum list: images by the digest that names them, containers with their layer, volumes entry by entry.
CHECK = r"""
set -eu
docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort
docker ps --all --format '{{.Names}} {{.Image}} {{.ID}}' | sort
docker volume ls --quiet | sort
docker cp keeper:/in-the-layer - | tar -xO | sha256sum
cd "$(docker volume inspect --format '{{.Mountpoint}}' keepsake)"
find . -type d -printf 'd %U:%G %m %P\n' -o -printf '%y %n %U:%G %m %s %P\n' | sort
sha256sum gold link cat
getcap cat
python3 -c "import os; print(os.getxattr('gold', 'user.origin'))"
stat --format='%t:%T' null
"""

#: The same from the disk, where user namespaces may hide it from the daemon.
_LIST_ON_DISK = r"""
set -eu
python3 -m json.tool /etc/docker/daemon.json >/dev/null
cd /var/lib/docker
find volumes/keepsake/_data -type d -printf 'd %U:%G %m %P\n' -o -printf '%y %n %U:%G %m %s %P\n' | sort
sha256sum volumes/keepsake/_data/gold image/overlay2/imagedb/content/sha256/*
ls containers
"""

_NOTE = "/var/lib/docker.converting"
_XFS = {"xfs_quota_size": "1G", "xfs_quota_convert_ok": True}


@dataclass(frozen=True)
class Flow:
    """One conversion. The check's output must be the same before, in between and after.

    :ivar first: variables of the role for a run before the faults, where the flow starts from a converted host.
    :ivar finished: a shell command that succeeds on a host whose conversion has come to its end.
    """

    name: str
    role: str
    variables: dict[str, object]
    check: str
    finished: str
    first: dict[str, object] | None = None
    prepare: str = PREPARE
    #: Commands that the module runs, some of them, for the representative run: (mode, words of the command).
    representative: tuple[tuple[str, str], ...] = field(default=())


FLOWS = (
    Flow(
        name="convert",
        role="xfs_quota",
        variables=_XFS,
        check=CHECK,
        finished="findmnt --noheadings --output OPTIONS /var/lib/docker | grep -q prjquota; test ! -e " + _NOTE,
        representative=(("kill", "cp "), ("power", "systemctl start var-lib-docker.mount")),
    ),
    Flow(
        name="userns",
        role="docker_userns",
        variables={
            "docker_userns_dedicated_host": True,
            "docker_userns_hide_existing_ok": True,
            "docker_userns_carry_images": True,
        },
        check=_LIST_ON_DISK,
        finished="docker info | grep -q userns; docker image inspect bulkhead-test/tiny:1",
        representative=(("play", "4"),),
    ),
    Flow(
        name="return",
        role="xfs_quota",
        first=_XFS,
        variables={**_XFS, "xfs_quota_state": "absent"},
        check=CHECK,
        finished="! findmnt --noheadings /var/lib/docker; test ! -e " + _NOTE,
    ),
    Flow(
        name="remount",
        role="xfs_quota",
        prepare=PREPARE_XFS,
        variables={"xfs_quota_remount_ok": True},
        check=CHECK,
        finished="findmnt --noheadings --output OPTIONS /var/lib/docker | grep noatime.*prjquota; test ! -e " + _NOTE,
        representative=(("power", "systemctl start var-lib-docker.mount"),),
    ),
)
