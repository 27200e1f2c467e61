#!/bin/sh
# Runs natively while an image is baked, with the unpacked tree as $1: what turns a Debian tree into a test machine.
set -eu
root=$1

echo bare >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 bare\n' >"$root/etc/hosts"
: >"$root/etc/resolv.conf"
# apt in a chroot fails oddly when /tmp is not sticky; the tree came out 0755 once.
chmod 1777 "$root/tmp"

# Set now: on a first boot systemd would apply presets, which enable docker on a host that is meant to be bare.
chroot "$root" systemd-machine-id-setup >/dev/null

# The same address under every engine: the one that QEMU's user network gives, and UML's tap repeats.
cat >"$root/etc/systemd/network/10-vm.network" <<'EOF'
[Match]
Name=vec* en* eth*
[Network]
Address=10.0.2.15/24
LinkLocalAddressing=no
IPv6AcceptRA=no
EOF
chroot "$root" systemctl -q enable systemd-networkd ssh
chroot "$root" systemctl -q disable docker.service docker.socket containerd.service
chroot "$root" systemctl -q mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer \
  e2scrub_all.timer e2scrub_reap.service dpkg-db-backup.timer man-db.timer fstrim.timer getty@tty1.service \
  systemd-random-seed.service
rm -rf "$root/var/lib/docker" "$root/etc/docker"

printf 'UseDNS no\nGSSAPIAuthentication no\n' >"$root/etc/ssh/sshd_config.d/vm.conf"
# A panic ends the machine instead of leaving it silent.
printf 'kernel.panic = 1\n' >"$root/etc/sysctl.d/10-vm.conf"
