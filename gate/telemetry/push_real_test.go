//go:build prometheus

package telemetry

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// A real Pushgateway takes what runs push, and a bad run leaves the time of the last good one.
func TestRealPushgateway(t *testing.T) {
	url := promtest.Pushgateway(t)
	pusher, err := NewPusher(PushSettings{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []func() (gate.Report, []gate.Event){goodRun, badRun} {
		r, _ := run()
		for i := range r.Workloads {
			r.Workloads[i].Watched = true
		}
		if err := pusher.Push(t.Context(), report.Metrics(r)); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	const group = `{instance="",job="rolloutgate",namespace="shop",workload="deployment/web"}`
	for _, want := range []string{
		"rolloutgate_last_success_timestamp_seconds" + group + " 1.79578083e+09",
		"rolloutgate_last_run_timestamp_seconds" + group + " 1.79578086e+09",
		"rolloutgate_exit_code" + group + " 10",
		"rolloutgate_undo_seconds" + group + " 12.5",
		`rolloutgate_verdict{instance="",job="rolloutgate",namespace="shop",verdict="failed",workload="deployment/web"} 1`,
	} {
		if !strings.Contains(string(text), want+"\n") {
			t.Errorf("the Pushgateway does not have %s", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
}
