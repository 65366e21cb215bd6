package bind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
	"lwm2m-agent/objects/registry"
)

// accessLab is a device with servers 101 and 102 and the test object.
type accessLab struct {
	*testing.T
	store  *store.Store
	tree   *model.Tree
	access *AccessControl
	log    strings.Builder
}

// openAccess makes a device on a state directory, which it closes when the test ends.
func openAccess(t *testing.T, dir string) *accessLab {
	t.Helper()
	l := &accessLab{T: t}
	var err error
	if l.store, err = store.Open(dir, store.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.store.Close() })
	l.tree = model.NewTree(registry.Definitions(), time.Now)
	server, err := objects.NewServer(l.tree, "U", objects.ServerHooks{})
	l.check(err)
	l.check(server.Seed(objects.Account{ShortServerID: 101}, objects.Account{ShortServerID: 102, ServerInstance: 1}))
	_, err = objects.NewTestObject(l.tree)
	l.check(err)
	l.access, err = NewAccessControl(l.tree, l.store, slog.New(slog.NewTextHandler(&l.log, nil)))
	l.check(err)
	return l
}

func (l *accessLab) check(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// provision applies a configuration that gives the second server rights.
func (l *accessLab) provision(rights ...config.Right) {
	l.Helper()
	l.check(l.access.Provision(l.Context(), &config.Config{Servers: []config.Server{
		{ShortServerID: 101}, {ShortServerID: 102, Rights: rights},
	}}, false))
}

// may returns what server 102 may do at a path.
func (l *accessLab) may(path string) string {
	var rights model.Rights
	for _, r := range []model.Rights{model.RightRead, model.RightWrite, model.RightExecute, model.RightDelete, model.RightCreate} {
		if l.tree.Access().Allows(102, r, lwm2m.MustPath(path)) {
			rights |= r
		}
	}
	return rights.String()
}

func (l *accessLab) content() []lwm2m.Node {
	l.Helper()
	nodes, err := l.tree.Read(model.FromAgent(), lwm2m.MustPath("/2"), nil)
	l.check(err)
	return nodes
}

func TestAccessControlIsKept(t *testing.T) {
	dir := t.TempDir()
	l := openAccess(t, dir)
	l.provision(config.RightRead, config.RightWrite, config.RightCreate)
	if got := l.may("/3442/0"); got != "read, write, create" {
		t.Errorf("102 may %s", got)
	}
	at, err := l.tree.Create(t.Context(), model.FromServer(102), lwm2m.MustPath("/3442"), nil)
	l.check(err)
	gone, err := l.tree.Create(t.Context(), model.FromServer(102), lwm2m.MustPath("/3442"), nil)
	l.check(err)
	l.check(l.tree.Delete(t.Context(), model.FromServer(102), lwm2m.NewPath(3442, gone)))
	before := l.content()
	l.check(l.store.Close())

	l = openAccess(t, dir)
	if now := l.content(); !slices.Equal(now, before) {
		t.Errorf("object 2 was %v and is %v", before, now)
	}
	if got := l.may(fmt.Sprintf("/3442/%d", at)); got != "read, write, execute, delete, create" {
		t.Errorf("102 may %s with what it created", got)
	}
	l.provision(config.RightRead, config.RightWrite, config.RightCreate)
	if now := l.content(); !slices.Equal(now, before) {
		t.Errorf("a configuration that was not edited made object 2 %v of %v", now, before)
	}
	l.provision()
	if got := l.may("/3442/0"); got != "read" {
		t.Errorf("102 may %s without rights in the configuration", got)
	}
	l.check(l.store.Close())
	l = openAccess(t, dir)
	if got := l.may("/3442/0"); got != "read" {
		t.Errorf("102 may %s after the next start", got)
	}
}

func TestAccessControlOfANewerAgent(t *testing.T) {
	for _, key := range []string{"access/0", "rights"} {
		dir := t.TempDir()
		l := openAccess(t, dir)
		l.provision()
		l.check(l.store.Bucket(store.Accounts).Save(key, []byte(`{"version":2}`)))
		tree := model.NewTree(registry.Definitions(), time.Now)
		a, err := NewAccessControl(tree, l.store, slog.New(slog.DiscardHandler))
		if err == nil {
			err = a.Provision(t.Context(), &config.Config{}, true)
		}
		if err == nil || !strings.Contains(err.Error(), "version 2") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestAccessControlFollows has an instance appear while the state directory is full: it
// can be read at once, and object 2 has it when there is room again.
func TestAccessControlFollows(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := openAccess(t, dir)
		l.provision()
		l.fill()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.access.Run(ctx) }()
		synctest.Wait()
		before := len(l.tree.Instances(2))
		pub, err := l.tree.AddRegistered(3303, model.Plain{})
		l.check(err)
		var b model.Batch
		b.Create(0)
		l.check(pub.Publish(&b))
		synctest.Wait()
		if got := l.may("/3303/0"); got != "read" || len(l.tree.Instances(2)) != before {
			t.Errorf("102 may %s, object 2 has %v", got, l.tree.Instances(2))
		}
		if !strings.Contains(l.log.String(), "object 2 lacks new object instances") {
			t.Errorf("log %q", l.log.String())
		}
		l.drain()
		time.Sleep(retryProvision)
		synctest.Wait()
		if got := l.may("/3303/0"); got != "read" || len(l.tree.Instances(2)) == before {
			t.Errorf("102 may %s, object 2 has %v", got, l.tree.Instances(2))
		}
		cancel()
		l.check(<-ended)
	})
}

// TestAccessControlOnAFullDisk starts with a new object while the state directory is full: the configuration's rights hold for it
// at once, and object 2 has them when there is room again. Rights that were edited are not taken for given.
func TestAccessControlOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	given := func(rights ...config.Right) *config.Config {
		return &config.Config{Servers: []config.Server{{ShortServerID: 101}, {ShortServerID: 102, Rights: rights}}}
	}
	l := openAccess(t, dir)
	l.check(l.access.Provision(t.Context(), given(config.RightRead, config.RightWrite), true))
	l.check(l.store.Close())
	synctest.Test(t, func(t *testing.T) {
		l := openAccess(t, dir)
		pub, err := l.tree.AddRegistered(3303, model.Plain{})
		l.check(err)
		var b model.Batch
		b.Create(0)
		l.check(pub.Publish(&b))
		l.fill()
		if err := l.access.Provision(t.Context(), given(config.RightRead), true); err == nil || errors.Is(err, ErrLater) {
			t.Errorf("edited: %v", err)
		}
		if err := l.access.Provision(t.Context(), given(config.RightRead, config.RightWrite), true); !errors.Is(err, ErrLater) {
			t.Errorf("as before: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.access.Run(ctx) }()
		synctest.Wait()
		before := len(l.tree.Instances(2))
		for _, more := range []bool{false, true} {
			if got := l.may("/3303/0"); got != "read, write" || len(l.tree.Instances(2)) > before != more {
				t.Errorf("102 may %s, object 2 has %v", got, l.tree.Instances(2))
			}
			if !more {
				l.drain()
				time.Sleep(retryProvision)
				synctest.Wait()
			}
		}
		cancel()
		l.check(<-ended)
	})
}

// full is how many records a bucket takes.
const full = 4096

// fill makes the bucket of accounts full; drain makes room again.
func (l *accessLab) fill() {
	l.Helper()
	there, err := l.store.Bucket(store.Accounts).List()
	l.check(err)
	l.filler(full-len(there), []byte("x"))
}

func (l *accessLab) drain() {
	l.Helper()
	l.filler(full, nil)
}

func (l *accessLab) filler(count int, record []byte) {
	l.Helper()
	l.check(l.store.Update(func(tx *store.Tx) error {
		for i := range count {
			if err := tx.Save(store.Accounts, fmt.Sprint("filler", i), record); err != nil {
				return err
			}
		}
		return nil
	}))
}
