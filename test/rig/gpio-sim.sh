#!/bin/bash
# gpio-sim.sh DIR: builds gpio-sim, the kernel's simulator of GPIO chips, among the modules of the kernel that "fetch.sh DIR … source" put into
# DIR, if that kernel has none: Debian 12 leaves it out. With it goes irq_sim, which a kernel without simulators leaves out too, and which calls
# a function that modules may not.
set -euo pipefail
cd "$(realpath "$1")"
modules=$(dirname "$(find . -name modules.builtin)")
if [ -n "$(find "$modules" -name 'gpio-sim.ko*')" ]; then exit 0; fi
headers=usr/src/linux-headers-$(basename "$modules")
sed -i "s,/usr/,$PWD/usr/," "$headers/Makefile"
mkdir build
xz -dc usr/src/linux-source-*.tar.xz |
  tar -x -C build --wildcards --strip-components=3 --no-wildcards-match-slash 'linux-source-*/drivers/gpio/gpio-sim.c' 'linux-source-*/drivers/gpio/gpiolib.h' 'linux-source-*/kernel/irq/irq_sim.c'
sed -i 's/handle_simple_irq(irq_to_desc(\(.*\)))/generic_handle_irq(\1)/' build/irq_sim.c
mv build/gpio-sim.c build/chip.c # an object cannot have the name of the module that it is a part of
cat >build/Makefile <<'MAKEFILE'
obj-m := gpio-sim.o
gpio-sim-y := chip.o irq_sim.o
MAKEFILE
make -C "$headers" M="$PWD/build" CC=gcc modules
cp build/gpio-sim.ko "$modules"
