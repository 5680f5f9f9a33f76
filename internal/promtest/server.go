package promtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options say what a server scrapes and how often.
type Options struct {
	Binary Binary // which [Each] fills in

	// ScrapeInterval is also the time a scrape may take. Zero: 200ms.
	ScrapeInterval time.Duration

	// Exporter is scraped by a job called "pods"; Jobs say more.
	Exporter *Exporter
	Jobs     []Job

	// ExtraTargets are scraped at /metrics; those without a name are the job
	// "extra".
	ExtraTargets []Target

	// ScrapeSelf scrapes the server itself as the job "prometheus".
	ScrapeSelf bool

	// RuleFiles are paths of files with rules, which are evaluated as often as targets are scraped.
	RuleFiles []string

	// ExternalLabels are put on what leaves the server.
	ExternalLabels Labels

	// Args are further flags.
	Args []string
}

// Target is anything else to scrape.
type Target struct {
	Job     string
	Address string // "127.0.0.1:8080"
	Labels  Labels

	// HonorLabels keeps the labels that the target gives to its series, as those of a Pushgateway have to be.
	HonorLabels bool
}

// Server is a running Prometheus.
type Server struct {
	URL    string
	Binary Binary

	t       testing.TB
	options Options
	dir     string
	address string
	log     bytes.Buffer
	cmd     *exec.Cmd
	ended   chan struct{} // closed when the process has ended
}

// atOnce bounds the servers of one test binary. A test that has one gets its
// others, and those of its subtests, without waiting: it would wait for itself.
var atOnce = make(chan struct{}, 4)

const startTries = 3 // somebody else may take the free port

// Start runs a server until the end of the test and returns when it answers.
// What it is to scrape, it finds up to five seconds later; see [Server.Await]
// and [Server.AwaitScrapes].
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Binary.Path == "" {
		t.Fatal("Options.Binary is empty: take one of Servers, or start through Each")
	}
	if o.ScrapeInterval == 0 {
		o.ScrapeInterval = 200 * time.Millisecond
	}
	if o.Exporter != nil {
		o.Jobs = append([]Job{{Name: "pods", Exporter: o.Exporter}}, o.Jobs...)
	}
	hold(t)
	s := &Server{t: t, Binary: o.Binary, options: o, dir: t.TempDir()}
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("Prometheus %s at %s:\n%s", s.Binary.Version, s.address, s.log.String())
		}
	})
	var err error
	for range startTries {
		s.address = freeAddress(t)
		s.URL = "http://" + s.address
		if err = s.start(); err == nil {
			return s
		}
		s.Stop()
	}
	t.Fatalf("starting Prometheus %s: %v", s.Binary.Version, err)
	return nil
}

var holders sync.Map

func hold(t testing.TB) {
	for name := t.Name(); name != ""; name = name[:max(strings.LastIndexByte(name, '/'), 0)] {
		if _, held := holders.Load(name); held {
			return
		}
	}
	atOnce <- struct{}{}
	holders.Store(t.Name(), true)
	t.Cleanup(func() {
		holders.Delete(t.Name())
		<-atOnce
	})
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// Stop kills the server as a crash of its machine would: nothing is flushed.
// Stopped already: does nothing.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

// Restart stops the server if it runs, and starts it with the data and the port
// it had.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	if err := s.start(); err != nil {
		s.t.Fatalf("starting Prometheus %s again: %v", s.Binary.Version, err)
	}
}

// start runs the process and waits until it is ready.
func (s *Server) start() error {
	config := filepath.Join(s.dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte(s.config()), 0o600); err != nil {
		return err
	}
	args := []string{
		"--config.file=" + config,
		"--storage.tsdb.path=" + filepath.Join(s.dir, "data"),
		"--web.listen-address=" + s.address,
		"--scrape.discovery-reload-interval=100ms",
		"--log.level=warn",
	}
	switch {
	case s.Binary.victoria:
		args = victoriaArgs(config, filepath.Join(s.dir, "data"), s.address)
	case !s.nativeByConfig():
		args = append(args, "--enable-feature=native-histograms")
	}
	s.cmd = exec.Command(s.Binary.Path, append(args, s.options.Args...)...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, &s.log, &s.log
	s.cmd.SysProcAttr = attributes()
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(s.cmd, s.ended)
	return s.awaitReady()
}

func (s *Server) awaitReady() error {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/-/ready", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.ended:
			return fmt.Errorf("it ended: %s", strings.TrimSpace(s.log.String()))
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// nativeByConfig: from 3.8 on the configuration, not a feature flag, asks for
// native histograms; older versions reject it there.
func (s *Server) nativeByConfig() bool {
	return s.Binary.Major == 3 && s.Binary.Minor >= 8
}
