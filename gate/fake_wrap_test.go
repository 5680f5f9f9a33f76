package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// Snapshot reads the objects that are named as KIND/NAME.
func (w *world) Snapshot(ctx context.Context, scope record.Scope) (patch.Plan, error) {
	p := patch.Plan{CannotUndo: w.cannotUndo}
	wait(ctx, w.planTakes)
	if w.planErr != nil || ctx.Err() != nil {
		return p, w.planErr
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range scope.Workloads {
		_, name, _ = strings.Cut(name, "/")
		t := w.objects[name]
		write := patch.Write{Ref: t.ref(), Manager: "rolloutgate", At: time.Now(), Before: t.object(t.version), Command: true, Action: patch.Configured}
		if write.Before == nil {
			write.Action = patch.Created
		}
		p.Writes = append(p.Writes, write)
	}
	return p, nil
}

// Compare looks at the objects again.
func (w *world) Compare(_ context.Context, _ record.Scope, before []patch.Write) (after []patch.Write, notes []string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.compareErr != nil {
		return nil, nil, w.compareErr
	}
	for _, write := range before {
		w.until = write.Until
		t := w.objects[write.Ref.Name]
		if write = write.Found(t.object(t.version), nil); write.Before == nil && write.Written == nil {
			continue
		}
		write.At = t.at
		after = append(after, write)
	}
	return after, nil, nil
}

// deploys is a command that gives objects a version after some time. It knows the words deploy and rollback, and what ends
// otherwise.
func (w *world) deploys(takes time.Duration, names ...string) func(ctx context.Context, argv, env []string, line func(string)) (int, error) {
	return func(ctx context.Context, argv, env []string, line func(string)) (int, error) {
		line(fmt.Sprintf("%s begins", argv[0]))
		wait(ctx, takes)
		version := map[string]int{"deploy": 2, "fail-late": 2, "rollback": 1}[argv[0]]
		if ctx.Err() != nil && !slices.Contains(argv, "--stubborn") {
			version = 0
		}
		w.mu.Lock()
		for _, name := range names {
			if t := w.objects[name]; version > 0 && t.version != version {
				w.log = append(w.log, argv[0]+" "+name)
				t.version, t.at = version, time.Now()
				if version == 1 && !t.existed {
					t.version = 0
				}
			}
		}
		w.mu.Unlock()
		if ctx.Err() != nil {
			return -1, context.Cause(ctx)
		}
		if strings.HasPrefix(argv[0], "fail") {
			line("Error: the chart is broken")
			return 1, fmt.Errorf("it ended with exit code 1")
		}
		return 0, nil
	}
}

// diesWithCommand leaves a run behind that was killed while its command went on.
func (b *books) diesWithCommand(id, name string) {
	b.dies(id, 0, name)
	r, err := b.LoadRecord(context.Background(), "shop", id)
	if err != nil {
		panic(err)
	}
	w := &r.Stages[0].Writes[0]
	w.Sent, w.After, w.Command = nil, nil, true
	r.Scope = &record.Scope{Workloads: []string{"thing/" + name}}
	if err := b.SaveRecord(context.Background(), r); err != nil {
		panic(err)
	}
}
