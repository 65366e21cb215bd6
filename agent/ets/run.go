package ets

import (
	"context"
	"sync"

	"lwm2m-agent/lwm2m"
)

// sideBySide is how many procedures run at a time: most of the time they wait.
const sideBySide = 16

// RunAll runs procedures side by side and returns their results in the same order.
func (l *Lab) RunAll(ctx context.Context, procedures []*Procedure, v lwm2m.Version) []Result {
	results := make([]Result, len(procedures))
	var (
		running sync.WaitGroup
		places  = make(chan struct{}, sideBySide)
	)
	for i := range procedures {
		running.Go(func() {
			places <- struct{}{}
			results[i] = l.Run(ctx, procedures[i], v)
			<-places
		})
	}
	running.Wait()
	return results
}
