package gate

import (
	"context"
	"time"
)

// nap is by how much a budget has to be exceeded until the reason is that the process was stopped: a laptop that was
// closed, a machine that was paused.
const nap = 10 * time.Second

// awake does something that has a budget. What a process has slept through it has had no time for: then it is done again,
// so it must be something that does no harm when it is done twice. It returns the last error.
func awake(ctx context.Context, budget time.Duration, do func(ctx context.Context) error) error {
	for {
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, budget)
		err := do(limited)
		cancel()
		if err == nil || !overslept(began, budget) || ctx.Err() != nil {
			return err
		}
	}
}

// overslept tells whether something that began then, and that ends with its budget, has taken much longer.
func overslept(began time.Time, budget time.Duration) bool { return time.Since(began) > budget+nap }
