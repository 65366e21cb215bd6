package record

// windowSize is how far below the newest record an older one is still accepted
// (RFC 6347, section 4.1.2.6).
const windowSize = 64

// window recognises records that were received before.
type window struct {
	next uint64 // one above the highest number received
	seen uint64 // bit i: number next-1-i was received
}

// newWindow counts all numbers below next as received.
func newWindow(next uint64) window { return window{next: next, seen: ^uint64(0)} }

// fresh reports whether a record of that number may be new.
func (w *window) fresh(number uint64) bool {
	if number >= w.next {
		return true
	}
	age := w.next - 1 - number
	return age < windowSize && w.seen>>age&1 == 0
}

// mark remembers the number of an authentic record.
func (w *window) mark(number uint64) {
	if number >= w.next {
		w.seen = w.seen<<(number+1-w.next) | 1 // a shift of 64 and more leaves none
		w.next = number + 1
		return
	}
	w.seen |= 1 << (w.next - 1 - number)
}
