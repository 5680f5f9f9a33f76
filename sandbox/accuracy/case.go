package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// The tiers.
const (
	simulated = "simulated"
	realNode  = "realnode"
)

// tiers says how the shared sandbox of each is brought up, and how many cases it plays at once by default.
var tiers = map[string]struct {
	up       []string
	parallel int
}{
	simulated: {nil, 9},
	realNode:  {[]string{"--real-node", "--nodes", "0"}, 9},
}

// testCase is one folder of cases.
type testCase struct {
	Title string `json:"title"` // one line, for the table
	Tier  string `json:"tier"`

	Own   bool `json:"own"`   // needs a cluster of its own: it changes nodes or what all namespaces share
	Nodes int  `json:"nodes"` // of that cluster

	Expect string `json:"expect"` // code of the right cause
	Quiet  bool   `json:"quiet"`  // or: the rollout is fine
	Exit   int    `json:"exit"`   // or: the exit code says it all
	Exits  []int  `json:"exits"`  // or: the world moves; each of these exit codes is right, and the checks of the script have to hold
	Detail string `json:"detail"` // what the finding's detail contains
	At     string `json:"at"`     // the finding's field path
	Early  bool   `json:"early"`  // the verdict comes before the timeout

	Timeout   duration `json:"timeout"`
	Workload  string   `json:"workload"`  // KIND/NAME that kubectl is asked about
	Namespace string   `json:"namespace"` // that the run is told; default: the case's own, which has the case's name
	Args      []string `json:"args"`      // more flags for rolloutgate run

	Base      string   `json:"base"`      // how before.yaml is written; default: client-side
	Unsettled bool     `json:"unsettled"` // what was there before never gets ready
	Reader    *reader  `json:"reader"`    // of what rolloutgate prints; default: one who stays
	Never     []string `json:"never"`     // texts that nothing that rolloutgate prints or writes may have

	name   string
	dir    string
	script script
	before bool // there is a before.yaml
}

const (
	caseFile    = "case.yaml"
	beforeFile  = "before.yaml"
	rolloutFile = "rollout.yaml"
	scriptFile  = "actions.yaml"
)

// bases are the ways in which before.yaml is written.
var bases = map[string][]string{
	"":            {"apply", "-f"},
	"client-side": {"apply", "-f"},
	"server-side": {"apply", "--server-side", "--field-manager=" + fieldManager, "-f"}, // as a run before this one did
	"create":      {"create", "-f"},
}

// moves tells that the case is about a world that moves: it has the undo, and is judged by what is in the cluster afterwards.
func (c *testCase) moves() bool { return len(c.Exits) > 0 }

// sampled is the group of which --sample plays a share: the bad rollouts of a tier. All others are always played.
func (c *testCase) sampled() string {
	if c.Quiet || c.moves() {
		return ""
	}
	return c.Tier
}

// readCases reads the folders of a folder: those with these names, or all.
func readCases(dir string, only []string) ([]*testCase, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the cases: %w", err)
	}
	var cases []*testCase
	var broken []error
	for _, e := range entries {
		if !e.IsDir() || len(only) > 0 && !slices.Contains(only, e.Name()) {
			continue
		}
		c, err := readCase(filepath.Join(dir, e.Name()))
		if err != nil {
			broken = append(broken, err)
			continue
		}
		cases = append(cases, c)
	}
	return cases, errors.Join(broken...)
}

func readCase(dir string) (*testCase, error) {
	c := &testCase{name: filepath.Base(dir), dir: dir}
	if err := readStrict(filepath.Join(dir, caseFile), c); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(c.name, caseFile), err)
	}
	if err := readStrict(filepath.Join(dir, scriptFile), &c.script); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := c.script.check(c.moves()); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(c.name, scriptFile), err)
	}
	if _, err := os.Stat(filepath.Join(dir, rolloutFile)); err != nil {
		return nil, fmt.Errorf("reading %s: %w", c.name, err)
	}
	_, err := os.Stat(filepath.Join(dir, beforeFile))
	c.before = err == nil
	if c.Namespace == "" {
		c.Namespace = c.name
	}
	return c, nil
}

func (c *testCase) check() error {
	_, known := tiers[c.Tier]
	answers := harness.Count(c.Expect != "") + harness.Count(c.Quiet) + harness.Count(c.Exit != 0)
	if c.moves() {
		answers = 1 + harness.Count(c.Quiet) + harness.Count(c.Exit != 0)
	}
	_, _, workload := resourceOf(c.Workload)
	_, base := bases[c.Base]
	switch {
	case c.Title == "":
		return errors.New("there is no title")
	case !known:
		return fmt.Errorf("there is no tier %q", c.Tier)
	case answers != 1:
		return errors.New("exactly one of expect, exit, exits and quiet is needed; exits may have expect")
	case c.Expect == "" && (c.Detail != "" || c.At != ""):
		return errors.New("detail and at need expect")
	case c.Timeout <= 0:
		return errors.New("there is no timeout")
	case !base:
		return fmt.Errorf("there is no base %q", c.Base)
	case !c.moves() && (c.Reader != nil || len(c.Never) > 0):
		return errors.New("reader and never need exits")
	case !workload:
		return fmt.Errorf("workload %q is not KIND/NAME of a kind that the harness knows", c.Workload)
	case c.Nodes != 0 && !c.Own:
		return errors.New("nodes needs own: true")
	}
	return nil
}

// readStrict reads one YAML document; a field that nobody reads is an error.
func readStrict(path string, into any) error {
	where := filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path))
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", where, err)
	}
	asJSON, err := yaml.ToJSON(text)
	if err != nil {
		return fmt.Errorf("reading %s: %w", where, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(asJSON))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("reading %s: %w", where, err)
	}
	return nil
}

// duration is written as 90s or 1m30s.
type duration time.Duration

func (d *duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s is not a duration such as 90s", text)
	}
	parsed, err := time.ParseDuration(s)
	*d = duration(parsed)
	return err
}

func (d duration) String() string { return time.Duration(d).String() }
