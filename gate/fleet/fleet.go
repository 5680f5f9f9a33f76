// Package fleet is one release in several clusters: waves of them, one after the other.
//
// Takes: members, each of which knows how to carry a run out in its cluster, and how to take it back. Returns: what became of
// each, and one report of all. Never: talks to a cluster, prints, or judges a rollout; that a part is good or bad, its run says.
//
// All parts are planned before any of them writes. Then the first wave begins, and each other one when all of the wave before
// have passed. The first bad part ends it: no wave begins any more, and what else is taken back is a matter of the scope.
package fleet

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// Scope says how far an undo reaches.
type Scope string

// The scopes. "" is Cluster.
const (
	Cluster Scope = "cluster" // the bad cluster; the others of its wave come to their own verdicts
	Wave    Scope = "wave"    // its wave
	All     Scope = "all"     // all clusters that the run has changed
)

// Scopes are all of them.
func Scopes() []Scope { return []Scope{Cluster, Wave, All} }

// planGrace is how long the others may go on planning when one was refused: a person wants to know all refusals at once.
const planGrace = 10 * time.Second

// Member is the part of a run in one cluster.
type Member struct {
	Name string
	Wave int // from 1
	// Run carries it out. It has to return when its context ends, as a gate.Gate does.
	Run func(context.Context, Control) (gate.Report, error)
	// Undo takes it back when it has passed; nil: that cannot be done.
	Undo func(context.Context, Control) (gate.Report, error)
}

// Control is how a part hears of the whole, and the whole of the part.
type Control struct {
	// Turn and Signals are for the gate.
	Turn    func(context.Context, gate.Turn) error
	Signals <-chan os.Signal
	// Event has to be told of everything that happens in the part.
	Event func(gate.Event)
}

// Fleet is how the parts go together.
type Fleet struct {
	Members []Member
	Scope   Scope
	// Apart says that the parts do not wait for each other, and that a bad one does not end the others: they only look, or put
	// back what can be put back.
	Apart bool
	// LeaveOnCancel leaves parts that have passed as they are when the run is cancelled.
	LeaveOnCancel bool
	// NeverUndo leaves them as they are in any case.
	NeverUndo bool
	// Signals are those after the one that has cancelled the context.
	Signals <-chan os.Signal
}

// Part is what became of one member.
type Part struct {
	Report gate.Report
	Err    error
	// Undo is the report of taking it back after it had passed; nil when nobody tried to.
	Undo    *gate.Report
	UndoErr error
	// Began says that the part had its turn to write.
	Began bool
}

// state is how far a member is.
type state int

const (
	planning state = iota
	atLock         // it waits for its turn to take its lock
	locking
	ready // it waits for its wave
	going
	ended
	undoing
	undone
)

// conductor is a fleet that goes on. One goroutine owns it, and the members send it messages.
type conductor struct {
	Fleet
	parts    []Part
	players  []player
	messages chan message
	order    []int // in which the members take their locks: everybody takes them in one order

	signals []syscall.Signal
	bad     error            // why no wave begins any more; a *gate.CalledOffError
	recalls []int            // the parts whose undo reaches as far as the scope says
	grace   <-chan time.Time // ends the planning of the others
}

// player is a member that goes on.
type player struct {
	state   state
	cancel  context.CancelCauseFunc // of what it does now
	off     bool                    // it was called off, so its context has ended
	signals chan os.Signal
	reply   chan error  // to the turn that it waits for
	writes  bool        // its undo has begun to write, and hears signals
	held    []os.Signal // signals that it is to hear then
}

// message is what a member has to say.
type message struct {
	member    int
	turn      gate.Turn
	reply     chan error
	takesBack bool
	ended     bool
	report    gate.Report
	err       error
}

// Carry carries the run out in all clusters and returns when every part has ended. That ctx is cancelled is the first signal.
func (f Fleet) Carry(ctx context.Context) []Part {
	c := &conductor{Fleet: f, parts: make([]Part, len(f.Members)), players: make([]player, len(f.Members)), messages: make(chan message)}
	for i := range f.Members {
		c.order = append(c.order, i)
		c.start(ctx, i, f.Members[i].Run)
	}
	slices.SortStableFunc(c.order, func(a, b int) int { return cmp.Compare(f.Members[a].Name, f.Members[b].Name) })
	first, later := ctx.Done(), f.Signals
	for !c.over() {
		select {
		case m := <-c.messages:
			c.hear(ctx, m)
		case <-first:
			first = nil
			c.signal(ctx, signalOf(context.Cause(ctx)))
		case s, open := <-later:
			if !open {
				later = nil
				continue
			}
			c.signal(ctx, s.(syscall.Signal))
		case <-c.grace:
			c.grace = nil
			c.callOff(func(p *player) bool { return p.state < ready })
		}
		c.conduct()
	}
	return c.parts
}

func signalOf(cause error) syscall.Signal {
	if c, is := cause.(gate.Cancelled); is {
		return c.Signal
	}
	return syscall.SIGTERM
}

// start begins what a member does, on a context that ends only when the conductor says so.
func (c *conductor) start(ctx context.Context, i int, do func(context.Context, Control) (gate.Report, error)) {
	p := &c.players[i]
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	p.cancel, p.signals = cancel, make(chan os.Signal, 8)
	control := Control{
		Turn: func(ctx context.Context, t gate.Turn) error {
			reply := make(chan error, 1)
			c.messages <- message{member: i, turn: t, reply: reply}
			select {
			case err := <-reply:
				return err
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		},
		Signals: p.signals,
		Event: func(e gate.Event) {
			if step, is := e.Payload.(gate.Step); is && step.Name == gate.StepUndo {
				c.messages <- message{member: i, takesBack: true}
			}
		},
	}
	go func() {
		m := message{member: i, ended: true}
		defer func() {
			if bug := recover(); bug != nil {
				m.err = fmt.Errorf("a bug of rolloutgate: %v\n%s", bug, debug.Stack())
			}
			cancel(nil)
			c.messages <- m
		}()
		m.report, m.err = do(own, control)
	}()
}

// over tells whether nothing goes on any more.
func (c *conductor) over() bool {
	return !slices.ContainsFunc(c.players, func(p player) bool { return p.state < ended || p.state == undoing })
}

// hear takes in what a member has to say.
func (c *conductor) hear(ctx context.Context, m message) {
	p := &c.players[m.member]
	switch {
	case m.ended && p.state == undoing:
		p.state = undone
		c.parts[m.member].Undo, c.parts[m.member].UndoErr = &m.report, m.err
	case m.ended:
		c.parts[m.member].Report, c.parts[m.member].Err = m.report, m.err
		c.ends(ctx, m.member)
	case m.takesBack && p.state == undoing:
		p.writes = true
		c.deliver(p)
	case m.takesBack:
		if !p.off && !c.Apart && len(c.signals) == 0 {
			c.recall(ctx, m.member)
		}
	case m.turn == gate.BeforeLock:
		p.state, p.reply = atLock, m.reply
	default:
		p.state, p.reply = ready, m.reply
	}
}

// ends looks at how the run of a member has ended.
func (c *conductor) ends(ctx context.Context, i int) {
	p, r := &c.players[i], c.parts[i].Report
	p.state = ended
	switch {
	case c.Apart:
	case len(c.signals) > 0:
		if !c.LeaveOnCancel {
			c.takeBack(ctx, i)
		}
	case c.parts[i].Err == nil && r.Exit.Name == gate.Passed.Name():
		if c.reached(i) {
			c.takeBack(ctx, i)
		}
	case r.Exit.Name == gate.CalledOff.Name():
	case stays(r):
		c.stop(i)
	default:
		c.recall(ctx, i)
	}
}

// stays tells whether a part has ended badly with its release in place on purpose: then nobody asks to take back the others.
func stays(r gate.Report) bool {
	return slices.ContainsFunc([]gate.Outcome{gate.Inconclusive, gate.NotUndone, gate.Superseded}, func(o gate.Outcome) bool { return o.Code() == r.Exit.Code })
}

// stop lets no wave begin any more, because of one part.
func (c *conductor) stop(i int) {
	if c.bad == nil {
		c.bad = &gate.CalledOffError{Why: "cluster " + c.Members[i].Name + " " + words(c.parts[i].Report, c.parts[i].Err)}
		c.grace = time.After(planGrace)
	}
}

// words says how a part has ended, after its name.
func words(r gate.Report, err error) string {
	switch {
	case r.Exit.Name == "" && err == nil:
		return "takes its release back"
	case r.Exit.Name == "":
		return "met a bug"
	}
	return fmt.Sprintf("ended with %s (exit %d)", r.Exit.Name, r.Exit.Code)
}

// recall takes back what the scope has beside one bad part.
func (c *conductor) recall(ctx context.Context, i int) {
	c.stop(i)
	c.recalls = append(c.recalls, i)
	if c.NeverUndo {
		return
	}
	for j := range c.players {
		if !c.reached(j) {
			continue
		}
		switch p := &c.players[j]; p.state {
		case going:
			c.callOffOne(p)
		case ended:
			c.takeBack(ctx, j)
		}
	}
}

// reached tells whether a part is within the scope of another one's undo.
func (c *conductor) reached(j int) bool {
	return !c.NeverUndo && slices.ContainsFunc(c.recalls, func(i int) bool {
		return i != j && (c.Scope == All || c.Scope == Wave && c.Members[i].Wave == c.Members[j].Wave)
	})
}

// takeBack begins to take a part back that has passed, if there is anything to take back.
func (c *conductor) takeBack(ctx context.Context, i int) {
	p := &c.players[i]
	if p.state != ended || c.NeverUndo || c.Members[i].Undo == nil || !changed(c.parts[i].Report, begun(c.parts)) {
		return
	}
	p.state, p.off = undoing, false
	for _, s := range c.signals {
		p.held = append(p.held, s)
	}
	c.start(ctx, i, c.Members[i].Undo)
}

// begun tells whether a part had its turn to write.
func begun(parts []Part) bool {
	return slices.ContainsFunc(parts, func(p Part) bool { return p.Began })
}

// changed tells whether a part has left something in its cluster that can be taken back. What had passed before the run went on
// with it counts as soon as the run has begun anywhere: one that is refused before that changes nothing.
func changed(r gate.Report, begun bool) bool {
	if r.HadPassed != "" {
		return begun && r.Exit.Name == gate.Passed.Name()
	}
	left := r.Exit.Name == gate.Passed.Name() || r.Exit.Name == gate.Inconclusive.Name()
	return left && !r.Marks.Applied.IsZero() && slices.ContainsFunc(r.Changes, func(c gate.Change) bool { return c.Action != string(patch.Unchanged) })
}

// callOff ends the parts that are meant, as far as they go on.
func (c *conductor) callOff(meant func(*player) bool) {
	for i := range c.players {
		if p := &c.players[i]; meant(p) {
			c.callOffOne(p)
		}
	}
}

func (c *conductor) callOffOne(p *player) {
	if !p.off && len(c.signals) == 0 {
		p.off = true
		p.cancel(c.bad)
	}
}

// signal hands a signal on to all parts at once. What has passed is taken back as well: the release is what was cancelled.
func (c *conductor) signal(ctx context.Context, s syscall.Signal) {
	c.signals = append(c.signals, s)
	for i := range c.players {
		p := &c.players[i]
		switch {
		case p.state == ended && !c.Apart && !c.LeaveOnCancel:
			c.takeBack(ctx, i)
		case p.state == undoing:
			p.held = append(p.held, s)
			c.deliver(p)
		case p.state < ended && len(c.signals) == 1 && !p.off:
			p.cancel(gate.Cancelled{Signal: s})
		case p.state < ended:
			send(p, s)
		}
	}
}

// deliver hands the signals to the undo of a part that had passed: when it has begun to write, for one that comes before that
// would end it with nothing taken back; or when there are three, for then everything is to end.
func (c *conductor) deliver(p *player) {
	if !p.writes && len(c.signals) < 3 {
		return
	}
	for _, s := range p.held {
		if !p.off {
			p.off = true
			p.cancel(gate.Cancelled{Signal: s.(syscall.Signal)})
			continue
		}
		send(p, s)
	}
	p.held = nil
}

// send hands a signal to a gate. One that has more of them than it can hear does not need another one.
func send(p *player, s os.Signal) {
	select {
	case p.signals <- s:
	default:
	}
}

// conduct lets those go on whose turn it is.
func (c *conductor) conduct() {
	if len(c.signals) > 0 {
		return // all have heard it
	}
	if c.bad != nil {
		for i := range c.players {
			if p := &c.players[i]; p.reply != nil {
				p.reply <- c.bad
				p.reply = nil
			}
		}
		return
	}
	for _, i := range c.order {
		p := &c.players[i]
		if p.state == atLock {
			c.let(p, locking)
		}
		if p.state < ready {
			break
		}
	}
	wave := 0
	for i, p := range c.players {
		if p.state < ready || p.state == going {
			return
		}
		if w := c.Members[i].Wave; p.state == ready && (wave == 0 || w < wave) {
			wave = w
		}
	}
	for i := range c.players {
		if p := &c.players[i]; p.state == ready && c.Members[i].Wave == wave {
			c.parts[i].Began = true
			c.let(p, going)
		}
	}
}

// let has a member go on.
func (c *conductor) let(p *player, s state) {
	p.reply <- nil
	p.reply, p.state = nil, s
}
