package demo

import (
	"context"
	"slices"
	"sync"

	"lwm2m-agent/agent/web"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// Follow sends what the server is told to the page until ctx ends. A Task.
func (r *Remote) Follow(ctx context.Context, feed *web.Feed) error {
	defer r.endEvents()
	f := follower{remote: r, feed: feed, stop: func() {}}
	defer f.restoring.Wait()
	defer func() { f.stop() }()
	for {
		select {
		case e := <-r.events:
			if e.Endpoint == r.endpoint {
				f.take(ctx, &e)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// follower is one run of Remote.Follow.
type follower struct {
	remote    *Remote
	feed      *web.Feed
	objects   []string // as last registered
	restoring sync.WaitGroup
	stop      context.CancelFunc // ends restoring
}

func (f *follower) take(ctx context.Context, e *server.Event) {
	switch e.Kind {
	case server.Notified:
		if e.Err != nil { // a notification that is an error is the last one (RFC 7641, section 4.2)
			f.remote.want(e.Path, false)
			f.feed.Observed(f.remote.Observed())
			f.feed.Note(e.Path.String() + " is not observed any more: " + e.Err.Error())
		}
		f.feed.Values(e.Nodes)
		for _, n := range e.Nodes {
			f.retry(ctx, n.Path.At(lwm2m.LevelInstance))
		}
	case server.Sent:
		f.feed.Values(e.Nodes)
	case server.Registered:
		f.objects = targets(&e.Registration)
		f.feed.Objects()
		f.restore(ctx)
		f.retry(ctx, lwm2m.Path{})
	case server.Updated:
		if now := targets(&e.Registration); !slices.Equal(now, f.objects) {
			f.objects = now
			f.feed.Objects()
		}
		f.retry(ctx, lwm2m.Path{})
	case server.Deregistered, server.Expired:
		f.feed.Objects()
	case server.Bootstrapped: // not by the demo's server
	}
}

// restore begins the observations of the former registration, beside the
// events that go on to come.
func (f *follower) restore(ctx context.Context) {
	f.stop()
	ctx, f.stop = context.WithCancel(ctx)
	f.restoring.Go(func() { f.remote.restore(ctx, f.feed) })
}

// retry observes what is awaited below a path, beside the events that go on to come.
func (f *follower) retry(ctx context.Context, above lwm2m.Path) {
	if paths := f.remote.due(above); len(paths) > 0 {
		f.restoring.Go(func() { f.remote.retry(ctx, f.feed, paths) })
	}
}

func targets(r *server.Registration) []string {
	out := make([]string, 0, len(r.Objects))
	for _, l := range r.Objects {
		out = append(out, l.Target)
	}
	return out
}
