package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// readBoard is the dashboard of the examples.
func readBoard(t *testing.T) board {
	t.Helper()
	var b board
	if err := json.Unmarshal(readFile(t, "examples/dashboards/rolloutgate.json"), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// checkPicture: it is XML, light, and asks for nothing from elsewhere.
func checkPicture(t *testing.T, picture []byte) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(picture))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
	}
	if len(picture) >= 80<<10 {
		t.Errorf("the picture has %d bytes", len(picture))
	}
	for _, bad := range []string{"NaN", "Inf", "<script", "<image", "href", "url(", "@import"} {
		if bytes.Contains(picture, []byte(bad)) {
			t.Errorf("the picture has %q", bad)
		}
	}
}

// madeUp are answers as a server could have given them. The picture in docs is drawn from those of a real one.
func madeUp(b board) boardAnswers {
	from := time.Date(2026, 1, 2, 10, 0, 7, 0, time.UTC)
	a := boardAnswers{from: from, to: from.Add(2 * time.Minute), step: time.Second, chosen: "one namespace, all workloads", series: map[string][]promtest.Series{}}
	for _, panel := range b.Panels {
		for _, target := range panel.Targets {
			a.series[answerTo(panel.Title, target.RefID)] = nil
		}
	}
	// over is a series that has each value from its second on. NaN is none.
	over := func(labels promtest.Labels, values ...float64) promtest.Series {
		s := promtest.Series{Labels: labels}
		for second := range 121 {
			now := math.NaN()
			for i := 0; i < len(values) && values[i] <= float64(second); i += 2 {
				now = values[i+1]
			}
			if !math.IsNaN(now) {
				s.Points = append(s.Points, promtest.Point{Time: float64(from.Unix() + int64(second)), Value: now})
			}
		}
		return s
	}
	once := func(labels promtest.Labels, value float64) promtest.Series {
		return promtest.Series{Labels: labels, Points: []promtest.Point{{Time: float64(a.to.Unix()), Value: value}}}
	}
	for title, value := range map[string]float64{
		"Rolling now": 1, "Releases": 30, "Releases a day": 19938.46, "Change failure rate": 8.0 / 30, "Time to restore": 15.72, "Time to undo": 0.16,
	} {
		a.series[answerTo(title, "A")] = []promtest.Series{once(nil, value)}
	}
	a.series["Releases in a day A"] = []promtest.Series{once(nil, 30)}
	a.series["Releases in a day B"] = []promtest.Series{once(nil, 8)}
	add := func(panel, refID string, s promtest.Series) {
		key := answerTo(panel, refID)
		a.series[key] = append(a.series[key], s)
	}
	none := math.NaN()
	for i, name := range []string{"api", "web", "worker"} {
		at := float64(5 * i)
		d := promtest.Labels{"namespace": "s-shop-18a2f3c4d5e6f708", "deployment": name}
		w := promtest.Labels{"namespace": "s-shop-18a2f3c4d5e6f708", "workload": "deployment/" + name}
		add("Share of new pods", "A", over(d, at, 0, at+1, none, at+14, 0.5, at+30, none, at+60, 0.5, at+61, none, at+62, 0, at+63, 0.5, at+78, none))
		add("Pods that are not available", "A", over(d, at, 2, at+1, 1, at+2, none, at+14, 1, at+30, none, at+60, 2, at+61, 1, at+78, none))
		add("Duration of the last run", "A", over(w, at, 1.15, at+30, 15.3+0.2*at, at+34, 1.2, at+78, 15.4, at+90, 1.3))
		add("How the last run ended", "A", over(w, at, 0, at+30, 10, at+34, 0, at+78, 10+11*float64(i%2), at+90, float64(i%2*10)))
		add("Last runs", "A", once(w, 1000*float64(a.to.Unix()-int64(at))))
		add("Last runs", "B", once(w, []float64{0, 10, 21}[i]))
		add("Last runs", "C", once(w, 1.15+at))
		add("Last runs", "D", once(w, 1000*float64(a.to.Unix()-int64(40*at))))
		if i > 0 { // the first had no bad one
			add("Last runs", "E", once(w, 1000*float64(a.to.Unix()-int64(4000*at))))
			add("Last runs", "F", once(w, 0.16))
		}
	}
	return a
}

// TestDashboardPicture: the dashboard as it is, with answers that are made up.
func TestDashboardPicture(t *testing.T) {
	b := readBoard(t)
	picture, err := drawBoard(b, madeUp(b))
	if err != nil {
		t.Fatal(err)
	}
	checkPicture(t, picture)
	golden(t, "testdata/dashboard/made-up.svg", string(picture))
}

// TestDashboardPictureEmpty: a server that knows nothing.
func TestDashboardPictureEmpty(t *testing.T) {
	b := readBoard(t)
	a := madeUp(b)
	for query := range a.series {
		a.series[query] = nil
	}
	picture, err := drawBoard(b, a)
	if err != nil {
		t.Fatal(err)
	}
	checkPicture(t, picture)
	if n := bytes.Count(picture, []byte(">No data<")); n != 5 {
		t.Errorf("%d panels say that there are no data, want 5", n)
	}
}

func TestDashboardPictureRefused(t *testing.T) {
	for want, change := range map[string]func(*board, boardAnswers){
		`drawing "Releases": a panel of type "gauge" cannot be drawn`: func(b *board, _ boardAnswers) { b.Panels[5].Type = "gauge" },
		`drawing "Releases": query A was not asked`:                   func(_ *board, a boardAnswers) { delete(a.series, "Releases A") },
		`drawing "Last runs": a transformation "joinByField" cannot be drawn`: func(b *board, _ boardAnswers) {
			b.Panels[len(b.Panels)-1].Transformations[0].ID = "joinByField"
		},
	} {
		b := readBoard(t)
		a := madeUp(b)
		change(&b, a)
		if _, err := drawBoard(b, a); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestDashboardPictureEscapes: names of a cluster stay text.
func TestDashboardPictureEscapes(t *testing.T) {
	b := readBoard(t)
	a := madeUp(b)
	for query, series := range a.series {
		for i, s := range series {
			series[i].Labels = promtest.Labels{}
			for name := range s.Labels {
				series[i].Labels[name] = fmt.Sprintf(`</text><script>%d&"\x00`, i)
			}
		}
		a.series[query] = series
	}
	b.Title = "<b>&"
	picture, err := drawBoard(b, a)
	if err != nil {
		t.Fatal(err)
	}
	checkPicture(t, picture)
	if !strings.Contains(string(picture), "&lt;b&gt;&amp;") {
		t.Error("the title is not there")
	}
}

func TestBoardField(t *testing.T) {
	now := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	earlier := func(d time.Duration) float64 { return float64(now.Add(-d).UnixMilli()) }
	one := 1
	for _, tt := range []struct {
		unit     string
		decimals *int
		value    float64
		want     string
	}{
		{"short", &one, 30, "30.0"}, {"short", nil, 30, "30"}, {"short", &one, 26721.65, "26.7 K"}, {"short", nil, 1234567, "1.23 Mil"}, {"short", nil, 2e9, "2 Bil"},
		{"", nil, 0, "0"}, {"percentunit", &one, 8.0 / 30, "26.7%"}, {"percentunit", nil, 0.5, "50%"},
		{"s", &one, 15.72, "15.7 s"}, {"s", &one, 0.16, "160.0 ms"}, {"s", nil, 0, "0 s"}, {"s", nil, 90, "1.5 min"}, {"s", nil, 7200, "2 h"},
		{"dateTimeAsIso", nil, earlier(0), "2026-01-02 10:00:00"},
		{"dateTimeFromNow", nil, earlier(20 * time.Second), "a few seconds ago"}, {"dateTimeFromNow", nil, earlier(time.Minute), "1 minute ago"},
		{"dateTimeFromNow", nil, earlier(125 * time.Minute), "2 hours ago"}, {"dateTimeFromNow", nil, earlier(49 * time.Hour), "2 days ago"},
	} {
		if got := (boardField{Unit: tt.unit, Decimals: tt.decimals}).text(tt.value, now); got != tt.want {
			t.Errorf("%g in %q is %q, want %q", tt.value, tt.unit, got, tt.want)
		}
	}
	var f boardField
	if err := json.Unmarshal([]byte(`{"thresholds": {"steps": [{"color": "green", "value": null}, {"color": "red", "value": 0.3}]},
		"mappings": [{"options": {"7": {"text": "seven", "color": "blue"}}}]}`), &f); err != nil {
		t.Fatal(err)
	}
	for v, want := range map[float64]string{0.2: "green", 0.3: "red", 7: "blue"} {
		if got := f.color(v); got != boardColors[want] {
			t.Errorf("%g is %s, want %s", v, got, want)
		}
	}
	if got := f.text(7, now); got != "seven" {
		t.Errorf("got %q", got)
	}
}
