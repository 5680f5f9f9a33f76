package promtest

import (
	"bytes"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Pushgateway runs one until the end of the test, and returns its URL. A machine that has none fails the test.
func Pushgateway(t testing.TB) string {
	t.Helper()
	path := ""
	for _, name := range []string{"prometheus-pushgateway", "pushgateway"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("no Pushgateway: install Debian's package prometheus-pushgateway")
	}
	address := freeAddress(t)
	var log bytes.Buffer
	cmd := exec.Command(path, "--web.listen-address="+address, "--log.level=warn")
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = t.TempDir(), &log, &log, attributes()
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting the Pushgateway: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	for {
		answer, err := http.Get("http://" + address + "/-/ready")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return "http://" + address
			}
		}
		select {
		case <-ended:
			t.Fatalf("the Pushgateway ended: %s", strings.TrimSpace(log.String()))
		case <-t.Context().Done():
			t.Fatal("the Pushgateway is not ready")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
