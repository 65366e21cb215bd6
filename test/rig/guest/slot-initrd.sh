#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a slot's initramfs: loads the disk's driver, mounts the slot, and goes on there.
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
while read -r module; do /bin/busybox insmod "/lib/modules/$module"; done </lib/modules/order
slot=$(/bin/busybox sed -n 's/.*root=\([^ ]*\).*/\1/p' /proc/cmdline)
/bin/busybox mount -t ext4 -o ro "$slot" /slot
exec /bin/busybox switch_root /slot /sbin/init
