package telemetry

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/rolloutgate/rolloutgate/gate/report"
)

// gateway is a Pushgateway, as far as a client sees it.
type gateway struct {
	*httptest.Server
	mu     sync.Mutex
	paths  []string
	auth   []string
	names  []string // of the families
	answer func(w http.ResponseWriter, n int)
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.paths, g.auth = append(g.paths, r.Method+" "+r.URL.EscapedPath()), append(g.auth, r.Header.Get("Authorization"))
		decoder := expfmt.NewDecoder(r.Body, expfmt.ResponseFormat(r.Header))
		for {
			var f dto.MetricFamily
			if err := decoder.Decode(&f); err == io.EOF {
				break
			} else if err != nil {
				t.Errorf("reading what is pushed: %v", err)
				break
			}
			for _, m := range f.Metric {
				g.names = append(g.names, f.GetName()+labelsOf(m))
			}
		}
		if g.answer != nil {
			g.answer(w, len(g.paths))
		}
	}))
	t.Cleanup(g.Close)
	return g
}

func labelsOf(m *dto.Metric) string {
	text := ""
	for _, l := range m.Label {
		text += " " + l.GetName() + "=" + l.GetValue()
	}
	return text
}

func pushTo(t *testing.T, s PushSettings, metrics ...report.Metric) error {
	t.Helper()
	p, err := NewPusher(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return p.Push(ctx, metrics)
}

func of(name, namespace, workload string, more ...report.Label) report.Metric {
	return report.Metric{Name: name, Help: "x", Type: "gauge", Value: 1, Labels: append([]report.Label{
		{Name: report.LabelNamespace, Value: namespace}, {Name: report.LabelWorkload, Value: workload}}, more...)}
}

// Each namespace and workload is a group, to which the series are added.
func TestPush(t *testing.T) {
	g := newGateway(t)
	err := pushTo(t, PushSettings{URL: g.URL + "/push/", Token: "hunter2"},
		of("a", "shop", "deployment/web", report.Label{Name: "verdict", Value: "passed"}), of("a", "shop", "deployment/web", report.Label{Name: "verdict", Value: "failed"}),
		of("b", "shop", "deployment/web"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "POST /push/metrics/job/rolloutgate/"; len(g.paths) != 1 || !strings.HasPrefix(g.paths[0], want) || g.auth[0] != "Bearer hunter2" {
		t.Errorf("%v with %v, want %s…", g.paths, g.auth, want)
	}
	if got := strings.Join(g.names, "; "); got != "a verdict=failed; a verdict=passed; b" {
		t.Errorf("pushed %s", got)
	}
	var many []report.Metric
	for range maxGroups + 3 {
		many = append(many, of("a", "shop", strings.Repeat("x", len(many)+1)))
	}
	if err := pushTo(t, PushSettings{URL: g.URL}, many...); err == nil || err.Error() != "the metrics of 3 workloads were not pushed: there are more than 200" || len(g.paths) != 1+maxGroups {
		t.Errorf("%v, %d groups", err, len(g.paths))
	}
}

func TestPushTriesAgain(t *testing.T) {
	g := newGateway(t)
	g.answer = func(w http.ResponseWriter, n int) {
		if n < 3 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}
	if err := pushTo(t, PushSettings{URL: g.URL}, of("a", "shop", "deployment/web")); err != nil || len(g.paths) != 3 || len(g.names) != 3 {
		t.Errorf("%v after %v with %v", err, g.paths, g.names)
	}
}

// What a server says is quoted, but not all of it, and no secret is.
func TestPushIsRefused(t *testing.T) {
	g := newGateway(t)
	g.answer = func(w http.ResponseWriter, _ int) {
		http.Error(w, "pushed metrics are \x1b[31minvalid\n"+strings.Repeat("no", 10<<20), http.StatusBadRequest)
	}
	address := strings.Replace(g.URL, "//", "//ada:hunter2@", 1)
	err := pushTo(t, PushSettings{URL: address}, of("a", "shop", "web"), of("a", "shop", "api"))
	if err == nil || !strings.HasPrefix(err.Error(), "pushing metrics to "+g.URL+": 400 Bad Request: pushed metrics are invalid no") ||
		len(err.Error()) > 500 || strings.Contains(err.Error(), "hunter2") || strings.Count(err.Error(), "pushing") != 1 {
		t.Errorf("%v", err)
	}
	if !strings.HasPrefix(g.auth[0], "Basic ") {
		t.Errorf("sent with %v", g.auth)
	}
	err = pushTo(t, PushSettings{URL: "http://ada:hunter2@127.0.0.1:1", Token: ""}, of("a", "shop", "web"))
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
}

func TestWrongSettings(t *testing.T) {
	for want, s := range map[string]PushSettings{
		"it is not a URL":                {URL: "pushgateway:9091"},
		"it is not a URL that":           {URL: "://hunter2"},
		"it has a query":                 {URL: "http://pushgateway:9091/?token=hunter2"},
		"another one beside it":          {URL: "http://ada:hunter2@pushgateway", Username: "bob"},
		"a token and a user name":        {URL: "http://ada:hunter2@pushgateway", Token: "hunter2"},
		"no such file":                   {URL: "http://x", Files: Certificates{CA: "nowhere.pem"}},
		"no certificate is in doc.go":    {URL: "http://x", Files: Certificates{CA: "doc.go"}},
		"open nowhere.pem: no such file": {URL: "http://x", Files: Certificates{Certificate: "nowhere.pem", Key: "nowhere.key"}},
	} {
		_, err := NewPusher(s)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
