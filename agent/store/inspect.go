package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"sort"
)

// The file format of bbolt, as its package common declares it. Numbers are in the
// machine's own byte order.
const (
	pageSize   = 4096
	pageHeader = 16 // id 8, flags 2, count 2, overflow 4
	metaSize   = 64 // magic 4, version 4, page size 4, flags 4, root 16, free list 8, high-water mark 8, transaction 8, checksum 8
	elemSize   = 16
	rootSize   = 16 // of a bucket: root page 8, sequence 8

	boltMagic   = 0xED0CDAED
	boltVersion = 2

	branchPage = 0x01
	leafPage   = 0x02

	bucketElem = 0x01
)

// maxBranches bounds the depth of a tree; bbolt's has at least two keys a page, so
// that one of this depth would not fit any file that is allowed.
const maxBranches = 32

// meta is what one of the two meta pages says.
type meta struct {
	root, pages, transaction uint64
}

// inspection is what a database file holds.
type inspection struct {
	records records
	err     error // damage: what is wrong, the records are what could be read
}

// inspect reads all records of a database file without bbolt's help. A meta page
// that is torn is no damage as long as the other one and all that hangs on it is
// whole: this is what a power cut leaves.
func inspect(content []byte) inspection {
	metas, strange := readMetas(content)
	if len(metas) == 0 {
		return inspection{records{}, errors.New("has no valid meta page")}
	}
	newest := walk(content, metas[0])
	if newest.err == nil && strange != nil {
		newest.err = strange
	}
	if newest.err == nil || len(metas) == 1 {
		return newest
	}
	// The commit before is whole unless the disk lost more than the last one.
	former := walk(content, metas[1])
	if former.err == nil {
		return inspection{former.records, fmt.Errorf("the last commit is damaged, the one before was taken: %w", newest.err)}
	}
	for name, bucket := range former.records {
		for key, record := range bucket {
			if newest.records[name][key] == nil {
				newest.records.set(name, key, record)
			}
		}
	}
	return newest
}

// readMetas returns the valid meta pages, the newest first. strange is an error if
// one of them is none at all: a torn one has the bytes that all meta pages have in
// common, whatever is left of the rest.
func readMetas(content []byte) (metas []meta, strange error) {
	for id := range uint64(2) {
		at := id * pageSize
		if uint64(len(content)) < at+pageHeader+metaSize {
			return metas, fmt.Errorf("ends before meta page %d", id)
		}
		b := content[at+pageHeader:]
		if order.Uint64(content[at:]) != id || order.Uint32(b) != boltMagic || order.Uint32(b[4:]) != boltVersion || order.Uint32(b[8:]) != pageSize {
			strange = fmt.Errorf("meta page %d is damaged; what it said is lost", id)
			continue
		}
		if order.Uint64(b[56:]) == metaSum(b) {
			metas = append(metas, meta{root: order.Uint64(b[16:]), pages: order.Uint64(b[40:]), transaction: order.Uint64(b[48:])})
		}
	}
	sort.SliceStable(metas, func(i, j int) bool { return metas[i].transaction > metas[j].transaction })
	return metas, strange
}

// metaSum is the checksum of a meta page.
func metaSum(b []byte) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8])
	return sum.Sum64()
}

var order = binary.NativeEndian

// walker follows one meta page through a file.
type walker struct {
	content []byte
	pages   uint64
	seen    map[uint64]bool
	inspection
}

func walk(content []byte, m meta) inspection {
	w := walker{content: content, pages: m.pages, seen: make(map[uint64]bool), inspection: inspection{records: records{}}}
	if m.pages > maxPages || m.pages*pageSize > uint64(len(content)) {
		w.damage("is cut: %d bytes of %d pages", len(content), m.pages)
	}
	w.page(m.root, 0, func(key, value []byte, isBucket bool) {
		if !isBucket || len(value) < rootSize {
			w.damage("has something else than a bucket at the top")
			return
		}
		w.bucket(string(key), value)
	})
	digest := w.records[own][digestKey]
	w.records.set(own, digestKey, nil)
	if !bytes.Equal(digest, w.records.digest(m.transaction)) {
		w.damage("some records are not those of the last commit")
	}
	return w.inspection
}

// damage notes what is wrong; the first is told.
func (w *walker) damage(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// bucket reads the records of a bucket: those of a small one stand behind its root.
func (w *walker) bucket(name string, value []byte) {
	w.records.ensure(Name(name))
	record := func(key, value []byte, isBucket bool) {
		data, ok := unseal(key, value)
		if isBucket || !ok {
			w.damage("bucket %.40q: record %.40q is damaged", name, key)
			return
		}
		w.records.set(Name(name), string(key), data)
	}
	if root := order.Uint64(value); root != 0 {
		w.page(root, 0, record)
		return
	}
	w.elements(value[rootSize:], 0, record)
}

// page visits the leaves below a page.
func (w *walker) page(id uint64, depth int, visit func(key, value []byte, isBucket bool)) {
	at := id * pageSize
	switch {
	case id < 2 || id >= min(w.pages, maxPages) || at+pageSize > uint64(len(w.content)):
		w.damage("page %d is not in the file", id)
		return
	case w.seen[id]:
		w.damage("page %d is there twice", id)
		return
	case depth > maxBranches:
		w.damage("page %d is too deep", id)
		return
	}
	w.seen[id] = true
	page := w.content[at:]
	if order.Uint64(page) != id {
		w.damage("page %d says that it is page %d", id, order.Uint64(page))
		return
	}
	length := (1 + uint64(order.Uint32(page[12:]))) * pageSize
	w.elements(page[:min(length, uint64(len(page)))], depth, visit)
}

// elements visits what a page holds. Keys must ascend.
func (w *walker) elements(page []byte, depth int, visit func(key, value []byte, isBucket bool)) {
	if len(page) < pageHeader {
		w.damage("a page is cut")
		return
	}
	flags, count := order.Uint16(page[8:]), int(order.Uint16(page[10:]))
	if flags != branchPage && flags != leafPage {
		w.damage("a page is of no kind that it can be (%#x)", flags)
		return
	}
	var last []byte
	for i := range count {
		e, ok := readElement(page, pageHeader+i*elemSize, flags == leafPage)
		if !ok || i > 0 && bytes.Compare(last, e.key) >= 0 {
			w.damage("an element of a page is damaged")
			continue
		}
		last = e.key
		if flags == branchPage {
			w.page(e.child, depth+1, visit)
		} else {
			visit(e.key, e.value, e.isBucket)
		}
	}
}

// element is one entry of a page.
type element struct {
	key, value []byte
	child      uint64 // of a branch
	isBucket   bool   // of a leaf
}

func readElement(page []byte, at int, leaf bool) (e element, ok bool) {
	if at+elemSize > len(page) {
		return e, false
	}
	head, body := page[at:at+elemSize], page[at:]
	if !leaf { // position 4, key length 4, page 8; the position counts from here
		e.child = order.Uint64(head[8:])
		e.key, ok = cut(body, order.Uint32(head), order.Uint32(head[4:]))
		return e, ok
	}
	// flags 4, position 4, key length 4, value length 4
	e.isBucket = order.Uint32(head) == bucketElem
	position, k, v := order.Uint32(head[4:]), order.Uint32(head[8:]), order.Uint32(head[12:])
	both, ok := cut(body, position, k)
	if !ok {
		return e, false
	}
	e.key = both
	e.value, ok = cut(body, position+k, v)
	return e, ok
}

// cut returns length bytes from a position, if they are there.
func cut(b []byte, position, length uint32) ([]byte, bool) {
	end := uint64(position) + uint64(length)
	if position < elemSize || end > uint64(len(b)) {
		return nil, false
	}
	return b[position:end], true
}
