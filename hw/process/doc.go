// Package process makes of what drivers read what is published: corrected,
// converted, filtered and watched channels, and channels that follow from
// others. It is arithmetic with a memory: it knows no bus, no file and no clock
// but the times of the readings, and nothing of objects.
package process
