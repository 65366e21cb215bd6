#!/bin/bash
# bare.sh SUITE FOLDER SOURCE COMMAND...: runs COMMAND in a bare Debian SUITE (bookworm, trixie), in a copy of the folder SOURCE.
# FOLDER keeps the base system, which is made once; each run has a fresh copy of it. What this machine needs to reach the registries
# (certificates, proxies, mirrors' settings) is taken along, and nothing else. Needs root. SIGTERM is passed on to COMMAND.
set -euo pipefail
suite=$1 folder=$(mkdir -p "$2" && realpath "$2") source=$(realpath "$3")
shift 3
base=$folder/$suite.tar

exec 9>"$folder/$suite.lock"
flock 9
if [ ! -e "$base" ]; then
  mmdebstrap --quiet --variant=minbase "$suite" "$folder/new.$suite.tar" # the name decides the format
  mv "$folder/new.$suite.tar" "$base"
fi
exec 9>&-

for old in "$folder"/run.*; do # of a run whose end did not come to the line below
  if [ -e "$old" ] && ! kill -0 "${old##*.}" 2>/dev/null; then rm -rf --one-file-system "$old"; fi
done
root=$folder/run.$$
trap 'rm -rf --one-file-system "$root"' EXIT
mkdir "$root"
tar -x -f "$base" -C "$root" --exclude='./dev/*'
mkdir "$root/src"
tar -c -C "$source" --exclude=./artifacts . | tar -x -C "$root/src" --no-same-owner
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/apt/apt.conf /usr/local/share/ca-certificates; do
  if [ -e "$file" ]; then mkdir -p "$root${file%/*}"; cp -rL "$file" "$root${file%/*}/"; fi
done
if [ -e "${HOME:-/root}/.m2/settings.xml" ]; then install -D "${HOME:-/root}/.m2/settings.xml" "$root/root/.m2/settings.xml"; fi

# Namespaces of their own, so that no mount and no process outlives the command, however this ends.
environment=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY GOPROXY GOSUMDB GONOSUMDB PIP_INDEX_URL; do
  if [ -n "${!name:-}" ]; then environment+=("$name=${!name}"); fi
done
# shellcheck disable=SC2016 # what the inner shell expands
setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child bash -c '
  root=$1; shift
  mount --bind "$root" "$root" # a mount point, as a root folder is; without that this script could not run in there
  mount -t proc proc "$root/proc"; mount --rbind /sys "$root/sys"; mount --rbind /dev "$root/dev"
  exec env -i "${@:2:$1}" chroot "$root" /bin/bash -c "cd /src && exec \"\$@\"" bash "${@:2+$1}"
' bash "$root" "${#environment[@]}" "${environment[@]}" "$@" &
outer=$!
trap 'kill -TERM $(cat "/proc/$outer/task/$outer/children") 2>/dev/null || true' TERM
status=0
wait "$outer" || status=$?
while kill -0 "$outer" 2>/dev/null; do # the wait was ended by the signal
  status=0
  wait "$outer" || status=$?
done
exit "$status"
