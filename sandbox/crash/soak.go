package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// soak is what came of many runs one after the other.
type soak struct {
	Times   int      `json:"times"`
	Early   float64  `json:"early"` // median of the peak memory of the first tenth, MiB
	Late    float64  `json:"late"`  // of the last tenth
	Seconds float64  `json:"seconds"`
	Leases  int      `json:"leases"` // the most that were there between two runs
	Records int      `json:"records"`
	Wrong   []string `json:"wrong,omitempty"`
}

// growth is how much more memory the last runs may need than the first ones: one page more or less is no leak.
const growth = 1.1

// playSoak rolls a Deployment again and again.
func (s *stage) playSoak(ctx context.Context, times int) (*soak, error) {
	sc, _ := scenarioOf("deployment")
	t := s.trial(moment{scenario: sc}, "soak")
	defer s.cluster.DropNamespace(ctx, t.namespace)
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	out := &soak{Times: times}
	began := time.Now()
	var memory []float64
	for n := range times {
		peak, err := t.once(ctx, n, out)
		if err != nil {
			return out, fmt.Errorf("run %d in a row: %w", n+1, err)
		}
		memory = append(memory, float64(peak)/1024)
		if (n+1)%10 == 0 {
			fmt.Fprintf(os.Stderr, "%d of %d runs in a row in %s, %.1f MiB\n", n+1, times, time.Since(began).Round(time.Second), memory[n])
		}
	}
	tenth := max(times/10, 1)
	out.Early, out.Late = harness.Median(memory[:tenth]), harness.Median(memory[times-tenth:])
	out.Seconds = time.Since(began).Seconds()
	if out.Late > out.Early*growth {
		out.Wrong = append(out.Wrong, fmt.Sprintf("the memory of a run grew from %.1f to %.1f MiB", out.Early, out.Late))
	}
	return out, nil
}

// once is one run. It returns how much memory it needed, in kB.
func (t *trial) once(ctx context.Context, n int, out *soak) (peak int, err error) {
	v := version(fmt.Sprintf("s%d", n))
	if err := t.moment.scenario.writeVersion(t.dir, v); err != nil {
		return 0, err
	}
	p, err := t.launch(ctx, launch{name: "soak", args: runArgs(v)})
	if err != nil {
		return 0, err
	}
	defer p.relay.front.Close()
	<-p.gone
	if p.err != nil {
		return 0, p.err
	}
	now, err := look(ctx, t.cluster, t.namespace)
	if err != nil {
		return 0, err
	}
	records, err := now.records()
	if err != nil {
		return 0, err
	}
	out.Leases, out.Records = max(out.Leases, len(now.leases())), max(out.Records, len(records))
	wrong := kept(now, mostRecords)
	for _, w := range []string{own(false).wrongExit("the run", p.ran.Exit), wrongLastLine("the run", p.ran.Output, p.ran.Exit)} {
		if w != "" {
			wrong = append(wrong, w)
		}
	}
	out.Wrong = append(out.Wrong, prefixed(fmt.Sprintf("run %d: ", n+1), wrong)...)
	return p.peakMemory(), nil
}
