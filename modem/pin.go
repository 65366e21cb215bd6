package modem

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
)

// PIN is that of a card, and decides which card is given it: as often as it is wanted one that takes it, and never again
// one that has refused it. After three wrong ones a card is locked (3GPP TS 31.101, clause 9.5.1), and starts of the program count as
// any other try. A nil PIN is none. The methods may be called at any time.
type PIN struct {
	secret Secret
	keep   func(refused []string)

	mu      sync.Mutex
	refused []string        // marks of the cards that have refused it, the latest last
	doubt   map[string]bool // of those that were given it, with an outcome that nobody knows
}

// Verdict is what has become of a PIN.
type Verdict uint8

// The verdicts.
const (
	PINInDoubt Verdict = iota // nobody knows whether the card has seen it
	PINTaken
	PINWrong
	PINUnseen // it has not come as far as the card
)

// maxRefused bounds the cards that are remembered.
const maxRefused = 8

// NewPIN returns a PIN. refused is what keep was given last, in an earlier life; keep is called with each card more, and may be nil.
func NewPIN(secret Secret, refused []string, keep func(refused []string)) *PIN {
	if keep == nil {
		keep = func([]string) {}
	}
	return &PIN{secret: secret, keep: keep, refused: refused, doubt: make(map[string]bool)}
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

// Give has a card be given the PIN, if it may be. It reports whether it was.
func (p *PIN) Give(card string, give func(Secret) (Verdict, error)) (given bool, err error) {
	if p == nil {
		return false, nil
	}
	mark := p.mark(card)
	p.mu.Lock()
	may := !slices.Contains(p.refused, mark) && !p.doubt[mark]
	p.doubt[mark] = p.doubt[mark] || may
	p.mu.Unlock()
	if !may {
		return false, nil
	}
	verdict, err := give(p.secret)
	p.mu.Lock()
	defer p.mu.Unlock()
	if verdict != PINInDoubt {
		delete(p.doubt, mark)
	}
	if verdict == PINWrong {
		p.refused = append(p.refused, mark)
		p.refused = p.refused[max(0, len(p.refused)-maxRefused):]
		p.keep(slices.Clone(p.refused))
	}
	return true, err
}
