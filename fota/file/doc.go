// Package file is a back end of fota whose slots are files, for tests and the demo:
// it takes unsigned images, and its boot loader is a function that is called when
// the machine has booted.
//
// # Packages
//
// Any bytes are an image. One that begins with the line "lwm2m-agent firmware 1"
// has lines "key = value" behind it, up to an empty line, and then the image
// itself:
//
//	name        of the package
//	version     of the system in it
//	sha256      of the image, in hexadecimal
//	compatible  board that it is for
//	boots       "no": the simulated boot loader finds that it does not start
//	healthy     "no": it starts, and Check finds it ill
//
// # Files
//
//	A, B       the images
//	boot.json  the boot environment
//	*.new      the next content of a file while it is written
//
// It knows files. It must not know how an update goes on.
package file
