#!/bin/bash
# disk.sh BASE PACKAGE IMAGE: writes the Debian of an archive (base.sh), with a package installed, to an ext4 image that anybody may
# write. Its shell.service serves a shell at its first serial port. Needs root.
set -euo pipefail
base=$(realpath "$1") package=$(realpath "$2") image=$3
root=$(mktemp -d "$(dirname "$base")/disk.XXXXXX")
trap 'rm -rf --one-file-system "$root"' EXIT
tar -x -f "$base" -C "$root" --exclude='./dev/*'
mknod -m 666 "$root/dev/null" c 1 3
cp "$package" "$root/root/agent.deb"
env -u TMPDIR chroot "$root" dpkg -i /root/agent.deb >/dev/null
rm "$root/root/agent.deb"
cat >"$root/root/shell.sh" <<'SHELL'
# One command a line, in base64 after a number; the answer is "NUMBER STATUS LENGTH" and LENGTH bytes of output.
exec 4<>/dev/ttyS0
stty raw -echo <&4
echo "RIG UP" >/dev/ttyS1
while read -r number command; do
  echo "$command" | base64 -d >/run/command
  bash /run/command >/run/output 2>&1 </dev/null
  echo "$number $? $(wc -c </run/output)"
  cat /run/output
done <&4 >&4
SHELL
cat >"$root/etc/systemd/system/shell.service" <<'UNIT'
[Unit]
After=dbus.socket
Wants=dbus.socket
[Service]
ExecStart=/bin/bash /root/shell.sh
UNIT
mke2fs -q -F -t ext4 -m 0 -d "$root" "$image" 600M
chmod 666 "$image"
