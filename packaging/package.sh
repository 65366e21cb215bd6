#!/usr/bin/env bash
# Makes the packages: packaging/package.sh DIR NFPM [ARCH...]
# NFPM is the program of packaging/tools/go.mod. ARCH is amd64, arm64 or armhf; without any: all.
# The same commit gives the same bytes: every date is the commit's.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd) nfpm=$2
shift 2
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- amd64 arm64 armhf

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date -r CHANGELOG.md +%s)
VERSION=${VERSION:-0.0.0~git$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d).$(git rev-parse --short=7 HEAD 2>/dev/null || echo 0)}
export WORK SOURCE_DATE_EPOCH VERSION

# What accompanies the program is made with the one that runs here.
mkdir "$WORK/papers"
env -u GOARCH -u GOARM -u GOMIPS packaging/build.sh "$WORK/native"
go run ./packaging/papers "$WORK/papers" "$WORK/native"
printf 'lwm2m-agent (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md of the project.\n\n -- %s  %s\n' "$VERSION" \
  "$(sed -n 's/^maintainer: //p' packaging/deb/nfpm.yaml)" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" >"$WORK/papers/changelog"
gzip -9n "$WORK/papers/lwm2m-agent.1" "$WORK/papers/changelog"

# deb ARCH GO_VARIABLE...: one Debian package.
deb() {
  local arch=$1
  shift
  env "$@" packaging/build.sh "$WORK/lwm2m-agent"
  ARCH=$arch "$nfpm" package --config packaging/deb/nfpm.yaml --packager deb --target "$dir/lwm2m-agent_${VERSION}_$arch.deb"
}

for arch; do
  case $arch in
    amd64) deb amd64 GOARCH=amd64 ;;
    arm64) deb arm64 GOARCH=arm64 ;;
    armhf) deb armhf GOARCH=arm GOARM=6 ;;
    *) echo "packaging/package.sh: no architecture $arch; there are amd64, arm64, armhf" >&2; exit 2 ;;
  esac
done
