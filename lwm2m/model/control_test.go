package model

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
)

// TestDefaultAccess holds that what object 2 does not mention yet is accessed as it is
// about to say, but accounts and the creation of instances.
func TestDefaultAccess(t *testing.T) {
	s := newShared(t)
	if s.tree.Access().Allows(0, RightRead, lwm2m.MustPath("/100/0")) {
		t.Error("nobody is the owner of what has none")
	}
	before := s.tree.Access()
	s.tree.SetDefaultAccess(101, map[uint16]Rights{0: RightRead})
	a := s.tree.Access()
	for _, c := range []struct {
		server uint16
		right  Rights
		path   string
		want   bool
	}{
		{101, RightWrite, "/100/0", true},
		{102, RightRead, "/100/0", true},
		{102, RightWrite, "/100/0", false},
		{101, RightRead, "/1/0", false},
		{101, RightCreate, "/100", false},
	} {
		if got := a.Allows(c.server, c.right, lwm2m.MustPath(c.path)); got != c.want {
			t.Errorf("server %d may %s %s: %v", c.server, c.right, c.path, got)
		}
	}
	if !a.Differs(before, 102, lwm2m.MustPath("/100/0")) {
		t.Error("a server that may read more is not told")
	}
	s.control(100, 0, 101, 0, 1)
	if s.tree.Access().Differs(a, 102, lwm2m.MustPath("/100")) {
		t.Error("saying what holds already makes a difference")
	}
	s.control(100, 1, 101)
	if !s.tree.Access().Differs(a, 102, lwm2m.MustPath("/100")) {
		t.Error("an instance that is private is still told")
	}
}

// TestAccessControlItself holds that only owners write it and nobody makes or deletes
// it, with one server as with two.
func TestAccessControlItself(t *testing.T) {
	for _, servers := range []int{1, 2} {
		s := newShared(t)
		s.control(100, 0, 101, 0, 1)
		s.control(100, 1, lwm2m.MaxID, 0, 31)
		if servers == 1 {
			s.publish(s.accounts, func(b *Batch) { b.Delete(1) })
		}
		acl := func(server uint16, path string) error {
			p := lwm2m.MustPath(path)
			return s.tree.Write(t.Context(), FromServer(server), Update, p, []lwm2m.Node{{Path: p.Child(102), Value: lwm2m.Integer(7)}})
		}
		mustCode(t, lwm2m.Unauthorized, acl(102, "/2/0/2"))
		mustCode(t, lwm2m.Unauthorized, acl(101, "/2/1/2"))
		mustCode(t, lwm2m.Unauthorized, writes(s.tree, FromServer(102), Replace, "/2/0/3", "/2/0/3"))
		mustCode(t, lwm2m.Unauthorized, s.tree.Delete(t.Context(), FromServer(102), lwm2m.MustPath("/2/0/2/0")))
		for _, server := range []uint16{101, 102} {
			mustCode(t, lwm2m.Unauthorized, s.tree.Delete(t.Context(), FromServer(server), lwm2m.MustPath("/2/0")))
			_, err := s.tree.Create(t.Context(), FromServer(server), lwm2m.MustPath("/2"), nil)
			mustCode(t, lwm2m.Unauthorized, err)
			if err := reads(s.tree, FromServer(server), "/2"); err != nil {
				t.Errorf("server %d reads: %v", server, err)
			}
		}
		if err := acl(101, "/2/0/2"); err != nil {
			t.Errorf("the owner: %v", err)
		}
		if servers == 2 && !s.tree.Access().Allows(102, RightExecute, lwm2m.MustPath("/100/0")) {
			t.Error("what the owner gave is not in force")
		}
		if err := s.tree.Delete(t.Context(), FromServer(101), lwm2m.MustPath("/2/0/2/0")); err != nil {
			t.Errorf("the owner deletes an entry: %v", err)
		}
	}
}

func TestCreatorIsTheOwner(t *testing.T) {
	s := newShared(t)
	s.control(100, lwm2m.MaxID, lwm2m.MaxID, 0, 16)
	s.control(100, 2, 101, 101, 31, 0, 31) // of a former instance 2
	body := []lwm2m.Node{node("/100/0/1", lwm2m.Integer(4))}
	s.owner.commit = errors.New("no room")
	_, err := s.tree.Create(t.Context(), FromServer(102), lwm2m.MustPath("/100"), body)
	mustCode(t, lwm2m.InternalServerError, err)
	if got := s.tree.Instances(2); !slices.Equal(got, []uint16{0, 1}) || s.keeper.log[len(s.keeper.log)-1] != "abort" {
		t.Fatalf("a Create that fails leaves %v, %v", got, s.keeper.log)
	}
	s.owner.commit, s.keeper.commit = nil, errors.New("the disk is full")
	_, err = s.tree.Create(t.Context(), FromServer(102), lwm2m.MustPath("/100"), body)
	mustCode(t, lwm2m.InternalServerError, err)
	if got := s.tree.Instances(100); !slices.Equal(got, []uint16{0, 1}) {
		t.Fatalf("instances %v though the owner was not kept", got)
	}
	s.keeper.commit = nil
	if _, err = s.tree.Create(t.Context(), FromServer(102), lwm2m.MustPath("/100"), body); err != nil {
		t.Fatal(err)
	}
	a := s.tree.Access()
	if at := lwm2m.MustPath("/100/2"); !a.Allows(102, RightDelete|RightRead, at) || a.Allows(101, RightRead, at) {
		t.Error("the instance is not its creator's own")
	}
	if err := s.tree.Delete(t.Context(), FromServer(102), lwm2m.MustPath("/100/2")); err != nil {
		t.Fatal(err)
	}
	if got := s.tree.Instances(2); !slices.Equal(got, []uint16{0}) {
		t.Errorf("instances %v of object 2 after the Delete", got)
	}
}

// TestDeleteThatFailsKeepsRights holds that object 2 is committed last.
func TestDeleteThatFailsKeepsRights(t *testing.T) {
	s := newShared(t)
	s.control(100, 0, 101)
	s.owner.commit = errors.New("stuck")
	mustCode(t, lwm2m.InternalServerError, s.tree.Delete(t.Context(), FromServer(101), lwm2m.MustPath("/100/0")))
	if s.keeper.log[len(s.keeper.log)-1] != "abort" || slices.Contains(s.keeper.log, "commit") {
		t.Errorf("object 2 was asked for %v", s.keeper.log)
	}
	if !s.tree.Access().Allows(101, RightRead, lwm2m.MustPath("/100/0")) {
		t.Error("the rights are gone, the instance is not")
	}
}

// TestCreateAndDeleteAtOnce has both wait for object 2, the Create first: they must not
// wait for each other then.
func TestCreateAndDeleteAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared(t)
		s.control(100, 0, 101)
		s.control(100, lwm2m.MaxID, lwm2m.MaxID, 101, 16)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		errs := make(chan error, 3)
		release := make(chan struct{})
		go func() {
			errs <- s.controls.Transact(ctx, func() *Edit { <-release; return nil })
		}()
		synctest.Wait()
		go func() {
			_, err := s.tree.Create(ctx, FromServer(101), lwm2m.MustPath("/100"), []lwm2m.Node{node("/100/0/1", lwm2m.Integer(4))})
			errs <- err
		}()
		synctest.Wait()
		go func() { errs <- s.tree.Delete(ctx, FromServer(101), lwm2m.MustPath("/100/0")) }()
		synctest.Wait()
		close(release)
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestDiffers(t *testing.T) {
	s := newShared(t)
	s.control(100, 0, 101, 0, 1)
	at := lwm2m.MustPath
	before := s.tree.Access()
	sub := s.tree.Subscribe()
	defer sub.Close()
	s.control(100, 1, 101, 0, 1)
	after := s.tree.Access()
	if !sub.Take(nil).Access {
		t.Error("subscribers are not told")
	}
	for path, want := range map[string]bool{"/": true, "/100": true, "/100/1": true, "/100/1/5": true, "/100/0": false, "/1": false, "/2": false, "/2/0": false} {
		if got := after.Differs(before, 102, at(path)); got != want {
			t.Errorf("%s differs for a server that may read more: %v", path, got)
		}
		if got := before.Differs(after, 102, at(path)); got != want {
			t.Errorf("%s differs for a server that may read less: %v", path, got)
		}
	}
	s.publish(s.accounts, func(b *Batch) { b.Set(0, 1, lwm2m.Integer(60)) })
	if s.tree.Access() != after || sub.Take(nil).Access {
		t.Error("a lifetime is told as a change of access")
	}
	s.publish(s.accounts, func(b *Batch) { b.Delete(1) })
	if alone := s.tree.Access(); !alone.Differs(after, 101, at("/100/0")) || !alone.Allows(101, RightWrite, at("/100/9")) {
		t.Error("the last server has no more rights than before")
	}
	s.tree.Remove(2)
	s.publish(s.accounts, func(b *Batch) { b.Create(1) })
	if !s.tree.Access().Allows(102, RightWrite, at("/100/0")) {
		t.Error("access control is in force without object 2")
	}
}

func TestTransact(t *testing.T) {
	s := newShared(t)
	edit := &Edit{Origin: FromAgent(), Create: []uint16{5}, Set: []lwm2m.Node{node("/2/5/0", lwm2m.Integer(100))}}
	plan := func() *Edit { return edit }
	s.keeper.commit = errors.New("the disk is full")
	if err := s.controls.Transact(t.Context(), plan); err == nil || len(s.tree.Instances(2)) != 0 {
		t.Errorf("a transaction that fails leaves %v, %v", s.tree.Instances(2), err)
	}
	s.keeper.commit, s.keeper.log = nil, nil
	if err := s.controls.Transact(t.Context(), plan); err != nil || !slices.Equal(s.tree.Instances(2), []uint16{5}) {
		t.Errorf("instances %v, %v", s.tree.Instances(2), err)
	}
	s.keeper.log = nil
	if err := s.controls.Transact(t.Context(), func() *Edit { return nil }); err != nil || s.keeper.log != nil {
		t.Errorf("nothing to do: %v, %v", s.keeper.log, err)
	}
}
