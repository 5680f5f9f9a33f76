package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// play brings the sandbox up, plays every scenario so often as asked, and takes it down.
func (o options) play(ctx context.Context, chosen []*scenario) (results, error) {
	r := results{Machine: harness.Machine(), Parallel: o.parallel}
	dir, remove, err := harness.Folder(o.Artifacts, "trials")
	if err != nil {
		return r, err
	}
	defer remove()
	c, err := harness.BringUp(ctx, o.Sandbox, o.Name, dir, "--real-node", "--nodes", "0")
	if err == nil {
		r.Kubernetes = c.Version()
		idle := readCPU()
		r.Trials = o.playAll(ctx, c, dir, chosen)
		r.Busy = idle.busyUntil(readCPU())
	}
	r.sort(chosen)
	return r, errors.Join(err, c.TakeDown(ctx), ctx.Err())
}

// playAll plays the trials, so many at once. The scenarios take turns, so that what runs side by side is a mixture.
func (o options) playAll(ctx context.Context, c *harness.Cluster, dir string, chosen []*scenario) []result {
	var (
		mu    sync.Mutex
		done  []result
		all   sync.WaitGroup
		slots = make(chan struct{}, o.parallel)
	)
	for number := 1; number <= o.times; number++ {
		for _, s := range chosen {
			slots <- struct{}{}
			if ctx.Err() != nil {
				<-slots
				continue
			}
			all.Go(func() {
				defer func() { <-slots }()
				r := o.playOne(ctx, c, dir, s, number)
				mu.Lock()
				defer mu.Unlock()
				done = append(done, r)
				fmt.Fprintln(os.Stderr, r.progress())
			})
		}
	}
	all.Wait()
	return done
}

// mostRefusals is how often a trial is played anew because nothing was rolled out in it.
const mostRefusals = 2

// playOne plays one trial. A stall of a busy machine may make version 1 break its own criteria for a moment, and then
// rolloutgate rightly refuses to roll anything out; such a trial has not taken place, and is played anew, and counted.
func (o options) playOne(ctx context.Context, c *harness.Cluster, dir string, s *scenario, number int) result {
	refused := 0
	for {
		t := &trial{scenario: s, number: number, attempt: refused, cluster: c, gate: o.Rolloutgate}
		t.dir = filepath.Join(dir, t.name())
		r, err := t.play(ctx)
		if err != nil {
			r.Error = err.Error()
		}
		r.Refused = refused
		c.DropNamespace(ctx, t.name()) // what one trial leaves must not slow the others down
		if r.Exit != exitRefused || refused == mostRefusals || ctx.Err() != nil {
			return r
		}
		fmt.Fprintln(os.Stderr, r.progress())
		refused++
	}
}

// cpu is how long the processors have worked and idled since the machine started; zero where it cannot be read.
type cpu struct{ busy, idle float64 }

func readCPU() cpu {
	text, _ := os.ReadFile("/proc/stat")
	return parseCPU(string(text))
}

// parseCPU reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal.
func parseCPU(text string) cpu {
	var name string
	var n [8]float64
	line, _, _ := strings.Cut(text, "\n")
	if _, err := fmt.Sscan(line, &name, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]); err != nil || name != "cpu" {
		return cpu{}
	}
	return cpu{busy: n[0] + n[1] + n[2] + n[5] + n[6] + n[7], idle: n[3] + n[4]}
}

// busyUntil is the share of the time in which the processors worked, from 0 to 1.
func (c cpu) busyUntil(later cpu) float64 {
	busy, idle := later.busy-c.busy, later.idle-c.idle
	if busy+idle <= 0 {
		return 0
	}
	return busy / (busy + idle)
}

// settle is how long rolloutgate.yaml waits between the rollout and the window.
const settle = 3 * time.Second
