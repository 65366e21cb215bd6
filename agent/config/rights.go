package config

import "slices"

// rights are all, in the order of the bits of an ACL.
var rights = []Right{RightRead, RightWrite, RightExecute, RightDelete, RightCreate}

// accessRights takes a list of rights, each at most once, and returns a []Right
// that is not nil.
var accessRights = kind{`a list of "read", "write", "execute", "delete", "create"`, func(v any) (any, bool) {
	list, ok := v.([]any)
	given := make([]Right, 0, len(rights))
	for _, element := range list {
		word, _ := element.(string)
		r := Right(word)
		if !slices.Contains(rights, r) || slices.Contains(given, r) {
			return nil, false
		}
		given = append(given, r)
	}
	return given, ok
}}
