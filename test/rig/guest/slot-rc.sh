#!/bin/sh
# shellcheck shell=dash
# What busybox's init runs first in a slot.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mkdir -p /run/lock
mount -t ext4 /dev/vda1 /boot/grub 2>/dev/null # U-Boot's environment is in no file system
mount -t ext4 /dev/vda4 /var/lib/lwm2m-agent
ip link set lo up
if [ ! -e /etc/mute ]; then # QEMU's user network; 10.0.2.2 is the host's loopback
  ip link set eth0 up
  ip addr add 10.0.2.15/24 dev eth0
  ip route add default via 10.0.2.2
fi
echo "RIG SLOT $(sed 's/.*lwm2m.slot=\([^ ]*\).*/\1/' /proc/cmdline) $(cat /etc/version)"
