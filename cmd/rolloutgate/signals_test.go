package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSignals: each of the three ends a run, which says so; only below nohup is a hang-up nothing.
func TestSignals(t *testing.T) {
	// A signal that is ignored here, as below nohup, would be in the process that is started, too.
	here := make(chan os.Signal, 1)
	signal.Notify(here, syscall.SIGHUP)
	defer signal.Stop(here)
	asked := make(chan struct{}, 100)
	stuck := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer stuck.Close()
	dir := t.TempDir()
	write(t, dir, "kubeconfig", fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: stuck,
clusters: [{name: stuck, cluster: {server: %q}}], users: [{name: stuck}], contexts: [{name: stuck, context: {cluster: stuck, user: stuck}}]}`, stuck.URL))
	write(t, dir, "config.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}")
	for _, tt := range []struct {
		before  string // what the shell does first
		signals []syscall.Signal
		want    int
	}{
		{"", []syscall.Signal{syscall.SIGINT}, 130},
		{"", []syscall.Signal{syscall.SIGTERM}, 143},
		{"", []syscall.Signal{syscall.SIGHUP}, 143},
		{"trap '' HUP;", []syscall.Signal{syscall.SIGHUP, syscall.SIGINT}, 130},
	} {
		t.Run(fmt.Sprint(tt.before, tt.signals), func(t *testing.T) {
			var out bytes.Buffer
			c := exec.Command("sh", "-c", tt.before+"exec rolloutgate run -f config.yaml --kubeconfig kubeconfig")
			c.Dir, c.Stdout, c.Stderr = dir, &out, &out
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			giveUp := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
			defer giveUp.Stop()
			<-asked
			for _, s := range tt.signals {
				time.Sleep(200 * time.Millisecond)
				if err := c.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
			}
			c.Wait()
			if got := c.ProcessState.ExitCode(); got != tt.want {
				t.Errorf("exit code %d, want %d\n%s", got, tt.want, out.String())
			}
		})
	}
}

// TestReadersOfHelp: a reader that leaves is no failure.
func TestReadersOfHelp(t *testing.T) {
	for _, to := range []string{"| head -n 1", ">&-", ">/dev/full"} {
		var stderr bytes.Buffer
		c := exec.Command("sh", "-c", "(rolloutgate --help; echo exit $? >&2) "+to)
		c.Stderr = &stderr
		if err := c.Run(); err != nil || !strings.HasSuffix(stderr.String(), "exit 0\n") {
			t.Errorf("%s: %v, %q", to, err, stderr.String())
		}
	}
}
