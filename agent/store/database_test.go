package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustOpen(t *testing.T, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// image is the database file of a closed or open store.
func image(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openImage opens a store whose database file has this content.
func openImage(t *testing.T, content []byte) (dir string, r records, damages []Damage) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, databaseFile), content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return dir, s.records.clone(), s.Damages()
}

// fill makes a store of several buckets, small and large, and returns its images:
// after each commit, and what it held then.
func fill(t *testing.T) (images [][]byte, held []records) {
	t.Helper()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for i := range 12 {
		err := s.Update(func(tx *Tx) error {
			for j := range 6*i + 1 {
				if err := tx.Save(Client, fmt.Sprintf("attributes/%d", j), bytes.Repeat([]byte{byte(i)}, 17*j)); err != nil {
					return err
				}
			}
			if i == 5 { // one that needs several pages, and goes again
				return tx.Save(Values, "large", bytes.Repeat([]byte("large"), 4_000))
			}
			return tx.Save(Values, "large", nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		images, held = append(images, image(t, dir)), append(held, s.records.clone())
	}
	return images, held
}

// changedPages lists the pages in which b differs from a; both meta pages are left
// out, and the one that differs is returned.
func changedPages(a, b []byte) (pages []int, metaPage int) {
	metaPage = -1
	for at := 0; at < len(b); at += pageSize {
		if at < len(a) && bytes.Equal(a[at:at+pageSize], b[at:at+pageSize]) {
			continue
		}
		if at <= pageSize {
			metaPage = at
		} else {
			pages = append(pages, at)
		}
	}
	return pages, metaPage
}

// TestPowerCutInCommit: with any of a commit's pages on disk and others not, and
// with its meta page torn, there is what was before, and no damage. With all of
// them there is what was written.
func TestPowerCutInCommit(t *testing.T) {
	images, held := fill(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 1; i < len(images); i++ {
		before, after := images[i-1], images[i]
		pages, metaPage := changedPages(before, after)
		if len(pages) == 0 || metaPage < 0 {
			t.Fatalf("commit %d changed pages %v and meta page %d", i, pages, metaPage)
		}
		for try := range 12 {
			cut := slices.Clone(before)
			if try%2 == 0 { // the file has grown already
				cut = append(cut, make([]byte, len(after)-len(before))...)
			}
			for _, at := range pages {
				if rng.IntN(3) > 0 && at < len(cut) {
					copy(cut[at:at+pageSize], after[at:at+pageSize])
				}
			}
			if try > 6 { // a sector of the meta page, or some bytes of it
				torn := []int{1, pageHeader + 20, pageHeader + metaSize - 1}[rng.IntN(3)]
				copy(cut[metaPage:metaPage+torn], after[metaPage:metaPage+torn])
			}
			_, r, damages := openImage(t, cut)
			if len(damages) > 0 {
				t.Fatalf("commit %d, try %d: %v", i, try, damages[0].Err)
			}
			if !reflect.DeepEqual(held[i-1], r) {
				t.Fatalf("commit %d, try %d:\n%s", i, try, cmp.Diff(held[i-1], r))
			}
		}
		if _, r, damages := openImage(t, after); len(damages) > 0 || !reflect.DeepEqual(held[i], r) {
			t.Fatalf("commit %d, whole: %v\n%s", i, damages, cmp.Diff(held[i], r))
		}
	}
}

// TestLostPages: a disk that lost pages of the last commit, but not its meta page,
// is damage, and costs that commit.
func TestLostPages(t *testing.T) {
	images, held := fill(t)
	for i := 1; i < len(images); i++ {
		before, after := images[i-1], images[i]
		pages, _ := changedPages(before, after)
		lost := slices.Clone(after)
		for _, at := range pages {
			old := make([]byte, pageSize)
			if at < len(before) {
				copy(old, before[at:at+pageSize])
			}
			copy(lost[at:at+pageSize], old)
		}
		dir, r, damages := openImage(t, lost)
		if len(damages) != 1 || damages[0].Aside != "state.db.corrupt-1" || damages[0].Kept != held[i-1].count() {
			t.Fatalf("commit %d: %+v", i, damages)
		}
		if d := cmp.Diff(held[i-1], r); d != "" {
			t.Fatalf("commit %d:\n%s", i, d)
		}
		aside, err := os.ReadFile(filepath.Join(dir, damages[0].Aside))
		if err != nil || !bytes.Equal(aside, lost) {
			t.Errorf("commit %d: what lies aside is not the damaged file: %v", i, err)
		}
	}
}

// TestDamagedBytes: whichever bytes of a database are wrong, it opens; what it has
// then is what was stored; records are missing only if it is called damaged, and
// the next start finds nothing to complain about.
func TestDamagedBytes(t *testing.T) {
	images, held := fill(t)
	good, want := images[len(images)-1], held[len(held)-1]
	former := held[len(held)-2]
	damaged, kept := 0, 0
	for at := 0; at < len(good); at += len(good) / 500 {
		broken := slices.Clone(good)
		for i := range min(1+at%9, len(broken)-at) {
			broken[at+i] ^= byte(1 + at%255)
		}
		found := inspect(broken)
		for name, bucket := range found.records {
			for key, record := range bucket {
				if !bytes.Equal(record, want[name][key]) && !bytes.Equal(record, former[name][key]) {
					t.Fatalf("byte %d: record %s %q is one that nobody wrote", at, name, key)
				}
			}
		}
		if found.err == nil {
			// An unused page or the other meta page; with this one it is the former.
			if !reflect.DeepEqual(found.records, want) && !reflect.DeepEqual(found.records, former) {
				t.Fatalf("byte %d: records are missing and nothing is said", at)
			}
			continue
		}
		damaged++
		kept += found.records.count()
		if damaged%5 != 1 { // opening costs a few syncs
			continue
		}
		dir, r, damages := openImage(t, broken)
		if len(damages) != 1 || damages[0].Err == nil {
			t.Fatalf("byte %d: %+v", at, damages)
		}
		s := mustOpen(t, dir, Options{})
		if len(s.Damages()) != 0 || !reflect.DeepEqual(s.records, r) {
			t.Fatalf("byte %d, next start: %v", at, s.Damages())
		}
		if err := s.Bucket(Meta).Save("a", []byte("b")); err != nil {
			t.Fatal(err)
		}
	}
	if damaged < 20 || kept < damaged*want.count()/2 {
		t.Errorf("%d damaged images, %d records of %d kept", damaged, kept, damaged*want.count())
	}
}

// TestCutFiles: a file that ends early opens, whatever is left of it.
func TestCutFiles(t *testing.T) {
	images, held := fill(t)
	good, want := images[len(images)-1], held[len(held)-1]
	metas, _ := readMetas(good)
	pages := int(metas[0].pages) // what lies behind them is not in use
	for _, size := range []int{1, pageSize - 1, pageSize, 2 * pageSize, 3*pageSize + 5, pages * pageSize / 2, pages*pageSize - 1, pages * pageSize} {
		_, r, damages := openImage(t, good[:size])
		if (len(damages) != 1) != (size == pages*pageSize) {
			t.Errorf("%d bytes: %+v", size, damages)
		}
		for name, bucket := range r {
			for key, record := range bucket {
				if name != own && !bytes.Equal(record, want[name][key]) && !bytes.Equal(record, held[len(held)-2][name][key]) {
					t.Errorf("%d bytes: record %s %q is one that nobody wrote", size, name, key)
				}
			}
		}
	}
	if _, r, damages := openImage(t, nil); len(damages) > 0 || r.count() != 0 {
		t.Errorf("an empty file: %v, %v", damages, r)
	}
}

// TestLostMetaPage: a meta page that is overwritten is no torn one: whatever it
// said last is lost, which is told.
func TestLostMetaPage(t *testing.T) {
	images, held := fill(t)
	good := images[len(images)-1]
	for id := range 2 {
		for name, fill := range map[string]byte{"zeros": 0, "erased flash": 0xff, "text": 'x'} {
			broken := slices.Clone(good)
			for i := range pageSize {
				broken[id*pageSize+i] = fill
			}
			_, r, damages := openImage(t, broken)
			if len(damages) != 1 || !reflect.DeepEqual(r, held[len(held)-1]) && !reflect.DeepEqual(r, held[len(held)-2]) {
				t.Errorf("meta page %d, %s: %+v", id, name, damages)
			}
		}
	}
}

// TestForeignFile: what is no database at all is moved aside.
func TestForeignFile(t *testing.T) {
	_, _, damages := openImage(t, bytes.Repeat([]byte("not a database "), 2000))
	if len(damages) != 1 || damages[0].Kept != 0 {
		t.Errorf("%+v", damages)
	}
}

// TestLoops: bbolt would follow these until the stack is full.
func TestLoops(t *testing.T) {
	images, _ := fill(t)
	good := images[len(images)-1]
	loops := 0
	for at := 2 * pageSize; at+pageSize <= len(good); at += pageSize {
		if order.Uint16(good[at+8:]) != branchPage {
			continue
		}
		broken := slices.Clone(good)
		order.PutUint64(broken[at+pageHeader+8:], uint64(at/pageSize)) // its first child is itself
		if inspect(broken).err == nil {
			continue // the page is not in use
		}
		loops++
		if _, _, damages := openImage(t, broken); len(damages) != 1 || !strings.Contains(damages[0].Err.Error(), "there twice") {
			t.Errorf("page %d: %+v", at/pageSize, damages)
		}
	}
	if loops == 0 {
		t.Error("there is no branch page to try")
	}
}

func FuzzInspect(f *testing.F) {
	dir := f.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		f.Fatal(err)
	}
	for i := range 60 {
		if err := s.Bucket(Values).Save(fmt.Sprint(i), bytes.Repeat([]byte{1}, i*9)); err != nil {
			f.Fatal(err)
		}
	}
	s.Close()
	good, err := os.ReadFile(filepath.Join(dir, databaseFile))
	if err != nil {
		f.Fatal(err)
	}
	// An input is a list of edits: two bytes where, one what.
	f.Add([]byte{})
	f.Add([]byte{0, 0, 1, 0x20, 8, 2})
	f.Add([]byte{0x30, 0x10, 0xff, 0x30, 0x11, 0xff})
	f.Fuzz(func(t *testing.T, edits []byte) {
		b := slices.Clone(good)
		for e := range slices.Chunk(edits, 3) {
			if len(e) == 3 {
				b[(int(e[0])<<8|int(e[1]))%len(b)] = e[2]
			}
		}
		fixMetas(b)
		found := inspect(b)
		for key, record := range found.records[Values] {
			if len(record)%9 != 0 || key == "" {
				t.Errorf("record %q: %x", key, record)
			}
		}
	})
}

// fixMetas makes the checksums of both meta pages right, so that edits get past
// them.
func fixMetas(b []byte) {
	for at := 0; at <= pageSize; at += pageSize {
		order.PutUint64(b[at+pageHeader+56:], metaSum(b[at+pageHeader:]))
	}
}

func TestBounds(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	b := s.Bucket(Values)
	for name, err := range map[string]error{
		"empty key": b.Save("", nil), "long key": b.Save(string(make([]byte, maxKey+1)), []byte{1}),
		"long record":     b.Save("k", make([]byte, maxRecord+1)),
		"long small key":  s.SetSmall(string(make([]byte, 256)), nil),
		"long small":      s.SetSmall("k", make([]byte, maxSmallValue+1)),
		"empty small key": s.SetSmall("", nil),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	err := s.Update(func(tx *Tx) error {
		for i := range maxRecords + 1 {
			if err := tx.Save(Values, fmt.Sprint(i), []byte{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		t.Error("too many records were taken")
	}
	err = s.Update(func(tx *Tx) error {
		for i := range 1 + maxTotal/maxRecord {
			if err := tx.Save(Values, fmt.Sprint(i), make([]byte, maxRecord)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		t.Error("too many bytes were taken")
	}
	if list, _ := b.List(); len(list) != 0 {
		t.Errorf("%d records of refused changes", len(list))
	}
	if err := b.Save("k", make([]byte, maxRecord)); err != nil {
		t.Errorf("the longest record: %v", err)
	}
	for i := range maxSmallRecords { // in memory, which costs no sync
		s.small[fmt.Sprintf("small %d", i)] = []byte{1}
	}
	if err := s.SetSmall("one more", []byte{1}); err == nil {
		t.Error("too many small records were taken")
	}
	if err := s.SetSmall("small 0", []byte{2}); err != nil {
		t.Errorf("replace a small record: %v", err)
	}
}

// TestCutReplacement: a power cut at any step of putting a rebuilt database in
// place leaves what can be opened, with nothing lost.
func TestCutReplacement(t *testing.T) {
	images, held := fill(t)
	good, want := images[len(images)-1], held[len(held)-1]
	const next = databaseFile + newSuffix
	tests := []struct {
		name    string
		files   map[string][]byte
		records int
	}{
		{"first start, cut while writing", map[string][]byte{next: good[:pageSize+100]}, 0},
		{"first start, cut before the renaming", map[string][]byte{next: good}, want.count()},
		{"rebuilt, cut while writing", map[string][]byte{databaseFile: good, next: good[:3*pageSize]}, want.count()},
		{"rescued, cut between both renamings", map[string][]byte{next: good, databaseFile + ".corrupt-1": good[:1000]}, want.count()},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		for name, content := range tt.files {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := mustOpen(t, dir, Options{})
		if n := s.records.count(); n != tt.records || len(s.Damages()) > 0 {
			t.Errorf("%s: %d records, want %d; %v", tt.name, n, tt.records, s.Damages())
		}
		if _, err := os.Lstat(filepath.Join(dir, next)); err == nil {
			t.Errorf("%s: %s is left", tt.name, next)
		}
	}
}
