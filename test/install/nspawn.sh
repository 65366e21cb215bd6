#!/bin/bash
# nspawn.sh BASE PAYLOAD OUTSIDE: boots the Debian of an archive (base.sh) with systemd as process 1 in a container and runs PAYLOAD/trial.sh in
# it, whose output it prints. Each run has a copy of its own, beside the archive. OUTSIDE is a folder that both see, there as /srv/outside. Needs root.
set -euo pipefail
base=$(realpath "$1") payload=$(realpath "$2") outside=$(realpath "$3")
folder=$(dirname "$base")

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
