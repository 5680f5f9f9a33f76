package live

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// View is where a block is shown.
type View struct {
	Width, Height int  // of the terminal
	Color         bool // whether it may have colours
	ASCII         bool // whether it may have nothing but ASCII
}

// wideEnough is from how many columns on figures are told in words, and narrow up to how many only the most needed are.
const narrow, wideEnough = 50, 70

// Block is the run at a moment, in lines that are all narrower than the terminal, and fewer than it is high. Before the
// first event there are none.
func (s *State) Block(now time.Time, v View) []string {
	if s.started.IsZero() || v.Width < 2 || v.Height < 2 {
		return nil
	}
	d := drawing{State: s, glyphs: v.glyphs(), width: v.Width - 1, now: now}
	d.names = d.nameWidth()
	all := d.lines
	if len(s.clusters) > 0 {
		all = d.clusterLines
	}
	var lines []string
	for _, l := range all(v.Height) {
		lines = append(lines, l.fit(d.width, d.more).render(v.Color))
	}
	return lines
}

// drawing is one block while it is made.
type drawing struct {
	*State
	glyphs
	width int
	names int // the width of their column
	now   time.Time
}

// lines chooses what is shown where there is no room for everything: what needs somebody first, then what goes wrong.
func (d drawing) lines(height int) []line {
	room := height - height/4 - 1 // above the block one sees what has happened
	room = max(room, 1)
	frame := [][]line{{d.title()}, d.approval(), d.steps(), d.undo(), d.waiting()}
	show := func(i int) []line {
		if part := frame[i]; len(part) <= room {
			room -= len(part)
			return part
		}
		return nil
	}
	title, approval := show(0), show(1)
	rows := len(d.workloads) + len(d.criteria)
	var steps, undo, waiting []line
	for i, to := range []*[]line{&steps, &undo, &waiting} {
		if room > min(rows, 4) {
			*to = show(2 + i)
		}
	}
	criteria := min(len(d.criteria), max(room/2, room-len(d.workloads)))
	workloads := d.workloadRows(room - criteria)
	return slices.Concat(title, steps, workloads, d.criterionRows(criteria), undo, approval, waiting)
}

// title says what is being done, and since when.
func (d drawing) title() line {
	text := d.flat(report.EventText(gate.Event{Payload: d.step}))
	switch {
	case d.asked != nil:
		text = "waiting for approval (stage " + d.flat(d.asked.Stage) + ")"
	case d.step.Name == "":
		text = "run"
	}
	clock := report.Elapsed(max(0, d.now.Sub(d.started)))
	if d.Timeout > 0 && len(d.stages) == 0 && !d.undoing() {
		clock += " of " + report.Duration(d.Timeout)
	}
	edge := strings.Repeat(d.rule, 2)
	room := d.width - 2*measure(edge) - 3 - measure(clock)
	if room < 12 {
		return line{{clock + "  " + text, bold}}
	}
	head := line{{text, bold}}.fit(room-2, d.more)
	between := strings.Repeat(d.rule, max(1, room-head.width()-1))
	return slices.Concat(line{{edge + " ", dim}}, head, line{{" " + between + " ", dim}, {clock, ""}, {" " + edge, dim}})
}

// state is how far something is that comes one after the other.
type state int

const (
	past state = iota
	present
	failed
	future
)

// steps are those of the run, or its stages when it has several, as far as they are known.
func (d drawing) steps() []line {
	var names []string
	var states []state
	add := func(name string, s state) { names, states = append(names, name), append(states, s) }
	step := string(d.step.Name) + d.left()
	if d.asked != nil {
		step = "approval"
	}
	if len(d.stages) > 0 {
		for i, name := range d.stages {
			switch name := d.flat(name); {
			case i < d.stage || i == d.stage && d.judged != nil && d.broken == "":
				add(name, past)
			case i > d.stage && d.broken == "":
				add(name, future)
			case i > d.stage: // it will not come to that
			case d.broken != "":
				add(name, failed)
			default:
				add(name+": "+step, present)
			}
		}
		if d.broken != "" && d.step.Name != d.broken {
			add(step, present)
		}
	} else {
		for _, name := range d.passed {
			if name != d.step.Name {
				add(string(name), map[bool]state{true: failed}[name == d.broken])
			}
		}
		if d.step.Name != "" {
			add(step, present)
		}
		for _, name := range d.comes() {
			add(string(name), future)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []line{d.chain(names, states)}
}

// chain draws what comes one after the other. Where it is too long, what is past goes first.
func (d drawing) chain(names []string, states []state) line {
	marks := map[state]part{past: {d.done, green}, present: {d.glyphs.now, bold}, failed: {d.wrong, red}, future: {d.next, dim}}
	styles := map[state]string{present: bold, future: dim}
	l := line{{"  ", ""}}
	for i, name := range names {
		mark := marks[states[i]]
		l = append(l, part{mark.text, mark.style}, part{" " + name, styles[states[i]]}, part{"  ", ""})
	}
	if first := slices.IndexFunc(states, func(s state) bool { return s != past }); l.width() > d.width && first > 0 {
		return d.chain(names[1:], states[1:])
	}
	return l
}

// comes are the steps that a plain run will come to if nothing goes wrong.
func (d drawing) comes() []gate.StepName {
	if d.judged != nil || d.undoing() {
		return nil
	}
	var names []gate.StepName
	if d.step.Name == gate.StepApply {
		names = append(names, gate.StepWatch)
	}
	if slices.Contains([]gate.StepName{gate.StepApply, gate.StepWatch}, d.step.Name) && len(d.criteria) > 0 {
		names = append(names, gate.StepAnalyze)
	}
	return names
}

// left is what is left of the time of a step that lasts for a time that is known.
func (d drawing) left() string {
	limit := d.step.Limit
	switch d.step.Name {
	case gate.StepAnalyze:
		limit += d.step.Settle
	case gate.StepHold, gate.StepTest, gate.StepCommand, gate.StepUndo, gate.StepRecheck:
	default:
		return ""
	}
	if d.asked != nil || limit <= 0 {
		return ""
	}
	return ", " + report.Elapsed(max(0, limit-d.now.Sub(d.since))) + " left"
}

// undo is how much of what was written is put back.
func (d drawing) undo() []line {
	if !d.undoing() || len(d.written) == 0 {
		return nil
	}
	all := len(d.written)
	text := fmt.Sprintf("%d of %d put back", d.taken, all)
	if d.width < narrow {
		text = fmt.Sprintf("%d/%d back", d.taken, all)
	}
	if d.kept > 0 {
		text += fmt.Sprintf(", %d left alone", d.kept)
	}
	l := line{{"  " + pad("undo", d.names) + "  ", ""}}
	l = append(l, d.bar([]share{{d.taken, d.ready, green}, {d.trouble, d.old, red}, {d.kept, d.starting, yellow}}, all)...)
	l = append(l, part{"  " + text, ""})
	if d.trouble > 0 {
		l = append(l, part{fmt.Sprintf(", %d could not be", d.trouble), red})
	}
	return []line{l}
}

// approval is the question that the run waits with, and how it is answered.
func (d drawing) approval() []line {
	if d.asked == nil {
		return nil
	}
	ask := line{{"  " + d.ask + " ", yellow}, {"stage " + d.flat(d.asked.Stage) + " waits for you", bold}}
	if left := d.asked.Limit - d.now.Sub(d.askedAt); d.asked.Limit > 0 {
		ask = append(ask, part{", " + report.Elapsed(max(0, left)) + " left", ""})
	}
	if d.asked.By != "" {
		ask = append(ask, part{" (as " + d.flat(d.asked.By) + ")", dim})
	}
	run := d.flat(d.asked.Run)
	yes, no := "rolloutgate approve "+run, "rolloutgate reject "+run
	one := line{{"    " + yes, bold}, {"   or   ", ""}, {no, bold}}
	if one.width() <= d.width {
		return []line{ask, one}
	}
	return []line{ask, {{"    " + yes, bold}}, {{"    " + no, bold}}}
}

// waiting is what is awaited when nothing has changed for a while.
func (d drawing) waiting() []line {
	if d.awaited == "" || d.asked != nil {
		return nil
	}
	return []line{{{"  " + d.more + " waiting for ", dim}, {d.flat(d.awaited), dim}}}
}

// workloadRows are at most n lines. Where there are more workloads, those that are worth a look are shown.
func (d drawing) workloadRows(n int) []line {
	if n < 1 || len(d.workloads) == 0 {
		return nil
	}
	shown := d.workloads
	if len(shown) > n {
		shown = slices.SortedStableFunc(slices.Values(shown), func(a, b workload) int { return cmp.Compare(rank(a), rank(b)) })
		shown = shown[:max(n-1, 1)]
	}
	var lines []line
	for _, w := range shown {
		lines = append(lines, d.workload(w))
	}
	if more := len(d.workloads) - len(shown); more > 0 && n > 1 {
		lines = append(lines, line{{fmt.Sprintf("  +%d more", more), dim}})
	}
	return lines
}

// rank is low for what a person wants to see.
func rank(s workload) int {
	switch s.Phase {
	case rollout.Failed:
		return 0
	case rollout.Superseded, rollout.Paused:
		return 1
	case rollout.Complete:
		return 3
	}
	return 2
}

// nameWidth is the width of the column of names.
func (d drawing) nameWidth() int {
	const enough = 100 // to know how long the names of this run are
	n := 4
	for _, w := range d.workloads[:min(len(d.workloads), enough)] {
		n = max(n, measure(d.flat(w.Ref.String())))
	}
	for _, c := range d.criteria {
		n = max(n, measure(d.flat(c.name)))
	}
	return max(4, min(n, 40, d.width/3))
}

// named begins a row.
func (d drawing) named(name string) line {
	n := d.names
	l := line{{d.flat(name), ""}}.fit(n, d.more)
	return slices.Concat(line{{"  ", ""}}, l, line{{strings.Repeat(" ", max(0, n-l.width())) + "  ", ""}})
}
