package model

import (
	"context"

	"lwm2m-agent/lwm2m"
)

// Streamer is an Object that takes values of some opaque resources in pieces,
// because they are too large to be held in memory, such as /5/0/0 (Package). Such
// a value does not come to lie in the tree.
type Streamer interface {
	Object
	// Streams tells at once whether a resource is taken so.
	Streams(rid uint16) bool
	// Stream begins a value of a size in bytes, 0 if it is unknown. Errors are as
	// those of Prepare.
	Stream(ctx context.Context, origin Origin, p lwm2m.Path, size int64) (Stream, error)
}

// Stream takes a value in pieces, in order. It ends with an error of Write, with
// Close or with Abort.
type Stream interface {
	Write(ctx context.Context, b []byte) error
	// Close says that all has come. It returns when the value is safe.
	Close(ctx context.Context) error
	// Abort says that the rest will not come; nil: the same value begins anew.
	Abort(cause error)
}

// Streams reports whether the resource at p is one whose owner takes it in pieces.
func (t *Tree) Streams(p lwm2m.Path) bool { return t.streamer(p) != nil }

func (t *Tree) streamer(p lwm2m.Path) Streamer {
	if p.Level() != lwm2m.LevelResource {
		return nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	o := t.object(p.Object())
	if o == nil {
		return nil
	}
	if s, ok := o.owner.(Streamer); ok && s.Streams(p.Resource()) {
		return s
	}
	return nil
}

// Stream begins a Write of a resource that Streams. Errors are those of Write.
func (t *Tree) Stream(ctx context.Context, origin Origin, p lwm2m.Path, size int64) (Stream, error) {
	s := t.streamer(p)
	if s == nil {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s is not taken in pieces", p)
	}
	if err := t.mayStream(origin, p); err != nil {
		return nil, err
	}
	stream, err := s.Stream(ctx, origin, p, size)
	if err != nil {
		return nil, refusal(err)
	}
	return stream, nil
}

func (t *Tree) mayStream(origin Origin, p lwm2m.Path) error {
	if err := t.MayTouch(origin, p); err != nil {
		return err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	o, in, err := t.instanceAt(p)
	if err != nil {
		return err
	}
	if err := t.access.may(origin, RightWrite, p); err != nil {
		return err
	}
	return in.mayWriteAt(o, p, origin, Replace)
}
