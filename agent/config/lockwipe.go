package config

import "path/filepath"

// LockAndWipe is [lock_and_wipe].
type LockAndWipe struct {
	Section
	Folders []string // absolute
}

var lockAndWipeSection = section{
	name: "lock_and_wipe", help: "Lock outputs and wipe data from afar: object 8; docs/provisioning.md. Read at the start.",
	keys: []key{
		{name: "folders", kind: wipeFolders, fallback: "none", help: "folders whose content servers may have wiped; the unit must let the agent write there"},
	},
}

// wipeFolders takes absolute paths of folders, not of the root or what lies directly under it.
var wipeFolders = kind{`a list of up to 16 absolute paths of folders, at least two levels deep, such as "/srv/data"`, func(v any) (any, bool) {
	list, ok := v.([]any)
	folders := make([]string, 0, len(list))
	for _, element := range list {
		folder, text := element.(string)
		if !text || !filepath.IsAbs(folder) || filepath.Clean(folder) != folder || filepath.Dir(filepath.Dir(folder)) == filepath.Dir(folder) || !printable(folder) || len(folder) > 255 {
			return nil, false
		}
		folders = append(folders, folder)
	}
	return folders, ok && len(folders) <= 16
}}

func (b *builder) lockAndWipe(root *node) {
	if n := root.table["lock_and_wipe"]; n != nil {
		b.cfg.LockAndWipe = &LockAndWipe{Section{n, "lock_and_wipe"}, get(n, "folders", []string(nil))}
	}
}
