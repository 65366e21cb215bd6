package objects

import (
	"context"
	"time"

	"lwm2m-agent/lwm2m/model"
)

// undoTime bounds how long undoing one step may take.
const undoTime = 5 * time.Second

// step is one thing that a transaction does outside the tree. A nil undo says
// that it cannot be undone, or that nothing need be.
type step struct {
	do, undo func(ctx context.Context) error
}

// sequence is a transaction of steps, done in order. Abort undoes those that
// were done, as well as it can: what then differs from the tree shows with the
// next reading.
type sequence struct {
	steps []step
	done  int
	ctx   context.Context //nolint:containedctx // Abort has none of its own
}

var _ model.Transaction = (*sequence)(nil)

func (s *sequence) add(do, undo func(ctx context.Context) error) {
	s.steps = append(s.steps, step{do, undo})
}

// Commit does the steps up to the first that fails.
func (s *sequence) Commit(ctx context.Context) error {
	s.ctx = ctx
	for _, st := range s.steps {
		if err := st.do(ctx); err != nil {
			return err
		}
		s.done++
	}
	return nil
}

// Abort undoes the steps that were done, the last first.
func (s *sequence) Abort() {
	for ; s.done > 0; s.done-- {
		if undo := s.steps[s.done-1].undo; undo != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), undoTime)
			_ = undo(ctx)
			cancel()
		}
	}
}
