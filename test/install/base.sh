#!/bin/bash
# base.sh SUITE FOLDER: makes a Debian SUITE (bookworm, trixie) with systemd as process 1, once, and prints the path of its archive in FOLDER. Needs root.
set -euo pipefail
suite=$1 folder=$(mkdir -p "$2" && realpath "$2")
packages=systemd,systemd-sysv,dbus,udev,polkitd,acl,init,passwd,iproute2,libubootenv-tool,modemmanager,tzdata
base=$folder/$suite-$(echo "$packages" | sha256sum | cut -c1-8).tar
exec 9>"$folder/lock"
flock 9
if [ ! -e "$base" ]; then
  mmdebstrap --quiet --variant=minbase --include="$packages" "$suite" "$folder/new.tar"
  mv "$folder/new.tar" "$base"
fi
echo "$base"
