package promtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// program finds one of the programs that answer the API of Prometheus. A machine that does not have it fails the test.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("no %s: run `make backends`, and put bin into PATH", name)
	}
	return path
}

// StartVictoriaMetrics runs a single VictoriaMetrics, which scrapes by itself, as [Start] runs a Prometheus. Its jobs have to
// be [Job.Instant].
func StartVictoriaMetrics(t testing.TB, o Options) *Server {
	t.Helper()
	o.Binary = Binary{Path: program(t, "victoria-metrics"), Version: "(VictoriaMetrics)", victoria: true}
	return Start(t, o)
}

// victoriaArgs are its flags. All that concerns queries is left at its default.
func victoriaArgs(config, data, address string) []string {
	return []string{
		"-promscrape.config=" + config, "-promscrape.config.strictParse=false", // it knows no evaluation_interval
		"-storageDataPath=" + data, "-httpListenAddr=" + address, "-loggerLevel=WARN", "-memory.allowedBytes=64MiB",
	}
}

// Thanos is a querier in front of Prometheus servers, with a sidecar beside each of them.
type Thanos struct {
	URL      string
	sidecars []*daemon
}

// StartThanos runs a querier until the end of the test. The servers have [Options.ExternalLabels] that differ.
func StartThanos(t testing.TB, servers ...*Server) *Thanos {
	t.Helper()
	path := program(t, "thanos")
	x := &Thanos{}
	args := []string{"query", "--log.level=warn", "--grpc-address=" + freeAddress(t)}
	for _, s := range servers {
		grpc, address := freeAddress(t), freeAddress(t)
		x.sidecars = append(x.sidecars, start(t, "http://"+address+"/-/ready", path, "sidecar", "--log.level=warn",
			"--prometheus.url="+s.URL, "--tsdb.path="+s.dir+"/data", "--grpc-address="+grpc, "--http-address="+address))
		args = append(args, "--endpoint="+grpc)
	}
	address := freeAddress(t)
	x.URL = "http://" + address
	start(t, x.URL+"/-/ready", path, append(args, "--http-address="+address)...)
	Eventually(t, "the stores of Thanos", func() (int, bool) { // it is ready before it knows any
		var stores struct {
			Data map[string][]struct{ LastError any }
		}
		answer, err := http.Get(x.URL + "/api/v1/stores")
		if err != nil {
			return 0, false
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(&stores); err != nil {
			return 0, false
		}
		known := len(stores.Data["sidecar"])
		return known, known == len(servers)
	})
	return x
}

// Lose takes the sidecar of a server away.
func (x *Thanos) Lose(server int) { x.sidecars[server].stop() }

// daemon is a program that runs until the end of a test.
type daemon struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// start runs a program, and returns when it answers at the URL.
func start(t testing.TB, ready, path string, args ...string) *daemon {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = t.TempDir(), &log, &log, attributes()
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", path, err)
	}
	d := &daemon{cmd, make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(d.ended)
	}()
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Logf("%s %s:\n%s", path, strings.Join(args, " "), log.String())
		}
	})
	if err := d.await(t.Context(), ready); err != nil {
		t.Fatalf("starting %s %s: %v", path, args[0], err)
	}
	return d
}

func (d *daemon) await(ctx context.Context, ready string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, ready, nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-d.ended:
			return fmt.Errorf("it ended")
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Kill()
	<-d.ended
}
