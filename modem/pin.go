package modem

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
)

// PIN is that of a card, and decides which card is given it: as often as it is wanted one that takes it, and never again
// one that has refused it. After three wrong ones a card is locked (3GPP TS 31.101, clause 9.5.1), and starts of the program count as
// any other try. A nil PIN is none. The methods may be called at any time.
type PIN struct {
	secret Secret
	keep   func(refused []string)

	mu      sync.Mutex
	refused []string // marks of the cards that have refused it, the latest last
	doubt   []string // of those that were given it, with an outcome that nobody knows
	unasked []string // of those that it has not come to
}

// Verdict is what has become of a PIN.
type Verdict uint8

// The verdicts.
const (
	PINInDoubt Verdict = iota // nobody knows whether the card has seen it
	PINTaken
	PINWrong
	PINUnseen  // it has not come as far as the card
	PINUnasked // likewise, and will not before something else has changed: it is not given again in this life until Again is called
)

// maxRefused bounds the cards that are remembered.
const maxRefused = 8

// inDoubt ends a mark of doubt in what is kept.
const inDoubt = "?"

// NewPIN returns a PIN. refused is what keep was given last, in an earlier life; keep is called before a card is given it and with what has become of
// that, and may be nil.
func NewPIN(secret Secret, refused []string, keep func(refused []string)) *PIN {
	if keep == nil {
		keep = func([]string) {}
	}
	p := &PIN{secret: secret, keep: keep}
	for _, mark := range refused {
		if doubted, ok := strings.CutSuffix(mark, inDoubt); ok {
			p.doubt = append(p.doubt, doubted)
		} else {
			p.refused = append(p.refused, mark)
		}
	}
	return p
}

// save has all that is remembered kept.
func (p *PIN) save() {
	all := slices.Clone(p.refused)
	for _, mark := range p.doubt {
		all = append(all, mark+inDoubt)
	}
	p.keep(all)
}

// remember adds a mark to those of the latest cards.
func remember(marks []string, mark string) []string {
	marks = append(marks, mark)
	return marks[max(0, len(marks)-maxRefused):]
}

func forget(marks []string, mark string) []string {
	return slices.DeleteFunc(marks, func(m string) bool { return m == mark })
}

// mark stands for a PIN and a card: another PIN is tried.
func (p *PIN) mark(card string) string {
	sum := sha256.Sum256([]byte(card + " " + string(p.secret)))
	return hex.EncodeToString(sum[:8])
}

// Refused reports whether a card, by its number or "" if that is not known, has refused it.
func (p *PIN) Refused(card string) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.refused, p.mark(card))
}

// Doubted reports whether a card was given it, in this or an earlier life, and nobody knows whether it was taken.
func (p *PIN) Doubted(card string) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.doubt, p.mark(card))
}

// Again has cards be given it to which it has not come, as whoever has to hand it on is another one.
func (p *PIN) Again() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unasked = nil
}

// Settle ends that doubt: the card is ready, or has PINTries left.
func (p *PIN) Settle(card string) {
	if !p.Doubted(card) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubt = forget(p.doubt, p.mark(card))
	p.save()
}

// PINTries is how many a card has that has not been given a wrong one since the last right one (3GPP TS 51.011, clause 8.9).
const PINTries = 3

// Give has a card be given the PIN, if it may be. It reports whether it was. That it is in doubt is kept before, so that whoever ends the program meanwhile
// does not have it given again.
func (p *PIN) Give(card string, give func(Secret) (Verdict, error)) (given bool, err error) {
	if p == nil {
		return false, nil
	}
	mark := p.mark(card)
	p.mu.Lock()
	may := !slices.Contains(p.refused, mark) && !slices.Contains(p.doubt, mark) && !slices.Contains(p.unasked, mark)
	if may {
		p.doubt = remember(p.doubt, mark)
		p.save()
	}
	p.mu.Unlock()
	if !may {
		return false, nil
	}
	verdict, err := give(p.secret)
	p.mu.Lock()
	defer p.mu.Unlock()
	if verdict == PINInDoubt {
		return true, err
	}
	p.doubt = forget(p.doubt, mark)
	switch verdict {
	case PINWrong:
		p.refused = remember(p.refused, mark)
	case PINUnasked:
		p.unasked = remember(p.unasked, mark)
	case PINInDoubt, PINTaken, PINUnseen:
	}
	p.save()
	return true, err
}
