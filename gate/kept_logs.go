package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

const (
	// keptLogTime is how long the undo may be kept waiting for whole logs.
	keptLogTime = 3 * time.Second
	// maxKeptContainers is of how many containers logs are kept, maxKeptLog how many bytes of each, and maxKept how many
	// altogether: the memory of a job may be small, and the undo is still to come. keptAtOnce are read at a time.
	maxKeptContainers = 10
	maxKeptLog        = 1 << 20
	maxKept           = 8 << 20
	keptAtOnce        = 4
)

// KeptLog is the log of one attempt of a container, which the undo takes away with its pod.
type KeptLog struct {
	Object    manifest.Ref `json:"object"` // the pod
	Container string       `json:"container"`
	Previous  bool         `json:"previous,omitempty"` // of the attempt before the one that ran last
	Bytes     int          `json:"bytes"`              // of the file
	Truncated bool         `json:"truncated,omitempty"`
	// File is its path in the folder of the reports, with slashes.
	File string `json:"file"`
	// Text is what the file is to hold.
	Text string `json:"-"`
}

// frozen is what was read and found of one workload before an undo changed it.
type frozen struct {
	evidence diagnosis.Evidence
	found    []diagnosis.Finding
	all      bool // its pods may all be well, and the version is bad
}

// keepLogs reads the whole logs of bad containers. It may not hold the undo up: what cannot be read is noted, and a
// signal ends it.
func (r *run) keepLogs() {
	if !r.g.KeepLogs || len(r.frozen) == 0 {
		return
	}
	ctx, release := r.course.enter(Explaining, keptLogTime)
	defer release()
	if ctx.Err() != nil {
		return
	}
	targets := r.wholeLogs()
	errs := make([]error, len(targets))
	most := min(maxKeptLog, maxKept/max(len(targets), 1))
	var reading sync.WaitGroup
	slots := make(chan struct{}, keptAtOnce)
	for n := range targets {
		slots <- struct{}{}
		reading.Go(func() {
			defer func() { <-slots }()
			errs[n] = r.readWhole(ctx, &targets[n], most)
		})
	}
	reading.Wait()
	for n, l := range targets {
		r.noteUnread(ctx, l, errs[n])
		again := l.Previous && n > 0 && targets[n-1].Object == l.Object && targets[n-1].Container == l.Container && targets[n-1].Text == l.Text
		if l.Text != "" && !again {
			r.report.Logs = append(r.report.Logs, named(l, r.report.Logs))
		}
	}
}

// wholeLogs are the logs to read, without their texts.
func (r *run) wholeLogs() []KeptLog {
	var logs []KeptLog
	containers := 0
	for _, z := range r.frozen {
		for _, t := range diagnosis.WholeLogs(z.evidence, z.found, z.all) {
			if !t.Previous {
				containers++
			}
			if containers > maxKeptContainers {
				return logs
			}
			pod := manifest.Ref{Kind: "Pod", Namespace: z.evidence.Workload.Ref.Namespace, Name: t.Pod}
			logs = append(logs, KeptLog{Object: pod, Container: t.Container, Previous: t.Previous})
		}
	}
	return logs
}

// readWhole fills in the text of a log. Colours go before anything else: within them a secret would not be recognised.
func (r *run) readWhole(ctx context.Context, l *KeptLog, most int) error {
	t := diagnosis.LogTarget{Pod: l.Object.Name, Container: l.Container, Previous: l.Previous}
	text, cut, err := r.g.Cluster.WholeLog(ctx, l.Object.Namespace, t, most)
	l.Text, l.Truncated = wording.Plain(text), cut
	return err
}

// noteUnread says which log is missing or has no end. That there is none of an earlier attempt any more is no news.
func (r *run) noteUnread(ctx context.Context, l KeptLog, err error) {
	switch {
	case err == nil:
	case OutcomeOf(err) == Denied:
		r.note(`logs: this account cannot get resource "pods/log"`)
	case ctx.Err() != nil:
		r.note("there was no time to read all of the whole logs: some are not kept, or have no end")
	case l.Previous && l.Text == "":
	default:
		r.note("the log of container %s of %s could not be read: %v", l.Container, l.Object, err)
	}
}

// named gives a log a file that no other one has. Names of pods and containers have no underscore.
func named(l KeptLog, others []KeptLog) KeptLog {
	base := fileName(l.Object.Name) + "_" + fileName(l.Container)
	end := ".log"
	if l.Previous {
		end = "_previous.log"
	}
	for n, name := 2, base; ; n++ {
		l.File = "logs/" + name + end
		if !slices.ContainsFunc(others, func(o KeptLog) bool { return o.File == l.File }) {
			return l
		}
		name = fmt.Sprintf("%s_%s", fileName(l.Object.Namespace), base)
		if n > 2 {
			name += fmt.Sprintf("_%d", n)
		}
	}
}

// fileName makes a name from the cluster one that every file system takes, whatever it says.
func fileName(name string) string {
	const most = 80
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
			return r
		}
		return '-'
	}, name)
	return strings.TrimLeft(name[:min(len(name), most)], ".")
}

// freeze remembers what the watch knows, where nothing else was read: a test has failed, and says itself why.
func (f *follower) freeze() {
	if !f.r.g.KeepLogs && !f.r.g.KeepBadPod {
		return
	}
	for i := range f.targets[:min(len(f.targets), maxExplained)] {
		f.r.frozen = append(f.r.frozen, frozen{evidence: f.evidence(i, f.w.Evidence(i, f.states[i].status)), all: true})
	}
}
