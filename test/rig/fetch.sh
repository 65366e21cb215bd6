#!/bin/bash
# fetch.sh DIR ARCHITECTURE KERNEL [source] [PACKAGE...]: downloads a Debian kernel, by the name of its newest (linux-image-armmp), the static
# busybox of an architecture, with "source" what modules for that kernel are built from, and packages with what they depend on, and unpacks
# them in DIR, installing nothing.
# It asks this machine's own sources, of either notation, with an apt state of its own: the system's package lists stay as they are.
set -euo pipefail
dir=$(realpath "$1") architecture=$2 kernel=$3
shift 3
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt"/{state,lists/partial,cache/archives/partial,parts}
: >"$apt/status"
# Without their limits to this machine's architecture.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
  if [ -e "$file" ]; then sed -E '/^Architectures:/d; s/(\[[^]]*)\barch=[^] ]*/\1/; s/\[ *\]//' "$file" >"$apt/parts/$(basename "$file")"; fi
done
cat >"$apt/apt.conf" <<CONFIG
Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "$apt/parts";
Dir::State "$apt/state"; Dir::State::lists "$apt/lists"; Dir::State::status "$apt/status"; Dir::Cache "$apt/cache";
APT::Architecture "$architecture"; APT::Architectures {"$architecture";}; APT::Sandbox::User "root"; Acquire::Retries "3"; Acquire::Languages "none";
CONFIG
if [ -e "$apt/parts/sources.list" ]; then mv "$apt/parts/sources.list" "$apt/parts/main.list"; fi # the name decides how it is read
export APT_CONFIG=$apt/apt.conf
apt-get update -qq || true # a source without this architecture must not stop the others
cd "$apt"
for image in $(apt-cache depends "$kernel" | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p') \
  $(apt-cache search --names-only "^linux-image-[0-9].*-${kernel#linux-image-}\$" | cut -d' ' -f1 | sort -Vr); do
  apt-get download -qq "$image" && break # the newest may be on its way to the mirrors
done
apt-get download -qq busybox-static
if [ "${1:-}" = source ]; then
  shift
  headers=linux-headers-${image#linux-image-}
  series=$(sed -E 's/^linux-image-([0-9]+\.[0-9]+).*/\1/' <<<"$image")
  mapfile -t needs < <(apt-cache depends "$headers" | sed -n 's/.*Depends: \(linux-.*\)/\1/p')
  apt-get download -qq "linux-source-$series" "$headers" "${needs[@]}"
fi
if [ $# -gt 0 ]; then
  mapfile -t packages < <(apt-cache depends --recurse --important "$@" | grep '^[a-z0-9]')
  apt-get download -qq "${packages[@]}"
fi
for package in *.deb; do dpkg-deb -x "$package" "$dir"; done
