package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Test is something that has to succeed before a stage goes on: a command or Jobs, one of the two.
//
// As JSON it does not hold the command, which may have credentials in it, but what tells whether another one is the same:
// who goes on with a run must not carry out what they find in a cluster.
type Test struct {
	// Command is a program of this machine and its arguments.
	Command []string
	// Timeout is how long the command may take; zero: DefaultTestTimeout.
	Timeout time.Duration
	// Job is a file with Jobs and Pods that have to end well.
	Job string
	// Dir is the folder that the command begins in, and that the file is in.
	Dir string

	// Objects are those of the file.
	Objects []manifest.Object

	recorded string // the digest of a command that is not here
}

// DefaultTestTimeout is how long a test by a command may take where nothing else is said.
const DefaultTestTimeout = 10 * time.Minute

// limit is how long the test may take; zero where that is up to a Job.
func (t *Test) limit() time.Duration {
	switch {
	case t == nil || len(t.Command) == 0:
		return 0
	case t.Timeout > 0:
		return t.Timeout
	}
	return DefaultTestTimeout
}

// name is what the test is by, in a word: the arguments of a command may be secret.
func (t *Test) name() string {
	if len(t.Command) > 0 {
		return filepath.Base(t.Command[0])
	}
	return t.Job
}

// testOnRecord is a test as it is kept.
type testOnRecord struct {
	Command string        `json:"command,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
	Job     string        `json:"job,omitempty"`
}

// MarshalJSON leaves the command out.
func (t Test) MarshalJSON() ([]byte, error) {
	return json.Marshal(testOnRecord{t.digest(), t.Timeout, t.Job})
}

// UnmarshalJSON reads what MarshalJSON has written.
func (t *Test) UnmarshalJSON(data []byte) error {
	var kept testOnRecord
	if err := json.Unmarshal(data, &kept); err != nil {
		return err
	}
	*t = Test{Timeout: kept.Timeout, Job: kept.Job, recorded: kept.Command}
	return nil
}

// digest tells commands apart; empty for a test that has none.
func (t Test) digest() string {
	if len(t.Command) == 0 {
		return t.recorded
	}
	words, _ := json.Marshal(t.Command) // texts
	sum := sha256.Sum256(words)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// withCommands fills in the commands of stages on record, from those that were given anew.
func (d Delivery) withCommands(given Delivery) error {
	for n, p := range d.Parts {
		if p.Test == nil || p.Test.recorded == "" {
			continue
		}
		for _, g := range given.Parts {
			if g.Test != nil && g.Test.digest() == p.Test.recorded {
				p.Test.Command, p.Test.Dir = g.Test.Command, g.Test.Dir
			}
		}
		if len(p.Test.Command) == 0 {
			return invalidError{fmt.Errorf("stage %d of the run is tested by a command that is not given here\n  hint: commands are not on record; name the same --config as at its beginning", n+1)}
		}
	}
	return nil
}
