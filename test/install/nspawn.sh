#!/bin/bash
# nspawn.sh FOLDER PAYLOAD OUTSIDE: boots a Debian 12 with systemd as process 1 in a container and runs PAYLOAD/trial.sh in it, whose output
# it prints. FOLDER keeps the base system, which is made once; each run has a copy of its own. OUTSIDE is a folder that both see, there as
# /srv/outside. Needs root.
set -euo pipefail
folder=$(mkdir -p "$1" && realpath "$1") payload=$(realpath "$2") outside=$(realpath "$3")
packages=systemd,systemd-sysv,dbus,udev,polkitd,acl,init,passwd,iproute2,libubootenv-tool
base=$folder/bookworm-$(echo "$packages" | sha256sum | cut -c1-8).tar

exec 9>"$folder/lock"
flock 9
if [ ! -e "$base" ]; then
  mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$folder/new.tar"
  mv "$folder/new.tar" "$base"
fi
exec 9>&-

root=$(mktemp -d "$folder/run.XXXXXX")
trap 'rm -rf --one-file-system "$root"' EXIT
tar -x -f "$base" -C "$root" --exclude='./dev/*'
cp "$payload"/* "$root/root/"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
cat >"$root/etc/systemd/system/trial.service" <<'UNIT'
[Unit]
After=dbus.service basic.target systemd-logind.service
Wants=systemd-logind.service
[Service]
Type=oneshot
ExecStart=/bin/bash /root/trial.sh
ExecStopPost=/bin/systemctl --no-block exit 0
StandardOutput=file:/root/trial.log
StandardError=file:/root/trial.log
TimeoutStartSec=10min
UNIT
ln -s ../trial.service "$root/etc/systemd/system/multi-user.target.wants/"
setpriv --pdeathsig TERM systemd-nspawn --quiet --directory="$root" --bind="$outside:/srv/outside" --boot --register=no --keep-unit --private-network --link-journal=no \
  >"$root.console" 2>&1 </dev/null || { cat "$root.console"; rm -f "$root.console"; exit 1; }
rm -f "$root.console"
cat "$root/root/trial.log"
