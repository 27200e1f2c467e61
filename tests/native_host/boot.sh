#!/bin/bash
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Boots the systemd of a baked disk on this machine's own kernel, in namespaces: boot.sh FOLDER DISK NAME.
# FOLDER/disk keeps what the host writes, Docker's data apart; all else ends with this process.
set -euo pipefail
folder=$1 disk=$2 name=$3
for hierarchy in /sys/fs/cgroup/*/; do
  group=$hierarchy$name
  mkdir -p "$group"
  if [ -e "$group/cpuset.cpus" ]; then
    cat "$hierarchy/cpuset.cpus" >"$group/cpuset.cpus"
    cat "$hierarchy/cpuset.mems" >"$group/cpuset.mems"
  fi
  echo $$ >"$group/cgroup.procs"
done
export folder disk
exec unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child bash -euo pipefail -c '
mount --make-rprivate /
root=$folder/root
mkdir -p "$folder/lower" "$root" "$folder/work" "$folder/disk/upper" "$folder/disk/docker"
mount --options loop,ro,noload "$disk" "$folder/lower"
mount --types overlay overlay "$root" \
  --options "lowerdir=$folder/lower,upperdir=$folder/disk/upper,workdir=$folder/work"
rm -f "$root/etc/fstab"
mount --types proc proc "$root/proc"
mount --types sysfs sysfs "$root/sys"
for place in dev run tmp sys/fs/cgroup; do mount --types tmpfs tmpfs "$root/$place"; done
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount --types devpts devpts "$root/dev/pts" --options newinstance,ptmxmode=0666
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount --types tmpfs tmpfs "$root/dev/shm"
for controller in systemd cpu cpuacct cpuset memory devices freezer blkio pids; do
  mkdir "$root/sys/fs/cgroup/$controller"
  options=$controller
  if [ $controller = systemd ]; then options=none,name=systemd; fi
  mount --types cgroup --options "$options" cgroup "$root/sys/fs/cgroup/$controller"
done
mkdir -p "$root/var/lib/docker" "$root/before"
mount --bind "$folder/disk/docker" "$root/var/lib/docker"
ip link set lo up
hostname native-host
cd "$root"
# No chroot: the kernel makes no user namespace for a process in one, and gVisor needs one.
pivot_root . before
umount --lazy /before
exec /usr/bin/env --ignore-environment container=docker SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /sbin/init'
