#!/usr/bin/env bash
# Makes the packages: packaging/package.sh DIR NFPM [ARCH...]
# NFPM is the program of packaging/tools/go.mod. ARCH is Debian's (amd64, arm64, armhf: a .deb and a tarball) or OpenWrt's
# (x86_64, aarch64_cortex-a53, arm_cortex-a7_neon-vfpv4, mipsel_24kc: .ipk and .apk of the small program); without any: all.
# The same commit gives the same bytes: every date is the commit's.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd) nfpm=$2
shift 2
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- amd64 arm64 armhf x86_64 aarch64_cortex-a53 arm_cortex-a7_neon-vfpv4 mipsel_24kc

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date -r CHANGELOG.md +%s)
VERSION=${VERSION:-0.0.0~git$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d).$(git rev-parse --short=7 HEAD 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH VERSION

# A copy whose files have the commit's date: some package formats keep it.
cp -r packaging systemd "$WORK/"
mkdir "$WORK/objects"
cp objects/registry/xml/26*.xml "$WORK/objects/" # the private range: what servers do not know
# What accompanies the program is made with the one that runs here.
mkdir "$WORK/papers"
env -u GOARCH -u GOARM -u GOMIPS packaging/build.sh "$WORK/native"
go run ./packaging/papers "$WORK/papers" "$WORK/native"
printf 'lwm2m-agent (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md of the project.\n\n -- %s  %s\n' "$VERSION" \
  "$(sed -n 's/^maintainer: //p' packaging/deb/nfpm.yaml)" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" >"$WORK/papers/changelog"
gzip -9n "$WORK/papers/lwm2m-agent.1" "$WORK/papers/changelog"

# nfpm_package FORMAT ARCH FILE: one package of the program in $WORK. nfpm fills in no architecture of another system's naming.
nfpm_package() {
  local folder=openwrt
  [ "$1" != deb ] || folder=deb
  sed -i "s/@ARCH@/$2/g" "$WORK/packaging/$folder/nfpm.yaml"
  find "$WORK" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
  (cd "$WORK" && "$nfpm" package --config "packaging/$folder/nfpm.yaml" --packager "$1" --target "$dir/$3")
  cp "packaging/$folder/nfpm.yaml" "$WORK/packaging/$folder/"
}

# debian ARCH GO_VARIABLE...: a Debian package, and a tarball for everything else.
debian() {
  local arch=$1 name=lwm2m-agent-$VERSION-$1
  shift
  env "$@" packaging/build.sh "$WORK/lwm2m-agent"
  nfpm_package deb "$arch" "lwm2m-agent_${VERSION}_$arch.deb"
  mkdir "$WORK/$name"
  cp "$WORK/lwm2m-agent" packaging/agent.toml systemd/lwm2m-agent.* systemd/sysusers.conf "$WORK"/objects/*.xml "$WORK/papers/copyright" "$WORK/papers/sbom.cdx.json" "$WORK/$name/"
  tar -c -C "$WORK" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX "$name" |
    gzip -9n >"$dir/$name.tar.gz"
}

# squeeze IPK: compresses it anew. nfpm does it with Go's default level, of which gzip's best makes 2 % less; OpenWrt's opkg knows no other format.
squeeze() {
  mkdir "$WORK/ipk"
  tar -xzf "$1" -C "$WORK/ipk"
  gzip -d "$WORK"/ipk/*.tar.gz
  gzip -9n "$WORK"/ipk/*.tar
  tar -c -C "$WORK/ipk" --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=0644 \
    ./debian-binary ./control.tar.gz ./data.tar.gz | gzip -9n >"$1"
  rm -r "$WORK/ipk"
}

# openwrt ARCH GO_VARIABLE...: packages for OpenWrt's two package managers.
openwrt() {
  local arch=$1 apk_version
  shift
  env "$@" packaging/build.sh "$WORK/lwm2m-agent" small
  nfpm_package ipk "$arch" "lwm2m-agent_${VERSION}_$arch.ipk"
  squeeze "$dir/lwm2m-agent_${VERSION}_$arch.ipk"
  # opkg makes lists of what a package has by itself; OpenWrt's scripts look for those of apk in the package (include/package-pack.mk there).
  sed -n '/packager: apk/!s/.* dst: \([^,]*\),.*/\1/p' packaging/openwrt/nfpm.yaml | sort >"$WORK/apk.list"
  echo /etc/config/lwm2m-agent >"$WORK/apk.conffiles"
  echo "/etc/config/lwm2m-agent $(sha256sum <packaging/openwrt/config | cut -d' ' -f1)" >"$WORK/apk.conffiles_static"
  # apk writes versions in its own way (apk-package(5)): digits, then _SUFFIX where Debian has ~, then ~COMMIT.
  apk_version=$(echo "$VERSION" | sed -E 's/~([a-z]+[0-9]*)/_\1/; s/(_git[0-9]+)\.([0-9a-f]+)$/\1~\2/')
  VERSION=$apk_version nfpm_package apk "$arch" "lwm2m-agent-${apk_version}_$arch.apk"
}

for arch; do
  case $arch in
    amd64) debian amd64 GOARCH=amd64 ;;
    arm64) debian arm64 GOARCH=arm64 ;;
    armhf) debian armhf GOARCH=arm GOARM=6 ;;
    x86_64) openwrt "$arch" GOARCH=amd64 ;;
    aarch64_cortex-a53) openwrt "$arch" GOARCH=arm64 ;;
    arm_cortex-a7_neon-vfpv4) openwrt "$arch" GOARCH=arm GOARM=7 ;;
    mipsel_24kc) openwrt "$arch" GOARCH=mipsle GOMIPS=softfloat ;;
    *) echo "packaging/package.sh: no architecture $arch" >&2; sed -n '3,4s/^# //p' "$0" >&2; exit 2 ;;
  esac
done
