package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/harness/requests"
)

// result is what came of one trial.
type result struct {
	Fault    string `json:"fault"`
	Way      string `json:"way"`
	Number   int    `json:"number"`
	Replicas int    `json:"replicas"`
	Quiet    bool   `json:"quiet,omitempty"` // the release had to pass
	Parallel int    `json:"parallel"`        // so many at once, this one included

	figures
	Exit     int      `json:"exit,omitempty"`     // of rolloutgate
	Wrong    string   `json:"wrong,omitempty"`    // what is wrong with the end of a release that had to pass
	Undone   bool     `json:"undone,omitempty"`   // that is: it was taken back
	Violated []string `json:"violated,omitempty"` // the criteria for which it was
	TooSlow  string   `json:"too_slow,omitempty"` // in what the machine was too slow for a release that had to pass, until it was taken back
	Output   string   `json:"output,omitempty"`   // of rolloutgate, when something is wrong
	Error    string   `json:"error,omitempty"`    // of the harness: the trial was not played
}

func (r result) name() string { return fmt.Sprintf("%s/%s/%d", r.Fault, r.Way, r.Number) }

// take reads what was seen. The error says that the fault did not take place.
func (r *result) take(f fault, s seen) error {
	r.Exit = s.exit
	if !r.Quiet {
		figures, err := measure(s.log, s.undone, s.scraped, f.bad)
		r.figures = figures
		if err != nil {
			return fmt.Errorf("%w\n%s", err, s.output)
		}
		return nil
	}
	r.Failed, r.Requests = len(s.log.Failed()), len(s.log)
	switch {
	case !s.undone.IsZero():
		r.Wrong = fmt.Sprintf("it was taken back, exit %d", s.exit)
	case s.exit != 0 || !s.version2:
		r.Wrong = fmt.Sprintf("it did not pass, exit %d", s.exit)
	}
	if r.Wrong != "" {
		r.Output = s.output
	}
	r.Undone, r.Violated, r.TooSlow = !s.undone.IsZero(), s.violated, tooSlow(s.log.Between(time.Time{}, s.undone))
	return nil
}

// tooSlow says that the old version broke the limit of the criterion as well, and how often; "" when it kept to it.
func tooSlow(log requests.Log) string {
	slow, all := 0, 0
	for _, a := range log {
		if a.Version == "v1" {
			all++
			slow += harness.Count(a.Took > slowAnswer)
		}
	}
	if 100*slow <= all {
		return ""
	}
	return fmt.Sprintf("%d of %d answers of version 1 took more than %s", slow, all, slowAnswer)
}

// excused tells whether the machine is what was wrong: the release was taken back for slow answers and nothing else, and
// until then those of the old version were too slow as well.
func (r *result) excused() bool {
	return r.Undone && r.TooSlow != "" && slices.Equal(r.Violated, []string{slowCriterion})
}

// atOnce tells how many bad releases were played at once: what is gone on with may have been played with other flags.
func (r *results) atOnce() string {
	var all []int
	for _, t := range r.Trials {
		if !t.Quiet && t.Parallel > 0 {
			all = append(all, t.Parallel)
		}
	}
	switch {
	case len(all) == 0 || slices.Max(all) == 1:
		return "one release"
	case slices.Min(all) == slices.Max(all):
		return fmt.Sprintf("%d releases", all[0])
	}
	return fmt.Sprintf("%d to %d releases", slices.Min(all), slices.Max(all))
}

// progress is the line of a finished trial.
func (r *result) progress() string {
	switch {
	case r.Error != "":
		return fmt.Sprintf("ERROR %-32s %s", r.name(), r.Error)
	case r.excused():
		return fmt.Sprintf("SLOW  %-32s %s, for slow answers only%s", r.name(), r.Wrong, r.slowness())
	case r.Wrong != "":
		why := ""
		if len(r.Violated) > 0 {
			why = ", violated: " + strings.Join(r.Violated, ", ")
		}
		return fmt.Sprintf("WRONG %-32s %s%s%s", r.name(), r.Wrong, why, r.slowness())
	case r.Quiet:
		return fmt.Sprintf("ok    %-32s passed; %d of %d requests failed%s", r.name(), r.Failed, r.Requests, r.slowness())
	}
	undo := "never taken back"
	if r.Undo != nil {
		undo = fmt.Sprintf("taken back after %.1f s", *r.Undo)
	}
	if r.Scraped != nil {
		undo = fmt.Sprintf("scraped after %.1f s, %s", *r.Scraped, undo)
	}
	return fmt.Sprintf("ok    %-32s %s, gone after %.1f s; %d of %d requests failed", r.name(), undo, r.Gone, r.Failed, r.Requests)
}

// slowness is the end of the line of a trial in which the machine was too slow.
func (r *result) slowness() string {
	if r.TooSlow == "" {
		return ""
	}
	return "; the machine was too slow: " + r.TooSlow
}

// succeeded are the results that need not come again.
func succeeded(past []result) []result {
	return slices.DeleteFunc(slices.Clone(past), func(r result) bool { return r.Error != "" })
}

// box is what is counted of one fault that goes out in one way.
type box struct {
	fault, way           string
	runs, undone, errors int
	undo, scraped, gone  []float64
	decided              []float64
	failed, share        []float64
}

// boxes are those that were played, in the order of the document.
func (r *results) boxes() []box {
	var out []box
	for _, t := range r.Trials {
		if t.Quiet {
			continue
		}
		if len(out) == 0 || out[len(out)-1].fault != t.Fault || out[len(out)-1].way != t.Way {
			out = append(out, box{fault: t.Fault, way: t.Way})
		}
		b := &out[len(out)-1]
		if t.Error != "" {
			b.errors++
			continue
		}
		b.runs++
		b.undone += harness.Count(t.Undo != nil)
		if t.Undo != nil {
			b.undo = append(b.undo, *t.Undo)
		}
		if t.Scraped != nil {
			b.scraped = append(b.scraped, *t.Scraped)
		}
		if d := t.decided(); d != nil {
			b.decided = append(b.decided, *d)
		}
		b.gone = append(b.gone, t.Gone)
		b.failed, b.share = append(b.failed, float64(t.Failed)), append(b.share, 100*t.share())
	}
	return out
}

// quietBox is what is counted of one kind of healthy release.
type quietBox struct {
	kind, way           string
	runs, wrong, errors int // wrong: they had to pass and did not
	slow, slowUndone    int // the machine was too slow, and of these the ones that were taken back
	excused             int // of the wrong ones
	failed              []float64
}

func (r *results) quietBoxes() []quietBox {
	var out []quietBox
	for _, t := range r.Trials {
		if !t.Quiet {
			continue
		}
		if len(out) == 0 || out[len(out)-1].kind != t.Fault || out[len(out)-1].way != t.Way {
			out = append(out, quietBox{kind: t.Fault, way: t.Way})
		}
		b := &out[len(out)-1]
		if t.Error != "" {
			b.errors++
			continue
		}
		b.runs++
		b.wrong += harness.Count(t.Wrong != "")
		b.slow += harness.Count(t.TooSlow != "")
		b.slowUndone += harness.Count(t.TooSlow != "" && t.Undone)
		b.excused += harness.Count(t.excused())
		b.failed = append(b.failed, float64(t.Failed))
	}
	return out
}

// sort puts the trials into the order of the document.
func (r *results) sort() {
	place := map[string]int{}
	for i, f := range append(faults(), healthy()...) {
		place[f.name] = i
	}
	ways := ways()
	wayPlace := func(name string) int { return slices.IndexFunc(ways, func(w way) bool { return w.name == name }) }
	slices.SortFunc(r.Trials, func(a, b result) int {
		return cmp.Or(cmp.Compare(place[a.Fault], place[b.Fault]), cmp.Compare(wayPlace(a.Way), wayPlace(b.Way)), cmp.Compare(a.Number, b.Number))
	})
}
