// Package keys knows where keys can be held besides a file of the configuration, and
// uses them there: a private key in a TPM 2.0, a pre-shared key sealed to a TPM, and
// what the service manager hands over (systemd credentials). It makes keys, too, for
// provisioning. It knows what a reference to a held key looks like; it must not know
// which server a key is for, or how a session is made with it.
//
// Nothing here prints, logs or wraps key material.
package keys
