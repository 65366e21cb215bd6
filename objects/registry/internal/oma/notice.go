package oma

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Notice is what a file says about its licence.
type Notice struct {
	Copyright string // "Copyright 2019 Open Mobile Alliance"; "" if it says nothing
	Licence   string // "BSD-3-Clause", "Apache-2.0", "MIT"; "" if it says nothing
	text      string // the conditions, as the file has them
}

var (
	comment   = regexp.MustCompile(`(?s)<!--(.*?)-->`)
	copyright = regexp.MustCompile(`Copyright (?:\([cC]\) )?((?:\d{4}(?:-\d{4})?),? [^\r\n]+)`)
	licences  = []struct {
		name  string
		words *regexp.Regexp
	}{
		{"BSD-3-Clause", regexp.MustCompile(`(?s)Redistribution and use in source and binary forms.*?SUCH DAMAGE\.`)},
		{"MIT", regexp.MustCompile(`(?s)Permission is hereby granted, free of charge.*?DEALINGS\s+IN\s+THE\s+SOFTWARE\.`)},
		{"Apache-2.0", regexp.MustCompile(`(?s)Licensed under the Apache License.*?limitations\s+under\s+the\s+License\.`)},
	}
)

// notice finds copyright and licence in the comments of a file.
func notice(text []byte) Notice {
	var n Notice
	for _, c := range comment.FindAllSubmatch(text, -1) {
		if m := copyright.FindSubmatch(c[1]); m != nil && n.Copyright == "" {
			n.Copyright = "Copyright " + strings.TrimRight(strings.Join(strings.Fields(string(m[1])), " "), ". ")
		}
		for _, l := range licences {
			if conditions := l.words.Find(c[1]); conditions != nil && n.Licence == "" {
				n.Licence, n.text = l.name, string(conditions)
			}
		}
	}
	return n
}

// NoticeText returns a text that names the copyright holders and licences of the
// files, with the conditions of each licence.
func NoticeText(files []File) string {
	type key struct{ copyright, licence string }
	var (
		out  strings.Builder
		of   = make(map[key][]string)
		keys []key
	)
	for i := range files {
		f := &files[i]
		k := key{f.Notice.Copyright, f.Notice.Licence}
		if of[k] == nil {
			keys = append(keys, k)
		}
		of[k] = append(of[k], strings.TrimSuffix(f.Name, ".xml"))
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.licence, b.licence), cmp.Compare(a.copyright, b.copyright))
	})
	out.WriteString("The object definitions in this folder come from the OMA LightweightM2M registry, those of lwm2m-agent itself aside. The files, with their\n" +
		"notices, are in xml/ and xml/objects.tar.gz; objects.bin is made from them. Copyright, licence and files:\n")
	for _, k := range keys {
		fmt.Fprintf(&out, "\n%s, %s:\n%s\n", cmp.Or(k.copyright, "The file names no copyright holder"),
			cmp.Or(k.licence, "no licence named"), wrap(of[k]))
	}
	for _, l := range licences {
		fmt.Fprintf(&out, "\n---- %s ----\n\n%s\n", l.name, conditions(files, l.name))
	}
	return out.String()
}

// conditions returns the text of a licence as the first file under it has it.
func conditions(files []File, licence string) string {
	for i := range files {
		if n := &files[i].Notice; n.Licence == licence {
			lines := strings.Split(strings.ReplaceAll(n.text, "\r", ""), "\n")
			for j := range lines {
				lines[j] = strings.TrimSpace(lines[j])
			}
			return strings.Join(lines, "\n")
		}
	}
	return ""
}

// wrap joins names in lines of at most 120 characters.
func wrap(names []string) string {
	var (
		out  strings.Builder
		line int
	)
	for i, name := range names {
		switch {
		case i == 0:
			out.WriteString("  ")
			line = 2
		case line+len(name)+1 > 120:
			out.WriteString("\n  ")
			line = 2
		default:
			out.WriteByte(' ')
			line++
		}
		out.WriteString(name)
		line += len(name)
	}
	return out.String()
}
