//go:build prometheus

package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// substituted is a query of the dashboard with what its variables stand for.
func substituted(promql, namespace string, since time.Time) string {
	span := int(time.Since(since).Seconds()) + 10
	return strings.NewReplacer("$namespace", namespace, "$workload", ".*", "$resolution", "1s",
		"$__range_s", fmt.Sprint(span), "$__range", fmt.Sprint(span, "s")).Replace(promql)
}

// pictureOf is the dashboard with what the server answers about the time since then.
func pictureOf(t *testing.T, s *promtest.Server, namespace string, since time.Time) []byte {
	t.Helper()
	b := readBoard(t)
	picture, err := drawBoard(b, askBoard(t, s, b, namespace, since))
	if err != nil {
		t.Fatal(err)
	}
	checkPicture(t, picture)
	return picture
}

// askBoard asks what Grafana asks: of some panels the value at the end, of the others the course.
func askBoard(t *testing.T, s *promtest.Server, b board, namespace string, since time.Time) boardAnswers {
	t.Helper()
	a := boardAnswers{from: since.Truncate(time.Second), to: time.Now(), step: time.Second, chosen: "one namespace, all workloads", series: map[string][]promtest.Series{}}
	at := func(when time.Time) string { return fmt.Sprintf("%.3f", float64(when.UnixMilli())/1000) }
	for _, panel := range b.Panels {
		for _, target := range panel.Targets {
			form := url.Values{"query": {substituted(target.Expr, namespace, since)}}
			switch each, ok := days(panel.Interval); {
			case target.Instant:
				form.Set("time", at(a.to))
			case ok: // one step is longer than everything: only the last
				form.Set("start", at(a.to))
				form.Set("end", at(a.to))
				form.Set("step", fmt.Sprint(each.Seconds()))
			default:
				form.Set("start", at(a.from))
				form.Set("end", at(a.to))
				form.Set("step", fmt.Sprint(a.step.Seconds()))
			}
			r, err := promtest.Ask(t.Context(), http.DefaultClient, s.URL, form)
			if err != nil {
				t.Fatalf("%s: %s: %v", panel.Title, target.Expr, err)
			}
			a.series[answerTo(panel.Title, target.RefID)] = r.Series
		}
	}
	return a
}

// TestDashboardsAsked: what real servers have answered is in the picture. The releases are not those of a program.
func TestDashboardsAsked(t *testing.T) {
	gateway := promtest.Pushgateway(t)
	for _, binary := range promtest.Servers(t) {
		s := promtest.Start(t, promtest.Options{Binary: binary, ScrapeInterval: 250 * time.Millisecond, ExtraTargets: []promtest.Target{
			{Job: "pushgateway", Address: strings.TrimPrefix(gateway, "http://"), HonorLabels: true},
		}})
		namespace, began := fmt.Sprint("asked-", binary.Major), time.Now()
		for i, code := range []float64{0, 10, 0} {
			labels := fmt.Sprintf(`{namespace=%q,workload="deployment/web"}`, namespace)
			now := float64(time.Now().UnixMilli()) / 1000
			var text strings.Builder
			for name, value := range map[string]float64{"exit_code": code, "duration_seconds": 2 + code, "last_run_timestamp_seconds": now, "last_change_timestamp_seconds": now} {
				fmt.Fprintf(&text, "rolloutgate_%s%s %f\n", name, labels, value)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway+"/metrics/job/rolloutgate/namespace/"+namespace, strings.NewReader(text.String()))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Fatalf("push %d: %s", i, answer.Status)
			}
			s.Await(fmt.Sprintf(`sum(changes(rolloutgate_last_run_timestamp_seconds{namespace=%q}[5m]))`, namespace), func(r promtest.Result) bool { return r.Is(float64(i)) })
			time.Sleep(2500 * time.Millisecond) // each is in a step of its own
		}
		picture := string(pictureOf(t, s, namespace, began))
		for _, want := range []string{">3.0<", ">" + namespace + "<", ">passed<", ">" + namespace + " deployment/web<"} {
			if !strings.Contains(picture, want) {
				t.Errorf("%s: %q is not in the picture", binary.Version, want)
			}
		}
		if strings.Count(picture, "fill-opacity=\".8\"") != 3 {
			t.Errorf("%s: not three states of the last run: %s", binary.Version, picture)
		}
	}
}
