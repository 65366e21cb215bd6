package config

import (
	"bytes"
	"fmt"
)

// Page says where the page for people is served, and what it may do.
type Page struct {
	Section
	Listen Local  // zero: nowhere
	Token  Secret // who sees the page must show it; zero: nobody is asked for one
	Write  bool   // it may change something; there is a token then
}

// The lengths of a token.
const (
	minToken = 16
	maxToken = 128
)

var pageSection = section{
	name: "page", help: "A page that shows this gateway, in a browser; docs/page.md. Read at the start. The small program has none.", keys: []key{
		{name: "listen", kind: localAddress("127.0.0.1:8088"), required: true, help: `"unix:/run/lwm2m-agent/local/page.sock", which members of group lwm2m-agent may use, or "127.0.0.1:8088", which every local user may; no other address than of the loopback interface`},
		{name: "token_file", kind: filePath, fallback: "no token is asked for", help: fmt.Sprintf("file with the token that a browser must show, %d to %d letters, digits, \"-\" and \"_\", to which nobody but owner and group may have access", minToken, maxToken)},
		{name: "write", kind: boolean, fallback: "false", help: "the page may write, execute, create and delete, as an administrator may; needs token_file"},
	},
}

func (b *builder) page(root *node) {
	n := root.table["page"]
	if n == nil {
		return
	}
	p := Page{Section: Section{n, "page"}, Listen: get(n, "listen", Local{}), Write: get(n, "write", false)}
	if file := n.table["token_file"]; file != nil {
		p.Token = b.token(&p, file)
	} else if p.Write {
		b.problems = append(b.problems, p.Problem("write", "needs token_file: without a token, every program that reaches the page could change something"))
	}
	b.cfg.Page = p
}

// token reads the file that a key names; none if what is wrong was reported.
func (b *builder) token(p *Page, n *node) Secret {
	name, _ := n.value.(string)
	name = n.path(name)
	bad := func(format string, args ...any) Secret {
		b.problems = append(b.problems, p.Problem("token_file", format, args...))
		return Secret{}
	}
	text, open, err := b.readKey(name)
	defer clear(text)
	switch {
	case err != nil:
		return bad("%s cannot be read: %s", name, reason(err))
	case open:
		return bad("%s is open to more than its owner and a group that reads it; run: chmod g-w,o-rwx %s", name, name)
	}
	token := bytes.TrimSpace(text)
	if len(token) < minToken || len(token) > maxToken || bytes.ContainsFunc(token, notInToken) {
		return bad(`%s does not hold a token; allowed: %d to %d letters, digits, "-" and "_", as from: openssl rand -hex 16`, name, minToken, maxToken)
	}
	return NewSecret(token)
}

// notInToken reports whether a character would have to be quoted in an address.
func notInToken(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
}
