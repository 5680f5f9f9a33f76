//go:build cluster || realnode

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// answer is what became of one request: a line of `sandbox requests`.
type answer struct {
	At      time.Time // when it was over
	Version string
	Pod     string
	Failure string // refused, reset, timeout, unreachable, status, other; "" for a good answer
	Error   string
}

type answers []answer // in the order of At

// between are those that were over at or after from and before to.
func (a answers) between(from, to time.Time) answers {
	return slices.DeleteFunc(slices.Clone(a), func(one answer) bool { return one.At.Before(from) || !one.At.Before(to) })
}

// versions counts good answers, failures the others.
func (a answers) versions() map[string]int {
	return a.count(func(one answer) (string, bool) { return one.Version, one.Failure == "" })
}

func (a answers) failures() map[string]int {
	return a.count(func(one answer) (string, bool) { return one.Failure, one.Failure != "" })
}

func (a answers) count(by func(answer) (key string, counts bool)) map[string]int {
	n := map[string]int{}
	for _, one := range a {
		if key, counts := by(one); counts {
			n[key]++
		}
	}
	return n
}

func (a answers) failed() int {
	n := 0
	for _, one := range a {
		if one.Failure != "" {
			n++
		}
	}
	return n
}

// String tells the first error, too.
func (a answers) String() string {
	text := fmt.Sprintf("%d requests, good %v, failed %d %v", len(a), a.versions(), a.failed(), a.failures())
	if i := slices.IndexFunc(a, func(one answer) bool { return one.Failure != "" }); i >= 0 {
		text += fmt.Sprintf("; the first at %s: %s", a[i].At.Format("15:04:05.000"), a[i].Error)
	}
	return text
}

// asking is clients at work.
type asking struct {
	cmd  *exec.Cmd
	read chan struct{} // closed when all lines are read
	mu   sync.Mutex
	got  answers
	err  error
}

// soFar are the answers that have come.
func (a *asking) soFar() answers {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.got)
}

// ask has clients ask a Service of the kubeconfig's namespace at its address, without pause, until stop. Flags are those
// of `sandbox requests`.
func ask(kubeconfig, service string, flags ...string) (*asking, error) {
	get := exec.Command("kubectl", "--kubeconfig="+kubeconfig, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}")
	address, err := get.Output()
	if err != nil {
		return nil, fmt.Errorf("looking for the address of service %s: %w", service, err)
	}
	return askAt("http://"+string(address)+"/", flags...)
}

// askAt is ask at a URL.
func askAt(url string, flags ...string) (*asking, error) {
	program := os.Getenv("SANDBOX")
	if program == "" {
		return nil, errors.New("SANDBOX is not set: run this test with `sandbox run --real-node --nodes 0 -- go test -tags realnode`")
	}
	// The limit is for a test that is killed: nobody would end the clients.
	args := append([]string{"requests", "--for=10m"}, flags...)
	a := &asking{cmd: exec.Command(program, append(args, url)...), read: make(chan struct{})}
	lines, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(a.read)
		for scan := bufio.NewScanner(lines); scan.Scan(); {
			var one answer
			if a.err = json.Unmarshal(scan.Bytes(), &one); a.err != nil {
				return
			}
			a.mu.Lock()
			a.got = append(a.got, one)
			a.mu.Unlock()
		}
	}()
	return a, nil
}

// stop returns all answers, those to the last questions included.
func (a *asking) stop() (answers, error) {
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return nil, err
	}
	<-a.read
	return a.got, errors.Join(a.err, a.cmd.Wait())
}

// requestCommands are `ask SERVICE [FLAG…]`, which begins to ask it, and `answers SERVICE [failed=N] [least=N] versions=V,…`,
// which ends that, prints what came back, and compares: how many failed, how many there are at least, and which versions
// answered, no other. `sofar` does the same while the clients go on.
func requestCommands() map[string]func(*testscript.TestScript, bool, []string) {
	type key struct{ dir, service string } // scripts run at the same time
	var clients sync.Map                   // of key and *asking
	asks := func(ts *testscript.TestScript, neg bool, args []string) *asking {
		if neg || len(args) < 2 {
			ts.Fatalf("usage: answers|sofar SERVICE [failed=N] [least=N] versions=V,…")
		}
		a, ok := clients.Load(key{ts.Getenv("WORK"), args[0]})
		if !ok {
			ts.Fatalf("nobody asks %s", args[0])
		}
		return a.(*asking)
	}
	return map[string]func(*testscript.TestScript, bool, []string){
		"ask": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) == 0 {
				ts.Fatalf("usage: ask SERVICE [FLAG…]")
			}
			a, err := ask(ts.Getenv("KUBECONFIG"), args[0], args[1:]...)
			ts.Check(err)
			ts.Defer(func() { a.cmd.Process.Kill() })
			clients.Store(key{ts.Getenv("WORK"), args[0]}, a)
		},
		"sofar": func(ts *testscript.TestScript, neg bool, args []string) {
			asks(ts, neg, args).soFar().compare(ts, args)
		},
		"answers": func(ts *testscript.TestScript, neg bool, args []string) {
			got, err := asks(ts, neg, args).stop()
			clients.Delete(key{ts.Getenv("WORK"), args[0]})
			ts.Check(err)
			got.compare(ts, args)
		},
	}
}

// compare holds answers to what a script expects of them, which stands behind the name of the Service.
func (a answers) compare(ts *testscript.TestScript, args []string) {
	ts.Logf("%s: %s", args[0], a)
	for _, want := range args[1:] {
		what, value, _ := strings.Cut(want, "=")
		if what == "least" {
			if least, err := strconv.Atoi(value); err != nil || len(a) < least {
				ts.Fatalf("%d requests, want at least %s (%v)", len(a), value, err)
			}
			continue
		}
		is := map[string]string{
			"failed":   strconv.Itoa(a.failed()),
			"versions": strings.Join(slices.Sorted(maps.Keys(a.versions())), ","),
		}
		if actual, known := is[what]; !known || actual != value {
			ts.Fatalf("%s is %q, want %q", what, actual, value)
		}
	}
}

func TestAnswers(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	all := answers{
		{At: noon, Version: "v1"},
		{At: noon.Add(time.Second), Failure: "refused", Error: "connection refused"},
		{At: noon.Add(2 * time.Second), Version: "v2"},
		{At: noon.Add(3 * time.Second), Version: "v2", Failure: "status", Error: "status 500"},
	}
	const whole = "4 requests, good map[v1:1 v2:1], failed 2 map[refused:1 status:1]; the first at 12:00:01.000: connection refused"
	if got := all.String(); got != whole {
		t.Errorf("all: %s", got)
	}
	if got := all.between(noon.Add(2*time.Second), noon.Add(3*time.Second)).String(); got != "1 requests, good map[v2:1], failed 0 map[]" {
		t.Errorf("the third second: %s", got)
	}
}
