// Package plain is what back ends of fota have in common that write images to slots
// as they are: signed packages, the rules that they must meet, slots on devices,
// and which slot runs. What is particular to a boot loader is behind [Loader].
//
// It knows packages, keys and devices. It must not know a boot loader, nor how an
// update goes on.
//
// # Packages
//
// A package is a tar archive (ustar, GNU or pax) of regular files, in this order:
//
//	manifest      what the package is, in lines
//	manifest.sig  detached signature over manifest, of signify or usign
//	IMAGE…        each image that manifest names, in its order
//
// Members are found by their place. Their names have to be the expected ones and
// name nothing on this machine. The first line of the manifest is
// "lwm2m-agent images 1"; the others are "key = value", empty, or begin with "#":
//
//	name        of the package; 255 characters at most, as of version
//	version     of the system in it: what it shows when it runs
//	compatible  board that it is for; may be there several times
//	image       NAME SIZE SHA256 [gzip]: bytes and hash of the image when it is
//	            unpacked; may be there several times
//
// An image NAME.SLOT is for one slot, in place of NAME.
//
// # Order
//
// The signature is verified before the manifest is looked at, the manifest before
// an image is, and each image is bounded by its size and hashed to its end before
// anything is written, while it is written, and once more as it was written.
package plain
