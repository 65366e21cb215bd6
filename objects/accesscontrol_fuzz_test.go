package objects

import (
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// FuzzOthersChangeNoRights lets server 102 do anything to anything, with every right
// there is and as the owner of nothing. Whatever it does, what object 2 says about an
// object instance stays, or goes with the instance; what it creates is its own.
func FuzzOthersChangeNoRights(f *testing.F) {
	f.Add([]byte{0, 2, 0, 2, 1, 31, 1, 2, 2, 3, 0, 102, 5, 2, 0, 0, 0, 0})
	f.Add([]byte{4, 3, 0, 0, 0, 7, 5, 3, 0, 0, 0, 0, 4, 3, 0, 0, 0, 7, 2, 2, 3, 2, 3, 31})
	f.Add([]byte{6, 2, 1, 2, 1, 1, 6, 2, 1, 2, 2, 1, 3, 1, 0, 4, 0, 0, 5, 1, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newShared(t)
		s.check(s.server.Seed(first, second))
		s.provision([]uint16{102}, map[uint16]int{101: -1, 102: 31})
		const most = 20
		for range most {
			if len(data) < 6 {
				return
			}
			before := s.says()
			err := s.anything([6]byte(data[:6]))
			s.sameBut102(before, err)
			data = data[6:]
		}
	})
}

// anything carries out one operation of server 102 that six bytes choose.
func (s *shared) anything(b [6]byte) error {
	origin := model.FromServer(102)
	oids, rids, riids := [...]uint16{0, 1, 2, objectTest}, [...]uint16{0, 1, 2, 3, 8, 120}, [...]uint16{0, 101, 102, 103}
	instance := lwm2m.NewPath(oids[b[1]%4], uint16(b[2]%8))
	resource := instance.Child(rids[b[3]%6])
	target := resource
	if resource.Resource() == ridACL {
		target = resource.Child(riids[b[4]%4])
	}
	nodes := []lwm2m.Node{{Path: target, Value: lwm2m.Integer(int64(b[5]))}}
	switch b[0] % 8 {
	case 0:
		return s.tree.Write(s.Context(), origin, model.Replace, resource, nodes)
	case 1:
		return s.tree.Write(s.Context(), origin, model.Update, instance, nodes)
	case 2:
		return s.tree.WriteAll(s.Context(), origin, nodes)
	case 3:
		return s.tree.Execute(s.Context(), origin, resource, nil)
	case 4:
		_, err := s.tree.Create(s.Context(), origin, instance.At(lwm2m.LevelObject), nil)
		return err
	case 5:
		return s.tree.Delete(s.Context(), origin, instance)
	case 6:
		return s.tree.Delete(s.Context(), origin, target)
	}
	return s.tree.Write(s.Context(), origin, model.Replace, instance, nodes)
}

// sameBut102 compares what object 2 says with what it said before an operation of
// server 102.
func (s *shared) sameBut102(before map[string]string, err error) {
	s.Helper()
	own := func(text string) bool { return strings.HasPrefix(text, "102:") }
	now := s.says()
	for about, text := range before {
		still, there := now[about]
		switch {
		case there && (still == text || own(text)):
		case there:
			s.Fatalf("%s: %q became %q (%v)", about, text, still, err)
		case len(s.tree.Entries(lwm2m.MustPath(about), lwm2m.LevelInstance)) > 0:
			s.Fatalf("%s is there, and its rights %q are not", about, text)
		}
	}
	for about, text := range now {
		if _, known := before[about]; !known && !own(text) {
			s.Fatalf("there is %q about %s, which is new", text, about)
		}
	}
}
