package record

import (
	"slices"
	"strconv"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

const (
	// Renew is how often a running process says that it is alive.
	Renew = 10 * time.Second
	// Validity is how long that counts. A run that could not say so for as long must not write any more, unless it finds
	// that its lease still is its own.
	Validity = 30 * time.Second
	// Silence is how long a process that cannot be looked at has to be silent until its run counts as dead. It is twice the
	// validity: clocks differ, and a process that was stopped may wake up.
	Silence = 2 * Validity
)

// Lease says that a run is going on, and of whom. There is one in each namespace that the run writes to.
type Lease struct {
	Run       string         `json:"run"`
	Namespace string         `json:"namespace"`      // where it is kept
	Home      string         `json:"home"`           // the namespace of the run's record
	Kept      string         `json:"kept,omitempty"` // where the record is: cluster, file or none
	Targets   []manifest.Ref `json:"targets"`
	Pipeline  Pipeline       `json:"pipeline,omitzero"`
	Process   Process        `json:"process,omitzero"`
	Taken     time.Time      `json:"taken"`
	Renewed   time.Time      `json:"renewed"`
	// Parked says that the run has ended for now: it waits for somebody who lets it go on, and no process is behind it.
	Parked bool `json:"parked,omitempty"`
	// Awaits is whom the run waits for meanwhile; nil while it waits for nobody. Decision is what they have said.
	Awaits   *Awaits   `json:"awaits,omitempty"`
	Decision *Decision `json:"-"`
	// Holder is the run that holds it: Run itself, or one that has taken it over.
	Holder string `json:"holder"`
	// Version is the resource version under which it was read.
	Version string `json:"-"`
	// Begun says that it was renewed: its holder has found nobody in the way, and does not withdraw any more.
	Begun bool `json:"-"`
}

// Awaits is a stage that goes on only when somebody says so.
type Awaits struct {
	Stage string    `json:"stage"`
	Until time.Time `json:"until"`
	// By is a regular expression for the whole name of who may say it; empty: everybody who can reach the lease.
	By string `json:"by,omitempty"`
}

// Decision is what somebody has said about a stage.
type Decision struct {
	Stage    string    `json:"stage"`
	Approved bool      `json:"approved"`
	By       string    `json:"by"` // as the API server knows them
	Reason   string    `json:"reason,omitempty"`
	At       time.Time `json:"at"`
}

// Process tells processes apart, also those of different machines. The zero value is a process of which nothing is known.
type Process struct {
	// Machine is the same for processes that can see each other: one boot of one kernel, one space of process numbers.
	Machine string `json:"machine,omitempty"`
	ID      int    `json:"id,omitempty"`
	// Started tells processes apart that had the same number one after the other.
	Started string `json:"started,omitempty"`
}

// Here is what a process knows of its own machine.
type Here struct {
	Self Process
	// Started returns when the process with that number began; empty when there is none. It is not known of a process that
	// this one may not look at.
	Started func(id int) (when string, known bool)
}

// Dead tells whether the process of a lease is gone. On the same machine that is seen at once; elsewhere it has to be
// silent for long enough by the clock of the API server, which is now.
func (l Lease) Dead(now time.Time, here Here) bool {
	if l.Process.Machine != "" && l.Process.Machine == here.Self.Machine && here.Started != nil {
		if when, known := here.Started(l.Process.ID); known {
			return when != l.Process.Started
		}
	}
	return now.Sub(l.Renewed) >= Silence
}

// FreeIn is how long it takes until the lease of a process counts as dead that does not renew it again.
func (l Lease) FreeIn(now time.Time) time.Duration { return max(Silence-now.Sub(l.Renewed), 0) }

// Shares tells whether two leases are about the same object.
func (l Lease) Shares(other Lease) bool {
	return slices.ContainsFunc(l.Targets, func(r manifest.Ref) bool { return slices.Contains(other.Targets, r) })
}

// GivesWay tells whether the holder of a lease withdraws when it sees mine. Of two that were both just taken, the one that
// was taken first stays: both holders look for others only after taking theirs, so at least the later one sees the other.
// That resource versions of one kind of object count up is documented since Kubernetes 1.35 (KEP-5504), and was so before;
// where they are no numbers, nobody is expected to give way.
func (l Lease) GivesWay(mine Lease) bool {
	if l.Begun || l.Holder != l.Run {
		return false
	}
	theirs, err := strconv.ParseUint(l.Version, 10, 64)
	ours, err2 := strconv.ParseUint(mine.Version, 10, 64)
	return err == nil && err2 == nil && ours < theirs
}

// Lost is why a run that has taken a lease does not hold it any more, as the list of all of the namespace says; nil when it
// does.
func (l Lease) Lost(all []Lease) error {
	i := slices.IndexFunc(all, func(o Lease) bool { return o.Run == l.Run })
	switch {
	case i < 0:
		return &LostError{Run: l.Run}
	case all[i].Holder != l.Holder:
		return &LostError{Run: l.Run, To: all[i].Holder}
	}
	return nil
}

// Others sorts the leases of other runs that share an object with mine: those of living runs, and those of dead ones,
// which can be taken over. A lease that was taken over lives as long as its new holder.
func Others(mine Lease, all []Lease, now time.Time, here Here) (alive, dead []Lease) {
	for _, other := range all {
		switch {
		case other.Run == mine.Run || other.Holder == mine.Run || !mine.Shares(other):
		case Alive(other, all, now, here):
			alive = append(alive, other)
		default:
			dead = append(dead, other)
		}
	}
	return alive, dead
}

// Alive tells whether the holder of a lease lives, as far as can be seen from here.
func Alive(l Lease, all []Lease, now time.Time, here Here) bool {
	if l.Parked && l.Holder == l.Run {
		return true // until somebody lets it go on, or puts it back
	}
	if l.Holder != l.Run {
		l = holderOf(l, all)
	}
	return !l.Dead(now, here)
}

// holderOf is the lease of the run that has taken another one over; as long as it is not there, only the time says
// whether it lives.
func holderOf(l Lease, all []Lease) Lease {
	if i := slices.IndexFunc(all, func(o Lease) bool { return o.Run == l.Holder }); i >= 0 {
		return all[i]
	}
	l.Process = Process{}
	return l
}

// A LostError is a lease that the run does not hold any more. It must not write again: somebody else has taken over what
// it was doing.
type LostError struct {
	Run string
	To  string // who holds it now; empty when it is gone
}

func (e *LostError) Error() string {
	if e.To == "" {
		return "this run has lost its lease: it was taken for dead, or somebody has deleted it"
	}
	return "this run has lost its lease to run " + e.To + ", which has taken it over"
}
