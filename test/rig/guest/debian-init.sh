#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a Debian's initramfs: loads the modules, mounts the disk, and goes on there with systemd.
/bin/busybox mkdir -p /proc /dev /disk
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do /bin/busybox insmod "/lib/modules/$module" 2>/dev/null; done </lib/modules/debian
/bin/busybox mount -t ext4 /dev/vda /disk || echo "RIG HAS NO DISK"
# Modules that are loaded later, and what of busybox this takes.
/bin/busybox cp -r /lib/modules /disk/usr/lib/
/bin/busybox cp /bin/busybox /disk/usr/local/bin/
for applet in insmod i2cset modprobe depmod; do /bin/busybox ln -sf busybox "/disk/usr/local/bin/$applet"; done
/bin/busybox ln -sf /usr/local/bin/busybox /disk/usr/sbin/modprobe # where systemd looks for it
folder=/disk/usr/lib/modules/$(/bin/busybox uname -r)
/bin/busybox mkdir "$folder"
while read -r module; do /bin/busybox cp "/lib/modules/$module" "$folder/"; done </lib/modules/later
/bin/busybox chroot /disk /usr/local/bin/depmod
exec /bin/busybox switch_root /disk /sbin/init
