#!/bin/bash
# base.sh FOLDER: makes a Debian 12 with systemd as process 1, once, and prints the path of its archive in FOLDER. Needs root.
set -euo pipefail
folder=$(mkdir -p "$1" && realpath "$1")
packages=systemd,systemd-sysv,dbus,udev,polkitd,acl,init,passwd,iproute2,libubootenv-tool
base=$folder/bookworm-$(echo "$packages" | sha256sum | cut -c1-8).tar
exec 9>"$folder/lock"
flock 9
if [ ! -e "$base" ]; then
  mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$folder/new.tar"
  mv "$folder/new.tar" "$base"
fi
echo "$base"
