// Package rauc has RAUC write slots and rule the boot loader, over D-Bus
// (de.pengutronix.rauc.Installer; docs of RAUC, "D-Bus API"). RAUC verifies the
// bundle's signature and compatible string, and installs only into slots that do
// not run.
//
// It knows slots and bundles. It must not know who brought the bundle.
//
// # Who activates
//
// RAUC makes what it has installed boot next, unless its configuration says
// activate-installed=false (RAUC 1.6 and newer). An update here is installed first
// and activated in a step of its own, so it belongs there: Probe says so. Without
// it Install takes the activation back at once; a power cut in between boots the
// new system, which the journal then has go back.
//
// RAUC calls a slot good that has one attempt to boot left. Slots calls the one
// that runs good only after a Mark of this process: so each start of the agent
// gives it all of its attempts.
package rauc
