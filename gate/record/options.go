package record

import (
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Options are what was said of one object alone, as far as whoever puts the run back, or goes on with it, has to know. The
// zero value says nothing.
type Options struct {
	Object manifest.Ref `json:"object"`
	// Criteria are the only ones that judge it; nil: nothing was said.
	Criteria []string `json:"criteria,omitzero"`
	// NoWait: the object is applied, and not waited for.
	NoWait bool `json:"noWait,omitempty"`
	// Timeout is how long it may take to be complete; zero: as long as all others.
	Timeout time.Duration `json:"timeout,omitempty"`
	// NoUndo: what the run writes of it stays in an undo. KeepCreated: it stays if the run has created it.
	NoUndo      bool `json:"noUndo,omitempty"`
	KeepCreated bool `json:"keepCreated,omitempty"`
	// Ready, Failed and Message are expressions that say how far it is, instead of its kind; all empty: its kind does.
	Ready   string `json:"ready,omitempty"`
	Failed  string `json:"failed,omitempty"`
	Message string `json:"message,omitempty"`
}

// Said tells whether anything was said.
func (o Options) Said() bool {
	return o.Criteria != nil || o.NoWait || o.Timeout > 0 || o.NoUndo || o.KeepCreated || o.Ready+o.Failed+o.Message != ""
}
