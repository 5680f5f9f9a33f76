package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// pairs is what came of runs of the same workload that were started two at a time.
type pairs struct {
	Times int            `json:"times"`
	Apart float64        `json:"apart"` // median of the milliseconds between the two starts
	Exits map[string]int `json:"exits"` // how often the two ended so
	Wrong []string       `json:"wrong,omitempty"`
}

// playPairs starts two runs at once, again and again. Every other time none of them waits for the other.
func (s *stage) playPairs(ctx context.Context, times int) (*pairs, error) {
	sc, _ := scenarioOf("deployment")
	t := s.trial(moment{scenario: sc}, "pairs")
	defer s.cluster.DropNamespace(ctx, t.namespace)
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	out := &pairs{Times: times, Exits: map[string]int{}}
	var apart []float64
	began := time.Now()
	for n := range times {
		p, err := t.pair(ctx, n)
		if err != nil {
			return out, fmt.Errorf("starting two runs at once: %w", err)
		}
		apart = append(apart, p.apart.Seconds()*1000)
		out.Exits[p.exits]++
		for _, w := range p.wrong {
			out.Wrong = append(out.Wrong, fmt.Sprintf("pair %d: %s", n+1, w))
		}
		if len(p.wrong) > 0 || (n+1)%10 == 0 {
			fmt.Fprintf(os.Stderr, "%d of %d pairs in %s, %d wrong: %s\n", n+1, times, time.Since(began).Round(time.Second), len(out.Wrong), strings.Join(p.wrong, "; "))
		}
	}
	out.Apart = harness.Median(apart)
	return out, nil
}

// pair is two runs that started at once.
type pair struct {
	apart time.Duration
	exits string
	wrong []string
}

func (t *trial) pair(ctx context.Context, n int) (pair, error) {
	begin := make(chan struct{})
	waits := n%2 == 0
	var both []*process
	var images []string
	for _, who := range []string{"a", "b"} {
		tag := fmt.Sprintf("%s%d", who, n)
		if err := t.moment.scenario.writeVersion(t.dir, version(tag)); err != nil {
			return pair{}, err
		}
		args := runArgs(version(tag))
		if !waits {
			args = append(args, "--wait-for-lock", "0")
		}
		p, err := t.launch(ctx, launch{name: "pair-" + tag, args: args, begin: begin})
		if err != nil {
			return pair{}, err
		}
		defer p.relay.front.Close()
		both, images = append(both, p), append(images, tag)
	}
	close(begin)
	for _, p := range both {
		<-p.gone
	}
	a, b := both[0], both[1]
	if err := errors.Join(a.err, b.err); err != nil {
		return pair{}, err
	}
	out := pair{apart: a.ran.Began.Sub(b.ran.Began).Abs(), exits: pairText(a.ran.Exit, b.ran.Exit)}
	out.wrong = wrongPair(waits, a.ran.Exit, b.ran.Exit)
	for _, p := range both {
		if w := wrongLastLine(p.name, p.ran.Output, p.ran.Exit); w != "" {
			out.wrong = append(out.wrong, w)
		}
	}
	last, overlap := order(a, b)
	if overlap != "" {
		out.wrong = append(out.wrong, overlap)
	}
	now, err := look(ctx, t.cluster, t.namespace)
	if err != nil {
		return out, err
	}
	out.wrong = append(out.wrong, kept(now, mostRecords)...)
	if last >= 0 && !strings.Contains(encoded(now["deployment/web"].Object["spec"]), "web:"+images[last]) {
		out.wrong = append(out.wrong, "the version of the run that wrote last is not there")
	}
	return out, nil
}

func pairText(a, b int) string {
	codes := []int{a, b}
	slices.Sort(codes)
	return fmt.Sprintf("%d and %d", codes[0], codes[1])
}

// wrongPair says what is wrong with how two runs have ended. Who waits comes to its turn; who does not is told to try
// again, unless it came after the end of the other one.
func wrongPair(waits bool, a, b int) []string {
	allowed := map[string]bool{pairText(exitPassed, exitPassed): true}
	if !waits {
		allowed[pairText(exitPassed, exitRetry)] = true
	}
	if text := pairText(a, b); !allowed[text] {
		return []string{fmt.Sprintf("they ended with %s and not with %s", text, strings.Join(slices.Sorted(maps.Keys(allowed)), " or "))}
	}
	return nil
}

// order tells which of two processes wrote last, -1 when none did, and whether both were inside at once.
func order(a, b *process) (last int, overlap string) {
	fromA, toA, wroteA := a.inside()
	fromB, toB, wroteB := b.inside()
	switch {
	case !wroteA && !wroteB:
		return -1, ""
	case !wroteB:
		return 0, ""
	case !wroteA:
		return 1, ""
	}
	last = 0
	if fromB.After(fromA) {
		last = 1
	}
	if fromB.Before(toA) && fromA.Before(toB) {
		return last, fmt.Sprintf("both were inside: one from %s to %s, the other from %s to %s", clock(fromA), clock(toA), clock(fromB), clock(toB))
	}
	return last, ""
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }
