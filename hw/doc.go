// Package hw turns the sensors and outputs of a board into named, time-stamped
// channels, and takes settings for its actuators.
//
// It knows buses (I2C, SPI, GPIO character device, Linux IIO, hwmon and thermal
// sysfs), the parts on them, when to sample, and what a part does when it is
// absent, vanishes or hangs. A [Board] owns all of it: it is given a [Setup],
// and pushes channel descriptions and readings to a [Sink].
//
// It must not know LwM2M: no object, no resource, no server. It does not
// decode configuration files either; it takes plain [Config] structs and says
// through [Validate] what is wrong with them.
package hw
