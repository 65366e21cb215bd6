package model

import (
	"context"
	"strings"

	"lwm2m-agent/lwm2m"
)

// maxArguments bounds the text of an Execute's arguments, in bytes.
const maxArguments = 4096

// Argument is one argument of an Execute: a digit and, optionally, a text.
type Argument struct {
	ID       uint8 // 0 to 9
	Value    string
	HasValue bool
}

// Arguments are the arguments of an Execute, in the order in which they came.
type Arguments []Argument

// Get returns the text of the argument with the given digit, and whether the
// argument is there.
func (a Arguments) Get(id uint8) (string, bool) {
	for _, arg := range a {
		if arg.ID == id {
			return arg.Value, true
		}
	}
	return "", false
}

// String returns the arguments as ParseArguments reads them.
func (a Arguments) String() string {
	var b strings.Builder
	for i, arg := range a {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('0' + arg.ID)
		if arg.HasValue {
			b.WriteString("='" + arg.Value + "'")
		}
	}
	return b.String()
}

// ParseArguments reads the arguments of an Execute: "", "5", "2='10.3'",
// "0='https://example.org',1" (Core, section 6.3.5). Each digit may come once
// (1.2.1). The error is a 4.00.
func ParseArguments(s string) (Arguments, error) {
	if len(s) > maxArguments {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "execute arguments of %d bytes are too long, at most %d", len(s), maxArguments)
	}
	var args Arguments
	for rest := s; rest != ""; {
		arg, tail, ok := parseArgument(rest)
		if !ok {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "execute argument %d is malformed: want 0 to 9, then optionally ='text'", len(args)+1)
		}
		if _, dup := args.Get(arg.ID); dup {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "execute argument %d is there twice", arg.ID)
		}
		args = append(args, arg)
		if tail != "" {
			if tail[0] != ',' || len(tail) == 1 {
				return nil, lwm2m.Errorf(lwm2m.BadRequest, "execute arguments must be separated by a comma")
			}
			tail = tail[1:]
		}
		rest = tail
	}
	return args, nil
}

// parseArgument reads one argument and returns what follows it.
func parseArgument(s string) (arg Argument, rest string, ok bool) {
	if s[0] < '0' || s[0] > '9' {
		return arg, "", false
	}
	arg.ID, s = s[0]-'0', s[1:]
	if s == "" || s[0] != '=' {
		return arg, s, true
	}
	if len(s) < 2 || s[1] != '\'' {
		return arg, "", false
	}
	arg.HasValue, s = true, s[2:]
	for i := range len(s) {
		if s[i] == '\'' {
			arg.Value = s[:i]
			return arg, s[i+1:], true
		}
		if s[i] < '!' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return arg, "", false
		}
	}
	return arg, "", false
}

// Execute runs the executable resource at p and returns when its owner is done
// or the context's deadline has passed. Errors: 4.01, 4.04, 4.05; what the
// owner refuses with.
func (t *Tree) Execute(ctx context.Context, origin Origin, p lwm2m.Path, args Arguments) error {
	if err := t.MayTouch(origin, p); err != nil {
		return err
	}
	if p.Level() != lwm2m.LevelResource {
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be executed: it is no resource", p)
	}
	o, err := t.executable(origin, p)
	if err != nil {
		return err
	}
	if err := o.owner.Execute(ctx, origin, p, args); err != nil {
		return refusal(err)
	}
	return nil
}

// executable returns the object whose resource p can be executed.
func (t *Tree) executable(origin Origin, p lwm2m.Path) (*object, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o, in, err := t.instanceAt(p)
	if err != nil {
		return nil, err
	}
	if err := t.access.may(origin, RightExecute, p); err != nil {
		return nil, err
	}
	r := in.resource(p.Resource())
	if r == nil {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "there is no resource %s", p)
	}
	if !r.def.Ops.Has(OpExecute) {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s (%s) cannot be executed", p, r.def.Name)
	}
	return o, nil
}
